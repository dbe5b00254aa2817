#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stalls of the loop are told; a second daemon with our name is noticed."""

import signal

from harness import Case, main
from servers import stays_true

RECORD = "entry = json.load(sys.stdin)\nrecord(**{k: v for k, v in entry.items() if k != 'fields'})\n"


class Stalled(Case):
    def test_stall_is_told(self):
        daemon = self.start(self.python(RECORD + "gate('go')\n"), {"claim.min_idle": "1s"})
        self.add()
        self.wait_records(1)
        daemon.signal(signal.SIGSTOP)
        stays_true(lambda: True, 1, "")
        daemon.signal(signal.SIGCONT)
        daemon.wait_for_event("stalled")
        self.open_gate()
        self.wait_settled()


class Twins(Case):
    """Redis before 7.2 notices a consumer when it is given something: a twin is seen where there is work."""

    def test_second_daemon_with_the_same_name_is_refused(self):
        first = self.start(self.python(RECORD))
        end = self.trickle()
        self.wait_records(3)
        second = self.start(self.python("record(who='other')\n", "other"), name="two")
        self.assertEqual(second.wait_for_event("name_in_use")["level"], "error")
        seen = len(self.records())
        self.wait_records(seen + 20)
        self.assertEqual([r for r in self.records() if "who" in r], [])
        end()
        self.wait_settled()
        first.stop()
        second.wait_for_event("resumed")


class Restarted(Case):
    def test_own_sweep_is_no_twin(self):
        """Killed and back at once, with something to sweep: a claim of our own must not look like another's."""
        daemon = self.start(self.shell(":"), {"claim.min_idle": "1s"})
        self.add()
        self.wait_settled()
        daemon.kill()
        self.add_many(3)
        self.abandon()
        self.redis.call("XCLAIM", "s", "g", "ghost", 0, *self.pending(), "IDLE", 100000, "JUSTID")
        self.redis.call("XREADGROUP", "GROUP", "g", "me", "COUNT", 1, "STREAMS", "s", ">")
        daemon.restart()
        self.wait_settled()
        daemon.wait_for_event("claimed")
        stays_true(lambda: not daemon.events("name_in_use"), 1.5, "nobody else seen under our name")


if __name__ == "__main__":
    main()
