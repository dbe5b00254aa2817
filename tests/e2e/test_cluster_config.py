#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the check of a file says about a Cluster."""

import subprocess
import unittest

from servers import SLUICED, environ_without
from settings import merged, yaml

CLUSTER = {"url": "redis://127.0.0.1:7001", "cluster": True}


class ClusterConfig(unittest.TestCase):
    def check(self, redis, consumer=None):
        """(exit status, what was said) of the check of a file with these settings."""
        text = yaml({
            "redis": merged(CLUSTER, redis),
            "daemon": {"runtime_dir": "/nonexistent"},
            "consumers": {"c": merged({"stream": "s", "group": "g", "handler.command": ["/bin/true"]}, consumer)},
        })
        done = subprocess.run([SLUICED, "--check", "-c", "/dev/stdin"], input=text, text=True, timeout=20,
                              env=environ_without(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def test_refused(self):
        for redis, said in (
                ({"url": "unix:///tmp/r.sock"}, "redis.url: expected redis:// or rediss:// for a Cluster"),
                ({"url": "redis://127.0.0.1:7001/2"}, "redis.url: expected no database: a Cluster has only one"),
                ({"cluster": False, "nodes": ["a:1"]}, "redis.nodes: expected cluster: true beside it"),
                ({"nodes": ["a"]}, "redis.nodes"),
                ({"nodes": ["a:0"]}, "redis.nodes"),
                ({"nodes": ["a:65536"]}, "redis.nodes"),
                ({"sentinel.master": "m", "sentinel.nodes": ["a:1"]}, "expected either a Cluster or Sentinels, got both")):
            with self.subTest(said=said, redis=redis):
                status, text = self.check(redis)
                self.assertNotEqual(status, 0)
                self.assertIn(said, text)

    def test_taken(self):
        for redis in ({}, {"url": "rediss://a:7001"}, {"nodes": ["a:7001", "[::1]:7002", "10.0.0.1:1"]}):
            with self.subTest(redis=redis):
                self.assertEqual(self.check(redis), (0, "/dev/stdin: no errors\n"))

    def test_dead_letters_in_another_slot(self):
        for stream, dead, warned in (
                ("s", None, False),          # {s}:dead
                ("{s}:1", None, False),      # {s}:1:dead
                ("s", "{s}graves", False),
                ("s", "off", False),
                ("s", "graves", True),
                ("{}s", None, True),         # a tag that is empty is none, and braces hide the rest
                ("a}b", None, True)):
            with self.subTest(stream=stream, dead=dead):
                status, text = self.check({}, {"stream": stream, "dead_letter.stream": dead})
                self.assertEqual(status, 0, text)
                self.assertEqual("different slots" in text, warned, text)

    def test_no_warning_without_a_cluster(self):
        self.assertEqual(self.check({"cluster": None}, {"dead_letter.stream": "graves"}), (0, "/dev/stdin: no errors\n"))

    def test_a_range_in_one_slot_each(self):
        self.assertEqual(self.check({}, {"stream": None, "streams": ["events:{0..63}"]}), (0, "/dev/stdin: no errors\n"))


if __name__ == "__main__":
    unittest.main()
