# SPDX-License-Identifier: MIT
"""The man pages name every key, every option and every log event, and are well formed."""
import json
import os
import re
import shutil
import subprocess
import unittest

SLUICED = os.environ.get("SLUICED") or "build/release/sluiced"


def page(name):
    """The text of a man page, without what troff escapes."""
    with open(f"man/{name}", encoding="utf-8") as f:
        text = f.read()
    return re.sub(r"\\&|\\f[BIRP]|\\f\(CR|\\f\[[A-Z]*\]", "", text).replace(r"\-", "-").replace(r"\(hy", "-")


def said_by(*args):
    return subprocess.run([SLUICED, *args], capture_output=True, text=True, timeout=10, check=True).stdout


def leaves(schema, path=""):
    """The dotted paths of all options of a JSON Schema; a map of the user's own keys is one step `*`."""
    properties = schema.get("properties")
    if properties:
        for name, below in properties.items():
            yield from leaves(below, f"{path}.{name}" if path else name)
    elif isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"].get("properties"):
        yield from leaves(schema["additionalProperties"], f"{path}.*")
    elif path:
        yield path


def resolved(schema, root):
    """The schema with its references to its own definitions put in."""
    if isinstance(schema, list):
        return [resolved(item, root) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].lstrip("#/").split("/"):
            target = target[step]
        return resolved(target, root)
    return {name: resolved(item, root) for name, item in schema.items() if name not in ("$defs", "definitions")}


def option_keys():
    """As the man page has them: redis.url, daemon.instance, and a consumer's without its name."""
    schema = json.loads(said_by("--print-schema"))
    for path in leaves(resolved(schema, schema)):
        section, _, key = path.partition(".")
        yield key.removeprefix("*.") if section in ("consumers", "defaults") else path


def words_of_x_macro(path, macro):
    with open(path, encoding="utf-8") as f:
        body = re.search(r"#define %s\(X\)(.*?[^\\])\n" % macro, f.read(), re.S).group(1)
    return re.findall(r'X\(\w+, "(\w+)"', body)


class ManPages(unittest.TestCase):
    def assert_names(self, name, words):
        text = page(name)
        words = set(words)
        self.assertTrue(words)
        missing = sorted(w for w in words if not re.search(r"(?<![\w.])%s(?!\w)" % re.escape(w), text))
        self.assertEqual(missing, [], f"man/{name} does not name them")

    def test_every_key(self):
        self.assert_names("sluiced.yaml.5", option_keys())

    def test_every_command_line_option(self):
        self.assert_names("sluiced.8", re.findall(r"(?<!\w)--([a-z][a-z-]+)", said_by("--help")))

    def test_every_log_event(self):
        self.assert_names("sluiced.8", words_of_x_macro("src/base/log.h", "LOG_EVENTS"))

    def test_every_field_of_the_log(self):
        with open("src/base/log.c", encoding="utf-8") as f:
            names = re.findall(r'\{ \.name = "(\w+)"', f.read())
        self.assert_names("sluiced.8", names)
        self.assert_names("sluiced.8", ["SLUICE_" + name.upper() for name in names + ["instance", "event"]])

    def test_form(self):
        tool = shutil.which("mandoc")
        if not tool:
            self.skipTest("mandoc is not installed")
        for name in sorted(os.listdir("man")):
            lint = subprocess.run([tool, "-T", "lint", "-W", "warning", f"man/{name}"],
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual(lint.stdout, "")
