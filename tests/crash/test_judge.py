#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The judge of the crash test finds what it has to find, and excuses what faults explain."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import plan  # noqa: E402
from judge import MS, Evidence, Life, judge, runs_of  # noqa: E402

KEY = ("s:line", "1-0")
LIVES = [Life("d0", 10, 0), Life("d0", 11, 0, killed_ns=500 * MS), Life("d1", 20, 0)]


def run(daemon, parent, start_ms, end_ms, verdict="ok", attempt=1, mode="line"):
    """The records of one run."""
    base = {"id": KEY[1], "stream": KEY[0], "pid": parent + start_ms, "tag": start_ms}
    return [{**base, "what": "start", "ns": start_ms * MS, "daemon": daemon, "parent": parent, "attempt": attempt,
             "step": "ok 0", "mode": mode},
            {**base, "what": "end" if verdict else "beat", "ns": end_ms * MS,
             **({"verdict": verdict} if verdict else {})}]


def dead(reason, attempts=plan.MAX_ATTEMPTS):
    return (KEY, {"sluice.reason": reason, "sluice.attempts": str(attempts)})


OK = run("d0", 10, 100, 200)
LAST = run("d0", 10, 100, 200, "retry", plan.MAX_ATTEMPTS)
ACKED = {"acks": {KEY: [300 * MS]}}

# What happened to the one entry, and the kinds of the violations that are in it.
CASES = [
    ("handled", OK, ACKED, []),
    ("said before the success, but written behind it",
     OK + [{**OK[1], "ns": 190 * MS, "verdict": "broken"}], ACKED, []),
    ("nothing happened", [], {}, ["lost"]),
    ("not delivered", [], {"undelivered": {KEY}}, []),
    ("pending", [], {"pending": {KEY: ("d0", 1, 1)}}, []),
    ("dropped by the rival", [], {"dropped": {KEY}}, []),
    ("failed and gone", run("d0", 10, 100, 200, "retry"), {}, ["lost"]),
    ("no end recorded and gone", run("d0", 10, 100, 200, None), {}, ["lost"]),
    ("dropped by the handler", run("d0", 10, 100, 200, "drop"), ACKED, []),
    ("acknowledged, never run", [], ACKED, ["lost", "acknowledged without success"]),
    ("acknowledged before the success", OK, {"acks": {KEY: [150 * MS]}}, ["acknowledged without success"]),
    ("acknowledged when it was buried", LAST, {**ACKED, "dead": [dead("attempts")]}, []),
    ("rejected", run("d0", 10, 100, 200, "dead"), {"dead": [dead("rejected", 1)]}, []),
    ("rejected by nobody", OK, {"dead": [dead("rejected", 1)]}, ["buried without reason"]),
    ("attempts, too few", LAST, {"dead": [dead("attempts", 2)]}, ["buried without reason"]),
    ("attempts, but the last succeeded", run("d0", 10, 100, 200, "ok", plan.MAX_ATTEMPTS),
     {"dead": [dead("attempts")]}, ["buried without reason"]),
    ("attempts, it kills daemons", [], {"dead": [dead("attempts", 9)]}, []),
    ("trimmed", [], {"dead": [dead("trimmed")], "deleted": {KEY}}, []),
    ("trimmed, and run from a worker's queue", OK,
     {"acks": {KEY: [10 * MS]}, "dead": [dead("trimmed")], "deleted": {KEY}}, []),
    ("recorded, and run from a worker's queue", OK, {"acks": {KEY: [10 * MS]}, "dead": [dead("rejected", 1)]},
     ["buried without reason", "ran after it was acknowledged"]),
    ("trimmed, but there", [], {"dead": [dead("trimmed")]}, ["buried without reason"]),
    ("oversize", [], {"dead": [dead("oversize")], "oversize": {KEY}}, []),
    ("oversize, but small", [], {"dead": [dead("oversize")]}, ["buried without reason"]),
    ("oversize, held by the rival", run(plan.RIVAL, 0, 100, 200, None),
     {"dead": [dead("oversize")], "oversize": {KEY}}, []),
    ("oversize and run", OK, {"dead": [dead("oversize")], "oversize": {KEY}}, ["oversize and run"]),
    ("buried twice", LAST, {"dead": [dead("attempts")] * 2}, ["buried twice"]),
    ("unknown reason", LAST, {"dead": [dead("boredom")]}, ["buried without reason"]),
    ("one after the other", OK + run("d1", 20, 201, 300), {}, []),
    ("twice at once", OK + run("d1", 20, 150, 300), {}, ["ran twice at once"]),
    ("inside a longer one", run("d0", 10, 100, 900) + run("d0", 10, 200, 300) + run("d1", 20, 400, 500), {},
     ["ran twice at once"] * 2),
    ("twice at once in one daemon, whatever the faults", OK + run("d0", 10, 150, 300),
     {"windows": {"d0": [(0, 900 * MS, "stop")]}}, ["ran twice at once"]),
    ("the first was stopped", OK + run("d1", 20, 150, 300), {"windows": {"d0": [(90 * MS, 120 * MS, "stop")]}}, []),
    ("the first is stopped too late", OK + run("d1", 20, 150, 300),
     {"windows": {"d0": [(160 * MS, 170 * MS, "stop")]}}, ["ran twice at once"]),
    ("the first was stopped long ago", run("d0", 10, 9000, 9900) + run("d1", 20, 9500, 9600),
     {"windows": {"d0": [(10 * MS, 20 * MS, "stop")]}}, ["ran twice at once"]),
    ("the second was cut off", OK + run("d1", 20, 150, 300), {"windows": {"d1": [(10 * MS, 20 * MS, "cut")]}}, []),
    ("the first had renewed after it was cut off", run("d0", 10, 100, 2900) + run("d1", 20, 2500, 2600),
     {"windows": {"d0": [(110 * MS, 120 * MS, "cut")]}, "leases": {KEY: [(2000 * MS, "d0"), (2490 * MS, "d1")]}},
     ["ran twice at once"]),
    ("the first could not renew", run("d0", 10, 100, 2900) + run("d1", 20, 2500, 2600),
     {"windows": {"d0": [(910 * MS, 2400 * MS, "cut")]}, "leases": {KEY: [(900 * MS, "d0"), (2490 * MS, "d1")]}}, []),
    ("the second was stopped before it claimed", run("d0", 10, 100, 2900) + run("d1", 20, 2500, 2600),
     {"windows": {"d1": [(910 * MS, 920 * MS, "stop")]}, "leases": {KEY: [(2490 * MS, "d1")]}},
     ["ran twice at once"]),
    ("the second was stopped after it claimed", run("d0", 10, 100, 2900) + run("d1", 20, 2500, 2600),
     {"windows": {"d1": [(1010 * MS, 2450 * MS, "stop")]}, "leases": {KEY: [(1000 * MS, "d1")]}}, []),
    ("the second began without a lease", OK + run("d1", 20, 150, 300, mode="side"),
     {"windows": {"d1": [(10 * MS, 20 * MS, "cut")]}}, ["ran twice at once"]),
    ("another was stopped", OK + run("d1", 20, 150, 300), {"windows": {"d2": [(0, 900 * MS, "stop")]}},
     ["ran twice at once"]),
    ("Redis was down", OK + run("d1", 20, 150, 300), {"windows": {None: [(0, 120 * MS, "redis")]}}, []),
    ("stolen", OK + run("d1", 20, 150, 300), {"thefts": {KEY: [120 * MS]}}, []),
    ("stolen from a worker's queue long ago", run("d0", 10, 4000, 4100) + run("d1", 20, 4200, 4300),
     {"thefts": {KEY: [1000 * MS]}, "acks": {KEY: [4150 * MS]}}, []),
    ("stolen long ago, and claimed since", run("d0", 10, 4000, 4100) + run("d1", 20, 4200, 4300),
     {"thefts": {KEY: [1000 * MS]}, "acks": {KEY: [4150 * MS]}, "leases": {KEY: [(1100 * MS, "d1")]}},
     ["ran after it was acknowledged"]),
    ("stolen long ago from where there is no queue",
     run("d0", 10, 4000, 4100, mode="exec") + run("d1", 20, 4200, 4300, mode="exec"),
     {"thefts": {KEY: [1000 * MS]}, "acks": {KEY: [4150 * MS]}}, ["ran after it was acknowledged"]),
    ("stolen too late", OK + run("d1", 20, 150, 300), {"thefts": {KEY: [170 * MS]}}, ["ran twice at once"]),
    ("the orphan of a killed daemon", run("d0", 11, 400, 900) + run("d0", 10, 600, 700), {}, []),
    ("an orphan that never saw its daemon", run("d0", 1, 501, 900) + run("d1", 20, 600, 700), {}, []),
    ("before it was killed", run("d0", 11, 100, 450) + run("d0", 10, 300, 400), {}, ["ran twice at once"]),
    ("the rival's, from a living daemon", OK + run(plan.RIVAL, 0, 150, 300), {}, ["ran twice at once"]),
    ("taken from the rival", run(plan.RIVAL, 0, 100, 900) + run("d0", 10, 200, 300), {}, []),
    ("again after it was acknowledged", OK + run("d1", 20, 350, 400), ACKED, ["ran after it was acknowledged"]),
    ("again after it was acknowledged, after a stop", OK + run("d1", 20, 350, 400),
     {**ACKED, "windows": {"d1": [(0, 100 * MS, "stop")]}}, []),
]


class Judge(unittest.TestCase):
    def test_cases(self):
        for name, records, more, expected in CASES:
            with self.subTest(name):
                evidence = Evidence(added={KEY}, lives=LIVES, runs=runs_of(records), **more)
                violations, _, _ = judge(evidence)
                self.assertEqual([v.kind for v in violations], expected)

    def test_counts(self):
        evidence = Evidence(added={KEY, ("s:line", "2-0")}, lives=LIVES, runs=runs_of(OK + run("d1", 20, 201, 300)))
        _, counts, _ = judge(evidence)
        self.assertEqual((counts["added"], counts["handled"], counts["runs"], counts["share of them"]),
                         (2, 1, 2, "50.0 %"))


class Plan(unittest.TestCase):
    def test_the_seed_decides(self):
        self.assertEqual(plan.schedule(1, 60, 3), plan.schedule(1, 60, 3))
        self.assertNotEqual(plan.schedule(1, 60, 3), plan.schedule(2, 60, 3))
        self.assertEqual([plan.recipe(1, "line", n) for n in range(99)],
                         [plan.recipe(1, "line", n) for n in range(99)])

    def test_a_longer_schedule_begins_like_a_shorter_one(self):
        short = plan.schedule(1, 30, 3)
        self.assertEqual(plan.schedule(1, 60, 3)[:len(short)], short)

    def test_every_kind_comes(self):
        self.assertEqual({fault["kind"] for fault in plan.schedule(1, 600, 3)}, set(plan.FAULTS))


if __name__ == "__main__":
    unittest.main()
