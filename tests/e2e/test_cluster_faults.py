#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Redis Cluster under load while its slots move and its nodes go: nothing is lost, nothing runs
twice at once in one daemon, and work goes on soon."""

import signal
import socket
import time

from certificates import Tls
from cluster import Cluster
from clustercase import ClusterCase, SharedClusterCase, WORKER
from harness import main
from sentinel import Login
from servers import stays_true, wait_until

# A third fails once, every seventh is dead.
MIXED = ("for entry in entries():\n"
         "    n = int(entry['fields']['n'])\n"
         "    record(id=entry['id'], what='start', at=time.time()); time.sleep(0.001)\n"
         "    record(id=entry['id'], what='end', n=n)\n"
         "    again = n % 3 == 0 and entry['attempt'] == 1\n"
         "    say('dead' if n % 7 == 0 else 'retry' if again else 'ok', entry['tag'])\n")
MIXED_EXEC = """\
entry = json.load(sys.stdin)
n = int(entry['fields']['n'])
record(id=entry['id'], what='start', at=time.time())
record(id=entry['id'], what='end', n=n)
sys.exit(1 if n % 3 == 0 and entry['attempt'] == 1 else 0)
"""
TIMED = "for entry in entries():\n    record(id=entry['id'], at=time.time())\n    say('ok', entry['tag'])\n"
# As they are by default: a test that waits for the pause between two tries takes too long.
SLOW = {"reconnect.initial": "100ms", "reconnect.max": "10s"}


def latest(records, added):
    """The longest time between an entry's being added and its first run, in seconds."""
    first = {}
    for r in records:
        if "at" in r:
            first.setdefault(r["id"], r["at"])
    return max(first[i] - int(i.split("-")[0]) / 1000 for _, i, _ in added)


class Faults:
    def assert_all_came_to_an_end(self, added, streams, seconds=20):
        ids = {i for _, i, _ in added}
        wait_until(lambda: ids <= {r["id"] for r in self.records()}, seconds, "%d entries handled" % len(ids))
        self.wait_nothing_pending(streams, seconds)

    def assert_never_twice_at_once(self):
        running = set()
        for r in self.records():
            if r["what"] == "start":
                self.assertNotIn(r["id"], running)
                running.add(r["id"])
            else:
                running.discard(r["id"])

    def dead_ids(self, stream):
        return [dict(p[:14])[b"sluice.id"].decode() for p in self.dead_in(stream)]


class SlotsUnderLoad(Faults, SharedClusterCase):
    def move_about(self, stream, producer, turns):
        slot = self.cluster.slot_of(stream)
        for _ in range(turns):
            producer.wait_added(10)
            self.cluster.move_slot(slot, self.another_primary(slot))

    def test_worker_with_retries_and_dead_letters(self):
        stream = self.name("s")
        self.start_cluster_daemon([stream], {"handler.window": 10, "handler.concurrency": 2}, body=MIXED)
        producer = self.produce([stream])
        self.move_about(stream, producer, 8)
        added = producer.stop()
        self.assert_all_came_to_an_end(added, [stream])
        self.assert_never_twice_at_once()
        dead = self.dead_ids("{%s}:dead" % stream)
        self.assertEqual(sorted(set(dead)), sorted(i for _, i, n in added if n % 7 == 0))

    def test_exec_with_retries(self):
        stream = self.name("s")
        consumer = self.consumer(self.python(MIXED_EXEC), {
            "stream": stream, "handler.mode": "exec", "handler.concurrency": 2})
        self.start_all({"c": consumer}, redis={"url": "redis://" + self.cluster.seeds[0], "cluster": True})
        producer = self.produce([stream], pause=0.02)
        self.move_about(stream, producer, 4)
        self.assert_all_came_to_an_end(producer.stop(), [stream])
        self.assert_never_twice_at_once()

    def test_dead_letters_in_a_slot_that_moves(self):
        stream, graves = self.name("s"), self.name("graves")
        self.start_cluster_daemon([stream], {"handler.window": 10, "dead_letter.stream": graves}, body=MIXED)
        producer = self.produce([stream])
        self.move_about(graves, producer, 4)
        added = producer.stop()
        self.assert_all_came_to_an_end(added, [stream])
        self.assertLessEqual({i for _, i, n in added if n % 7 == 0}, set(self.dead_ids(graves)))

    def wait_handled_at_all(self, added):
        ids = {i for _, i, _ in added}
        wait_until(lambda: ids <= {r["id"] for r in self.records()}, 20, "%d entries handled" % len(ids))

    def test_pauses_of_the_old_place_end_with_the_move(self):
        stream = self.name("s")
        slot = self.cluster.slot_of(stream)
        source, target = self.cluster.owner(slot), self.another_primary(slot)
        body = ("for entry in entries():\n    record(id=entry['id'])\n    if entry['fields']['n'] == '0':\n"
                "        gate('go')\n    say('ok', entry['tag'])\n")
        self.start_cluster_daemon([stream], {"handler.concurrency": 2, "claim.min_idle": "1s"}, redis=SLOW, body=body)
        self.wait_handled_at_all([("", i, 0) for i in self.add_to(stream, 1)])
        source.call("CONFIG", "SET", "min-replicas-to-write", 1)
        stays_true(lambda: len(self.records()) == 1, 4, "the next try to be seconds away in the end")
        source.call("CONFIG", "SET", "min-replicas-to-write", 0)
        self.cluster.move_slot(slot, target)
        moved_at = time.time()
        self.wait_handled_at_all([("", self.call(stream, "XADD", stream, "*", "n", 1).decode(), 0)])
        self.assertLess(time.time() - moved_at, 1)
        self.open_gate()
        self.wait_nothing_pending([stream])


class Places(SharedClusterCase):
    def test_two_nodes_that_name_each_other(self):
        stream = self.name("s")
        daemon = self.start_cluster_daemon([stream])
        self.wait_handled(self.add_to(stream, 1))
        slot = self.cluster.slot_of(stream)
        source, target = self.cluster.owner(slot), self.another_primary(slot)
        move = self.cluster.begin_move(slot, target)
        self.cluster.migrate_keys(move)
        target.call("CLUSTER", "SETSLOT", slot, "STABLE")
        source.call("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        before = sum(self.n_commands(n) for n in (source, target))
        stays_true(lambda: len(self.records()) == 1, 1.5, "nothing more run")
        asked = sum(self.n_commands(n) for n in (source, target)) - before
        self.cluster.finish_move(move)
        self.wait_handled(self.add_to(stream, 1))
        self.wait_nothing_pending([stream])
        self.assertLess(asked, 150)
        daemon.stop()

    @staticmethod
    def n_commands(node):
        lines = node.call("INFO", "commandstats").decode().splitlines()
        about = ("cmdstat_xpending", "cmdstat_xreadgroup", "cmdstat_cluster|slots", "cmdstat_script|load")
        counts = dict(line.split(":") for line in lines if line.startswith(about))
        return sum(int(dict(part.split("=") for part in text.split(","))[key])
                   for text in counts.values() for key in ("calls", "rejected_calls"))

    def test_a_slow_node_for_dead_letters_gets_each_once(self):
        """The stream's own connection is lost meanwhile."""
        nodes = self.cluster.primaries()
        stream, graves = (self.cluster.name_in(n, self.name("k")) for n in nodes[:2])
        daemon = self.start_cluster_daemon([stream], {"dead_letter.stream": graves},
                                           body="for entry in entries():\n    record(id=entry['id'])\n    say('dead', entry['tag'])\n")
        daemon.wait_for_event("group_created")
        nodes[1].freeze()
        try:
            nodes[0].call("XADD", stream, "*", "n", "1")
            self.wait_records(1)
            stays_true(lambda: self.n_pending(stream) == 1, 0.1, "the record to be on its way")
            seen = len(daemon.events("connected"))
            self.kill_command_connections(nodes[0])
            daemon.wait_for_event("connected", count=seen + 1)
            stays_true(lambda: self.n_pending(stream) == 1, 0.1, "no record written")
        finally:
            nodes[1].thaw()
        self.wait_nothing_pending([stream])
        self.assertEqual(len(self.dead_in(graves)), 1)

    @staticmethod
    def kill_command_connections(node):
        for line in node.call("CLIENT", "LIST").splitlines():
            words = dict(word.partition(b"=")[::2] for word in line.split(b" "))
            if words[b"name"].startswith(b"sluiced.") and not words[b"name"].endswith(b".reader"):
                node.call("CLIENT", "KILL", "ID", words[b"id"])

    def test_the_map_is_asked_for_at_a_bounded_rate(self):
        """Of a stream in a slot that nobody serves every command is refused."""
        stream, other = self.streams_everywhere()[:2]
        daemon = self.start_cluster_daemon([stream, other])
        self.wait_handled(self.add_to(stream, 1) + self.add_to(other, 1))
        slot, owner = self.cluster.slot_of(stream), self.cluster.node_of(stream)
        asked = self.n_map_questions(self.cluster.nodes)
        for node in self.cluster.nodes:
            node.call("CLUSTER", "DELSLOTS", slot)
        stays_true(lambda: daemon.process.poll() is None, 2, "the daemon at work")
        asked = self.n_map_questions(self.cluster.nodes) - asked
        for node in self.cluster.nodes:
            node.call("CLUSTER", "SETSLOT", slot, "NODE", owner.id)
        self.wait_handled(self.add_to(stream, 1) + self.add_to(other, 1))
        self.assertLessEqual(asked, 6)
        self.cluster.wait_settled()

    @staticmethod
    def n_map_questions(nodes):
        def of(node):
            lines = node.call("INFO", "commandstats").decode().splitlines()
            line = next((text for text in lines if text.startswith("cmdstat_cluster|slots:")), "calls=0,")
            return int(line.partition("calls=")[2].partition(",")[0])
        return sum(of(node) for node in nodes)

    def test_a_stopped_node_does_not_hold_up_the_map(self):
        """It is asked, in its turn, where the slots are; another is asked when it does not say."""
        nodes = self.cluster.primaries()
        streams = [self.cluster.name_in(n, self.name("k")) for n in nodes]
        daemon = self.start_cluster_daemon(streams, redis=SLOW)
        self.wait_handled([i for s in streams for i in self.add_to(s, 1)])
        for n in nodes:
            n.call("CONFIG", "SET", "cluster-node-timeout", "30000")
        nodes[0].freeze()
        try:
            stays_true(lambda: daemon.process.poll() is None, 3.5, "the daemon at work")
            asked = self.n_map_questions(nodes[1:])
            self.kill_command_connections(nodes[1])
            wait_until(lambda: self.n_map_questions(nodes[1:]) > asked, 4, "a question")
        finally:
            nodes[0].thaw()
            for n in nodes:
                n.call("CONFIG", "SET", "cluster-node-timeout", "1000")
        self.cluster.wait_settled()

    def test_reload_takes_consumers_away_and_brings_others(self):
        streams = [self.name(word) for word in "abc"]
        daemon = self.start_cluster_daemon(streams[:1])
        self.wait_handled(self.add_to(streams[0], 2))
        made = {}
        for n, stream in enumerate(streams[1:]):
            made["c%d" % n] = self.consumer(self.python(WORKER), {"stream": stream, "handler.mode": "worker"})
        with open(daemon.config_path, "w", encoding="utf-8") as f:
            f.write(self.config(made, daemon.name, {"url": "redis://" + self.cluster.seeds[0], "cluster": True}))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_event("reloaded")
        self.wait_handled([i for s in streams[1:] for i in self.add_to(s, 2)])
        self.wait_nothing_pending(streams[1:])
        daemon.stop()

    def test_reload_while_a_slot_is_on_the_move(self):
        stream, graves = self.name("s"), self.name("graves")
        slot = self.cluster.slot_of(stream)
        daemon = self.start_cluster_daemon([stream], {"dead_letter.stream": graves})
        self.wait_handled(self.add_to(stream, 2))
        move = self.cluster.begin_move(slot, self.another_primary(slot))
        self.cluster.migrate_keys(move)
        self.wait_handled(self.add_to(stream, 2))
        other = self.consumer(self.python(WORKER), {"stream": self.name("t"), "handler.mode": "worker"})
        with open(daemon.config_path, "w", encoding="utf-8") as f:
            f.write(self.config({"d": other}, daemon.name, {"url": "redis://" + self.cluster.seeds[0], "cluster": True}))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_event("reloaded")
        self.cluster.finish_move(move)
        self.wait_handled(self.add_to(self.name("t"), 2))
        daemon.stop()


class Seeds(SharedClusterCase):
    """Addresses that do not answer, beside some that do."""

    def full(self):
        """An address that takes no connection and does not refuse it either."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            filling = socket.socket()
            self.addCleanup(filling.close)
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
        return "127.0.0.1:%d" % listener.getsockname()[1]

    def silent(self):
        """An address that takes connections and never says a word."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen(20)
        return "127.0.0.1:%d" % listener.getsockname()[1]

    def test_black_holes_and_dead_names_among_the_seeds(self):
        stream = self.name("s")
        ids = self.add_to(stream, 5)
        nodes = [self.full(), self.silent(), "no-such-host.invalid:6379", self.cluster.seeds[1]]
        started = time.monotonic()
        self.start_cluster_daemon([stream], redis={"url": "redis://" + self.full(), "nodes": nodes, **SLOW})
        self.wait_handled(ids)
        self.assertLess(time.monotonic() - started, 3)

    def test_a_node_that_is_a_black_hole_delays_no_other(self):
        """The slots of one node are said to be at an address that does not answer."""
        nodes = self.cluster.primaries()
        streams = [self.cluster.name_in(n, self.name("k")) for n in nodes]
        ids = [self.add_to(s, 3) for s in streams]
        nodes[0].freeze()
        try:
            self.start_cluster_daemon_nobody_waits_for(streams)
            self.wait_handled(ids[1] + ids[2], 3)
        finally:
            nodes[0].thaw()
        self.wait_handled(ids[0])
        self.cluster.wait_settled()

    def start_cluster_daemon_nobody_waits_for(self, streams):
        consumers = {"c%d" % n: self.consumer(self.python(WORKER), {"stream": s, "handler.mode": "worker"})
                     for n, s in enumerate(streams)}
        return self.prepare(consumers, redis={"url": "redis://" + self.cluster.seeds[1], "cluster": True}).start()

    def test_localhost_by_name_and_by_number(self):
        stream = self.name("s")
        self.start_cluster_daemon([stream], redis={"url": "redis://localhost:%d" % self.cluster.nodes[0].address[1]})
        self.wait_handled(self.add_to(stream, 5))


class Version6(SharedClusterCase):
    options = ("--bind", "127.0.0.1", "::1", "--cluster-announce-ip", "::1")

    def test_nodes_with_ipv6_addresses(self):
        port = self.cluster.nodes[0].address[1]
        streams = self.streams_everywhere()
        self.start_cluster_daemon(streams, redis={"url": "redis://[::1]:%d" % port})
        self.wait_handled([i for s in streams for i in self.add_to(s, 5)])
        slot = self.cluster.slot_of(streams[0])
        self.cluster.move_slot(slot, self.another_primary(slot))
        self.wait_handled(self.add_to(streams[0], 5))
        self.wait_nothing_pending(streams)


class Secured(ClusterCase):
    """TLS, and a user that may do what the documentation says, and nothing else."""

    replicas = 0
    COMMANDS = ("+ping +xreadgroup +xack +xclaim +xautoclaim +xpending +xrange +xlen +xadd +xinfo +xgroup|create "
                "+eval +evalsha +script|load +client|setname +client|id +client|unblock "
                "+cluster|slots +asking").split()

    def start_servers(self):
        self.tls = Tls(clients="no")
        self.cluster = Cluster(self.dir, 3, 0, tls=self.tls, login=Login(None, "secret"))
        self.addCleanup(self.cluster.stop_all)
        self.cluster.start().ready()

    def test_moves_retries_and_dead_letters(self):
        for node in self.cluster.nodes:
            node.call("ACL", "SETUSER", "worker", "on", ">pw", "~s", "~{s}:dead", "resetchannels", "-@all", *self.COMMANDS)
        daemon = self.start_cluster_daemon(["s"], body=MIXED, redis={
            "url": "rediss://localhost:%d" % self.cluster.nodes[0].address[1], "username": "worker", "password": "pw",
            "tls.ca_file": self.tls.made.ca})
        ids = self.add_to("s", 10)
        slot = self.cluster.slot_of("s")
        move = self.cluster.begin_move(slot, self.another_primary(slot))
        self.cluster.migrate_keys(move)
        ids += self.add_to("s", 10)
        wait_until(lambda: set(ids) <= {r["id"] for r in self.records()}, 20, "all run")
        self.cluster.finish_move(move)
        self.wait_nothing_pending(["s"])
        self.assertEqual(len(self.dead_in("{s}:dead")), 4)
        refusals = [line["message"] for line in daemon.events("redis_error") if "NOPERM" in line["message"]]
        self.assertEqual(refusals, [])
        daemon.stop()


class Failovers(Faults, ClusterCase):
    replicas = 1

    def test_a_primary_is_killed_under_load_of_two_daemons(self):
        streams = self.streams_everywhere()
        dotted = {"handler.window": 10, "claim.min_idle": "1s"}
        self.start_cluster_daemon(streams, dotted, redis=SLOW, body=TIMED, name="one")
        self.start_cluster_daemon(streams, {**dotted, "consumer": "other"}, redis=SLOW, body=TIMED, name="two")
        producer = self.produce(streams, n_replicas=1)
        producer.wait_added(50)
        gone = self.cluster.node_of(streams[0])
        self.cluster.kill(gone)
        self.cluster.wait_promoted(gone)
        promoted_at = time.time()
        later = self.add_to(streams[0], 1)
        self.wait_ids(later)
        self.assertLess(time.time() - promoted_at, 1.5)
        added = producer.stop()
        self.wait_ids(i for _, i, _ in added)
        self.wait_nothing_pending(streams)

    def wait_ids(self, ids):
        ids = set(ids)
        wait_until(lambda: ids <= {r["id"] for r in self.records()}, 20, "%d entries handled" % len(ids))

    def test_a_primary_stops_and_comes_back(self):
        streams = self.streams_everywhere()
        self.start_cluster_daemon(streams, {"handler.window": 10}, redis=SLOW, body=MIXED)
        producer = self.produce(streams, n_replicas=1)
        producer.wait_added(50)
        gone = self.cluster.node_of(streams[0])
        self.cluster.freeze(gone)
        self.cluster.wait_promoted(gone)
        self.wait_ids(self.add_to(streams[0], 1))
        gone.thaw()
        self.cluster.wait_settled()
        producer.wait_added(20)
        self.assert_all_came_to_an_end(producer.stop(), streams)
        self.assert_never_twice_at_once()

    def test_a_drain_during_a_failover(self):
        body = "for entry in entries():\n    record(id=entry['id'])\n    gate('go')\n    say('ok', entry['tag'])\n"
        daemon = self.start_cluster_daemon(["s"], {"handler.window": 5}, redis=SLOW, body=body)
        self.add_with_replica("s", 3)
        self.wait_records(1)
        gone = self.cluster.node_of("s")
        assert gone.call("WAIT", 1, 5000) >= 1
        self.cluster.kill(gone)
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("draining")
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        self.cluster.wait_promoted(gone)
        self.assertEqual(len({r["id"] for r in self.records()}), 3 - self.n_pending("s"))

    def test_all_replicas_of_today_are_the_primaries_of_tomorrow(self):
        """None of the nodes that were configured is needed after a while."""
        streams = self.streams_everywhere()
        self.start_cluster_daemon(streams, redis=SLOW)
        self.wait_handled([i for s in streams for i in self.add_to(s, 3)])
        old = self.cluster.primaries()
        for node in old:
            self.cluster.failover(self.cluster.replica_of(node))
        self.wait_handled([i for s in streams for i in self.add_to(s, 3)])
        for node in old:
            self.cluster.kill(node)
        self.wait_handled([i for s in streams for i in self.add_to(s, 3)])
        self.wait_nothing_pending(streams)


class AllGone(Faults, ClusterCase):
    def start_servers(self):
        self.cluster = Cluster(self.dir, 3, 0, options=("--appendonly", "yes", "--appendfsync", "always"))
        self.addCleanup(self.cluster.stop_all)
        self.cluster.start().ready()

    def test_all_nodes_are_killed_and_start_again(self):
        streams = self.streams_everywhere()
        self.start_cluster_daemon(streams, {"handler.window": 10}, body=MIXED)
        ids = [i for s in streams for i in self.add_to(s, 30)]
        self.wait_records(20)
        for node in self.cluster.nodes:
            self.cluster.kill(node)
        for node in self.cluster.nodes:
            node.start()
        for node in self.cluster.nodes:
            node.wait_ready()
        self.cluster.wait_settled()
        ids += [i for s in streams for i in self.add_to(s, 10)]
        self.assert_all_came_to_an_end([("", i, 0) for i in ids], streams)
        self.assert_never_twice_at_once()


if __name__ == "__main__":
    main()
