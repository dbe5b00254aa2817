#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Redis user that may not run scripts, or not unblock clients: the same promises hold."""

from harness import Case, main, record_fields
from servers import stays_true

RUN = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"
WITHOUT_SCRIPTS = ["~*", "+@all", "-@scripting"]
WITHOUT_UNBLOCK = ["~*", "+@all", "-client|unblock"]
LEAST = ["~s", "~s:dead", "+xreadgroup", "+xack", "+xclaim", "+xautoclaim", "+xpending", "+xrange", "+xinfo",
         "+xgroup|create", "+xadd", "+ping"]


class Permissions(Case):
    def start_as(self, rules, command, dotted=None):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", *rules)
        return self.start(command, dotted, redis={"username": "worker", "password": "secret"})

    def assert_whole_life(self, rules):
        """Success, retry, dead letter, an abandoned entry, and a release at the end."""
        self.add(how="exit 0")
        abandoned = self.abandon()
        daemon = self.start_as(rules, self.python(RUN + "how = entry['fields']['how']\n"
                                                  "if how == 'hold': gate('go')\n"
                                                  "sys.exit({'exit 0': 0, 'dead': 65, 'hold': 0}.get(how, 1))\n"),
                               {"claim.min_idle": "1s", "retry.max_attempts": 2, "handler.concurrency": 2})
        self.add(how="exit 0")
        failing, dead = self.add(how="fail"), self.add(how="dead")
        self.wait_settled()
        found = sorted((m["sluice.id"], m["sluice.reason"]) for m in
                       (record_fields(pairs)[0] for pairs in self.dead()))
        self.assertEqual(found, [(failing, "attempts"), (dead, "rejected")])
        runs = [(r["id"], r["attempt"]) for r in self.records()]
        self.assertIn((abandoned[0], 2), runs)
        self.assertEqual([n for i, n in runs if i == failing], [1, 2])
        return daemon

    def assert_gives_back(self, daemon):
        runs = len(self.records())
        entry = self.add(how="hold")
        self.wait_records(runs + 1)
        daemon.stop()
        self.assertEqual(self.deliveries(entry), 0)

    def test_no_scripts(self):
        self.assert_gives_back(self.assert_whole_life(WITHOUT_SCRIPTS))

    def test_no_client_unblock(self):
        self.assert_gives_back(self.assert_whole_life(WITHOUT_UNBLOCK))

    def test_least_permissions(self):
        self.assert_gives_back(self.assert_whole_life(LEAST))

    def test_long_run_is_renewed_without_scripts(self):
        self.start_as(WITHOUT_SCRIPTS, self.python(RUN + "gate('go')\n"), {"claim.min_idle": "1s"})
        entry = self.add()
        self.wait_records(1)
        self.start(self.python(RUN, "other"), {"claim.min_idle": "1s", "consumer": "you"}, name="two")
        stays_true(lambda: self.pending()[entry][0] == "me", 2.5, "owned by the first")
        self.open_gate()
        self.wait_settled()
        self.assertEqual(len(self.records()), 1)

    def test_no_scripts_and_stolen_while_running(self):
        daemon = self.start_as(WITHOUT_SCRIPTS, self.python(RUN + "gate('go')\n"), {"claim.min_idle": "1s"})
        entry = self.add()
        self.wait_records(1)
        self.redis.call("XCLAIM", "s", "g", "thief", 0, entry, "JUSTID")
        daemon.wait_for_event("lease_lost", entry_id=entry)
        self.assertEqual(self.pending()[entry][0], "thief")
        self.open_gate()
        self.wait_settled()


if __name__ == "__main__":
    main()
