# SPDX-License-Identifier: MIT
"""The journal's catalog explains each log event, under its id, and journalctl takes it."""
import re
import shutil
import subprocess
import tempfile
import unittest

CATALOG = "systemd/sluiced.catalog"
FIELDS = "INSTANCE CONSUMER STREAM GROUP ENTRY_ID ATTEMPT EVENT OUTCOME FAILURE EXIT_STATUS SIGNAL HANDLER_PID " \
         "DURATION_MS DELAY_MS".split()


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def entries():
    """{id: (headers, text)}"""
    found = {}
    for part in re.split(r"^-- ", text_of(CATALOG), flags=re.M)[1:]:
        first, _, rest = part.partition("\n")
        head, _, body = rest.partition("\n\n")
        if first in found:
            raise AssertionError(f"{first} is there twice")
        found[first] = dict(line.split(": ", 1) for line in head.splitlines()), body.strip()
    return found


class Catalog(unittest.TestCase):
    def test_ids_are_those_of_the_events(self):
        ids = re.findall(r'X\(\w+, "\w+", "(\w+)"\)', text_of("src/base/log.h"))
        self.assertGreater(len(ids), 30)
        self.assertEqual(list(entries()), ids)

    def test_each_is_complete(self):
        subjects = [head["Subject"] for head, _ in entries().values()]
        self.assertEqual(len(subjects), len(set(subjects)))
        for head, body in entries().values():
            self.assertEqual(head["Defined-By"], "sluiced")
            self.assertEqual(head["Documentation"], "man:sluiced(8)")
            self.assertTrue(body)
            self.assertLessEqual(max(map(len, body.splitlines())), 110)

    def test_names_no_field_that_is_none(self):
        named = set(re.findall(r"@(\w+)@", text_of(CATALOG)))
        self.assertLessEqual(named, {"SLUICE_" + name for name in FIELDS})

    def test_journalctl_takes_it(self):
        if not shutil.which("journalctl"):
            self.skipTest("journalctl is not installed")
        with tempfile.TemporaryDirectory() as root:
            subprocess.run(["install", "-D", CATALOG, root + "/usr/lib/systemd/catalog/sluiced.catalog"], check=True)
            update = subprocess.run(["journalctl", "--root", root, "--update-catalog"], capture_output=True,
                                    text=True, timeout=30)
            self.assertEqual((update.returncode, update.stderr), (0, ""))
            listed = subprocess.run(["journalctl", "--root", root, "--list-catalog"], capture_output=True,
                                    text=True, timeout=30, check=True).stdout
        for message_id, (head, _) in entries().items():
            self.assertIn(f"{message_id} sluiced: {head['Subject']}\n", listed)


if __name__ == "__main__":
    unittest.main()
