#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many entries, with connections cut in the middle: none lost, none run twice."""

import collections

from harness import WorkerCase, main

# Records a batch in one write, so that recording is not what is measured.
BATCHES = """\
batch = []
for entry in entries():
    batch.append(entry)
    if not entry["more"]:
        record(ids=[e["id"] for e in batch])
        say("ok", *[e["tag"] for e in batch])
        batch = []
"""
QUIET = {"log.level": "notice"}


class Many(WorkerCase):
    def handled(self):
        return collections.Counter(i for r in self.records() for i in r["ids"])

    def assert_each_once(self, ids):
        handled = self.handled()
        self.assertEqual(len(set(ids) - set(handled)), 0, "entries lost")
        self.assertEqual([i for i, n in handled.items() if n > 1], [], "entries run twice")
        self.assertEqual((self.pending(), self.dead()), ({}, []))

    def test_backlog(self):
        ids = self.add_many(20000)
        daemon = self.start_worker(BATCHES, {"handler.window": 500, "read.count": 500}, daemon=QUIET)
        self.wait_settled(seconds=60)
        self.assert_each_once(ids)
        daemon.stop()

    def test_connections_killed(self):
        daemon = self.start_worker(BATCHES, {"handler.window": 500, "claim.min_idle": "2s"}, daemon=QUIET)
        ids = []
        for _ in range(10):
            ids += self.add_many(2000)
            self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.wait_settled(seconds=60)
        self.assert_each_once(ids)
        daemon.stop()

    def test_several_workers_and_streams(self):
        streams = ["s", "t", "u"]
        self.start_worker(BATCHES, {"stream": None, "streams": streams, "handler.window": 100,
                                    "handler.concurrency": 3}, daemon=QUIET)
        ids = [(stream, i) for stream in streams for i in self.add_many(3000, stream)]
        for stream in streams:
            self.wait_settled(stream, seconds=60)
        self.assertEqual(sum(self.handled().values()), len(ids))

    def test_two_daemons_share_a_group(self):
        for name, consumer in (("one", "me"), ("two", "you")):
            self.start(self.python(BATCHES), {"handler.mode": "worker", "handler.window": 100,
                                              "consumer": consumer, "claim.min_idle": "1s"},
                       name=name, daemon=QUIET)
        ids = self.add_many(10000)
        self.wait_settled(seconds=60)
        self.assert_each_once(ids)


if __name__ == "__main__":
    main()
