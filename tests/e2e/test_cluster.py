#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Streams of a Redis Cluster: found, followed and emptied wherever their slots are."""

import json

from clustercase import ClusterCase
from harness import Case, main, record_fields
from servers import wait_until

class Places(ClusterCase):
    def test_streams_of_all_nodes_from_one_seed(self):
        streams = self.streams_everywhere()
        self.start_cluster_daemon(streams)
        ids = [i for s in streams for i in self.add_to(s, 20)]
        self.wait_handled(ids)
        self.wait_nothing_pending(streams)

    def test_a_range_of_streams_spreads(self):
        self.start_cluster_daemon(["ev:{0..15}"])
        streams = ["ev:%d" % n for n in range(16)]
        self.assertEqual(len({self.cluster.node_of(s).id for s in streams}), 3)
        ids = [i for s in streams for i in self.add_to(s, 3)]
        self.wait_handled(ids)
        self.wait_nothing_pending(streams)

    def test_the_first_seed_is_dead(self):
        other = self.cluster.seeds[1]
        self.start_cluster_daemon(["s"], redis={"url": "redis://127.0.0.1:1", "nodes": [other]})
        self.wait_handled(self.add_to("s", 5))

    def test_retries_are_begun_where_the_stream_is(self):
        body = ("for entry in entries():\n"
                "    record(id=entry['id'], stream=entry['stream'], attempt=entry['attempt'])\n"
                "    say('ok' if entry['attempt'] > 2 else 'retry', entry['tag'])\n")
        streams = self.streams_everywhere()
        self.start_cluster_daemon(streams, body=body)
        for stream in streams:
            self.add_to(stream, 5)
        wait_until(lambda: len(self.records()) >= 45, 20, "three runs of each")
        self.wait_nothing_pending(streams)

    def test_what_a_dead_consumer_holds_is_swept(self):
        streams = self.streams_everywhere()
        ids = []
        for stream in streams:
            ids += self.add_to(stream, 5)
            self.call(stream, "XGROUP", "CREATE", stream, "g", 0)
            self.call(stream, "XREADGROUP", "GROUP", "g", "ghost", "STREAMS", stream, ">")
        self.start_cluster_daemon(streams, {"claim.min_idle": "1s"})
        self.wait_handled(ids)
        self.wait_nothing_pending(streams)


class Moves(ClusterCase):
    def test_a_slot_that_moves_back_and_forth_under_load(self):
        self.start_cluster_daemon(["s"], {"handler.window": 10})
        slot, ids = self.cluster.slot_of("s"), []
        for turn in range(6):
            ids += self.add_to("s", 50)
            target = next(n for n in self.cluster.primaries() if n.id != self.cluster.owner(slot).id)
            self.cluster.move_slot(slot, target)
            ids += self.add_to("s", 50)
        self.wait_handled(ids)
        self.wait_nothing_pending(["s"])

    def test_work_goes_on_while_a_slot_is_being_moved(self):
        daemon = self.start_cluster_daemon(["s"])
        self.wait_handled(self.add_to("s", 3))
        slot = self.cluster.slot_of("s")
        target = next(n for n in self.cluster.primaries() if n.id != self.cluster.owner(slot).id)
        move = self.cluster.begin_move(slot, target)
        self.wait_handled(self.add_to("s", 3))
        self.cluster.migrate_keys(move)
        self.wait_handled(self.add_to("s", 3))
        self.wait_nothing_pending(["s"])
        self.cluster.finish_move(move)
        self.wait_handled(self.add_to("s", 3))
        self.wait_nothing_pending(["s"])
        daemon.stop()

    def test_a_move_is_taken_back(self):
        self.start_cluster_daemon(["s"])
        self.wait_handled(self.add_to("s", 3))
        slot = self.cluster.slot_of("s")
        source = self.cluster.owner(slot)
        target = next(n for n in self.cluster.primaries() if n.id != source.id)
        self.cluster.move_slot(slot, target)
        self.cluster.move_slot(slot, source)
        self.wait_handled(self.add_to("s", 3))
        self.wait_nothing_pending(["s"])

    def test_a_run_survives_the_move_of_its_stream(self):
        body = "for entry in entries():\n    record(id=entry['id'], stream='s')\n    gate('go')\n    say('ok', entry['tag'])\n"
        self.start_cluster_daemon(["s"], body=body)
        ids = self.add_to("s", 1)
        self.wait_handled(ids)
        slot = self.cluster.slot_of("s")
        self.cluster.move_slot(slot, next(n for n in self.cluster.primaries()
                                          if n.id != self.cluster.owner(slot).id))
        self.open_gate()
        self.wait_nothing_pending(["s"])
        self.assertEqual(len(self.records()), 1)


class DeadLetters(ClusterCase):
    DEAD = "for entry in entries():\n    say('dead', entry['tag'])\n"

    def test_default_name_shares_the_slot(self):
        self.start_cluster_daemon(["s"], body=self.DEAD)
        ids = self.add_to("s", 3)
        wait_until(lambda: len(self.dead_in("{s}:dead")) == 3, 15, "dead letters")
        self.assertEqual([record_fields(p)[0]["sluice.id"] for p in self.dead_in("{s}:dead")], ids)
        self.wait_nothing_pending(["s"])

    def test_in_another_slot_in_two_steps(self):
        daemon = self.start_cluster_daemon(["s"], {"dead_letter.stream": "graves"}, body=self.DEAD)
        self.assertNotEqual(self.cluster.slot_of("s"), self.cluster.slot_of("graves"))
        ids = self.add_to("s", 3)
        wait_until(lambda: len(self.dead_in("graves")) == 3, 15, "dead letters")
        metadata, fields = record_fields(self.dead_in("graves")[0])
        self.assertEqual((metadata["sluice.id"], metadata["sluice.reason"], fields), (ids[0], "rejected", [(b"n", b"0")]))
        self.wait_nothing_pending(["s"])
        daemon.wait_for_event("config_warning")

    def test_trimmed_entries_of_another_in_another_slot(self):
        ids = self.add_to("s", 3)
        self.call("s", "XGROUP", "CREATE", "s", "g", 0)
        self.call("s", "XREADGROUP", "GROUP", "g", "ghost", "STREAMS", "s", ">")
        self.call("s", "XDEL", "s", ids[1])
        self.start_cluster_daemon(["s"], {"dead_letter.stream": "graves", "claim.min_idle": "1s"})
        wait_until(lambda: len(self.dead_in("graves")) == 1, 15, "a dead letter")
        metadata, fields = record_fields(self.dead_in("graves")[0])
        self.assertEqual((metadata["sluice.id"], metadata["sluice.reason"], fields), (ids[1], "trimmed", []))
        self.wait_nothing_pending(["s"])
        self.assertEqual(self.handled(), {ids[0], ids[2]})


class Failover(ClusterCase):
    replicas = 1

    def test_a_primary_is_killed_under_load(self):
        streams = self.streams_everywhere()
        self.start_cluster_daemon(streams, {"handler.window": 10})
        ids = [i for s in streams for i in self.add_with_replica(s, 30)]
        gone = self.cluster.node_of(streams[0])
        self.cluster.kill(gone)
        self.cluster.wait_promoted(gone)
        ids += [i for s in streams for i in self.add_to(s, 30)]
        self.wait_handled(ids, 30)
        self.wait_nothing_pending(streams, 30)

    def test_a_failover_by_hand(self):
        self.start_cluster_daemon(["s"])
        ids = self.add_with_replica("s", 20)
        self.wait_handled(ids)
        self.cluster.failover(self.cluster.replica_of(self.cluster.node_of("s")))
        self.wait_handled(self.add_to("s", 20))
        self.wait_nothing_pending(["s"])


class NoCluster(Case):
    redis_tcp = True

    def test_the_server_is_no_cluster(self):
        url = "redis://127.0.0.1:%d" % self.redis.port
        daemon = self.start(self.shell("true"), redis={"url": url, "cluster": True})
        lines = [line["message"] for line in daemon.events("redis_error")]
        self.assertTrue(any("CLUSTER SLOTS" in line for line in lines), json.dumps(lines))


if __name__ == "__main__":
    main()
