# SPDX-License-Identifier: MIT
"""The pages say what is true: what they show loads and works, and their tables agree with the code."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SLUICED = os.environ.get("SLUICED") or os.path.join(ROOT, "build/release/sluiced")
PROTOCOL, ARCHITECTURE = "docs/handler-protocol.md", "docs/architecture.md"
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.M | re.S)

sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
import certificates
import harness
from servers import Daemon, wait_until


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def pages():
    return ["README.md"] + sorted(os.path.relpath(p, ROOT) for p in glob.glob(ROOT + "/docs/*.md"))


def blocks(page, language):
    return [text for _, its_language, text in FENCE.findall(read(page)) if its_language == language]


def handlers(page):
    """(language, text) of each program in the page."""
    return [(language, text) for _, language, text in FENCE.findall(read(page)) if text.startswith("#!")]


def write_program(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, 0o700)


def anchors(page):
    text = FENCE.sub("", read(page))
    for title in re.findall(r"^#+ (.+)$", text, re.M):
        yield re.sub(r"[^\w -]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", title).lower()).replace(" ", "-")


CONSUMER = "consumers: { c: { stream: s, group: g, handler: { command: [/bin/true] } } }\n"


def write_files(folder, text):
    """The files, relative to itself, that a configuration names."""
    for name in re.findall(r"command: \[\./([\w.-]+)", text):
        write_program(f"{folder}/{name}", "#!/bin/sh\n")
    for name in re.findall(r"password_file: ([\w.-]+)", text):
        with open(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
            f.write("secret\n")
    made = certificates.shared() if "ca_file" in text else None
    for key, path in made and (("ca", made.ca), ("cert", made.client.cert), ("key", made.client.key)) or ():
        for name in re.findall(r"%s_file: ([\w.-]+)" % key, text):
            shutil.copy(path, f"{folder}/{name}")


class Everywhere(unittest.TestCase):
    def test_configurations_load(self):
        found = [(page, text) for page in pages() for text in blocks(page, "yaml")]
        self.assertTrue(found)
        for page, text in found:
            with self.subTest(page), tempfile.TemporaryDirectory() as folder:
                write_files(folder, text)
                with open(f"{folder}/sluiced.yaml", "w", encoding="utf-8") as f:
                    f.write(text if "consumers:" in text else text + CONSUMER)
                check = subprocess.run([SLUICED, "--check", "-c", f"{folder}/sluiced.yaml"],
                                       capture_output=True, text=True, timeout=10)
                self.assertEqual((check.returncode, check.stderr), (0, ""), text)

    def test_anchors_exist(self):
        for page in pages():
            for target, anchor in re.findall(r"\]\(([^)#: ]*)#([^)]+)\)", FENCE.sub("", read(page))):
                other = os.path.join(os.path.dirname(page), target) if target else page
                self.assertIn(anchor, list(anchors(other)), f"{page} links to {target}#{anchor}")

    def test_json_is_json(self):
        for page in pages():
            for text in blocks(page, "json"):
                json.loads(text)


class Protocol(unittest.TestCase):
    """The programs of the protocol page, given the entry that it begins with."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.line = blocks(PROTOCOL, "json")[0]

    def run_handler(self, text, line):
        """(exit status, what it said on descriptor 3)"""
        program, said = f"{self.folder}/handler", f"{self.folder}/said"
        write_program(program, text)
        done = subprocess.run(["/bin/sh", "-c", 'exec "$0" 3>"$1"', program, said], input=line, text=True,
                              capture_output=True, timeout=30)
        with open(said, encoding="utf-8") as f:
            return done.returncode, f.read(), done.stdout

    def each_handler(self):
        programs = handlers(PROTOCOL)
        self.assertEqual(sorted(language for language, _ in programs), ["js", "js", "python", "python", "sh", "sh"])
        for language, text in programs:
            interpreter = "node" if language == "js" else "jq" if language == "sh" else "python3"
            if shutil.which(interpreter):
                yield text

    def test_handlers_take_the_entry(self):
        for text in self.each_handler():
            with self.subTest(text):
                status, said, printed = self.run_handler(text, self.line)
                self.assertEqual((status, said), (0, "ok 17\n" if "ok" in text and "tag" in text else ""))
                self.assertEqual(printed, "order o-1234\n")

    def test_handlers_refuse_what_they_cannot_use(self):
        line = self.line.replace("order_id", "other")
        for text in self.each_handler():
            with self.subTest(text):
                status, said, _ = self.run_handler(text, line)
                if "tag" in text:
                    self.assertEqual(status, 0)
                    self.assertRegex(said, r'^dead 17 ".*order_id.*"\n$')
                else:
                    self.assertEqual((status, said), (65, ""))

    def test_every_verb_has_its_line(self):
        rows = re.search(r"rows\[VERB_COUNT\] = \{(.*?)\n\};", read("src/handler/verdictline.c"), re.S).group(1)
        verbs = re.findall(r'WORD\("(\w+)"\)', rows)
        table = re.search(r"## Verdict lines\n(.*?)\n\n\*", read(PROTOCOL), re.S).group(1)
        self.assertEqual(sorted(re.findall(r"^\| `(\w+)", table, re.M)), sorted(verbs))

    def test_every_variable_is_named(self):
        variables = set(re.findall(r"SLUICE_[A-Z]+(?:_[A-Z]+)*", read("src/handler/environment.c")))
        self.assertGreater(len(variables), 8)
        for name in variables:
            self.assertIn(name, read(PROTOCOL))


class Architecture(unittest.TestCase):
    def test_the_table_of_moves_is_the_one_of_the_code(self):
        code = re.search(r"allowed\[ENTRY_STATE_COUNT\] = \{(.*?)\n\};", read("src/core/entryset.c"), re.S).group(1)
        moves = {state: re.findall(r"BIT\((\w+)\)", row)
                 for state, row in re.findall(r"\[ENTRY_(\w+)\] =\s(.*?)(?:,\n|$)", code, re.S)}
        told = {state: row.split()
                for state, row in re.findall(r"^\| ([A-Z]+) \| [^|]+ \|([ A-Z]*)\|$", read(ARCHITECTURE), re.M)}
        self.assertEqual(told, moves)

    def test_every_folder_and_script_is_told_of(self):
        text = read(ARCHITECTURE)
        for folder in glob.glob(ROOT + "/src/*/"):
            self.assertIn(f"`{os.path.relpath(folder, ROOT)}/`", text)
        for script in glob.glob(ROOT + "/src/redis/*.lua"):
            self.assertIn(f"`{os.path.basename(script)}`", text)

    def test_files_that_are_named_exist(self):
        text = re.sub(r"^.*not there yet.*$|^.*will have its place.*$", "", read(ARCHITECTURE), flags=re.M)
        for name in re.findall(r"`((?:\w+/)?\w+\.(?:c|h|lua))`", text):
            found = glob.glob(f"{ROOT}/src/{name}") or glob.glob(f"{ROOT}/src/*/{name}")
            self.assertTrue(found or name in ("ev.h", "yaml.h", "microhttpd.h", "ncurses.h", "jansson.h", "thing.c", "thing.h"), name)


class Readme(harness.Case):
    def test_the_consumer_it_shows_works_as_it_shows(self):
        write_program(self.path("mail.sh"), dict(handlers("README.md"))["sh"])
        config = blocks("README.md", "yaml")[0] + (
            f"redis: {{ url: 'unix://{self.redis.path}' }}\n"
            f"daemon: {{ runtime_dir: {self.path('run')}, log: {{ format: json }} }}\n")
        daemon = Daemon("readme", self.dir, config)
        self.daemons.append(daemon)
        daemon.start().wait_for_event("ready")
        commands = re.findall(r"^redis-cli XADD orders '\*' (.*)$", "\n".join(blocks("README.md", "sh")), re.M)
        for fields in commands:
            self.redis.call("XADD", "orders", "*", *fields.split())
        shown = re.findall(r"^\S+Z (\w+) (\w+): (.*?) consumer=", blocks("README.md", "text")[0], re.M)
        self.assertEqual((len(commands), len(shown)), (2, 4))
        for level, event, message in shown:
            daemon.wait_for_event(event, level=level, message=message)
        wait_until(lambda: self.is_settled("orders", "mailer"), 10, "everything settled")
        self.assertEqual(len(self.dead("orders:dead")), 1)

    def test_it_is_short(self):
        self.assertLess(len(read("README.md").splitlines()), 110)


if __name__ == "__main__":
    unittest.main()
