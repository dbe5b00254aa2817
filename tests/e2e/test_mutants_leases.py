#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Leases where it is tight: a silent server, a connect, a stall, an entry that comes twice."""

import re
import signal

from harness import Case, main
from servers import stays_true, wait_until
from test_reading import Monitor

RECORD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"
HOLD = RECORD + "gate('go')\n"
OWN = re.compile(r'\[0 (?!lua)[^]]*\] "(evalsha|eval|xpending|xreadgroup|xinfo|xgroup|xack)"')


class LeaseCase(Case):
    def wait_a_while(self, seconds):
        stays_true(lambda: True, seconds)

    def look_idle(self, entry, owner):
        """Nobody has touched it for very long."""
        self.redis.call("XCLAIM", "s", "g", owner, 0, entry, "IDLE", 500000, "JUSTID")

    def commands(self, work):
        """What the daemon sends meanwhile, and its words; what scripts do is left out."""
        monitor = Monitor(self.redis)
        work()
        self.redis.call("ECHO", "done")
        return [line for line in monitor.until("done") if OWN.search(line)]


class Silent(LeaseCase):
    def test_what_is_stale_is_not_handed_over(self):
        """The server stands still, so nobody knows whether the lease has been kept."""
        self.start(self.python(HOLD), {"claim.min_idle": "1s"})
        self.add_many(2)
        self.wait_records(1)
        wait_until(lambda: len(self.pending()) == 2, what="the second entry read")
        self.redis.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.redis.process.send_signal, signal.SIGCONT)
        self.wait_a_while(1.2)
        self.open_gate()
        stays_true(lambda: len(self.records()) == 1, 1, "the second entry not run")
        self.redis.process.send_signal(signal.SIGCONT)
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [1, 1])


class Reconnected(LeaseCase):
    def cut(self, *before):
        """Does something and cuts every connection, at one stroke."""
        self.redis.call("MULTI")
        for command in before:
            self.redis.call(*command)
        self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.redis.call("EXEC")

    def test_no_sweep_before_others_could_renew(self):
        self.add()
        entry = self.abandon()[0]
        daemon = self.start(self.python(RECORD), {"claim.min_idle": "4s", "claim.interval": "100ms"})
        self.cut(("XCLAIM", "s", "g", "ghost", 0, entry, "IDLE", 500000, "JUSTID"))
        daemon.wait_for_event("disconnected")
        stays_true(lambda: self.pending()[entry][0] == "ghost", 1.2, "the ghost's entry")
        self.wait_settled()

    def test_renewal_comes_first(self):
        daemon = self.start(self.python(HOLD), {"claim.min_idle": "60s"})
        entry = self.add()
        self.wait_records(1)
        self.cut(("XCLAIM", "s", "g", "me", 0, entry, "IDLE", 500000, "JUSTID"))
        daemon.wait_for_event("disconnected")
        wait_until(lambda: self.pending()[entry][1] < 5000, 5, "the lease renewed")
        self.open_gate()
        self.wait_settled()


class Stalled(LeaseCase):
    def test_no_sweep_before_others_could_renew(self):
        """If we stood still, the server may have done so too."""
        self.add()
        entry = self.abandon()[0]
        daemon = self.start(self.python(RECORD), {"claim.min_idle": "4s", "claim.interval": "100ms"})
        daemon.signal(signal.SIGSTOP)
        self.wait_a_while(1.6)
        self.look_idle(entry, "ghost")
        daemon.signal(signal.SIGCONT)
        daemon.wait_for_event("stalled")
        stays_true(lambda: self.pending()[entry][0] == "ghost", 1, "the ghost's entry")
        self.wait_settled()

    def test_reply_that_waited_out_the_stall(self):
        """Another has taken the entry before the daemon sees that it was given it."""
        first = self.start(self.python(HOLD), {"claim.min_idle": "1s", "read.block": "10s"})
        self.wait_group()
        self.wait_a_while(0.5)
        first.signal(signal.SIGSTOP)
        entry = self.add()
        wait_until(self.pending, what="the entry given to the first")
        self.start(self.python(HOLD, "other"), {"claim.min_idle": "1s", "consumer": "you"}, name="two")
        self.wait_records(1)
        first.signal(signal.SIGCONT)
        first.wait_for_event("stalled")
        stays_true(lambda: len(self.records()) == 1, 1, "run once")
        self.assertEqual(self.pending()[entry][0], "you")
        self.open_gate()
        self.wait_settled()


class Stolen(LeaseCase):
    def steal(self, ending):
        daemon = self.start(self.python(HOLD + ending), {"claim.min_idle": "1s"})
        entry = self.add()
        self.wait_records(1)
        self.redis.call("XCLAIM", "s", "g", "thief", 0, entry, "JUSTID")
        daemon.wait_for_event("lease_lost", entry_id=entry)
        self.redis.call("XCLAIM", "s", "g", "thief", 0, entry, "JUSTID")
        self.open_gate()
        return daemon

    def test_success_is_acknowledged_for_another(self):
        self.steal("")
        wait_until(lambda: not self.pending(), 0.8, "acknowledged before the thief's lease is over")
        self.assertEqual(len(self.records()), 1)

    def test_failure_is_not_told(self):
        daemon = self.steal("record(end=1)\nsys.exit(1)\n")
        self.wait_records(2)
        self.wait_a_while(0.3)
        self.assertEqual(daemon.events("retry"), [])

    def test_acknowledged_by_another_before_its_run(self):
        """It had been read, its lease ran out during a stall, and another has handled it: the renewal finds
        it pending for nobody."""
        daemon = self.start(self.python(HOLD), {"claim.min_idle": "1s"})
        self.add()
        self.wait_records(1)
        second, third = self.add(), self.add()
        wait_until(lambda: second in self.pending(), what="the second entry read")
        self.redis.call("XACK", "s", "g", second)
        self.wait_a_while(1)
        self.open_gate()
        daemon.wait_for_event("lease_lost", entry_id=second)
        self.wait_settled()
        self.assertEqual([r["id"] for r in self.records()][1:], [third])


class Waiting(LeaseCase):
    def test_backlog_does_not_starve_a_retry(self):
        self.start(self.shell("echo \"{\\\"id\\\": \\\"$SLUICE_ID\\\"}\" >>$HERE/records\n"
                              "[ $SLUICE_ATTEMPT != 1 ] || [ $SLUICE_FIELD_N != 0 ]"),
                   {"handler.stdin": "none", "handler.environment_fields": ["n"]})
        ids = self.add_many(400)
        self.wait_settled(seconds=60)
        order = [r["id"] for r in self.records()]
        again = len(order) - 1 - order[::-1].index(ids[0])
        self.assertLess(again, 100)


class HeldIds(LeaseCase):
    def test_redelivered(self):
        """After a failover a server may give out again what it has given out."""
        self.start(self.python(HOLD), {"handler.concurrency": 4})
        first = self.add()
        self.wait_records(1)
        self.redis.call("XGROUP", "SETID", "s", "g", "0")
        second = self.add()
        self.wait_records(2)
        stays_true(lambda: len(self.records()) == 2, 0.5, "each run once")
        self.open_gate()
        self.wait_settled()
        self.assertEqual([r["id"] for r in self.records()], [first, second])

    def test_not_claimed_from_ourselves(self):
        self.start(self.python(HOLD), {"claim.min_idle": "2s", "claim.interval": "100ms",
                                       "handler.concurrency": 4})
        entry = self.add()
        self.wait_records(1)
        self.wait_a_while(1.2)
        monitor = Monitor(self.redis)
        for _ in range(6):
            self.look_idle(entry, "me")
            self.wait_a_while(0.25)
        self.redis.call("ECHO", "done")
        lines = monitor.until("done")
        self.assertTrue([line for line in lines if '"xpending" "s" "g" "-" "+" "250"' in line])
        self.assertEqual([line for line in lines if '"xautoclaim"' in line], [])
        self.open_gate()
        self.wait_settled()


class Released(LeaseCase):
    def test_next_round_not_this_one(self):
        """A round is under way when an entry that lies ahead of it is given back."""
        self.add_many(2000)
        self.abandon(2000)
        daemon = self.start(self.python("for entry in entries():\n"
                                        "    if entry['fields']['n'] == 'x':\n"
                                        "        record(id=entry['id']); say('release', entry['tag'])\n"
                                        "    else: say('ok', entry['tag'])\n"),
                            {"claim.min_idle": "1s", "claim.interval": "3s", "claim.count": 5,
                             "handler.mode": "worker", "handler.window": 100})
        daemon.wait_for_event("claimed", count=10)
        self.add(n="x")
        self.wait_records(1)
        stays_true(lambda: len(self.records()) == 1, 1.5, "not run again in this round")


if __name__ == "__main__":
    main()
