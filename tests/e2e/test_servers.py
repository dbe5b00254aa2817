#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the other tests stand on: servers with TLS, sentinels and clusters, and that they are gone after it."""

import shutil
import socket
import ssl
import tempfile
import unittest

import certificates
import resp
from cluster import Cluster, slot_of
from harness import main
from sentinel import Login, SentinelSet
from servers import Redis


class Servers(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="sluiced-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)


class Tls(Servers):
    def serve(self, **more):
        redis = Redis(self.dir, tls=certificates.Tls(**more))
        self.addCleanup(redis.kill)
        return redis.start().wait_ready()

    def handshake(self, redis, pair=None, name="localhost"):
        """As a strict client."""
        context = ssl.create_default_context(cafile=certificates.shared().ca)
        if pair:
            context.load_cert_chain(*pair)
        with socket.create_connection(redis.address, 10) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                secure.sendall(resp.encode(["PING"]))
                return secure.recv(100)

    def assert_refused(self, redis, why, **more):
        with self.assertRaisesRegex(ssl.SSLError, why):
            self.handshake(redis, **more)

    def test_good_certificate(self):
        redis = self.serve()
        for name in ("localhost", "127.0.0.1"):
            self.assertEqual(self.handshake(redis, name=name), b"+PONG\r\n")
        self.assertEqual(redis.dial().call("PING"), b"PONG")

    def test_bad_certificates(self):
        redis, made = self.serve(), certificates.shared()
        self.assert_refused(redis, "IP address mismatch|Hostname mismatch", name="other.example")
        for pair, why in ((made.wrong_name, "Hostname mismatch"), (made.expired, "expired"),
                          (made.self_signed, "self.signed")):
            redis.present(pair)
            self.assert_refused(redis, why)

    def test_clients_certificates(self):
        redis, made = self.serve(clients="yes"), certificates.shared()
        self.assertEqual(self.handshake(redis, made.client), b"+PONG\r\n")
        for pair in (None, made.stranger):
            try:
                answer = self.handshake(redis, pair)
            except OSError:  # an alert, or a reset: whichever comes first
                answer = b""
            self.assertEqual(answer, b"", pair)


class Sentinels(Servers):
    def start_set(self, **more):
        made = SentinelSet(self.dir, **more)
        self.addCleanup(made.stop_all)
        return made.start().ready()

    def test_killed_and_back(self):
        servers = self.start_set()
        servers.primary().call("XADD", "s", "*", "n", 1)
        servers.primary().call("WAIT", 2, 1000)
        old = servers.kill_primary()
        new = servers.wait_new_primary(old)
        self.assertEqual((servers.primary(), new.call("XLEN", "s")), (new, 1))
        old.start().wait_ready()
        servers.wait_replica(old)
        self.assertEqual(len(servers.replicas()), 2)

    def test_frozen(self):
        servers = self.start_set(replicas=1)
        old = servers.stop_primary()
        self.assertIsNot(servers.wait_new_primary(old), old)

    def test_asked_for_with_tls_and_logins(self):
        servers = self.start_set(replicas=1, tls=certificates.Tls(clients="yes"),
                                 login=Login("drain", "pw"), sentinel_login=Login("watch", "pw2"))
        old = servers.primary()
        self.assertIsNot(servers.failover(), old)
        for server in (servers.primary(), servers.sentinels[0]):
            stranger = resp.Connection(server.address, tls=server.tls.context())
            self.addCleanup(stranger.close)
            with self.assertRaisesRegex(resp.ReplyError, "NOAUTH"):
                stranger.call("ROLE")


class Clusters(Servers):
    def start_cluster(self, **more):
        made = Cluster(self.dir, **more)
        self.addCleanup(made.stop_all)
        return made.start().ready()

    def other(self, cluster, node):
        return next(other for other in cluster.primaries() if other is not node)

    def test_slot_of(self):
        for key, slot in (("foo", 12182), ("123456789", 12739), ("{foo}bar", 12182), ("a{foo}{b}", 12182)):
            self.assertEqual(slot_of(key), slot, key)

    def test_slots_by_the_servers_word(self):
        cluster = self.start_cluster(replicas=0)
        for key in ("foo", "{foo}bar", "{}foo", "foo{", b"\xff\x00", "foo{}{bar}", "{{bar}}"):
            self.assertEqual(cluster.nodes[0].call("CLUSTER", "KEYSLOT", key), slot_of(key), key)
        for node in cluster.nodes:
            self.assertEqual(cluster.call(cluster.name_in(node), "SET", cluster.name_in(node), "x"), b"OK")
            self.assertEqual(node.call("DBSIZE"), 1)

    def test_slot_on_the_move(self):
        cluster = self.start_cluster(replicas=0, login=Login("drain", "pw"), tls=certificates.Tls(clients="yes"))
        cluster.call("s", "XADD", "s", "*", "n", 1)
        source, slot = cluster.node_of("s"), slot_of("s")
        target = self.other(cluster, source)
        move = cluster.begin_move(slot, target)
        self.assertEqual(source.call("XLEN", "s"), 1)
        cluster.migrate_keys(move)
        for node, word in ((source, "ASK"), (target, "MOVED")):
            with self.assertRaisesRegex(resp.ReplyError, word):
                node.call("XLEN", "s")
        self.assertEqual(cluster.call("s", "XLEN", "s"), 1)
        cluster.finish_move(move)
        self.assertEqual((target.call("XLEN", "s"), cluster.node_of("s")), (1, target))
        cluster.move_slot(slot, source)
        self.assertEqual(source.call("XLEN", "s"), 1)

    def test_move_that_is_cancelled(self):
        cluster = self.start_cluster(replicas=0)
        source = cluster.node_of("s")
        move = cluster.begin_move(slot_of("s"), self.other(cluster, source))
        with self.assertRaisesRegex(resp.ReplyError, "ASK"):
            source.call("XLEN", "s")
        cluster.cancel_move(move)
        self.assertEqual(source.call("XLEN", "s"), 0)

    def test_primaries_that_go(self):
        cluster = self.start_cluster()
        cluster.call("s", "SET", "s", "x")
        first = cluster.node_of("s")
        second = cluster.failover(cluster.replica_of(first))
        self.assertIs(cluster.node_of("s"), second)
        cluster.kill(second)
        self.assertIs(cluster.wait_promoted(second), first)
        self.assertEqual(cluster.call("s", "GET", "s"), b"x")
        second.start().wait_ready()
        cluster.wait_settled()
        self.assertIs(cluster.replica_of(first), second)
        cluster.freeze(first)
        self.assertIs(cluster.wait_promoted(first), second)


if __name__ == "__main__":
    main()
