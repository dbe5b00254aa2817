#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A short crash test: one seed that is always the same, and one that never is."""

import os
import subprocess
import sys
import unittest

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
SECONDS = "15"


class Crash(unittest.TestCase):
    def crash(self, *args):
        """The account is printed; it begins with the seed."""
        done = subprocess.run([sys.executable, "-B", RUN, "--seconds", SECONDS, *args], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        print(done.stdout)
        self.assertEqual(done.returncode, 0, "%s %s" % (done.stdout.splitlines()[:1], done.returncode))


class FixedSeed(Crash):
    def test_nothing_is_lost(self):
        self.crash("--seed", "20")


class NewSeed(Crash):
    def test_nothing_is_lost(self):
        self.crash()


if __name__ == "__main__":
    unittest.main()
