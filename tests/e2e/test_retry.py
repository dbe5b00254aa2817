#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Retries: when, how often, and that the count is the one in Redis."""

from harness import Case, WorkerCase, main

FAIL = "record(attempt=int(os.environ['SLUICE_ATTEMPT']), at=time.monotonic())\nsys.exit(1)\n"


class Backoff(Case):
    def delays(self, daemon, count):
        daemon.wait_for_event("retry", count=count)
        return [int(e["delay_ms"]) for e in daemon.events("retry")][:count]

    def test_grows_up_to_the_maximum(self):
        daemon = self.start(self.python(FAIL), {"retry.initial_delay": "100ms", "retry.multiplier": 2,
                                                "retry.max_delay": "300ms"})
        self.add()
        self.assertEqual(self.delays(daemon, 4), [100, 200, 300, 300])
        at = [r["at"] for r in self.wait_records(5)]
        gaps = [b - a for a, b in zip(at, at[1:])]
        for gap, delay in zip(gaps, (0.1, 0.2, 0.3, 0.3)):
            self.assertTrue(delay - 0.02 <= gap < delay + 2, gaps)

    def test_multiplier_may_be_a_fraction(self):
        daemon = self.start(self.python(FAIL), {"retry.initial_delay": "100ms", "retry.multiplier": 1.5,
                                                "retry.max_delay": "1m"})
        self.add()
        self.assertEqual(self.delays(daemon, 3), [100, 150, 225])

    def test_jitter_lies_between_half_and_the_whole(self):
        daemon = self.start(self.python(FAIL), {"retry.initial_delay": "1m", "retry.max_delay": "1m",
                                                "retry.jitter": True, "handler.concurrency": 4,
                                                "breaker.streak": 0})
        self.add_many(20)
        found = self.delays(daemon, 20)
        self.assertGreaterEqual(min(found), 30000)
        self.assertLessEqual(max(found), 60000)
        self.assertGreater(len(set(found)), 5)

    def test_exec_reason_is_in_the_log(self):
        daemon = self.start(self.python(FAIL))
        entry = self.add()
        event = daemon.wait_for_event("retry", entry_id=entry)
        for name, value in {"consumer": "c", "stream": "s", "group": "g", "attempt": 1, "outcome": "retry",
                            "failure": "exit", "exit_status": 1, "instance": "default"}.items():
            self.assertEqual(str(event.get(name)), str(value), name)
        self.assertGreaterEqual(int(event["duration_ms"]), 0)
        self.assertGreater(int(event["handler_pid"]), 0)

    def test_others_do_not_wait(self):
        daemon = self.start(["/bin/sh", "-c", "read how; exit $how"],
                            {"handler.stdin": "field how", "retry.initial_delay": "1h", "retry.max_delay": "1h"})
        bad = self.add(how="1\n")
        daemon.wait_for_event("retry", entry_id=bad)
        good = [self.add(how="0\n") for _ in range(10)]
        daemon.wait_for_event("verdict", count=10, outcome="ok")
        self.assertEqual(set(self.pending()), {bad})
        self.assertEqual(len(good), 10)


class Attempts(Case):
    def test_the_last_one_is_max_attempts(self):
        self.start(self.python(FAIL), {"retry.max_attempts": 4})
        self.add()
        self.wait_dead()
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [1, 2, 3, 4])

    def test_one_attempt(self):
        self.start(self.python(FAIL), {"retry.max_attempts": 1})
        self.add()
        self.wait_dead()
        self.assertEqual(len(self.records()), 1)

    def test_success_ends_it(self):
        daemon = self.start(self.python("sys.exit(int(os.environ['SLUICE_ATTEMPT']) < 3)\n"))
        entry = self.add()
        daemon.wait_for_event("verdict", entry_id=entry, outcome="ok", attempt=3)
        self.wait_settled()
        self.assertEqual(self.dead(), [])

    def test_redis_shows_the_count(self):
        self.start(self.python("n = os.environ['SLUICE_ATTEMPT']\nrecord(n=n)\ngate(n)\nsys.exit(1)\n"))
        entry = self.add()
        for n in range(1, 4):
            self.wait_records(n)
            self.assertEqual(self.deliveries(entry), n)
            self.open_gate(str(n))
        self.open_gate("all")

    def test_for_ever(self):
        daemon = self.start(self.python(FAIL), {"retry.max_attempts": 0, "retry.initial_delay": "10ms",
                                                "retry.max_delay": "10ms", "breaker.streak": 0})
        self.add()
        daemon.wait_for_event("retry", attempt=12)
        self.assertEqual(self.dead(), [])

    def test_count_survives_a_restart(self):
        daemon = self.start(self.python("record(attempt=int(os.environ['SLUICE_ATTEMPT']))\nsys.exit(1)\n"),
                            {"retry.initial_delay": "1h", "retry.max_delay": "1h", "claim.min_idle": "1s"})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry, attempt=1)
        daemon.stop()
        daemon.restart()
        daemon.wait_for_event("retry", entry_id=entry, attempt=2)
        self.assertEqual([r["attempt"] for r in self.records()], [1, 2])


class WorkerRetries(WorkerCase):
    def test_delay_named_by_the_handler(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    record(at=time.monotonic())\n"
                                   "    if entry['attempt'] == 1: say('retry', entry['tag'], 'delay=400ms', 'later')\n"
                                   "    else: say('ok', entry['tag'])\n",
                                   {"retry.initial_delay": "1h", "retry.max_delay": "1h", "retry.jitter": True})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry, failure="retry", delay_ms=400)
        self.wait_settled()
        first, second = [r["at"] for r in self.records()]
        self.assertGreater(second - first, 0.38)

    def test_fields_come_back_whole(self):
        self.start_worker("for entry in entries():\n"
                          "    record(fields=entry['fields'])\n"
                          "    say('ok' if entry['attempt'] == 3 else 'retry', entry['tag'])\n")
        self.add_pairs([("a", "1"), ("b", b"\xff\x00"), ("a", "2"), ("big", "x" * 50000)])
        self.wait_settled()
        first, second, third = [r["fields"] for r in self.records()]
        self.assertEqual((first, first), (second, third))

    def test_many_at_once(self):
        """Every entry fails once; all come back, each with the attempt 2."""
        self.start_worker("for entry in entries():\n"
                          "    record(id=entry['id'], attempt=entry['attempt'])\n"
                          "    say('retry' if entry['attempt'] == 1 else 'ok', entry['tag'])\n",
                          {"handler.window": 50, "breaker.streak": 0}, daemon={"log.level": "notice"})
        ids = self.add_many(1000)
        self.wait_settled()
        runs = sorted((r["id"], r["attempt"]) for r in self.records())
        self.assertEqual(runs, sorted((i, n) for i in ids for n in (1, 2)))

    def test_backlog_does_not_starve_it(self):
        self.add_many(300)
        self.start_worker("for entry in entries():\n"
                          "    record(n=entry['fields']['n'])\n"
                          "    time.sleep(0.004)\n"
                          "    first = entry['fields']['n'] == '0' and entry['attempt'] == 1\n"
                          "    say('retry' if first else 'ok', entry['tag'])\n", {"read.count": 5})
        self.wait_settled()
        runs = [r["n"] for r in self.records()]
        again = runs.index("0", 1)
        self.assertLess(again, 150)
        self.assertEqual(len(runs), 301)


if __name__ == "__main__":
    main()
