# SPDX-License-Identifier: MIT
"""make install puts everything where it was told to, what it installs agrees with the program, and
uninstall leaves nothing but the configuration."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

SLUICED = os.path.abspath(os.environ.get("SLUICED") or "build/release/sluiced")
SLUICECTL = os.path.join(os.path.dirname(SLUICED), "sluicectl")
# For PREFIX=/opt/x and sysconfdir=/opt/etc.
EXPECTED = """
opt/etc/sluiced/sluiced.yaml
opt/x/bin/sluicectl
opt/x/bin/sluiced
opt/x/lib/systemd/catalog/sluiced.catalog
opt/x/lib/systemd/system/sluiced.service
opt/x/lib/systemd/system/sluiced@.service
opt/x/lib/sysusers.d/sluiced.conf
opt/x/share/bash-completion/completions/sluicectl
opt/x/share/bash-completion/completions/sluiced
opt/x/share/man/man1/sluicectl.1
opt/x/share/man/man5/sluiced.yaml.5
opt/x/share/man/man7/sluiced-handler.7
opt/x/share/man/man8/sluiced.8
opt/x/share/man/man8/sluiced.service.8
opt/x/share/sluiced/grafana/sluiced.json
opt/x/share/sluiced/prometheus/alerts.yaml
opt/x/share/sluiced/systemd/notify-reload.conf
opt/x/share/sluiced/systemd/sluiced.socket
opt/x/share/sluiced/systemd/strict.conf
opt/x/share/zsh/site-functions/_sluicectl
opt/x/share/zsh/site-functions/_sluiced
""".split()


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def run(*argv, **options):
    said = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **options)
    if said.returncode:
        raise AssertionError("%s: exit status %d\n%s" % (" ".join(argv), said.returncode, said.stdout))
    return said.stdout


def options_of_help():
    """As `sluiced --help` lists them."""
    listed = re.findall(r"(?m)^ {2}(?:(-\w), )? {0,6}(--[a-z-]+)", run(SLUICED, "--help"))
    return sorted(option for pair in listed for option in pair if option)


def commands_of_help():
    """As `sluicectl --help` lists them: a name is of one word or of two."""
    listed = run(SLUICECTL, "--help").split("\n\n")[1]
    return re.findall(r"(?m)^ {2}([a-z]+(?: [a-z]+)?)(?= )", listed)


def options_of_command(name):
    listed = re.findall(r"(?m)^ {2}(?:(-\w), )? {0,4}(--[a-z-]+)", run(SLUICECTL, name, "--help"))
    return sorted(option for pair in listed for option in pair if option)


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = folder.name
        cls.make("install")

    @classmethod
    def make(cls, target):
        """Of what is built, with whatever flags: -o."""
        run("make", "-s", "-o", "all", "FLAVOUR=release", f"BUILD={os.path.dirname(SLUICED)}", f"DESTDIR={cls.root}",
            "PREFIX=/opt/x", "sysconfdir=/opt/etc", target)

    def files(self):
        return sorted(os.path.relpath(os.path.join(top, name), self.root)
                      for top, _, names in os.walk(self.root) for name in names)

    def at(self, path):
        return os.path.join(self.root, path)

    def test_everything_is_where_it_was_told_to_be(self):
        self.assertEqual(self.files(), EXPECTED)

    def test_paths_in_units_are_those_of_the_installation(self):
        for name in ("sluiced.service", "sluiced@.service"):
            unit = text_of(self.at("opt/x/lib/systemd/system/" + name))
            self.assertIn("\nExecStart=/opt/x/bin/sluiced -c /opt/etc/sluiced/", unit)
            self.assertNotIn("/usr/bin/", unit)

    def test_the_configuration_is_good_private_and_kept(self):
        path = self.at("opt/etc/sluiced/sluiced.yaml")
        self.assertIn("no errors", run(SLUICED, "--check", "-c", path))
        self.assertIn("unix:/run/sluiced/control.sock?mode=0660&group=sluiced", run(SLUICED, "--print-config", "-c", path))
        self.assertEqual([os.stat(p).st_mode & 0o777 for p in (path, os.path.dirname(path))], [0o640, 0o750])
        with open(path, "a", encoding="utf-8") as f:
            f.write("# mine\n")
        self.make("install")
        self.assertTrue(text_of(path).endswith("# mine\n"))

    def test_zz_uninstall_leaves_the_configuration(self):
        self.make("uninstall")
        self.assertEqual(self.files(), EXPECTED[:1])


class Agreement(unittest.TestCase):
    def test_the_template_is_the_unit_but_for_its_instance(self):
        def lines(name):
            return [line for line in text_of(f"systemd/{name}").splitlines() if line and line[0] != "#"]
        unit = [line for line in lines("sluiced.service") if not line.startswith("RuntimeDirectoryPreserve=")]
        changes = (("/etc/sluiced/sluiced.yaml", "/etc/sluiced/%i.yaml --instance %i"),
                   ("RuntimeDirectory=sluiced", "RuntimeDirectory=sluiced/%i"), ("commands", "commands (%i)"))
        for old, new in changes:
            unit = [line.replace(old, new) if line.endswith(old) else line for line in unit]
        unit = [line.replace("/control.sock", "/%i/control.sock") for line in unit]
        self.assertEqual(lines("sluiced@.service"), unit)

    def test_bash_completes_every_option(self):
        script = ('. completion/sluiced.bash; COMP_WORDS=(sluiced "$@"); COMP_CWORD=$#; compopt() { :; }; _sluiced;'
                  ' printf "%s\\n" "${COMPREPLY[@]}"')
        bash = shutil.which("bash")
        if not bash:
            self.skipTest("there is no bash")
        self.assertEqual(sorted(run(bash, "-c", script, "bash", "").split()), options_of_help())
        self.assertEqual(run(bash, "-c", script, "bash", "--log-level", "n").split(), ["notice"])
        self.assertIn("config/sluiced.yaml", run(bash, "-c", script, "bash", "-c", "config/s").split())

    def test_zsh_completes_every_option(self):
        found = re.findall(r"(?<![\w-])--?[a-z][a-z-]*(?=[\[,}])", text_of("completion/_sluiced"))
        self.assertEqual(sorted(set(found)), options_of_help())

    def test_zsh_takes_the_completion(self):
        if not shutil.which("zsh"):
            self.skipTest("there is no zsh")
        run("zsh", "-n", "completion/_sluiced")

    def test_bash_completes_commands_options_and_names(self):
        bash = shutil.which("bash")
        if not bash:
            self.skipTest("there is no bash")
        script = ('. completion/sluicectl.bash; COMP_WORDS=(sluicectl "$@"); COMP_CWORD=$#; compopt() { :; }; _sluicectl;'
                  ' printf "%s\\n" "${COMPREPLY[@]}"')
        completed = lambda *words: run(bash, "-c", script, "bash", *words, env=self.with_sluicectl()).split()
        self.assertEqual(completed(""), sorted(set(completed("")), key=completed("").index))
        self.assertEqual(set(completed("")), {name.split()[0] for name in commands_of_help()})
        self.assertEqual(completed("paus"), ["pause"])
        self.assertEqual(sorted(completed("drain", "-")), options_of_command("drain"))
        self.assertIn("config/sluiced.yaml", completed("status", "-c", "config/s"))
        for words in (("pause", ""), ("--json", "pause", ""), ("concurrency", "--yes", "e")):
            self.assertEqual(completed("-c", "config/sluiced.yaml", *words), ["example"])
        self.assertEqual(completed("-c", "config/sluiced.yaml", "reload", ""), [])

    def test_zsh_reads_commands_and_options(self):
        if not shutil.which("zsh"):
            self.skipTest("there is no zsh")
        run("zsh", "-n", "completion/_sluicectl")
        functions = text_of("completion/_sluicectl").rpartition("\n_sluicectl ")[0]
        said = lambda call: run("zsh", "-fc", functions + "\n" + call, env=self.with_sluicectl()).splitlines()
        self.assertEqual([line.partition(":")[0] for line in said("_sluicectl_commands")], commands_of_help())
        self.assertEqual(sorted(line.partition("[")[0] for line in said("_sluicectl_options drain")), options_of_command("drain"))
        self.assertTrue([line for line in said("_sluicectl_options drain") if line.endswith(":FILE:_files")])

    @staticmethod
    def with_sluicectl():
        return {**os.environ, "PATH": os.path.dirname(SLUICED) + ":" + os.environ["PATH"]}

    def test_the_image_logs_json_and_listens(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(run("sed", "-f", "config/container.sed", "config/sluiced.yaml"))
            f.flush()
            self.assertIn("no errors", run(SLUICED, "--check", "-c", f.name))
            printed = run(SLUICED, "--print-config", "-c", f.name)
        self.assertIn("format: json", printed)
        self.assertIn("0.0.0.0:9200", printed)

    def test_the_package_has_the_version_of_the_program(self):
        self.assertTrue(text_of("debian/changelog").startswith("sluiced (%s) " % text_of("VERSION").strip()))


class Units(unittest.TestCase):
    """Without a systemd that runs: tests/systemd has one."""

    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("there is no systemd-analyze")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name in ("sluiced.service", "sluiced@.service", "sluiced.socket"):
            with open(f"{self.folder}/{name}", "w", encoding="utf-8") as f:
                f.write(text_of(f"systemd/{name}").replace("/usr/bin/sluiced", SLUICED))

    def drop_in(self, name):
        os.mkdir(f"{self.folder}/sluiced.service.d")
        shutil.copy(f"systemd/{name}", f"{self.folder}/sluiced.service.d")

    def verify(self, name):
        return run("systemd-analyze", "verify", "--man=no", f"{self.folder}/{name}")

    def test_verify_prints_nothing(self):
        for name in ("sluiced.service", "sluiced@.service", "sluiced.socket"):
            with self.subTest(name):
                self.assertEqual(self.verify(name), "")
        self.drop_in("strict.conf")
        self.assertEqual(self.verify("sluiced.service"), "")

    def test_exposure(self):
        run("systemd-analyze", "security", "--offline=yes", "--threshold=50", f"{self.folder}/sluiced.service")
        self.drop_in("strict.conf")
        run("systemd-analyze", "security", "--offline=yes", "--threshold=20", f"{self.folder}/sluiced.service")
