#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl reaches what the daemon reaches: by TLS, and the primary that Sentinels name. (Clusters have
tests of their own with each command.) And what an interrupt does while it does not answer."""

import signal
import threading

import certificates
from ctl import CtlCase
from fakeredis import FakeRedis
from harness import main
from sentinel import SentinelSet
from servers import PATIENCE, stays_true, wait_until

CONSUMER = """\
consumers:
  c: { stream: s, group: g, consumer: me, handler: { command: [/bin/true] } }
"""


class Connections(CtlCase):
    def use(self, redis):
        self.write_config("redis: %s\n%s" % (redis, CONSUMER))

    def look_and_change(self):
        added = self.ctl("add", "c", "f", "v").out.strip()
        self.redis.call("XGROUP", "CREATE", "s", "g", "0")
        self.redis.call("XREADGROUP", "GROUP", "g", "other", "STREAMS", "s", ">")
        self.ctl("consumers", "rm", "c", "other", "--handover", "--yes")
        row, = self.ctl("pending", "c", "--json").lines()
        self.assertEqual((row["id"], row["consumer"]), (added, "me"))


class ByTls(Connections):
    redis_tls = "yes"

    def test_certificate_of_a_client(self):
        made = certificates.shared()
        self.use("{ url: %s, tls: { ca_file: %s, cert_file: %s, key_file: %s } }"
                 % (self.redis.tls_url, made.ca, made.client.cert, made.client.key))
        self.look_and_change()

    def test_server_that_is_not_trusted(self):
        self.use("{ url: %s }" % self.redis.tls_url)
        self.assertIn("not trusted", self.ctl("info", "c", status=1).err)


class BySentinel(Connections):
    def start_servers(self):
        self.set = SentinelSet(self.dir, replicas=1)
        self.addCleanup(self.set.stop_all)
        self.set.start().ready()
        self.redis = self.set.primary()

    def setUp(self):
        super().setUp()
        self.use("{ url: 'redis://127.0.0.1:1', sentinel: { master: %s, nodes: [%s] } }"
                 % (self.set.name, ", ".join(self.set.nodes)))

    def test_primary_before_and_after_a_failover(self):
        self.look_and_change()
        self.redis = self.set.failover()
        self.ctl("add", "c", "f", "w")
        self.assertEqual(self.redis.call("XLEN", "s"), 2)


class Silent(Connections):
    """A server that keeps an answer to itself."""

    def setUp(self):
        super().setUp()
        self.fake = FakeRedis(self.path("fake.sock"), self.redis.path)
        self.addCleanup(self.fake.close)
        self.use("{ url: '%s' }" % self.fake.url)
        self.speak = threading.Event()
        self.addCleanup(self.speak.set)
        self.redis.call("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM")
        self.entry, = self.add_many(1)

    def interrupt_at(self, command, *args, skip=0):
        """Interrupts what waits for the answer to the (skip + 1)-th such command."""
        def answer(old):
            self.speak.wait(60)
            return old
        rule = self.fake.translate(command, answer, skip=skip)
        process = self.start_ctl(*args)
        wait_until(lambda: rule.hits, 15, command)
        process.send_signal(signal.SIGINT)
        return process

    def test_who_only_looks_ends(self):
        for command, *args in (("XPENDING", "show", "c", self.entry), ("XRANGE", "dead", "list", "c"),
                               ("EVAL", "claim", "c", "--dry-run")):
            if args[0] == "dead":
                self.redis.call("XADD", "s:dead", "*", "f", "v")
            process = self.interrupt_at(command, *args)
            _, err = process.communicate(timeout=15 * PATIENCE)
            self.assertEqual((process.returncode, err), (1, b"sluicectl: interrupted while Redis did not answer\n"))

    def test_what_changes_something_is_waited_for(self):
        self.abandon(1)
        process = self.interrupt_at("EVAL", "release", "c", self.entry, "--yes", skip=1)  # behind the look
        stays_true(lambda: process.poll() is None, 1, "it waits")
        self.speak.set()
        out, _ = process.communicate(timeout=15 * PATIENCE)
        self.assertIn(b"1 entr", out)


if __name__ == "__main__":
    main()
