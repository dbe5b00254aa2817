#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The connection to Redis: how it is made, and that it comes back whatever happens to it."""

import os

from harness import Case, WorkerCase, main
from servers import stays_true

RECORD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"


class Connecting(Case):
    redis_tcp = True

    def users(self):
        return {line.split("user=")[1].split(" ")[0]
                for line in self.redis.call("CLIENT", "LIST").decode().splitlines()}

    def assert_works(self, daemon, database=0):
        self.redis.call("SELECT", database)
        self.add()
        self.wait_settled()
        daemon.stop()

    def test_tcp(self):
        self.assert_works(self.start(["/bin/true"], redis={"url": "redis://127.0.0.1:%d" % self.redis.port}))

    def test_host_name(self):
        self.assert_works(self.start(["/bin/true"], redis={"url": "redis://localhost:%d" % self.redis.port}))

    def test_tcp_database(self):
        url = "redis://127.0.0.1:%d/5" % self.redis.port
        self.assert_works(self.start(["/bin/true"], redis={"url": url}), 5)

    def test_unix_database(self):
        self.assert_works(self.start(["/bin/true"], redis={"url": self.redis.unix_url + "?db=3"}), 3)

    def test_database_0_needs_no_select(self):
        daemon = self.start(["/bin/true"], redis={"url": "redis://127.0.0.1:%d/0" % self.redis.port})
        self.add()
        self.wait_settled()
        self.assertNotIn(b"cmdstat_select", self.redis.call("INFO", "commandstats"))
        daemon.stop()

    def test_password_of_the_default_user(self):
        self.redis.call("CONFIG", "SET", "requirepass", "secret")
        self.assert_works(self.start(["/bin/true"], redis={"password": "secret"}))

    def test_user_and_password(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">se cret", "~*", "+@all")
        daemon = self.start(["/bin/true"], redis={"username": "worker", "password": "se cret"})
        self.add()
        self.wait_settled()
        self.assertIn("worker", self.users())
        daemon.stop()

    def test_user_and_password_of_the_url(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">se@cret", "~*", "+@all")
        url = "redis://worker:se%%40cret@127.0.0.1:%d/0" % self.redis.port
        daemon = self.start(["/bin/true"], redis={"url": url})
        self.assertTrue(daemon.events("config_warning"))
        self.assert_works(daemon)

    def write_secret(self, password):
        with open(self.path("secret"), "w", encoding="ascii") as f:
            f.write(password + "\n")
        os.chmod(self.path("secret"), 0o600)

    def test_password_file_is_read_at_every_connect(self):
        self.write_secret("first")
        self.redis.call("ACL", "SETUSER", "worker", "on", ">first", "~*", "+@all")
        daemon = self.start(["/bin/true"], redis={"username": "worker", "password_file": self.path("secret")})
        self.add()
        self.wait_settled()
        self.write_secret("second")
        self.redis.call("ACL", "SETUSER", "worker", "resetpass", ">second")
        self.redis.call("CLIENT", "KILL", "USER", "worker")
        daemon.wait_for_event("disconnected")
        self.assert_works(daemon)

    def test_credential(self):
        self.write_secret("hunter2")
        self.redis.call("CONFIG", "SET", "requirepass", "hunter2")
        self.assert_works(self.start(["/bin/true"], redis={"password_credential": "secret"},
                                     env={"CREDENTIALS_DIRECTORY": self.dir}))

    def test_wrong_password(self):
        """Reported as an error, tried again seldom, and no reason to leave."""
        self.redis.call("ACL", "SETUSER", "worker", "on", ">right", "~*", "+@all")
        daemon = self.start(["/bin/true"], redis={
            "username": "worker", "password": "wrong", "reconnect": {"initial": "50ms", "max": "10s"}})
        self.assertEqual(daemon.wait_for_event("redis_error")["level"], "error")

        def connections():
            return int(info_table(self.redis.call("INFO", "stats"))["total_connections_received"])
        before = connections()
        stays_true(lambda: connections() <= before + 6, 1.5, "few attempts")
        daemon.stop()


def info_table(text):
    lines = text.decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


class ServerGone(Case):
    redis_options = ("--appendonly", "yes", "--appendfsync", "always")

    def test_killed_and_restarted(self):
        daemon = self.start(self.python(RECORD + "gate('go')\n"), {"handler.concurrency": 2})
        ids = self.add_many(6)
        self.wait_records(2)
        self.redis.kill()
        daemon.wait_for_event("disconnected")
        self.open_gate()
        self.redis.start().wait_ready()
        self.wait_settled(seconds=30)
        self.assertEqual({r["id"] for r in self.records()}, set(ids))
        self.assertEqual(len(self.records()), len(ids))

    def test_down_at_start(self):
        self.redis.kill()
        daemon = self.start(["/bin/true"])
        daemon.wait_for_event("ready")
        self.redis.start().wait_ready()
        self.add()
        self.wait_settled()
        daemon.stop()

    def test_leaving_while_it_is_down(self):
        daemon = self.start(["/bin/true"])
        self.redis.kill()
        daemon.wait_for_event("disconnected")
        daemon.stop(seconds=10)

    def test_success_while_it_is_down_is_acknowledged_later(self):
        daemon = self.start(self.python(RECORD + "gate('go')\nrecord(end=1)\n"))
        self.add()
        self.wait_records(1)
        self.redis.kill()
        daemon.wait_for_event("disconnected")
        self.open_gate()
        self.wait_records(2)
        self.redis.start().wait_ready()
        self.wait_settled()
        self.assertEqual(len(self.records()), 2)


class Loading(Case):
    def test_server_that_loads(self):
        daemon = self.start(["/bin/true"])
        self.add()
        self.wait_settled()
        self.redis.connection.pipeline([("SET", "key%d" % n, "x" * 100) for n in range(1500)])
        self.redis.call("SAVE")
        self.redis.kill()
        self.redis.start("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
        daemon.wait_for_event("redis_error")
        self.redis.wait_ready()
        self.add()
        self.wait_settled()


class Cut(WorkerCase):
    def test_every_connection_killed(self):
        daemon = self.start(self.python(RECORD + "gate('go')\n"), {"handler.concurrency": 3})
        ids = self.add_many(10)
        self.wait_records(3)
        self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        daemon.wait_for_event("disconnected")
        self.open_gate()
        self.wait_settled()
        self.assertEqual(sorted(r["id"] for r in self.records()), sorted(ids))

    def test_again_and_again_under_load(self):
        self.start_worker("for entry in entries():\n"
                          "    record(id=entry['id']); time.sleep(0.001); say('ok', entry['tag'])\n",
                          {"handler.window": 20}, daemon={"log.level": "notice"})
        ids = self.add_many(1000)
        for count in range(50, 1000, 100):
            self.wait_records(count)
            self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.wait_settled(seconds=40)
        self.assertEqual(sorted(r["id"] for r in self.records()), sorted(ids))


if __name__ == "__main__":
    main()
