#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real server in trouble: it takes no writes, has no memory left, is busy, or has lost its primary.

What was finished meanwhile is acknowledged when it is over, once; what failed is run again then.
"""

import os

import resp
from errorcase import ErrorCase
from fakeredis import CLOSED
from harness import main, record_fields
from servers import stays_true, wait_until

# Each entry says what is to become of it, and waits for the gate.
VERDICTS = ("entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"
            "how = entry['fields'].get('how')\nif how: gate('go')\n"
            "sys.exit({'fail': entry['attempt'] == 1, 'dead': 65}.get(how, 0))\n")


class Refusing(ErrorCase):
    """Everything that writes is refused, while entries run."""

    def start_three(self):
        daemon = self.start_idle_pair(VERDICTS, {"handler.concurrency": 3})
        self.ids = {how: self.add(how=how) for how in ("ok", "fail", "dead")}
        wait_until(lambda: all(self.runs(entry) for entry in self.ids.values()), what="three runs")
        return daemon

    def assert_quiet(self, most):
        before = len(self.fake.seen)
        stays_true(lambda: len(self.fake.seen) - before <= most, 1, "few commands")

    def assert_all_pending(self):
        """Asked while all that writes is refused: afterwards acknowledgements may be faster. A server
        that does not even tell has acknowledged nothing."""
        try:
            rows = self.redis.call("XPENDING", "s", "g", "-", "+", 10)
        except resp.ReplyError:
            return
        self.assertEqual([row[0].decode() for row in rows], sorted(self.ids.values()))

    def assert_all_settled_once(self):
        self.wait_settled(seconds=40)
        self.assertEqual([self.runs(self.ids[how]) for how in ("ok", "fail", "dead")], [[1], [1, 2], [1]])
        dead = [record_fields(pairs)[0]["sluice.id"] for pairs in self.dead()]
        self.assertEqual(dead, [self.ids["dead"]])
        self.assert_good_goes_on()

    def check(self, word, refuse, mend, most_commands=100):
        daemon = self.start_three()
        refuse()
        self.open_gate()
        self.assert_told(daemon, word)
        self.assert_quiet(most_commands)
        self.assert_all_pending()
        mend()
        self.assert_all_settled_once()
        daemon.stop()

    def configure(self, *pairs):
        return lambda: self.redis.call("CONFIG", "SET", *pairs)

    def test_noreplicas(self):
        self.check("NOREPLICAS", self.configure("min-replicas-to-write", 1),
                   self.configure("min-replicas-to-write", 0))

    def persistence_fails(self):
        """The snapshot cannot take its place: a directory has its name."""
        self.redis.call("CONFIG", "SET", "save", "3600 1")
        os.mkdir(self.path("dump.rdb"))
        self.redis.call("BGSAVE")
        wait_until(lambda: b"rdb_last_bgsave_status:err" in self.redis.call("INFO", "persistence"), what="the failure")

    def persistence_works(self):
        os.rmdir(self.path("dump.rdb"))
        self.redis.call("BGSAVE")
        wait_until(lambda: b"rdb_last_bgsave_status:ok" in self.redis.call("INFO", "persistence"), what="a snapshot")

    def test_misconf(self):
        self.check("MISCONF", self.persistence_fails, self.persistence_works)

    # A connection that is made anew says a dozen words, and is made several times a second.
    def test_readonly(self):
        self.check("READONLY", lambda: self.redis.call("REPLICAOF", "127.0.0.1", "1"),
                   lambda: self.redis.call("REPLICAOF", "NO", "ONE"), most_commands=600)

    def loses_its_primary(self):
        self.redis.call("CONFIG", "SET", "replica-serve-stale-data", "no")
        self.redis.call("REPLICAOF", "127.0.0.1", "1")

    def test_masterdown(self):
        self.check("MASTERDOWN", self.loses_its_primary, lambda: self.redis.call("REPLICAOF", "NO", "ONE"),
                   most_commands=600)

    def is_busy(self):
        try:
            self.redis.call("PING")
        except resp.ReplyError as why:
            return str(why).startswith("BUSY")
        return False

    def run_for_long(self):
        self.redis.call("CONFIG", "SET", "busy-reply-threshold", 1)
        other = self.redis.connect()
        self.addCleanup(other.close)
        other.send("EVAL", "while true do end", 0)
        wait_until(self.is_busy, what="a busy server")

    def stop_running(self):
        self.redis.call("SCRIPT", "KILL")
        wait_until(lambda: not self.is_busy(), what="an idle server")

    def test_busy(self):
        self.check("BUSY", self.run_for_long, self.stop_running)


class OutOfMemory(ErrorCase):
    def test_group_cannot_be_made(self):
        entry = self.add()
        self.redis.call("CONFIG", "SET", "maxmemory", 1)
        daemon = self.start_pair()
        self.assert_told(daemon, "XGROUP CREATE", "OOM")
        count = self.fake.count("XGROUP")
        stays_true(lambda: self.fake.count("XGROUP") <= count + 10, 0.6, "few tries")
        self.redis.call("CONFIG", "SET", "maxmemory", 0)
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1])

    def test_reading_and_acknowledging_go_on(self):
        daemon = self.start_idle_pair()
        wait_until(lambda: self.fake.count("XREADGROUP", "s"), what="a read")
        ids = self.add_many(5)
        self.redis.call("CONFIG", "SET", "maxmemory", 1)
        self.wait_settled()
        self.assertEqual([self.runs(entry) for entry in ids], [[1]] * 5)
        daemon.stop()


class ReplyLost(ErrorCase):
    """The server has done it, and nobody was told: it is asked again, and nothing happens twice."""

    def check_acknowledgement(self, answer):
        daemon = self.start_idle_pair()
        rule = self.fake.say("XACK", answer, key="s", times=1)
        entry = self.add()
        self.wait_hits([rule], 1)
        daemon.wait_for_event("disconnected")
        wait_until(lambda: self.fake.count("XACK", entry) == 2, what="another acknowledgement")
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1])
        self.assert_good_goes_on()
        daemon.stop()

    def test_acknowledgement_and_the_end(self):
        self.check_acknowledgement(CLOSED)

    def test_acknowledgement_and_nonsense(self):
        self.check_acknowledgement(b"?what\r\n")

    def check_move(self, answer):
        daemon = self.start_idle_pair(VERDICTS)
        self.open_gate()
        for word in ("EVAL", "EVALSHA"):
            self.fake.say(word, answer, key="s", times=1)
        entry = self.add(how="dead")
        daemon.wait_for_event("disconnected")
        self.wait_settled()
        wait_until(lambda: self.fake.count("EVAL", entry) + self.fake.count("EVALSHA", entry) >= 2, what="asked again")
        self.assert_good_goes_on()
        self.assertEqual((len(self.dead()), self.runs(entry)), (1, [1]))

    def test_dead_letter_and_the_end(self):
        self.check_move(CLOSED)

    def test_dead_letter_and_nonsense(self):
        self.check_move(b"*2\r\n$-5\r\n")


class NoScripting(ErrorCase):
    redis_options = ("--rename-command", "EVAL", "eval-is-off", "--rename-command", "EVALSHA", "evalsha-is-off")

    def test_plain_commands_instead(self):
        abandoned = self.add()
        self.abandon()
        daemon = self.start_idle_pair(VERDICTS, {"claim.min_idle": "1s"})
        self.assert_told(daemon, "unknown command", "plain commands are used")
        self.open_gate()
        failing, dead = self.add(how="fail"), self.add(how="dead")
        self.wait_settled()
        self.assertEqual((self.runs(failing), self.runs(dead)), ([1, 2], [1]))
        self.assertEqual(len(self.dead()), 1)
        self.assertEqual(self.runs(abandoned), [2])
        self.assertLess(self.fake.count("EVAL") + self.fake.count("EVALSHA"), 10)


class NoSlots(ErrorCase):
    redis_options = ("--cluster-enabled", "yes")

    def test_cluster_without_slots(self):
        daemon = self.start_pair()
        self.assert_told(daemon, "XPENDING", "CLUSTERDOWN")
        before = len(self.fake.seen)
        stays_true(lambda: len(self.fake.seen) - before < 40, 1, "few commands")
        self.redis.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_until(lambda: b"cluster_state:ok" in self.redis.call("CLUSTER", "INFO"), what="a whole cluster")
        entry = self.add()
        self.wait_run(entry, 30)


if __name__ == "__main__":
    main()
