#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our own pending list: before the first read, after a lost connection, and by the sweep."""

import select

from harness import Case, main
from servers import stays_true, wait_until
from test_reading import Monitor

RECORD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"
LONG = {"claim.min_idle": "60s", "claim.interval": "1h"}


class Start(Case):
    def prepared(self, command, dotted=None):
        """With three entries pending on the daemon's name, and one that nobody has read."""
        self.add_many(3)
        ids = self.abandon(consumer="me")
        self.add()
        return ids, self.prepare({"c": self.consumer(command, {**LONG, **(dotted or {})})})

    def test_taken_up_at_once(self):
        ids, daemon = self.prepared(self.python(RECORD))
        daemon.start()
        self.wait_settled(seconds=4)
        self.assertEqual(sorted(r["id"] for r in self.records())[:3], ids)
        self.assertEqual(sorted(r["attempt"] for r in self.records()), [1, 2, 2, 2])

    def test_nothing_is_read_before(self):
        _, daemon = self.prepared(self.python(RECORD))
        monitor = Monitor(self.redis)
        daemon.start()
        self.wait_settled()
        self.redis.call("ECHO", "done")
        words = [word for line in monitor.until("done") if "[0 lua]" not in line
                 for word in ('"xpending" "s" "g" "-" "+"', '"xreadgroup"') if word in line and '"me"' in line]
        self.assertEqual(words[:2], ['"xpending" "s" "g" "-" "+"', '"xreadgroup"'])

    def test_lease_is_renewed_at_once(self):
        """Others could take it at any moment: it has been idle since the former life."""
        ids, daemon = self.prepared(self.python(RECORD + "gate('go')\n"))
        self.redis.call("XCLAIM", "s", "g", "me", 0, *ids, "IDLE", 50000, "JUSTID")
        daemon.start()
        wait_until(lambda: max(self.pending()[i][1] for i in ids) < 20000, 5, "all of them renewed")
        self.open_gate()
        self.wait_settled()


class LostReply(Case):
    """An entry is delivered on our name, and its reply never reaches us."""

    def deliver_behind_its_back(self):
        other = self.redis.connect()
        other.send("XREADGROUP", "GROUP", "g", "me", "COUNT", 1, "BLOCK", 60000, "STREAMS", "s", ">")

        def delivered():
            self.add()
            return select.select([other.socket], [], [], 0.05)[0]
        wait_until(delivered, what="an entry for the other connection")
        entry = other.read()[0][1][0][0].decode()
        other.close()
        return entry

    def ids_run(self):
        return [r["id"] for r in self.records()]

    def test_found_by_the_sweep(self):
        """Not before a reply could have been on its way for as long as it may, and before its lease is over."""
        daemon = self.start(self.python(RECORD), {"claim.min_idle": "9s"})
        self.add()
        self.wait_settled()
        stays_true(lambda: True, 1.5)
        entry = self.deliver_behind_its_back()
        stays_true(lambda: entry not in self.ids_run(), 3, "left alone")
        daemon.wait_for_event("recovered", entry_id=entry)
        self.wait_settled()

    def test_left_to_a_twin_that_renews_it(self):
        """Until it has been idle for a whole lease: nobody holds it then."""
        daemon = self.start(self.python(RECORD), {"claim.min_idle": "7s"})
        self.add()
        self.wait_settled()
        stays_true(lambda: True, 3.5, "sweeps begin")
        entry = self.deliver_behind_its_back()
        stays_true(lambda: not daemon.events("name_in_use"), 2, "one delivery is no sign of it")
        self.redis.call("XCLAIM", "s", "g", "me", 0, entry, "JUSTID")
        event = daemon.wait_for_event("name_in_use", entry_id=entry)
        self.assertEqual(event["level"], "error")
        new = self.add()
        stays_true(lambda: entry not in self.ids_run(), 6, "left alone")
        self.assertIn(new, self.ids_run())
        self.wait_settled()
        self.assertIn(entry, self.ids_run())
        self.assertEqual(len(daemon.events("name_in_use")), 1)

    def test_found_after_a_connect(self):
        daemon = self.start(self.python(RECORD), LONG)
        self.add()
        self.wait_settled()
        entry = self.deliver_behind_its_back()
        self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        daemon.wait_for_event("disconnected")
        stays_true(lambda: entry not in self.ids_run(), 3, "left alone")
        daemon.wait_for_event("recovered", entry_id=entry)
        self.wait_settled()


if __name__ == "__main__":
    main()
