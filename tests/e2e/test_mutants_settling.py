#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Redis is told, when it does not answer, refuses, forgets, or changes its part."""

import re
import signal

from harness import Case, WorkerCase, main, record_fields
from servers import stays_true, wait_until
from test_reading import Monitor

RECORD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"
WORKER = {"username": "worker", "password": "secret"}


class Acknowledgements(Case):
    redis_options = ("--appendonly", "yes", "--appendfsync", "always")

    def test_lost_with_the_server(self):
        """Sent to a server that ends before it has read it."""
        daemon = self.start(self.python(RECORD + "gate('go')\n"))
        entry = self.add()
        self.wait_records(1)
        self.redis.process.send_signal(signal.SIGSTOP)
        self.open_gate()
        daemon.wait_for_event("verdict", entry_id=entry, outcome="ok")
        stays_true(lambda: True, 0.3)
        self.redis.kill()
        self.redis.start().wait_ready()
        self.wait_settled()
        self.assertEqual(len(self.records()), 1)

    def test_refused(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-xack")
        daemon = self.start(self.python(RECORD), redis=WORKER)
        entry = self.add()
        daemon.wait_for_event("redis_error")
        self.assertIn(entry, self.pending())
        self.redis.call("ACL", "SETUSER", "worker", "+xack")
        self.wait_settled()
        self.assertEqual(len(self.records()), 1)


class DeadLettersWithoutScripts(Case):
    def test_refused_record_acknowledges_nothing(self):
        self.redis.call("SET", "s:dead", "mine")
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-@scripting")
        daemon = self.start(["/bin/sh", "-c", "exit 65"], redis=WORKER)
        entry = self.add()
        daemon.wait_for_event("dead_letter_refused")
        stays_true(lambda: entry in self.pending(), 0.5, "the entry pending")
        self.redis.call("DEL", "s:dead")
        self.wait_settled(seconds=30)
        self.assertEqual([record_fields(pairs)[0]["sluice.id"] for pairs in self.dead()], [entry])


class GivenBack(WorkerCase):
    def test_what_was_ready_is_not_charged(self):
        """One entry runs for ever, the next one has been read and waits."""
        daemon = self.start(self.python(RECORD + "gate('go')\n"), daemon={"drain_timeout": "300ms"})
        ids = self.add_many(2)
        self.wait_records(1)
        wait_until(lambda: len(self.pending()) == 2, what="the second entry read")
        daemon.stop()
        self.assertEqual({i: self.deliveries(i) for i in ids}, {i: 0 for i in ids})


    def test_waits_until_redis_has_answered(self):
        daemon = self.start(self.python(RECORD + "gate('go')\n"))
        entry = self.add()
        self.wait_records(1)
        self.redis.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.redis.process.send_signal, signal.SIGCONT)
        self.open_gate()
        daemon.wait_for_event("verdict", entry_id=entry, outcome="ok")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("draining")
        stays_true(lambda: daemon.process.poll() is None, 1, "the daemon waits")
        self.redis.process.send_signal(signal.SIGCONT)
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(self.pending(), {})


class Replies(WorkerCase):
    def test_lost_read_halves_the_count(self):
        daemon = self.start_worker("for entry in entries(): say('ok', entry['tag'])\n",
                                   {"handler.window": 100, "read.count": 16})
        self.wait_group()
        self.add()
        self.wait_settled()
        self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        daemon.wait_for_event("connected", count=len(daemon.events("connected")) + 2)
        monitor = Monitor(self.redis)
        stays_true(lambda: True, 0.5)
        self.redis.call("ECHO", "done")
        counts = {int(n) for line in monitor.until("done") for n in re.findall(r'"xreadgroup".*"count" "(\d+)"', line)}
        self.assertEqual(counts, {8})

    def test_forgotten_scripts(self):
        daemon = self.start(self.python(RECORD + "sys.exit(entry['attempt'] < 2)\n"),
                            {"retry.initial_delay": "500ms", "retry.max_delay": "500ms"})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry)
        self.redis.call("SCRIPT", "FLUSH")
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [1, 2])

    def test_server_becomes_a_replica(self):
        """Both kinds of connections are made anew: another server may be the primary now."""
        daemon = self.start(self.python(RECORD + "gate('go')\n"), {"handler.concurrency": 2})
        self.add()
        self.wait_records(1)
        self.redis.call("REPLICAOF", "127.0.0.1", 1)

        def given_up(stream):
            return [e for e in daemon.events("disconnected")
                    if e.get("stream") == stream and "no primary" in e["message"]]
        wait_until(lambda: given_up("s"), what="the reader given up")
        self.open_gate()
        wait_until(lambda: given_up(None), what="the command connection given up")
        self.redis.call("REPLICAOF", "NO", "ONE")
        self.add()
        self.wait_settled()
        self.assertEqual(len(self.records()), 2)


class Vanished(Case):
    def test_added_while_it_was_gone(self):
        daemon = self.start(self.python(RECORD))
        ids = [self.add()]
        self.wait_settled()
        self.redis.call("MULTI")
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        for _ in range(3):
            self.redis.call("XADD", "s", "*", "n", 1)
        ids += [reply.decode() for reply in self.redis.call("EXEC")[1:]]
        daemon.wait_for_event("group_recreated")
        wait_until(lambda: len(self.records()) >= 4, what="all of them handled")
        self.assertEqual([r["id"] for r in self.records()], ids)

    def test_while_an_entry_waits(self):
        daemon = self.start(self.python(RECORD + "sys.exit(entry['attempt'] < 2)\n"),
                            {"retry.initial_delay": "2s", "retry.max_delay": "2s"})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry)
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        daemon.wait_for_event("group_recreated")
        self.wait_records(2)
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [1, 2])

    def test_while_another_holds_an_entry(self):
        """It would be lost with the group's pending list, if nobody remembered it."""
        self.add()
        entry = self.abandon()[0]
        daemon = self.start(self.python(RECORD), {"claim.min_idle": "4s", "claim.interval": "100ms"})
        self.add()
        self.wait_records(1)
        stays_true(lambda: self.redis.call("XCLAIM", "s", "g", "ghost", 0, entry, "JUSTID"), 2.6)
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        daemon.wait_for_event("group_recreated")
        wait_until(lambda: entry in [r["id"] for r in self.records()], what="the ghost's entry run here")
        self.wait_settled()

    def test_stream_is_another_one(self):
        """Deleted and made again, with ids that begin anew."""
        daemon = self.start(self.python(RECORD))
        self.add()
        self.wait_settled()
        self.redis.call("MULTI")
        self.redis.call("DEL", "s")
        self.redis.call("XADD", "s", "5-1", "n", 1)
        self.redis.call("EXEC")
        daemon.wait_for_event("group_recreated")
        self.wait_records(2)
        self.assertEqual(self.records()[1]["id"], "5-1")


if __name__ == "__main__":
    main()
