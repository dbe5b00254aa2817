#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The consumer group: created, missing, vanished, and keys that are no streams."""

import signal

from harness import Case, main
from servers import stays_true, wait_until

RECORD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"


class Group(Case):
    def ids_seen(self):
        return [r["id"] for r in self.records()]

    def test_begins_at_the_beginning_with_a_warning(self):
        ids = self.add_many(3)
        daemon = self.start(self.python(RECORD))
        self.wait_settled()
        self.assertEqual(self.ids_seen(), ids)
        event = daemon.wait_for_event("group_created")
        self.assertEqual(event["level"], "warning")
        self.assertIn("3 entries waiting", event["message"])

    def test_no_warning_for_an_empty_stream(self):
        daemon = self.start(self.python(RECORD))
        self.assertNotEqual(daemon.wait_for_event("group_created")["level"], "warning")

    def test_begins_at_the_end(self):
        self.add_many(3)
        self.start(self.python(RECORD), {"start": "end"})
        self.wait_group()
        entry = self.add()
        self.wait_settled()
        self.assertEqual(self.ids_seen(), [entry])

    def test_begins_at_an_id(self):
        ids = self.add_many(5)
        self.start(self.python(RECORD), {"start": ids[1]})
        self.wait_settled()
        self.assertEqual(self.ids_seen(), ids[2:])

    def test_existing_group_goes_on_where_it_was(self):
        ids = self.add_many(4)
        self.redis.call("XGROUP", "CREATE", "s", "g", ids[1])
        daemon = self.start(self.python(RECORD))
        self.wait_settled()
        self.assertEqual(self.ids_seen(), ids[2:])
        self.assertEqual(daemon.events("group_created"), [])

    def test_wait(self):
        ids = self.add_many(2)
        daemon = self.start(self.python(RECORD), {"on_missing_group": "wait"})
        stays_true(lambda: self.group() is None, 1, "no group")
        self.redis.call("XGROUP", "CREATE", "s", "g", 0)
        self.wait_settled()
        self.assertEqual(self.ids_seen(), ids)
        daemon.stop()

    def test_fail(self):
        self.add()
        failing = self.consumer(self.python(RECORD), {"on_missing_group": "fail"})
        other = self.consumer(["/bin/true"], {"stream": "t"})
        daemon = self.start_all({"failing": failing, "other": other})
        self.add("t")
        self.wait_settled("t")
        wait_until(lambda: [e for e in daemon.events(consumer="failing") if e["level"] == "error"],
                   what="an error about the missing group")
        stays_true(lambda: self.group() is None, 1, "no group")
        daemon.stop()


class Vanished(Case):
    def ids_seen(self):
        return [r["id"] for r in self.records()]

    def test_destroyed_group_is_recreated_where_it_was(self):
        daemon = self.start(self.python(RECORD))
        ids = self.add_many(5)
        self.wait_settled()
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        event = daemon.wait_for_event("group_recreated")
        self.assertEqual(event["level"], "warning")
        ids += self.add_many(3)
        self.wait_settled()
        self.assertEqual(self.ids_seen(), ids)

    def test_destroyed_while_entries_run(self):
        daemon = self.start(self.python(RECORD + "gate('go')\n"), {"handler.concurrency": 2})
        ids = self.add_many(5)
        self.wait_records(2)
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        self.open_gate()
        daemon.wait_for_event("group_recreated")
        self.wait_settled()
        self.assertEqual(set(self.ids_seen()), set(ids))

    def test_deleted_stream_begins_anew(self):
        daemon = self.start(self.python(RECORD))
        ids = self.add_many(2)
        self.wait_settled()
        self.redis.call("DEL", "s")
        daemon.wait_for_event("group_recreated")
        ids += self.add_many(2)
        self.wait_settled()
        self.assertEqual(self.ids_seen(), ids)

    def test_flushed_server(self):
        self.start(self.python(RECORD))
        ids = self.add_many(2)
        self.wait_settled()
        self.redis.call("FLUSHALL")
        ids += self.add_many(2)
        wait_until(lambda: set(self.ids_seen()) == set(ids), what="the new entries handled")

    def test_dead_consumers_entries_are_not_lost(self):
        ids = self.add_many(5)
        self.abandon()
        daemon = self.start(self.python(RECORD), {"claim.min_idle": "1h"})
        ids += self.add_many(3)
        self.wait_records(3)
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        daemon.wait_for_event("group_recreated")
        self.wait_settled()
        self.assertEqual(set(self.ids_seen()), set(ids))

    def test_waiting_entry_of_another_daemon_is_not_lost(self):
        """The other daemon is frozen meanwhile: it finds an entry that is no longer its own."""
        long = {"claim.min_idle": "1h", "retry.initial_delay": "1s", "retry.max_delay": "1s"}
        body = "entry = json.load(sys.stdin)\nrecord(id=entry['id'])\nsys.exit(%d)\n"
        other = self.start(self.python(body % 1, "other"), {**long, "consumer": "you"}, name="two")
        low = self.add()
        other.wait_for_event("retry", entry_id=low)
        daemon = self.start(self.python(body % 0), long)
        other.signal(signal.SIGSTOP)
        stays_true(lambda: True, 0.2, "the server gives up its read")
        high = self.add()
        daemon.wait_for_event("verdict", entry_id=high)
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        daemon.wait_for_event("group_recreated")
        daemon.wait_for_event("verdict", entry_id=low, outcome="ok")
        other.signal(signal.SIGCONT)
        self.wait_settled()
        stays_true(lambda: self.ids_seen().count(low) == 2, 1.2, "not run by the other again")
        self.assertIn(high, self.ids_seen())
        self.assertEqual((self.pending(), self.dead()), ({}, []))
        other.stop()

    def read_high_ids(self):
        daemon = self.start(self.python(RECORD))
        self.redis.call("XADD", "s", "1000-1", "n", "1")
        self.wait_settled()
        return daemon

    def assert_low_id_is_read(self):
        self.wait_records(2)
        self.wait_settled()
        self.assertEqual(self.ids_seen(), ["1000-1", "5-1"])

    def test_deleted_stream_begins_anew_with_lower_ids(self):
        daemon = self.read_high_ids()
        self.redis.call("DEL", "s")
        daemon.wait_for_event("group_recreated")
        self.redis.call("XADD", "s", "5-1", "n", "2")
        self.assert_low_id_is_read()

    def test_stream_is_replaced_by_one_with_lower_ids(self):
        self.read_high_ids()
        self.replace_stream("5-1")
        self.assert_low_id_is_read()

    def replace_stream(self, *ids):
        added = [("XADD", "s", entry, "n", "2") for entry in ids]
        for command in [("MULTI",), ("DEL", "s"), *added, ("EXEC",)]:
            self.redis.call(*command)

    def test_stream_is_replaced_by_one_that_goes_on_above(self):
        """Low ids given by the producer first, then some of the server's clock."""
        self.read_high_ids()
        self.replace_stream("5-1", "2000-1")
        self.wait_records(3)
        self.assertEqual(self.ids_seen(), ["1000-1", "5-1", "2000-1"])

    def test_known_entry_was_deleted_by_its_producer(self):
        """It is the same stream all the same: what was handled is not repeated."""
        daemon = self.start(self.python(RECORD))
        ids = self.add_many(3)
        self.wait_settled()
        self.redis.call("XDEL", "s", ids[-1])
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        daemon.wait_for_event("group_recreated")
        ids.append(self.add())
        self.wait_settled()
        self.assertEqual(self.ids_seen(), ids)


class FullServer(Case):
    def test_existing_group_is_read_on(self):
        """At maxmemory the group cannot be made; where there is one it need not be."""
        ids = self.add_many(3)
        self.redis.call("XGROUP", "CREATE", "s", "g", 0)
        self.redis.call("CONFIG", "SET", "maxmemory", 1)
        self.start(self.python(RECORD))
        self.wait_settled()
        self.assertEqual([r["id"] for r in self.records()], ids)


class WrongType(Case):
    def test_one_stream_does_not_stop_another(self):
        self.redis.call("SET", "s", "a string")
        daemon = self.start_all({"bad": self.consumer(["/bin/true"]),
                                 "good": self.consumer(["/bin/true"], {"stream": "t"})})
        daemon.wait_for_event("redis_error", consumer="bad")
        for _ in range(5):
            self.add("t")
        self.wait_settled("t")
        daemon.stop()

    def test_one_stream_of_a_consumer_does_not_stop_the_other(self):
        self.redis.call("SET", "s", "a string")
        self.start(["/bin/true"], {"stream": None, "streams": ["s", "t"]})
        self.add("t")
        self.wait_settled("t")

    def test_stream_that_is_overwritten(self):
        daemon = self.start_all({"bad": self.consumer(["/bin/true"]),
                                 "good": self.consumer(["/bin/true"], {"stream": "t"})})
        self.wait_group()
        self.redis.call("SET", "s", "a string")
        daemon.wait_for_event("redis_error", consumer="bad")
        self.add("t")
        self.wait_settled("t")
        self.redis.call("DEL", "s")
        self.add()
        self.wait_settled(seconds=30)


if __name__ == "__main__":
    main()
