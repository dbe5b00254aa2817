#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Leases and sweeps: what a dead consumer held is taken up, what a living one holds is not."""

from harness import Case, WorkerCase, main, record_fields
from servers import stays_true, wait_until

LEASE = {"claim.min_idle": "1s"}
RECORD = "entry = json.load(sys.stdin)\nrecord(**{k: v for k, v in entry.items() if k != 'fields'})\n"


class Abandoned(Case):
    def test_entries_of_a_dead_consumer_are_claimed(self):
        self.add_many(5)
        ids = self.abandon()
        daemon = self.start(self.python(RECORD), LEASE)
        self.wait_settled()
        seen = self.records()
        self.assertEqual(sorted(r["id"] for r in seen), sorted(ids))
        self.assertEqual({(r["attempt"], r["recovered"]) for r in seen}, {(2, True)})
        self.assertTrue(daemon.events("claimed"))

    def test_fresh_entries_are_left_alone(self):
        self.add()
        entry = self.abandon()[0]
        self.start(self.python(RECORD), {"claim.min_idle": "60s"})
        stays_true(lambda: self.pending()[entry][0] == "ghost", 1.5, "the ghost's entry")
        self.assertEqual(self.records(), [])

    def test_many_pages(self):
        self.add_many(1500)
        ids = self.abandon(2000)
        self.start(self.python("for entry in entries():\n    record(id=entry['id'])\n    say('ok', entry['tag'])\n"),
                   {**LEASE, "handler.mode": "worker", "handler.window": 100, "claim.count": 50},
                   daemon={"log.level": "notice"})
        self.wait_settled(seconds=30)
        self.assertEqual(sorted(r["id"] for r in self.records()), sorted(ids))

    def test_stale_ones_between_fresh_ones(self):
        self.add_many(300)
        ids = self.abandon()
        stale, fresh = set(ids[::7]), [i for n, i in enumerate(ids) if n % 7]

        def only_fresh_ones_are_left():
            self.redis.call("XCLAIM", "s", "g", "ghost", 0, *fresh, "JUSTID")
            return len(self.pending()) == len(fresh)
        self.redis.call("XCLAIM", "s", "g", "ghost", 0, *stale, "IDLE", 100000, "JUSTID")
        self.start(self.python(RECORD), {"claim.min_idle": "2s", "handler.concurrency": 4})
        wait_until(only_fresh_ones_are_left, what="the stale ones acknowledged")
        self.assertEqual({r["id"] for r in self.records()}, stale)

    def claimed_with_count(self, count, command):
        self.add()
        entry = self.abandon()[0]
        self.redis.call("XCLAIM", "s", "g", "ghost", 0, entry, "RETRYCOUNT", count, "JUSTID")
        return self.start(command, {**LEASE, "retry.max_attempts": 4}), entry

    def test_entry_that_kills_daemons_is_not_run(self):
        daemon, entry = self.claimed_with_count(8, self.python(RECORD))
        daemon.wait_for_event("dead_lettered", entry_id=entry)
        self.wait_settled()
        self.assertEqual(self.records(), [])
        meta, original = record_fields(self.dead()[0])
        self.assertEqual((meta["sluice.reason"], meta["sluice.failure"], meta["sluice.attempts"]),
                         ("attempts", "none", "8"))
        self.assertEqual(original, [(b"n", b"1")])

    def test_entry_within_the_slack_is_run(self):
        self.claimed_with_count(7, self.python(RECORD))
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [8])
        self.assertEqual(self.dead(), [])

    def test_entry_within_the_slack_that_fails_is_dead(self):
        self.claimed_with_count(5, self.python(RECORD + "sys.exit(1)\n"))
        self.wait_dead()
        self.assertEqual([r["attempt"] for r in self.records()], [6])

    def test_trimmed_entries_are_recorded(self):
        self.add_many(5)
        ids = self.abandon()
        self.redis.call("XDEL", "s", ids[1], ids[3])
        daemon = self.start(self.python(RECORD), LEASE)
        self.wait_settled()
        metas = [record_fields(pairs)[0] for pairs in self.dead()]
        self.assertEqual(sorted((m["sluice.id"], m["sluice.reason"]) for m in metas),
                         [(ids[1], "trimmed"), (ids[3], "trimmed")])
        self.assertEqual(sorted(r["id"] for r in self.records()), [ids[0], ids[2], ids[4]])
        daemon.wait_for_event("trimmed", entry_id=ids[1])


class Renewal(Case):
    def test_long_run_is_not_taken_by_another_daemon(self):
        first = self.start(self.python(RECORD + "gate('go')\n"), LEASE)
        entry = self.add()
        self.wait_records(1)
        second = self.start(self.python(RECORD, "other"), {**LEASE, "consumer": "you"}, name="two")
        stays_true(lambda: self.pending()[entry][0] == "me", 3.5, "owned by the first")
        self.open_gate()
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [1])
        self.assertEqual(second.events("claimed") + first.events("lease_lost"), [])

    def test_entry_that_waits_for_its_retry_is_not_taken(self):
        first = self.start(self.python(RECORD + "sys.exit(entry['attempt'] < 2)\n"),
                           {**LEASE, "retry.initial_delay": "3s", "retry.max_delay": "3s"})
        entry = self.add()
        first.wait_for_event("retry", entry_id=entry)
        second = self.start(self.python(RECORD, "other"), {**LEASE, "consumer": "you"}, name="two")
        self.wait_settled()
        self.assertEqual([(r["consumer"], r["attempt"]) for r in self.records()], [("me", 1), ("me", 2)])
        self.assertEqual(second.events("claimed"), [])

    def test_own_sweep_does_not_start_a_running_entry_again(self):
        self.start(self.python(RECORD + "gate('go')\n"), {**LEASE, "handler.concurrency": 4})
        entry = self.add()
        self.wait_records(1)
        for _ in range(5):
            self.redis.call("XCLAIM", "s", "g", "me", 0, entry, "IDLE", 500000, "JUSTID")
            stays_true(lambda: len(self.records()) == 1, 0.4, "run once")
        self.open_gate()
        self.wait_settled()
        self.assertEqual(len(self.records()), 1)


class RenewalOfMany(WorkerCase):
    def test_everything_held_is_renewed(self):
        self.start_worker("tags = []\n"
                          "for entry in entries():\n"
                          "    tags.append(entry['tag']); record(id=entry['id'])\n"
                          "    if len(tags) == 300: gate('go'); say('ok', *tags)\n",
                          {**LEASE, "handler.window": 300})
        self.add_many(300)
        self.wait_records(300)
        self.start(self.python(RECORD, "other"), {**LEASE, "consumer": "you"}, name="two")
        stays_true(lambda: {row[0] for row in self.pending().values()} == {"me"}, 2.5, "all are ours")
        self.open_gate()
        self.wait_settled()
        self.assertEqual(len(self.records()), 300)

    def test_so_many_that_it_takes_several_rounds(self):
        self.add_many(24000)
        self.abandon(24000, consumer="me")
        daemon = self.prepare({"c": self.consumer(self.python("gate('go')\n"),
                                                  {"claim.min_idle": "4s", "read.max_held": 100000,
                                                   "claim.interval": "1h"})}, daemon={"log.level": "error"})
        daemon.start()

        def over_the_lease():
            return self.redis.call("XPENDING", "s", "g", "IDLE", 4000, "-", "+", 1)
        stays_true(lambda: not over_the_lease(), 6, "no lease is over")
        self.assertEqual(len(self.pending()), 24000)


class Stolen(Case):
    """Another consumer takes an entry that runs here."""

    def steal(self, ending):
        daemon = self.start(self.python(RECORD + "gate('go')\n" + ending), LEASE)
        entry = self.add()
        self.wait_records(1)
        self.redis.call("XCLAIM", "s", "g", "thief", 0, entry, "RETRYCOUNT", 7, "JUSTID")
        daemon.wait_for_event("lease_lost", entry_id=entry)
        self.keep_for_thief(entry)
        self.open_gate()
        return daemon, entry

    def keep_for_thief(self, entry):
        self.redis.call("XCLAIM", "s", "g", "thief", 0, entry, "RETRYCOUNT", 7, "JUSTID")

    def test_success_is_still_acknowledged(self):
        self.steal("")
        self.wait_settled()

    def test_failure_is_ignored(self):
        daemon, entry = self.steal("record(end=1)\nsys.exit(65)\n")
        wait_until(lambda: len(self.records()) == 2, what="the handler's end")
        stays_true(lambda: self.keep_for_thief(entry) or self.pending()[entry][0] == "thief", 0.6, "the thief's")
        self.assertEqual(self.pending()[entry][2], 7)
        self.assertEqual(self.dead() + daemon.events("dead_lettered") + daemon.events("retry"), [])

    def test_waiting_entry_is_forgotten(self):
        daemon = self.start(self.python(RECORD + "sys.exit(1)\n"),
                            {"claim.min_idle": "60s", "retry.initial_delay": "1s", "retry.max_delay": "1s"})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry)
        self.redis.call("XCLAIM", "s", "g", "thief", 0, entry, "JUSTID")
        stays_true(lambda: len(self.records()) == 1, 2, "not run again here")
        self.assertEqual(self.pending()[entry][0], "thief")

    def test_acknowledged_elsewhere_while_it_waits(self):
        daemon = self.start(self.python(RECORD + "sys.exit(1)\n"), {"retry.initial_delay": "1s", "retry.max_delay": "1s"})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry)
        self.redis.call("XACK", "s", "g", entry)
        stays_true(lambda: len(self.records()) == 1, 2, "not run again")
        self.assertEqual((self.pending(), self.dead()), ({}, []))


if __name__ == "__main__":
    main()
