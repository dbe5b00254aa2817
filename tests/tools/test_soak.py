#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The judge of the soak finds what it has to find, and nothing else."""
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/soak"))
import judge

IDLE = judge.Sample(0, 0, 600, 2400, 35, 6, frozenset(), 12000)


def samples(private=lambda at_s: 7000, **more):
    """One every half second for 100 s."""
    return [IDLE._replace(at_s=i / 2, added=i * 500, private=private(i / 2), **more) for i in range(200)]


def saw_tooth(at_s):
    return 7000 + 2000 * (at_s % 5 < 1)


# What was measured, and a word of each fault that is in it.
CASES = [
    ("flat", {}, []),
    ("grows only while it warms up", {"samples": samples(lambda at_s: 600 + 400 * min(at_s, 20))}, []),
    ("caches that come and go", {"samples": samples(saw_tooth)}, []),
    ("a leak", {"samples": samples(lambda at_s: saw_tooth(at_s) + 40 * at_s)}, ["memory grew"]),
    ("a leak within what much memory varies by", {"samples": samples(lambda at_s: 200_000 + 40 * at_s)}, []),
    ("growth that an allocator of a sanitizer explains",
     {"samples": samples(lambda at_s: 40 * at_s), "trend": False}, []),
    ("a descriptor too many", {"idle_after": IDLE._replace(fds=36)}, ["36 descriptors"]),
    ("a descriptor too few", {"idle_after": IDLE._replace(fds=34)}, ["34 descriptors"]),
    ("a child too many", {"idle_after": IDLE._replace(children=7)}, ["7 children"]),
    ("a child that is just being waited for",
     {"samples": samples()[:99] + samples(zombies=frozenset({7}))[99:100] + samples()[100:]}, []),
    ("a zombie", {"samples": samples(zombies=frozenset({7}))}, ["zombies: 7"]),
    ("a zombie at the end", {"idle_after": IDLE._replace(zombies=frozenset({8}))}, ["zombies: 8"]),
    ("entries left", {"settled": False}, ["entries were left"]),
    ("a leak that LeakSanitizer found", {"status": 23, "sanitizer": ["ERROR: LeakSanitizer"]},
     ["exit status 23", "LeakSanitizer"]),
    ("processes left", {"left": [17]}, ["left behind: 17"]),
    ("too little done", {"wanted": 1_000_000}, ["only 99500 entries"]),
]


class Judge(unittest.TestCase):
    def test_cases(self):
        for name, more, expected in CASES:
            with self.subTest(name):
                measured = {"samples": samples(), "idle_before": IDLE, "idle_after": IDLE, "wanted": 100_000, **more}
                faults = judge.judge(judge.Evidence(**measured))
                self.assertEqual(len(faults), len(expected), faults)
                for fault, word in zip(faults, expected):
                    self.assertIn(word, fault)

    def test_slope(self):
        self.assertAlmostEqual(judge.slope([(x, 3 * x + 1) for x in range(9)]), 3)
        self.assertEqual(judge.slope([(1, 5)]), 0)


if __name__ == "__main__":
    unittest.main()
