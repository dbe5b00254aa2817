#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The breaker: a handler that cannot work costs no entry its attempts."""

from harness import Case, WorkerCase, main
from servers import stays_true, wait_until

RUN = ("entry = json.load(sys.stdin)\n"
       "record(id=entry['id'], attempt=entry['attempt'], at=time.monotonic())\n")


class Breaker(WorkerCase):
    def start_broken(self, dotted=None):
        """A handler that is broken until the gate "mended" is open."""
        return self.start(self.python(RUN + "sys.exit(0 if is_open('mended') else 127)\n"),
                          {"breaker.failures": 3, **(dotted or {})})

    def test_opens_and_reads_nothing_more(self):
        self.add_many(3)
        daemon = self.start_broken({"breaker.cooldown": "1h"})
        event = daemon.wait_for_event("breaker_open")
        self.assertIn(event["level"], ("error", "warning"))
        runs = len(self.records())
        self.add_many(5)
        stays_true(lambda: len(self.pending()) <= 3 and len(self.records()) == runs, 1, "nothing read or run")
        self.assertEqual({row[2] for row in self.pending().values()}, {0})
        daemon.stop()
        self.assertEqual(self.dead(), [])

    def test_tries_one_entry_after_each_cooldown(self):
        daemon = self.start_broken({"breaker.cooldown": "300ms"})
        self.add_many(4)
        daemon.wait_for_event("breaker_open")
        runs = len(self.records())
        at = [r["at"] for r in self.wait_records(runs + 3)][runs - 1:]
        gaps = [b - a for a, b in zip(at, at[1:])]
        for gap, least in zip(gaps, (0.25, 0.5, 1.0)):
            self.assertGreater(gap, least, gaps)
        self.assertEqual({r["attempt"] for r in self.records()}, {1})

    def test_success_closes_it(self):
        daemon = self.start_broken()
        ids = self.add_many(6)
        daemon.wait_for_event("breaker_open")
        self.open_gate("mended")
        daemon.wait_for_event("breaker_closed")
        self.wait_settled()
        self.assertLessEqual(set(ids), {r["id"] for r in self.records()})
        self.assertEqual({r["attempt"] for r in self.records()}, {1})

    def test_streak_of_failures_opens_it(self):
        daemon = self.start(self.python(RUN + "sys.exit(1)\n"), {
            "breaker.streak": 5, "breaker.cooldown": "1h", "retry.initial_delay": "1h", "retry.max_delay": "1h"})
        self.add_many(20)
        daemon.wait_for_event("breaker_open")
        stays_true(lambda: len(self.records()) <= 6, 0.5, "few runs")

    def test_streak_of_0_never_opens_it(self):
        daemon = self.start(["/bin/false"], {"breaker.streak": 0, "retry.initial_delay": "1h", "retry.max_delay": "1h"})
        self.add_many(40)
        daemon.wait_for_event("retry", count=40)
        self.assertEqual(daemon.events("breaker_open"), [])

    def test_success_between_failures_keeps_it_closed(self):
        daemon = self.start(["/bin/sh", "-c", "read how; exit $how"], {
            "handler.stdin": "field how", "breaker.streak": 5, "breaker.failures": 2,
            "retry.initial_delay": "1h", "retry.max_delay": "1h"})
        for n in range(24):
            self.add(how="%d\n" % (n % 4 != 0))
        daemon.wait_for_event("retry", count=18)
        self.assertEqual(daemon.events("breaker_open"), [])

    def test_workers_that_cannot_start(self):
        daemon = self.start_worker("if not is_open('mended'): sys.exit(1)\n"
                                   "for entry in entries():\n"
                                   "    record(id=entry['id'], attempt=entry['attempt']); say('ok', entry['tag'])\n",
                                   {"breaker.failures": 3})
        ids = self.add_many(5)
        daemon.wait_for_event("breaker_open")
        self.open_gate("mended")
        self.wait_settled(seconds=30)
        self.assertEqual(sorted((r["id"], r["attempt"]) for r in self.records()), [(i, 1) for i in ids])

    def test_other_consumers_go_on(self):
        bad = self.consumer(["/bin/sh", "-c", "exit 127"], {"breaker.failures": 1, "breaker.cooldown": "1h"})
        good = self.consumer(["/bin/true"], {"stream": "t"})
        daemon = self.start_all({"bad": bad, "good": good})
        self.add()
        daemon.wait_for_event("breaker_open", consumer="bad")
        self.add("t")
        self.wait_settled("t")

    def test_unproven_death_charges_nobody(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    record(attempt=entry['attempt'])\n"
                                   "    if not is_open('go'): sys.exit(9)\n"
                                   "    say('ok', entry['tag'])\n", {"breaker.failures": 3, "claim.min_idle": "1s"})
        self.add()
        daemon.wait_for_event("breaker_open")
        self.open_gate()
        self.wait_settled(seconds=30)
        self.assertEqual({r["attempt"] for r in self.records()}, {1})
        self.assertEqual(self.dead(), [])


class OneBadEntry(Case):
    def test_entry_that_breaks_the_handler_is_charged_once_others_succeed(self):
        """It is the entry, not the handler."""
        self.start(self.python("entry = json.load(sys.stdin)\n"
                               "record(what=entry['fields'].get('what'), attempt=entry['attempt'])\n"
                               "sys.exit(127 if entry['fields'].get('what') == 'bad' else 0)\n"),
                   {"retry.max_attempts": 2})
        self.add(what="bad")
        for _ in range(100):
            self.add(what="good")
            if self.dead():
                break
            wait_until(lambda: len(self.pending()) <= 1, what="the good one acknowledged")
            stays_true(lambda: True, 0.1, "")
        self.wait_dead()
        self.wait_settled()
        self.assertEqual(dict(self.dead()[0])[b"sluice.failure"], b"broken")


class Trial(WorkerCase):
    def test_does_not_wait_for_itself(self):
        """The only entry at hand is the one that failed last, and another is due: that one is got."""
        daemon = self.start_worker("for entry in entries():\n"
                                   "    name = entry['fields']['name']\n"
                                   "    record(name=name)\n"
                                   "    if is_open('go'): say('ok', entry['tag'])\n"
                                   "    else: say('retry', entry['tag'], 'delay=' + entry['fields']['delay'])\n",
                                   {"stream": None, "streams": ["a", "b"], "breaker.streak": 2,
                                    "breaker.cooldown": "600ms"})
        self.add("a", name="first", delay="400ms")
        self.wait_records(1)
        self.add("b", name="second", delay="100ms")
        daemon.wait_for_event("breaker_open")
        self.open_gate()
        daemon.wait_for_event("breaker_closed", seconds=5)
        self.wait_settled("a")
        self.wait_settled("b")
        self.assertEqual([r["name"] for r in self.records()], ["first", "second", "first", "second"])


if __name__ == "__main__":
    main()
