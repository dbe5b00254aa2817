#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl reaches what the daemon reaches: by TLS, and the primary that Sentinels name. (Clusters have
tests of their own with each command.)"""

import certificates
from ctl import CtlCase
from harness import main
from sentinel import SentinelSet

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


if __name__ == "__main__":
    main()
