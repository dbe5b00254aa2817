# SPDX-License-Identifier: MIT
"""The table of mutants fits the source, the tests and the page; tests/mutants/run tries it."""
import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/mutants"))
import mutants


class Table(unittest.TestCase):
    def test_fits_the_source_and_the_tests(self):
        self.assertEqual(mutants.faults(ROOT), [])

    def test_is_in_the_page(self):
        table = subprocess.run([sys.executable, "-B", f"{ROOT}/tests/mutants/run", "--table"], check=True,
                               capture_output=True, text=True, timeout=20).stdout
        with open(f"{ROOT}/docs/reliability.md", encoding="utf-8") as f:
            self.assertIn(table, f.read(), "tests/mutants/run --table prints what belongs there")

    def test_missing_and_ambiguous_texts_are_faults(self):
        for text in ("no such text", "local "):
            one = mutants.mutant("x", "a rule", "redis/bury.lua", text, "")
            with self.assertRaises(ValueError):
                mutants.changed_files(one, f"{ROOT}/src")


if __name__ == "__main__":
    unittest.main()
