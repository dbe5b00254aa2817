#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Redis by TLS: who is trusted, who is refused and in which words, and that nothing is lost."""

import os
import shutil

import certificates
import resp
from cluster import Cluster
from harness import Case, WorkerCase, main
from relay import Relay
from servers import stays_true, wait_until

MADE = certificates.shared()

RECORD_EXEC = "entry = json.load(sys.stdin)\nrecord(id=entry['id'])\n"
RECORD_WORKER = """\
for entry in entries():
    record(id=entry['id'], size=len(entry['fields']['n']))
    say('ok', entry['tag'])
"""
JUST_OK = "for entry in entries():\n    say('ok', entry['tag'])\n"


class TlsCase(WorkerCase):
    redis_tls = "no"

    def tls(self, url=None, **keys):
        """The redis section for a strict daemon, with these keys of tls on top."""
        section = {"url": url or self.redis.tls_url, "tls.ca_file": MADE.ca}
        section.update({"tls." + name: value for name, value in keys.items()})
        return {name: value for name, value in section.items() if value is not None}

    def copy(self, source, name):
        """A file that is put in place at once, as it should be when certificates are renewed."""
        shutil.copy(source, self.path(name + ".new"))
        os.rename(self.path(name + ".new"), self.path(name))
        return self.path(name)

    def start_true(self, redis, **more):
        return self.start(["/bin/true"], redis=redis, **more)

    def assert_works(self, daemon):
        self.add()
        self.wait_settled()
        daemon.stop()

    def assert_refused(self, why, redis, level="error"):
        """The daemon can not connect, and says why; it leaves in time all the same."""
        daemon = self.prepare({"c": self.consumer(["/bin/true"])}, redis=redis).start()
        wait_until(lambda: any(why in e["message"] for e in daemon.events("redis_error", level=level)),
                   15, "the log to say: " + why)
        self.assertFalse(daemon.events("connected"))
        daemon.stop()

    def clients(self):
        return [dict(pair.split("=", 1) for pair in line.split(" "))
                for line in self.redis.call("CLIENT", "LIST").decode().splitlines()]

    def kill_clients(self):
        """Ends all connections of daemons."""
        for client in self.clients():
            if client["name"].startswith("sluiced"):
                self.redis.call("CLIENT", "KILL", "ID", client["id"])


class Working(TlsCase):
    def test_exec(self):
        daemon = self.start(self.python(RECORD_EXEC), redis=self.tls())
        added = [self.add() for _ in range(5)]
        self.wait_settled()
        self.assertEqual(sorted(r["id"] for r in self.records()), added)
        daemon.stop()

    def test_backlog(self):
        added = self.add_many(20000)
        daemon = self.start_worker(JUST_OK, {"handler.window": 100, "read.count": 1000}, redis=self.tls())
        self.wait_settled(seconds=30)
        self.assertEqual(self.redis.call("XINFO", "STREAM", "s")[1], len(added))
        self.assertFalse(daemon.events("disconnected"))
        daemon.stop()

    def test_large_entries(self):
        size = 10 << 20
        for _ in range(3):
            self.add(n="x" * size)
        daemon = self.start_worker(RECORD_WORKER, {"handler.window": 3}, redis=self.tls())
        self.wait_settled(seconds=60)
        self.assertEqual([r["size"] for r in self.records()], [size] * 3)
        self.assertFalse(daemon.events("disconnected"))
        daemon.stop()

    def test_large_dead_letter(self):
        """What is sent is larger than any buffer of the socket."""
        self.add(n="y" * (8 << 20))
        daemon = self.start(["/bin/false"], {"retry.max_attempts": 1}, redis=self.tls())
        self.wait_dead(seconds=30)
        daemon.stop()

    def test_idle(self):
        """The read-ahead of TLS must not keep the daemon awake."""
        daemon = self.start_true(self.tls())
        self.add()
        self.wait_settled()
        before = cpu_ticks(daemon.process.pid)
        stays_true(lambda: cpu_ticks(daemon.process.pid) - before < 20, 1, "little CPU time while idle")
        daemon.stop()


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Trust(TlsCase):
    def test_authorities_of_a_directory(self):
        self.assert_works(self.start_true(self.tls(ca_file=None, ca_dir=MADE.ca_dir)))

    def test_address_in_the_certificate(self):
        url = "rediss://127.0.0.1:%d" % self.redis.tls_port
        self.assert_works(self.start_true(self.tls(url)))

    def test_stranger(self):
        self.assert_refused("not trusted: self-signed certificate in certificate chain (that of ca); tls.ca_file",
                            self.tls(ca_file=MADE.other_ca))

    def test_system_authorities(self):
        self.assert_refused("certificate is not trusted", self.tls(ca_file=None))

    def test_wrong_name(self):
        self.redis.present(MADE.wrong_name)
        self.assert_refused("the server's certificate is for wrong.example, not for localhost", self.tls())

    def test_wrong_address(self):
        self.redis.present(MADE.wrong_name)
        self.assert_refused("the server's certificate is for wrong.example, not for 127.0.0.1",
                            self.tls("rediss://127.0.0.1:%d" % self.redis.tls_port))

    def test_other_name_expected(self):
        self.redis.present(MADE.wrong_name)
        self.assert_works(self.start_true(self.tls(server_name="wrong.example")))

    def test_other_name_missed(self):
        self.assert_refused("is for localhost, 127.0.0.1, not for other.example",
                            self.tls(server_name="other.example"))

    def test_expired(self):
        self.redis.present(MADE.expired)
        self.assert_refused("certificate has expired (that of localhost, 127.0.0.1)", self.tls())

    def test_self_signed(self):
        self.redis.present(MADE.self_signed)
        self.assert_refused("not trusted: self-signed certificate (that of localhost", self.tls())

    def test_not_verified(self):
        self.redis.present(MADE.expired)
        daemon = self.start_true(self.tls(ca_file=None, verify=False))
        self.assertIn("redis.tls.verify: the certificate is not checked",
                      daemon.events("config_warning", level="warning")[0]["message"])
        self.assert_works(daemon)

    def test_files_that_are_none(self):
        with open(self.path("empty"), "w", encoding="ascii"):
            pass
        self.assert_refused("tls.ca_file: %s: " % self.path("empty"), self.tls(ca_file=self.path("empty")))
        self.assert_refused("tls.key_file: %s: key values mismatch" % MADE.stranger.key,
                            self.tls(cert_file=MADE.client.cert, key_file=MADE.stranger.key))

    def test_key_with_a_passphrase(self):
        locked = self.path("locked.key")
        certificates.openssl("pkey", "-in", MADE.client.key, "-aes128", "-passout", "pass:secret", "-out", locked)
        self.assert_refused("tls.key_file: %s: it is protected by a passphrase" % locked,
                            self.tls(cert_file=MADE.client.cert, key_file=locked))


class ClientCertificates(TlsCase):
    redis_tls = "yes"

    def shown(self, pair=MADE.client):
        return self.tls(cert_file=pair.cert, key_file=pair.key)

    def test_shown(self):
        self.assert_works(self.start_true(self.shown()))

    def test_key_in_the_same_file(self):
        with open(self.path("both.pem"), "w", encoding="ascii") as both:
            for path in MADE.client:
                with open(path, encoding="ascii") as one:
                    both.write(one.read())
        self.assert_works(self.start_true(self.tls(cert_file=self.path("both.pem"))))

    def test_none(self):
        self.assert_refused("client certificate (tls.cert_file)", self.tls())

    def test_of_a_stranger(self):
        self.assert_refused("the server refuses the client certificate of tls.cert_file", self.shown(MADE.stranger))


class Renewal(TlsCase):
    redis_tls = "yes"

    def lose_connection(self, daemon, event, **fields):
        """The event that follows, of those that have not been there yet."""
        seen = len(daemon.events(event, **fields))
        self.kill_clients()
        return daemon.wait_for_event(event, count=seen + 1, **fields)

    def test_certificate_and_key(self):
        """A renewal that is half done, then done wrong, then right: without a restart."""
        cert, key = self.copy(MADE.client.cert, "my.crt"), self.copy(MADE.client.key, "my.key")
        daemon = self.start_true(self.tls(cert_file=cert, key_file=key))
        self.copy(MADE.stranger.cert, "my.crt")
        half = self.lose_connection(daemon, "redis_error", level="warning")
        self.assertIn("goes on with the former ones: tls.key_file", half["message"])
        wait_until(lambda: daemon.events("connected")[-1]["time"] > half["time"], 15, "connected again")
        self.copy(MADE.stranger.key, "my.key")
        wrong = self.lose_connection(daemon, "redis_error", level="error")
        self.assertIn("refuses the client certificate", wrong["message"])
        self.copy(MADE.client.cert, "my.crt")
        self.copy(MADE.client.key, "my.key")
        self.assert_works(daemon)

    def test_authority(self):
        ca = self.copy(MADE.ca, "ca.pem")
        daemon = self.start_true(self.tls(ca_file=ca, cert_file=MADE.client.cert, key_file=MADE.client.key))
        self.redis.present(MADE.self_signed)
        self.lose_connection(daemon, "redis_error", level="error")
        self.copy(MADE.self_signed.cert, "ca.pem")
        self.assert_works(daemon)


class WrongPort(TlsCase):
    redis_tcp = True

    def test_plain_to_tls(self):
        self.assert_refused("before any answer: a port with TLS needs rediss://",
                            {"url": "redis://127.0.0.1:%d" % self.redis.tls_port}, "warning")

    def test_tls_to_plain(self):
        """Redis answers the greeting of TLS only when there happens to be a newline in it."""
        redis = self.tls("rediss://127.0.0.1:%d" % self.redis.port)
        daemon = self.prepare({"c": self.consumer(["/bin/true"])}, redis=dict(redis, connect_timeout="300ms")).start()
        self.assertRegex(daemon.wait_for_event("redis_error")["message"],
                         "is it a port without TLS|answers without TLS")
        daemon.stop()


class Trouble(TlsCase):
    def relayed(self):
        relay = Relay(("127.0.0.1", self.redis.tls_port))
        self.addCleanup(relay.stop)
        return relay, self.tls("rediss://127.0.0.1:%d" % relay.port)

    def test_handshake_that_hangs(self):
        """The reader of one consumer hangs in its handshake; the other consumer goes on."""
        relay, redis = self.relayed()
        consumers = {name: self.consumer(["/bin/true"], {"stream": name}) for name in ("a", "b")}
        daemon = self.start_all(consumers, redis=dict(redis, connect_timeout="500ms"))
        relay.is_mute = True
        self.kill_reader("a")
        daemon.wait_for_event("redis_error", consumer="a",
                              message="cannot connect to Redis: no answer to the TLS handshake within 500 ms: "
                                      "is it a port without TLS?")
        self.add("b")
        self.wait_settled("b", seconds=5)
        self.add("a")
        relay.is_mute = False
        self.wait_settled("a")
        daemon.stop()

    def kill_reader(self, consumer):
        name = "sluiced.default.%s.reader" % consumer
        found = [client for client in self.clients() if client["name"] == name]
        self.assertEqual(len(found), 1)
        self.redis.call("CLIENT", "KILL", "ID", found[0]["id"])

    def test_half_closed(self):
        relay, redis = self.relayed()
        daemon = self.start_true(redis)
        connected = len(daemon.events("connected", message="connected to Redis"))
        relay.half_close()
        daemon.wait_for_event("disconnected", message="lost the connection to Redis: closed by the server")
        daemon.wait_for_event("connected", count=2 * connected, message="connected to Redis")
        self.assert_works(daemon)

    def test_killed_under_load(self):
        added = self.add_many(5000)
        daemon = self.start_worker(RECORD_WORKER, {"handler.window": 50, "read.count": 100}, redis=self.tls())
        for percent in (10, 30, 50, 70):
            self.wait_records(len(added) * percent // 100)
            self.kill_clients()
        self.wait_settled(seconds=40)
        self.assertEqual({r["id"] for r in self.records()}, set(added))
        self.assertTrue(daemon.events("disconnected"))
        daemon.stop()


class OfACluster(TlsCase):
    """Every node is connected to by TLS, and nodes are known by their addresses."""

    def start_servers(self):
        self.cluster = Cluster(self.dir, 3, 0, tls=certificates.Tls())
        self.addCleanup(self.cluster.stop_all)
        self.cluster.start().ready()

    def start_reader(self, streams, **keys):
        consumer = self.consumer(["/bin/true"], {"stream": None, "streams": streams})
        redis = self.tls("rediss://" + self.cluster.seeds[0], **keys)
        return self.prepare({"c": consumer}, redis=dict(redis, cluster=True)).start()

    def test_streams_of_all_nodes(self):
        streams = [self.cluster.name_in(node, "s") for node in self.cluster.primaries()]
        daemon = self.start_reader(streams)
        daemon.wait_for_event("ready")
        for stream in streams:
            self.cluster.call(stream, "XADD", stream, "*", "n", 1)
        for stream in streams:
            wait_until(lambda s=stream: self.is_done(s), 15, "all of %s acknowledged" % stream)
        daemon.stop()

    def is_done(self, stream):
        for row in self.cluster.call(stream, "XINFO", "GROUPS", stream):
            group = resp.table(row)
            return group["entries-read"] == 1 and not group["pending"]
        return False

    def test_name_that_they_do_not_have(self):
        daemon = self.start_reader(["s"], server_name="other.example")
        daemon.wait_for_event("redis_error", level="error")
        self.assertFalse(daemon.events("connected"))
        daemon.stop()


if __name__ == "__main__":
    main()
