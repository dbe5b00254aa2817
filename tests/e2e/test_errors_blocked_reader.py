#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a reader that waits is told when the world changes under it, and what it makes of that.

The server at hand says what its version says. What others say instead, or that they say nothing, is
put in the place of that.
"""

from errorcase import ErrorCase
from harness import main
from servers import stays_true, wait_until

NO_LONGER_EXISTS = "UNBLOCKED the stream key no longer exists"
NOGROUP = "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"
DESTROYED = "NOGROUP the consumer group this client was blocked on no longer exists"
BLOCK_SECONDS = 2


class BlockedCase(ErrorCase):
    block = {"read.block": "%ds" % BLOCK_SECONDS}

    def is_blocked(self):
        clients = self.redis.call("CLIENT", "LIST").decode().splitlines()
        return any(".bad.reader" in line and "cmd=xreadgroup" in line and "flags=b" in line for line in clients)

    def start_blocked(self, **more):
        daemon = self.start_idle_pair(dotted=self.block, **more)
        self.first = self.add()
        self.wait_settled()
        wait_until(self.is_blocked, what="a blocked reader")
        return daemon

    def transaction(self, *commands):
        return [self.redis.call(*command) for command in (("MULTI",), *commands, ("EXEC",))][-1]

    def reader_id(self):
        for line in self.redis.call("CLIENT", "LIST").decode().splitlines():
            if ".bad.reader" in line:
                return line.split("id=")[1].split(" ")[0]
        raise AssertionError("no reader")

    def assert_reads_on(self, seconds=2 * BLOCK_SECONDS + 3):
        """What is added now is run once, soon, and the other consumer has not noticed."""
        entry = self.add()
        self.wait_run(entry, seconds)
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1])
        self.assert_good_goes_on()

    def assert_made_again(self, daemon):
        daemon.wait_for_event("group_recreated", stream="s", seconds=BLOCK_SECONDS + 3)
        self.assert_reads_on()


class KeyGone(BlockedCase):
    """DEL, UNLINK, expiry, RENAME, FLUSHALL; another key, or none, in its place."""

    def check(self, *command):
        daemon = self.start_blocked()
        self.redis.call(*command)
        self.assert_made_again(daemon)
        self.assertEqual(self.runs(self.first), [1])

    def test_del(self):
        self.check("DEL", "s")

    def test_unlink(self):
        self.check("UNLINK", "s")

    def test_expiry(self):
        self.check("PEXPIRE", "s", 50)

    def test_rename(self):
        self.check("RENAME", "s", "elsewhere")
        self.assertEqual(len(self.redis.call("XRANGE", "elsewhere", "-", "+")), 1)

    def test_flushall(self):
        daemon = self.start_blocked()
        self.redis.call("FLUSHALL")
        daemon.wait_for_event("group_recreated", stream="s")
        self.assert_reads_on()

    def test_del_and_added_in_one(self):
        daemon = self.start_blocked()
        entry = self.transaction(("DEL", "s"), ("XADD", "s", "*", "n", "new"))[1].decode()
        self.assert_made_again(daemon)
        self.assertEqual((self.runs(self.first), self.runs(entry)), ([1], [1]))

    def test_del_and_group_made_in_one(self):
        self.start_blocked()
        self.transaction(("DEL", "s"), ("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM"))
        self.assert_reads_on()

    def test_destroyed(self):
        self.check("XGROUP", "DESTROY", "s", "g")

    def test_overwritten(self):
        daemon = self.start_blocked()
        self.redis.call("SET", "s", "a string")
        self.assert_told(daemon, "WRONGTYPE")
        self.assert_good_goes_on()
        self.assertEqual(self.redis.call("GET", "s"), b"a string")
        self.redis.call("DEL", "s")
        self.wait_group()
        self.assert_reads_on(30)  # 7.2 says it to the reader itself, which then asks seldom


class KeyGoneElsewhere(BlockedCase):
    """The same, in the words of other versions."""

    def say_instead(self, text):
        return self.fake.translate("XREADGROUP", lambda answer: b"-%s\r\n" % text.encode()
                                   if answer.startswith((b"-UNBLOCKED", b"-NOGROUP")) else answer,
                                   key="s")

    def check(self, text, *command):
        daemon = self.start_blocked()
        wait_until(self.is_blocked, what="a blocked reader")
        rule = self.say_instead(text)
        wait_until(lambda: rule.hits, what="a read that is to be told so")
        self.redis.call(*command)
        self.assert_told(daemon, text)
        return daemon

    def test_del_as_of_7_2(self):
        self.assert_made_again(self.check(NOGROUP, "DEL", "s"))

    def test_destroyed_as_of_7_2(self):
        self.assert_made_again(self.check(NOGROUP, "XGROUP", "DESTROY", "s", "g"))

    def test_added_again_as_of_6_2(self):
        daemon = self.check(DESTROYED, "DEL", "s")
        self.assert_made_again(daemon)

    def test_overwritten_as_of_7_2(self):
        self.check("WRONGTYPE Operation against a key holding the wrong kind of value", "SET", "s", "a string")
        self.assert_good_goes_on()
        self.redis.call("DEL", "s")
        self.wait_group()
        entry = self.add()
        self.wait_run(entry, 30)

    def check_silence(self, *command):
        """6.2 lets the reader wait: only the end of BLOCK makes it look again."""
        daemon = self.start_blocked()
        rule = self.fake.silence_until("XREADGROUP", BLOCK_SECONDS, b"-UNBLOCKED", b"*-1\r\n", key="s")
        wait_until(lambda: rule.hits, what="a read that is told nothing")
        wait_until(self.is_blocked, what="a blocked reader")
        self.redis.call(*command)
        return daemon

    def test_del_as_of_6_2(self):
        self.assert_made_again(self.check_silence("DEL", "s"))

    def test_overwritten_as_of_6_2(self):
        daemon = self.check_silence("SET", "s", "a string")
        self.assert_told(daemon, "WRONGTYPE")
        self.assert_good_goes_on()


class Unblocked(BlockedCase):
    def test_client_unblock(self):
        daemon = self.start_blocked()
        self.assertEqual(self.redis.call("CLIENT", "UNBLOCK", self.reader_id()), 1)
        self.assert_reads_on()
        self.assertEqual(daemon.events("redis_error"), [])

    def test_client_unblock_error(self):
        daemon = self.start_blocked()
        self.assertEqual(self.redis.call("CLIENT", "UNBLOCK", self.reader_id(), "ERROR"), 1)
        self.assert_told(daemon, "UNBLOCKED client unblocked via CLIENT UNBLOCK")
        self.assert_reads_on()
        self.assertEqual(daemon.events("group_recreated"), [])
        self.assertEqual(self.runs(self.first), [1])

    def test_unblocked_again_and_again(self):
        daemon = self.start_blocked()
        rule = self.fake.say("XREADGROUP", b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n", key="s")
        wait_until(lambda: rule.hits, what="a read that is to be told so")
        self.redis.call("CLIENT", "UNBLOCK", self.reader_id())
        self.wait_hits([rule], 1)
        self.assert_patient([rule])
        self.fake.lift(rule)
        self.assert_good_goes_on()
        self.assertEqual(daemon.events("group_recreated"), [])
        wait_until(lambda: self.is_settled() or self.pending(), 15, "read on")

    def test_consumer_deleted(self):
        self.start_blocked()
        self.assertEqual(self.redis.call("XGROUP", "DELCONSUMER", "s", "g", "me"), 0)
        self.assert_reads_on()

    def test_primary_becomes_replica(self):
        daemon = self.start_blocked()
        self.redis.call("REPLICAOF", "127.0.0.1", "1")
        daemon.wait_for_event("disconnected", consumer="bad")
        self.redis.call("REPLICAOF", "NO", "ONE")
        self.assert_reads_on()
        self.assertEqual(self.runs(self.first), [1])


class Permission(BlockedCase):
    def start_worker_user(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all")
        return self.start_blocked(redis={"url": self.fake.url, "username": "worker", "password": "secret"})

    def test_reading_is_forbidden(self):
        """7.0 still delivers to who was waiting, and refuses the next read; 7.2 refuses at once."""
        daemon = self.start_worker_user()
        self.redis.call("ACL", "SETUSER", "worker", "-xreadgroup")
        served = self.add()
        if self.redis.version() < (7, 2):
            self.wait_run(served)
        line = self.assert_told(daemon, "XREADGROUP", "NOPERM", "'xreadgroup'")
        self.assertEqual((line["level"], line["stream"]), ("error", "s"))
        count = self.fake.count("XREADGROUP", "s")
        stays_true(lambda: self.fake.count("XREADGROUP", "s") <= count + 1, 2, "few tries")
        self.redis.call("ACL", "SETUSER", "worker", "+xreadgroup")
        entry = self.add()
        self.wait_run(entry, 30)
        self.assertEqual(self.runs(served), [1])

    def test_reading_is_forbidden_as_of_7_2(self):
        """There the reader is refused, and nothing delivered."""
        daemon = self.start_worker_user()
        text = "NOPERM User worker has no permissions to run the 'xreadgroup' command"
        rule = self.fake.translate("XREADGROUP", lambda _nil: b"-%s\r\n" % text.encode(), key="s", times=1)
        line = self.assert_told(daemon, "XREADGROUP", text)
        self.assertEqual((line["level"], len(rule.hits)), ("error", 1))
        entry = self.add()
        self.assert_good_goes_on()
        self.wait_run(entry, 30)
        self.assertEqual(self.runs(entry), [1])

    def test_user_is_deleted(self):
        daemon = self.start_worker_user()
        self.redis.call("ACL", "DELUSER", "worker")
        daemon.wait_for_event("disconnected", consumer="bad")
        wait_until(lambda: [line for line in daemon.events("redis_error") if "WRONGPASS" in line["message"]], 15,
                   "the cause in the log")
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all")
        self.assert_reads_on()


class SlotLost(BlockedCase):
    """A node of a cluster, by itself."""

    redis_options = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")

    def setUp(self):
        super().setUp()
        self.redis.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_until(lambda: b"cluster_state:ok" in self.redis.call("CLUSTER", "INFO"), what="a whole cluster")

    def test_slot_lost(self):
        daemon = self.start_blocked()
        slot = self.redis.call("CLUSTER", "KEYSLOT", "s")
        self.redis.call("CLUSTER", "DELSLOTS", slot)
        self.assert_told(daemon, "CLUSTERDOWN")
        self.assert_good_goes_on()
        count = self.fake.count("XREADGROUP", "s")
        stays_true(lambda: self.fake.count("XREADGROUP", "s") <= count + 20, 1, "few tries")
        self.redis.call("CLUSTER", "ADDSLOTS", slot)
        wait_until(lambda: self.group(), 15, "the slot served")
        entry = self.add()
        self.wait_run(entry, 30)

    def test_dead_letters_in_another_slot(self):
        """A bad layout of keys costs what needs the other key; nothing is acknowledged, the rest goes on."""
        daemon = self.start_pair("entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=1)\n"
                                 "sys.exit(65 * ('bad' in entry['fields']))\n", self.block)
        entry = self.add(bad="1")
        self.assert_told(daemon, "CROSSSLOT")
        count = self.fake.count("EVALSHA", "s") + self.fake.count("EVAL", "s")
        stays_true(lambda: self.fake.count("EVALSHA", "s") + self.fake.count("EVAL", "s") <= count + 20, 1, "few tries")
        self.assertEqual((list(self.pending()), self.dead()), ([entry], []))
        good = self.add()
        self.wait_run(good)
        self.assert_good_goes_on()


if __name__ == "__main__":
    main()
