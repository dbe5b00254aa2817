#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A daemon that dies or freezes in the middle loses nothing."""

import signal

from harness import Case, WorkerCase, main
from servers import stays_true, wait_until

RECORD = "entry = json.load(sys.stdin)\nrecord(**{k: v for k, v in entry.items() if k != 'fields'})\n"


class Killed(Case):
    def test_another_daemon_takes_over(self):
        first = self.start(self.python(RECORD + "gate('go')\n"), {"claim.min_idle": "1s"})
        entry = self.add()
        self.wait_records(1)
        first.kill()
        self.start(self.python(RECORD, "other"), {"claim.min_idle": "1s", "consumer": "you"}, name="two")
        self.wait_settled()
        runs = [(r["id"], r["consumer"], r["attempt"], r.get("recovered")) for r in self.records()]
        self.assertEqual(runs, [(entry, "me", 1, None), (entry, "you", 2, True)])

    def test_restart_goes_on(self):
        daemon = self.start(self.python(RECORD + "gate('go')\n"), {"claim.min_idle": "1s", "handler.concurrency": 3})
        ids = self.add_many(3)
        self.wait_records(3)
        daemon.kill()
        self.open_gate()
        daemon.restart()
        self.wait_settled()
        runs = sorted((r["id"], r["attempt"], r.get("recovered", False)) for r in self.records())
        self.assertEqual(runs, sorted((i, n, n == 2) for i in ids for n in (1, 2)))

    def test_entries_that_waited_for_a_retry(self):
        daemon = self.start(self.python(RECORD + "sys.exit(not is_open('go'))\n"),
                            {"claim.min_idle": "1s", "retry.initial_delay": "1h", "retry.max_delay": "1h"})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry)
        daemon.kill()
        self.open_gate()
        daemon.restart()
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [1, 2])

    def test_handler_gets_whole_input_or_none(self):
        """A daemon that dies while it feeds a handler leaves none with half an entry."""
        daemon = self.start(self.python("record(started=1)\ngate('go')\ndata = sys.stdin.buffer.read()\n"
                                        "record(size=len(data))\n"), {"handler.stdin": "field v"})
        self.add(v="x" * (1 << 20))
        self.wait_records(1)
        daemon.kill()
        self.open_gate()
        self.wait_records(2)
        self.assertIn(self.records()[1], ({"size": 0}, {"size": 1 << 20}))


class KilledAgainAndAgain(WorkerCase):
    def test_nothing_is_lost(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    record(id=entry['id']); time.sleep(0.002)\n"
                                   "    say('ok', entry['tag'])\n", {"handler.window": 10, "claim.min_idle": "1s"},
                                   daemon={"log.level": "notice"})
        ids = self.add_many(600)
        for count in (100, 250, 400):
            self.wait_records(count)
            daemon.kill()
            daemon.restart()
        self.wait_settled(seconds=30)
        self.assertEqual({r["id"] for r in self.records()}, set(ids))
        self.assertEqual(self.dead(), [])

    def test_workers_of_a_dead_daemon_end(self):
        daemon = self.start_worker("for entry in entries(): say('ok', entry['tag'])\nrecord(end='clean')\n")
        self.add()
        self.wait_settled()
        daemon.kill()
        self.assertEqual(self.wait_records(1), [{"end": "clean"}])


class Frozen(Case):
    def test_entry_of_a_frozen_daemon_is_taken_and_its_result_still_counts(self):
        first = self.start(self.python(RECORD + "gate('first')\n"), {"claim.min_idle": "1s"})
        entry = self.add()
        self.wait_records(1)
        first.signal(signal.SIGSTOP)
        second = self.start(self.python(RECORD + "gate('second')\n", "other"),
                            {"claim.min_idle": "1s", "consumer": "you"}, name="two")
        self.wait_records(2)
        first.signal(signal.SIGCONT)
        first.wait_for_event("stalled")
        first.wait_for_event("lease_lost", entry_id=entry)
        self.assertEqual(self.pending()[entry][0], "you")
        self.open_gate("first")
        self.wait_settled()
        self.open_gate("second")
        second.stop()
        self.assertEqual(len(self.records()), 2)

    def test_lease_is_kept_after_a_short_stall(self):
        first = self.start(self.python(RECORD + "gate('go')\n"), {"claim.min_idle": "4s"})
        entry = self.add()
        self.wait_records(1)
        first.signal(signal.SIGSTOP)
        wait_until(lambda: self.pending()[entry][1] > 2500, what="2.5 s of idle time")
        first.signal(signal.SIGCONT)
        wait_until(lambda: self.pending()[entry][1] < 1000, 2, "the lease renewed at once")
        stays_true(lambda: len(self.records()) == 1, 0.5, "run once")
        self.open_gate()
        self.wait_settled()

    def test_read_that_outlived_its_lease_is_not_run(self):
        """An entry was given to a frozen reader; when it wakes, another daemon runs it."""
        lease = {"claim.min_idle": "1s", "read.block": "10s"}
        first = self.start(self.python(RECORD + "gate('go')\n"), lease)
        self.wait_group()
        wait_until(lambda: b"cmd=xreadgroup" in self.redis.call("CLIENT", "LIST"), what="a blocked reader")
        first.signal(signal.SIGSTOP)
        entry = self.add()
        self.start(self.python(RECORD + "gate('go')\n", "other"), {**lease, "consumer": "you"}, name="two")
        self.wait_records(1)
        first.signal(signal.SIGCONT)
        first.wait_for_event("lease_lost", entry_id=entry)
        stays_true(lambda: len(self.records()) == 1, 0.3, "run by one")
        self.open_gate()
        self.wait_settled()
        self.assertEqual([r["consumer"] for r in self.records()], ["you"])

    def test_first_to_wake_does_not_take_what_the_other_runs(self):
        lease = {"claim.min_idle": "2s"}
        first = self.start(self.python(RECORD + "gate('go')\n"), lease)
        entry = self.add()
        self.wait_records(1)
        second = self.start(self.python(RECORD, "other"), {**lease, "consumer": "you"}, name="two")
        first.signal(signal.SIGSTOP)
        second.signal(signal.SIGSTOP)
        wait_until(lambda: self.pending()[entry][1] > 2100, what="a lease that is over")
        second.signal(signal.SIGCONT)
        stays_true(lambda: self.pending()[entry][0] == "me", 0.4, "left alone by the one that woke first")
        first.signal(signal.SIGCONT)
        stays_true(lambda: self.pending()[entry][0] == "me", 1.2, "left alone")
        self.open_gate()
        self.wait_settled()
        self.assertEqual([r["consumer"] for r in self.records()], ["me"])


if __name__ == "__main__":
    main()
