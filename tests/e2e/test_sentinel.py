#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""With Sentinels: the primary is found, and found again when it is another one."""

import sys
import threading
import time

import certificates
import resp
from harness import WorkerCase, main
from sentinel import Login, SentinelSet
from servers import free_port, stays_true, wait_until

WORKER = """\
for entry in entries():
    record(id=entry["id"], at=time.time())
    say("ok", entry["tag"])
"""

NOBODY = "redis://127.0.0.1:1"  # the host of url must not matter
UNREACHABLE = (OSError, resp.ReplyError)


class SentinelCase(WorkerCase):
    set_options = {}

    def start_servers(self):
        self.set = SentinelSet(self.dir, **self.set_options)
        self.addCleanup(self.set.stop_all)
        self.set.start().ready()
        self.redis = self.set.primary()

    def redis_settings(self, more=None):
        """With the default delays: those of the other tests would hide that a hint was missed."""
        return {"url": NOBODY, "sentinel.master": self.set.name, "sentinel.nodes": self.set.nodes,
                "reconnect.initial": None, "reconnect.max": None, **(more or {})}

    def start_with(self, more=None, dotted=None, body=WORKER):
        return self.start_worker(body, {"handler.window": 10, **(dotted or {})}, redis=self.redis_settings(more))

    def handled(self):
        return {r["id"] for r in self.records()}

    def add_and_wait(self, seconds=5):
        added = self.add()
        wait_until(lambda: added in self.handled(), seconds, "an entry to be handled")

    def connected_to(self, server):
        """How many connections the daemon has to it."""
        return server.call("CLIENT", "LIST").count(b"name=sluiced.")


class Election(threading.Thread):
    """Notes when one of the replicas first says that it is the primary."""

    def __init__(self, replicas):
        super().__init__(daemon=True)
        self.replicas, self.at = replicas, None
        self.start()

    @staticmethod
    def _is_primary(server):
        try:
            connection = server.connect()
        except UNREACHABLE:
            return False
        try:
            return connection.call("ROLE")[0] == b"master"
        except UNREACHABLE:
            return False
        finally:
            connection.close()

    def run(self):
        wait_until(lambda: any(self._is_primary(server) for server in self.replicas), 60, "the election")
        self.at = time.time()


class Load(threading.Thread):
    """Adds entries to the primary all the time. `confirmed` are those that must not be lost: all
    replicas have them, or they were added to the new primary."""

    def __init__(self, servers, first):
        super().__init__(daemon=True)
        self.servers, self.first = servers, first
        self.confirmed, self.over = [], threading.Event()
        self.start()

    def stop(self):
        self.over.set()
        self.join()
        return self.confirmed

    def run(self):
        while not self.over.is_set():
            for server in self.servers:
                try:
                    self._add_while_possible(server)
                except UNREACHABLE:
                    self.over.wait(0.005)

    def _add_while_possible(self, server):
        connection = resp.Connection(server.address, timeout=0.5)
        try:
            while not self.over.is_set():
                added = connection.call("XADD", "s", "*", "n", 1).decode()
                if server is not self.first or connection.call("WAIT", 2, 400) == 2:
                    self.confirmed.append(added)
                self.over.wait(0.002)
        finally:
            connection.close()


class Failover(SentinelCase):
    def start_loaded(self, dotted=None):
        self.daemon = self.start_with(dotted=dotted)
        self.load = Load(self.set.servers, self.redis)
        self.addCleanup(self.load.over.set)
        self.wait_records(50)
        self.election = Election(self.set.replicas())

    def assert_goes_on(self, old):
        """Within 3 s of the election, without a loss, with nothing left over."""
        new = self.set.wait_new_primary(old)
        wait_until(lambda: self.election.at, 5, "the election")
        wait_until(lambda: self.records()[-1]["at"] > self.election.at, 10, "work to go on")
        first = min(r["at"] for r in self.records() if r["at"] > self.election.at)
        print("%s: work goes on %.3f s after the election" % (self.id(), first - self.election.at),
              file=sys.stderr)
        self.assertLess(first - self.election.at, 3)
        confirmed = self.load.stop()
        self.redis = new
        self.wait_settled()
        self.assertLessEqual(set(confirmed), self.handled())
        return new

    def assert_undisturbed(self, seconds):
        disconnected = len(self.daemon.events("disconnected"))
        stays_true(lambda: len(self.daemon.events("disconnected")) == disconnected, seconds,
                   "the connections")

    def assert_change_logged(self, old, new):
        said = [e["message"] for e in self.daemon.events("connected", level="notice")]
        # Sentinels disagree for up to a second: it may go back and forth, but not in the end.
        self.assertEqual(said[-1:], ['the primary of "m" is 127.0.0.1:%d now, no longer 127.0.0.1:%d'
                                % (new.port, old.port)])

    def test_killed(self):
        self.start_loaded()
        old = self.set.kill_primary()
        new = self.assert_goes_on(old)
        self.assert_change_logged(old, new)
        old.start().wait_ready()
        self.set.wait_replica(old)
        self.assert_undisturbed(1.5)
        self.assertEqual(self.connected_to(old), 0)
        self.redis = self.set.wait_new_primary(old)  # on a busy machine it may be another one by now
        self.add_and_wait()
        self.daemon.stop()

    def test_frozen_and_thawed(self):
        """It keeps its connections, and takes itself for the primary when it wakes up."""
        self.start_loaded()
        old = self.set.stop_primary()
        new = self.assert_goes_on(old)
        self.assert_change_logged(old, new)
        old.thaw()
        self.set.wait_replica(old)
        self.assertEqual(self.connected_to(old), 0)
        self.redis = self.set.wait_new_primary(old)
        self.add_and_wait()
        self.daemon.stop()

    def test_asked_for(self):
        self.start_loaded({"read.block": "5s"})
        old = self.redis
        self.set.failover()
        new = self.assert_goes_on(old)
        self.assert_change_logged(old, new)
        self.daemon.stop()

    def test_quiet_reader_leaves(self):
        """Nothing is added, so nothing fails by itself: its reader waits for long."""
        daemon = self.start_with(dotted={"read.block": "20s"})
        self.add_and_wait()
        old = self.set.stop_primary()
        self.redis = self.set.wait_new_primary(old)
        wait_until(lambda: self.connected_to(self.redis) == 2, 5, "both connections at the new primary")
        self.add_and_wait()
        daemon.stop()


class Held(SentinelCase):
    def test_run_is_not_started_again(self):
        """It goes on while the primary changes, and its result reaches the new one."""
        body = "for entry in entries():\n    record(id=entry['id'])\n    gate('go')\n    say('ok', entry['tag'])\n"
        daemon = self.start_with(body=body)
        added = self.add()
        self.wait_records(1)
        self.redis.call("SET", "x", 1)
        self.redis.call("WAIT", 2, 1000)
        old = self.set.kill_primary()
        self.redis = self.set.wait_new_primary(old)
        wait_until(lambda: self.connected_to(self.redis) == 2, 10, "both connections at the new primary")
        self.assertEqual(list(self.pending()), [added])
        self.open_gate()
        self.wait_settled()
        self.assertEqual([r["id"] for r in self.records()], [added])
        daemon.stop()


class Finding(SentinelCase):
    """No failover: one primary without replicas is enough."""
    set_options = {"replicas": 0}

    def test_all_well(self):
        daemon = self.start_with()
        self.add_and_wait()
        self.assertIn("connected to Redis at 127.0.0.1:%d" % self.redis.port,
                      [e["message"] for e in daemon.events("connected")])
        self.assertEqual(daemon.events("redis_error"), [])
        self.assertEqual(self.connected_to(self.redis), 2)
        daemon.stop()

    def test_first_dead_second_silent(self):
        self.set.sentinels[1].freeze()
        nodes = ["127.0.0.1:%d" % free_port(), self.set.nodes[1], self.set.nodes[2]]
        began = time.monotonic()
        daemon = self.start_with({"sentinel.nodes": nodes})
        self.add_and_wait()
        self.assertLess(time.monotonic() - began, 3)
        daemon.stop()

    def test_by_name(self):
        nodes = ["localhost:%d" % s.port for s in self.set.sentinels]
        daemon = self.start_with({"sentinel.nodes": nodes})
        self.add_and_wait()
        daemon.stop()

    def test_unknown_master(self):
        daemon = self.start_with({"sentinel.master": "nobody"})
        said = daemon.wait_for_event("redis_error")["message"]
        self.assertIn('cannot connect to Redis: the Sentinels do not know "nobody"', said)
        self.assertIn("0 connected", daemon.events("ready")[0]["message"])
        daemon.stop()

    def test_all_down_at_start(self):
        for s in self.set.sentinels:
            s.kill()
        daemon = self.start_with()
        self.assertIn("0 connected", daemon.events("ready")[0]["message"])
        said = [e["message"] for e in daemon.events("redis_error")]
        self.assertTrue(any("no Sentinel names the primary: %s: Connection refused" % self.set.nodes[0] in text
                            for text in said), said)
        for s in self.set.sentinels:
            s.start()
        self.add_and_wait(10)
        daemon.stop()

    def test_role_refused(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", "-role")
        daemon = self.start_with({"username": "worker", "password": "pw"})
        self.add_and_wait()
        said = [e["message"] for e in daemon.events("redis_error")]
        self.assertEqual(len(said), 1, said)
        self.assertIn("cannot check whether the server is the primary: NOPERM", said[0])
        daemon.stop()

    def test_replica_named(self):
        """Sentinels may be out of date: the role is asked of the server itself."""
        self.redis.call("REPLICAOF", "127.0.0.1", 1)
        daemon = self.start_with()
        said = daemon.wait_for_event("redis_error")["message"]
        self.assertIn("cannot connect to Redis at 127.0.0.1:%d: it is no primary, its role is: slave"
                      % self.redis.port, said)
        self.redis.call("REPLICAOF", "NO", "ONE")
        self.add_and_wait(15)
        daemon.stop()

    def test_demoted_behind_the_sentinels_back(self):
        """Nothing else tells: neither a Sentinel nor an error."""
        daemon = self.start_with(dotted={"read.block": "20s"})
        self.add_and_wait()
        role = self.set.servers[0]
        role.call("CONFIG", "SET", "replica-read-only", "no")
        role.call("REPLICAOF", "127.0.0.1", 1)
        wait_until(lambda: any("no primary any more" in e["message"]
                               or "no primary, its role is" in e["message"]
                               for e in daemon.events()), 6, "the role to be noticed")
        role.call("REPLICAOF", "NO", "ONE")
        self.add_and_wait(15)
        daemon.stop()


class Credentials(SentinelCase):
    set_options = {"replicas": 0, "login": Login("app", "secret1"), "sentinel_login": Login("asker", "secret2")}
    app = {"username": "app", "password": "secret1"}

    def test_users_of_both(self):
        daemon = self.start_with({**self.app, "sentinel.username": "asker", "sentinel.password": "secret2"})
        self.add_and_wait()
        daemon.stop()

    def restrict(self, *rights):
        for sentinel in self.set.sentinels:
            sentinel.call("ACL", "SETUSER", "least", "on", ">pw", "resetchannels", *rights)
        return self.start_with({**self.app, "sentinel.username": "least", "sentinel.password": "pw"})

    def test_least_rights_at_the_sentinels(self):
        daemon = self.restrict("+sentinel|get-master-addr-by-name", "+subscribe", "&+switch-master", "+ping",
                               "+client|setname", "+client|id")
        self.add_and_wait()
        self.assertEqual(daemon.events("redis_error"), [])
        self.assertEqual([s.call("ACL", "LOG") for s in self.set.sentinels], [[], [], []])
        daemon.stop()

    def test_no_right_to_subscribe(self):
        daemon = self.restrict("+sentinel|get-master-addr-by-name")
        self.add_and_wait()
        wait_until(lambda: len(daemon.events("redis_error")) == 3, 5, "a word for each Sentinel")
        self.assertIn("does not announce a new primary: NOPERM", daemon.events("redis_error")[0]["message"])
        daemon.stop()

    def test_wrong_password_of_the_sentinels(self):
        daemon = self.start_with({**self.app, "sentinel.username": "asker", "sentinel.password": "wrong"})
        errors = daemon.events("redis_error", level="error")
        self.assertIn("cannot connect to the Sentinel at %s: AUTH: WRONGPASS" % self.set.nodes[0],
                      " ".join(e["message"] for e in errors))
        self.assertIn("0 connected", daemon.events("ready")[0]["message"])
        daemon.stop()


class PasswordOnly(SentinelCase):
    set_options = {"replicas": 0, "sentinel_login": Login(None, "secret2")}

    def test_password_of_the_sentinels(self):
        daemon = self.start_with({"sentinel.password": "secret2"})
        self.add_and_wait()
        daemon.stop()


class Secured(SentinelCase):
    set_options = {"replicas": 0, "tls": certificates.Tls()}
    trust = {"url": "rediss://127.0.0.1:1", "tls.ca_file": certificates.shared().ca}

    def test_both_with_tls(self):
        daemon = self.start_with({**self.trust, "sentinel.tls.ca_file": certificates.shared().ca})
        self.add_and_wait()
        self.assertEqual(daemon.events("config_warning"), [])
        daemon.stop()

    def test_tls_of_redis_is_not_that_of_the_sentinels(self):
        daemon = self.start_with(self.trust)
        self.assertIn("the Sentinels are asked without TLS", daemon.events("config_warning")[0]["message"])
        self.assertIn("0 connected", daemon.events("ready")[0]["message"])
        self.assertIn("a port with TLS needs redis.sentinel.tls", daemon.events("redis_error")[0]["message"])
        daemon.stop()


if __name__ == "__main__":
    main()
