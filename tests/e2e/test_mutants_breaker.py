#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The breaker in detail: what is a streak, what a try costs, and what is one event."""

from harness import Case, WorkerCase, main

RUN = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"


class Streak(Case):
    def test_one_entry_is_no_streak(self):
        daemon = self.start(self.python(RUN + "sys.exit(1)\n"), {"breaker.streak": 3, "retry.max_attempts": 6})
        self.add()
        self.wait_dead()
        self.assertEqual(daemon.events("breaker_open"), [])


class Probe(Case):
    def test_charges_nothing(self):
        daemon = self.start(self.python(RUN + "sys.exit(1)\n"),
                            {"breaker.streak": 2, "breaker.cooldown": "100ms", "retry.max_attempts": 3,
                             "retry.initial_delay": "100ms", "retry.max_delay": "100ms"})
        self.add_many(2)
        daemon.wait_for_event("breaker_open")
        runs = self.wait_records(2 + 4)
        self.assertEqual([r["attempt"] for r in runs[:2]], [1, 1])
        self.assertEqual([r["attempt"] for r in runs[2:]], [2] * len(runs[2:]))
        self.assertEqual(self.dead(), [])

    def test_not_the_one_that_failed_last(self):
        """Though it falls due first."""
        daemon = self.start(self.python(RUN + "how = entry['fields']['how']\n"
                                        "if entry['attempt'] > 1: gate('go')\n"
                                        "say('retry', 'delay=' + how)\n"),
                            {"breaker.streak": 2, "breaker.cooldown": "600ms", "retry.max_attempts": 0})
        first, _ = self.add(how="300ms"), self.add(how="50ms")
        daemon.wait_for_event("breaker_open")
        self.assertEqual(self.wait_records(3)[2]["id"], first)


class Broken(WorkerCase):
    def test_a_window_of_entries_is_one_event(self):
        daemon = self.start_windowed("held = 0\n"
                                     "for entry in entries():\n"
                                     "    held += 1\n"
                                     "    if is_open('go'): say('ok', entry['tag']); continue\n"
                                     "    if held == 4:\n"
                                     "        open(os.path.join(HERE, 'gate.go'), 'w').close()\n"
                                     "        say('broken', 'no database')\n", 4, {"breaker.failures": 3})
        self.add_many(4)
        daemon.wait_for_event("worker_ended")
        self.wait_settled()
        self.assertEqual(daemon.events("breaker_open"), [])


if __name__ == "__main__":
    main()
