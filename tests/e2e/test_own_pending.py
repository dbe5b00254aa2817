#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is pending for our own name is taken up long before its lease has run out."""

from harness import Case, WorkerCase, main

RECORD = "entry = json.load(sys.stdin)\nrecord(**{k: v for k, v in entry.items() if k != 'fields'})\n"


class Restarted(Case):
    def test_restart_takes_up_its_own(self):
        """Long before the lease has run out."""
        daemon = self.start(self.python(RECORD + "gate('go')\n"), {"claim.min_idle": "60s", "handler.concurrency": 3})
        ids = self.add_many(3)
        self.wait_records(3)
        daemon.kill()
        self.open_gate()
        daemon.restart()
        self.wait_settled()
        runs = sorted((r["id"], r["attempt"], r.get("recovered")) for r in self.records())
        self.assertEqual(runs, sorted([(i, 1, None) for i in ids] + [(i, 2, True) for i in ids],
                                      key=lambda run: run[:2]))
        self.assertTrue(daemon.events("recovered"))

    def test_pending_before_the_first_read(self):
        self.add_many(3)
        ids = self.abandon(consumer="me")
        new = self.add()
        self.start(self.python(RECORD))
        self.wait_settled()
        runs = sorted((r["id"], r["attempt"]) for r in self.records())
        self.assertEqual(runs, [(i, 2) for i in ids] + [(new, 1)])

    def test_count_survives_a_restart(self):
        daemon = self.start(self.python(RECORD + "sys.exit(1)\n"),
                            {"retry.initial_delay": "1h", "retry.max_delay": "1h"})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry, attempt=1)
        daemon.stop()
        daemon.restart()
        daemon.wait_for_event("retry", entry_id=entry, attempt=2)


class LostReplies(WorkerCase):
    def test_taken_up_after_the_block_and_a_margin(self):
        daemon = self.start_worker("for entry in entries():\n    record(id=entry['id']); say('ok', entry['tag'])\n",
                                   {"handler.window": 500}, daemon={"log.level": "notice"})
        ids = []
        for _ in range(10):
            ids += self.add_many(2000)
            self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.wait_settled(seconds=40)
        self.assertEqual(sorted(r["id"] for r in self.records()), sorted(ids))
        daemon.stop()

    def test_entry_delivered_to_our_name_behind_our_back(self):
        self.start_worker("for entry in entries():\n    record(id=entry['id']); say('ok', entry['tag'])\n",
                          {"handler.window": 5, "claim.min_idle": "20s"})
        self.add()
        self.wait_settled()
        other = self.redis.connect()
        other.send("XREADGROUP", "GROUP", "g", "me", "COUNT", 1, "BLOCK", 20000, "STREAMS", "s", ">")
        while not self.redis.call("XPENDING", "s", "g")[0]:
            self.add()
        other.close()
        self.wait_settled(seconds=30)


if __name__ == "__main__":
    main()
