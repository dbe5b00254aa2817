#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The stream is kept from growing, as the configuration says, and nobody notices but the stream."""

import signal
import time

from clustercase import ClusterCase
from control import control_of
from harness import WorkerCase, main
from servers import stays_true, wait_until

OK = "for entry in entries():\n    say('ok', entry['tag'])\n"
HOLD = "for entry in entries():\n    record(id=entry['id'])\n    gate('go')\n    say('ok', entry['tag'])\n"
NODE = 10


class RetentionCase(WorkerCase):
    def setUp(self):
        super().setUp()
        self.redis.call("CONFIG", "SET", "stream-node-max-entries", NODE)

    def start_trimming(self, trim, body=OK, dotted=None, **more):
        settings = {"trim.interval": "1s", "handler.window": 100, **(dotted or {})}
        settings.update({"trim." + name: value for name, value in trim.items()})
        return self.start_worker(body, settings, **more)

    def length(self):
        return self.redis.call("XLEN", "s")

    def ids(self):
        return [entry[0].decode() for entry in self.redis.call("XRANGE", "s", "-", "+")]

    def wait_length(self, at_most, at_least=0):
        wait_until(lambda: self.length() <= at_most, 15, "%d entries at most" % at_most)
        self.assertGreaterEqual(self.length(), at_least)

    def group_at(self, group, entry_id="0"):
        self.redis.call("XGROUP", "CREATE", "s", group, entry_id, "MKSTREAM")

    def read(self, group, count):
        reply = self.redis.call("XREADGROUP", "GROUP", group, "x", "COUNT", count, "STREAMS", "s", ">")
        return [entry[0].decode() for entry in reply[0][1]]


class Kinds(RetentionCase):
    def test_maxlen(self):
        self.add_many(500)
        daemon = self.start_trimming({"maxlen": 100})
        self.wait_length(100 + NODE, 100)
        self.assertEqual(control_of(daemon).consumer()["counters"]["retention_removed"], 500 - self.length())
        self.add_many(200)
        self.wait_length(100 + NODE, 100)
        self.wait_settled()

    def test_max_age(self):
        now = int(self.redis.call("TIME")[0])
        old = [("XADD", "s", "%d-%d" % ((now - 7200) * 1000, n), "n", n) for n in range(1, 101)]
        self.redis.connection.pipeline(old)
        self.add_many(100)
        self.start_trimming({"max_age": "1h"})
        self.wait_length(100 + NODE, 100)
        self.wait_settled()

    def test_acknowledged(self):
        self.start_trimming({"acknowledged": True})
        self.add_many(300)
        self.wait_settled()
        self.wait_length(NODE)

    def test_acknowledged_waits_for_the_group_that_lags_and_for_what_is_pending(self):
        ids = self.add_many(300)
        self.group_at("slow")
        self.group_at("stuck")
        self.read("slow", 150)
        self.redis.call("XACK", "s", "slow", *ids[:150])
        stuck = self.read("stuck", 300)
        self.redis.call("XACK", "s", "stuck", *[i for n, i in enumerate(stuck) if n != 80])
        self.start_trimming({"acknowledged": True})
        self.wait_length(220 + NODE, 220)
        stays_true(lambda: self.ids()[-220:] == ids[80:], 1.5, "all there that is pending")
        self.redis.call("XACK", "s", "stuck", ids[80])
        self.wait_length(150 + NODE, 150)
        stays_true(lambda: self.ids()[-150:] == ids[150:], 1.5, "all there that is to be read")
        self.redis.call("XACK", "s", "slow", *self.read("slow", 150))
        self.wait_length(NODE)

    def test_nothing_by_default(self):
        daemon = self.start_worker(OK)
        self.add_many(300)
        self.wait_settled()
        stays_true(lambda: self.length() == 300, 1.5, "all there")
        self.assertEqual(daemon.events("trimmed"), [])


class Losses(RetentionCase):
    def test_what_somebody_still_needed_is_said_once(self):
        self.group_at("slow")
        daemon = self.start_trimming({"maxlen": 50})
        for _ in range(2):
            self.add_many(300)
            self.wait_settled()
            self.wait_length(50 + NODE, 50)
        line = daemon.wait_for_event("trimmed", level="warning", stream="s", consumer="c")
        self.assertEqual(line["message"], 'trim.maxlen has removed entries that the group "slow" had '
                                          "still to read or to acknowledge")
        self.assertEqual(len(daemon.events("trimmed", level="warning")), 1)

    def test_what_nobody_needed_is_not(self):
        daemon = self.start_trimming({"maxlen": 50})
        self.add_many(40)
        self.wait_settled()
        self.add_many(40)
        self.wait_settled()
        self.wait_length(50 + NODE, 50)
        self.assertEqual(daemon.events("trimmed", level="warning"), [])


class Turns(RetentionCase):
    """One daemon of the group at a time."""

    def test_not_while_another_has_the_lock(self):
        self.redis.call("SET", "s:trim:g", "another", "PX", 3000)
        self.add_many(300)
        self.start_trimming({"maxlen": 50})
        self.wait_settled()
        stays_true(lambda: self.length() == 300 or not self.redis.call("EXISTS", "s:trim:g"), 2.5, "all there")
        self.wait_length(50 + NODE)

    def turns_taken(self, seconds):
        """Who has taken the lock in so many seconds, as keyspace notifications tell."""
        self.redis.call("CONFIG", "SET", "notify-keyspace-events", "K$")
        listener, owners, end = self.redis.connect(), [], time.monotonic() + seconds
        self.addCleanup(listener.close)
        listener.call("SUBSCRIBE", "__keyspace@0__:s:trim:g")
        listener.socket.settimeout(0.1)
        while time.monotonic() < end:
            try:
                listener.read()
                owners.append(self.redis.call("GET", "s:trim:g"))
            except OSError:
                listener.stream = listener.socket.makefile("rb")
        return owners

    def test_once_in_an_interval_by_three_daemons(self):
        daemons = [self.start_trimming({"acknowledged": True}, dotted={"consumer": name}, name=name)
                   for name in ("one", "two", "three")]
        owners = self.turns_taken(3)
        self.assertIn(len(owners), (2, 3))
        self.add_many(300)
        self.wait_length(NODE)
        daemons[0].kill()
        daemons[1].kill()
        self.add_many(300)
        self.wait_length(NODE)
        self.assertEqual(self.redis.call("GET", "s:trim:g") or b"three", b"three")

    def test_many_streams_of_one_consumer(self):
        streams = ["s%d" % n for n in range(20)]
        for stream in streams:
            self.add_many(60, stream)
        self.start_trimming({"maxlen": 10}, dotted={"stream": None, "streams": streams})
        wait_until(lambda: all(self.redis.call("XLEN", s) <= 20 for s in streams), 15, "all trimmed")


class Size(RetentionCase):
    def longest_ping_ms(self, until):
        connection, longest = self.redis.connect(), 0
        self.addCleanup(connection.close)
        while not until():
            began = time.monotonic()
            connection.call("PING")
            longest = max(longest, time.monotonic() - began)
        return longest * 1000

    def test_a_large_stream_goes_in_small_steps(self):
        self.redis.call("CONFIG", "SET", "stream-node-max-entries", 100)
        self.redis.call("EVAL", "for i = 1, 300000 do redis.call('XADD', KEYS[1], i .. '-1', 'field', 'value') end",
                        1, "s")
        self.group_at("g", "$")
        self.redis.call("CONFIG", "SET", "slowlog-log-slower-than", 20000)
        self.redis.call("SLOWLOG", "RESET")
        self.redis.call("CONFIG", "RESETSTAT")
        self.start_trimming({"maxlen": 1000}, dotted={"trim.interval": "2s"})
        longest_ms = self.longest_ping_ms(lambda: self.length() <= 1100)
        calls = self.redis.call("INFO", "commandstats").decode()
        steps = int(calls.split("cmdstat_xtrim:calls=")[1].split(",")[0])
        self.assertGreaterEqual(steps, 299)
        slow = [entry[3][0] for entry in self.redis.call("SLOWLOG", "GET", 100)]
        self.assertEqual([name for name in slow if name.lower().startswith(b"eval")], [])
        self.assertLess(longest_ms, 250)


class Trouble(RetentionCase):
    """No trouble with it keeps the consumer from its work."""

    def start_as(self, *rules):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", *rules)
        return self.start_trimming({"maxlen": 50}, redis={"username": "worker", "password": "secret"})

    def assert_works_untrimmed(self):
        self.add_many(300)
        self.wait_settled()
        stays_true(lambda: self.length() == 300, 1.5, "nothing trimmed")
        self.add_many(10)
        self.wait_settled()

    def test_scripts_are_refused(self):
        daemon = self.start_as("-@scripting")
        line = daemon.wait_for_event("redis_error", message="trim is off: it needs scripts, which the server refuses")
        self.assertEqual(line["level"], "warning")
        self.assert_works_untrimmed()
        self.assertEqual(len([e for e in daemon.events() if "trim is off" in e["message"]]), 1)

    def test_a_right_is_missing(self):
        for right in ("-xtrim", "-set"):
            with self.subTest(right):
                self.redis.call("FLUSHALL")
                daemon = self.start_as("+@all", right)
                wait_until(lambda d=daemon: [e for e in d.events("redis_error") if e["level"] == "error" and
                                             e["message"].startswith("trimming the stream: ")], 15, "a complaint")
                self.assert_works_untrimmed()
                daemon.stop()

    def test_the_stream_is_deleted_and_comes_again(self):
        daemon = self.start_trimming({"acknowledged": True})
        self.redis.call("DEL", "s")
        daemon.wait_for_event("group_recreated")
        self.add_many(300)
        self.wait_settled()
        self.wait_length(NODE)

    def test_scripts_are_forgotten(self):
        self.start_trimming({"maxlen": 50})
        self.redis.call("SCRIPT", "FLUSH")
        self.add_many(300)
        self.wait_length(50 + NODE)


class Changes(RetentionCase):
    def test_not_while_paused(self):
        daemon = self.start_trimming({"maxlen": 50})
        control_of(daemon).post("/v1/consumers/c/pause")
        daemon.wait_for_event("paused")
        self.add_many(300)
        stays_true(lambda: self.length() == 300, 2.5, "all there")
        control_of(daemon).post("/v1/consumers/c/resume")
        self.wait_length(50 + NODE)

    def reload(self, daemon, command, dotted):
        with open(daemon.config_path, "w", encoding="utf-8") as f:
            f.write(self.config({"c": self.consumer(command, {"handler.mode": "worker", **dotted})}))
        daemon.signal(signal.SIGHUP)

    def test_turned_on_changed_and_turned_off_by_a_reload(self):
        command, on = self.python(HOLD), {"trim.interval": "1s"}
        daemon = self.start(command, {"handler.mode": "worker"})
        self.add_many(300)
        self.wait_records(1)
        self.reload(daemon, command, {**on, "trim.maxlen": 200})
        self.wait_length(200 + NODE, 200)
        self.reload(daemon, command, {**on, "trim.maxlen": 100})
        self.wait_length(100 + NODE, 100)
        self.reload(daemon, command, {})
        daemon.wait_for_event("reloaded", count=3)
        self.add_many(100)
        stays_true(lambda: self.length() >= 200, 2, "nothing more is trimmed")
        self.assertEqual(len(self.records()), 1)
        self.open_gate()


class InACluster(ClusterCase):
    def test_each_stream_where_it_is(self):
        streams = self.streams_everywhere()
        for stream in streams:
            self.call(stream, "CONFIG", "SET", "stream-node-max-entries", NODE)
            self.add_to(stream, 100)
        self.start_cluster_daemon(streams, {"trim.acknowledged": True, "trim.interval": "1s"})
        for stream in streams:
            wait_until(lambda s=stream: self.call(s, "XLEN", s) <= NODE, 20, "trimmed")
            wait_until(lambda s=stream: self.call(s, "GET", "{%s}:trim:g" % s) == b"me", 5, "the lock")


if __name__ == "__main__":
    main()
