#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guard against doing an entry twice, with a Cluster, and what the check of a file says about it."""

import subprocess
import unittest

from clustercase import SharedClusterCase
from harness import main
from servers import SLUICED, environ_without, stays_true, wait_until
from settings import merged, yaml

GUARD = {"once.ttl": "1h"}


class Cluster(SharedClusterCase):
    def keys_of(self, stream):
        return self.cluster.node_of(stream).call("KEYS", "{%s}:once:*" % stream)

    def test_keys_are_where_the_streams_are(self):
        streams = [self.cluster.name_in(node, self.name("k")) for node in self.cluster.primaries()]
        daemon = self.start_cluster_daemon(streams, GUARD)
        ids = {stream: self.add_to(stream, 5) for stream in streams}
        self.wait_handled(sum(ids.values(), []))
        self.wait_nothing_pending(streams)
        for stream in streams:
            wanted = {("{%s}:once:g:%s" % (stream, i)).encode() for i in ids[stream]}
            self.assertEqual(set(self.keys_of(stream)), wanted)
        daemon.stop()

    def test_duplicates(self):
        stream = self.name("s")
        daemon = self.start_cluster_daemon([stream], {**GUARD, "once.key": "{%s}:once:%f{n}"})
        self.wait_handled(self.add_to(stream, 3))
        self.wait_nothing_pending([stream])
        self.add_to(stream, 4)
        wait_until(lambda: len(self.handled(stream)) == 4, 15, "the new one")
        self.wait_nothing_pending([stream])
        self.assertEqual(len(self.records()), 4)
        daemon.stop()

    def test_stream_moves(self):
        stream = self.name("s")
        daemon = self.start_cluster_daemon([stream], GUARD)
        self.wait_handled(self.add_to(stream, 3))
        slot = self.cluster.slot_of(stream)
        self.cluster.move_slot(slot, self.another_primary(slot))
        self.wait_handled(self.add_to(stream, 3))
        self.wait_nothing_pending([stream])
        self.assertEqual((len(self.records()), len(self.keys_of(stream))), (6, 6))
        daemon.stop()

    def test_slot_on_the_move(self):
        """Keys that were never there are asked for at the other node, where the stream is not yet."""
        stream = self.name("s")
        daemon = self.start_cluster_daemon([stream], GUARD)
        self.wait_handled(self.add_to(stream, 1))
        slot = self.cluster.slot_of(stream)
        move = self.cluster.begin_move(slot, self.another_primary(slot))
        self.add_to(stream, 3)
        daemon.wait_for_event("redis_error")
        stays_true(lambda: len(self.records()) == 1, 0.7, "nothing runs unguarded")
        self.assertEqual(daemon.events("group_recreated"), [])
        self.cluster.migrate_keys(move)
        self.cluster.finish_move(move)
        wait_until(lambda: len(self.handled(stream)) == 4, 30, "the rest")
        self.wait_nothing_pending([stream])
        self.assertEqual((len(self.records()), len(self.keys_of(stream))), (4, 4))
        self.assertEqual(daemon.events("group_recreated"), [])
        daemon.stop()


class Check(unittest.TestCase):
    def check(self, *consumers, redis=None):
        """(exit status, what was said) of the check of a file with these consumers."""
        made = {"c%d" % n: merged({"stream": "s", "group": "g", "handler.command": ["/bin/true"]}, c)
                for n, c in enumerate(consumers)}
        text = yaml({"redis": merged({"url": "redis://127.0.0.1:7001"}, redis),
                     "daemon": {"runtime_dir": "/nonexistent"}, "consumers": made})
        done = subprocess.run([SLUICED, "--check", "-c", "/dev/stdin"], input=text, text=True, timeout=20,
                              env=environ_without(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def test_refused(self):
        for settings, said in (
                ({"once.key": "%i"}, "consumers.c0.once.key: expected once.ttl beside it"),
                ({"once.ttl": "1h", "once.key": "%x%i"}, "expected only %s, %g, %i, %f{NAME} and %% after a percent sign, got \"%x%i\""),
                ({"once.ttl": "1h", "once.key": "once:%s"}, "expected %i or %f{NAME}, so that entries have keys of their own"),
                ({"once.ttl": "0s"}, "once.ttl"),
                ({"once.ttl": "1h", "once.key": "x" * 1020 + "%i"}, "expected keys of at most 1024 bytes, for \"s\""),
                ({"once.ttl": "1h", "stream": "s" * 1000}, "expected keys of at most 1024 bytes")):
            with self.subTest(said=said):
                status, text = self.check(settings)
                self.assertEqual(status, 78)
                self.assertIn(said, text)

    def test_taken(self):
        for settings in ({"once.ttl": "1h"}, {"once.key": "{%s}:once:%g:%i"}, {"once.ttl": "1ms", "once.key": "%f{a b}%%"}):
            with self.subTest(settings=settings):
                self.assertEqual(self.check(settings), (0, "/dev/stdin: no errors\n"))

    def test_slots(self):
        for stream, key, taken in (
                ("s", None, True),
                ("{eu}s", None, True),
                ("s", "{s}:%i", True),
                ("{eu}s", "%s:%f{order}", True),
                ("s", "%s:%i", False),
                ("s", "{%s:%i}", False),
                ("s", "%f{order}:{%s}", False),
                ("a}b", None, False)):
            with self.subTest(stream=stream, key=key):
                status, text = self.check({"stream": stream, "once.ttl": "1h", "once.key": key}, redis={"cluster": True})
                self.assertEqual((status, "expected keys in the slot of the stream" in text), (0 if taken else 78, not taken))

    def test_groups_that_share_keys(self):
        shared, own = {"once.ttl": "1h", "once.key": "{%s}:once:%i"}, {"once.ttl": "1h"}
        for first, second, warned in (
                (shared, {**shared, "group": "h"}, True),
                (shared, {**shared, "consumer": "another"}, False),
                (shared, {**shared, "group": "h", "stream": "t"}, False),
                (shared, {"group": "h"}, False),
                (own, {**own, "group": "h"}, False)):
            with self.subTest(first=first, second=second):
                status, text = self.check(first, second)
                self.assertEqual(status, 0, text)
                self.assertEqual("without %g its group and that of consumers.c0 skip each other's entries of \"s\"" in text, warned)


if __name__ == "__main__":
    main()
