# SPDX-License-Identifier: MIT
"""What the tests of a Redis Cluster share: daemons in front of one, and who adds to its streams."""

import tempfile
import threading

import resp
from cluster import Cluster
from harness import Case
from servers import wait_until

WORKER = "for entry in entries():\n    record(id=entry['id'], stream=entry['stream'])\n    say('ok', entry['tag'])\n"


class ClusterCase(Case):
    primaries, replicas = 3, 0

    def start_servers(self):
        self.cluster = Cluster(self.dir, self.primaries, self.replicas)
        self.addCleanup(self.cluster.stop_all)
        self.cluster.start().ready()

    def call(self, stream, *command):
        return self.cluster.call(stream, *command)

    def add_to(self, stream, count):
        return [self.call(stream, "XADD", stream, "*", "n", n).decode() for n in range(count)]

    def add_with_replica(self, stream, count):
        """Adds that a failover cannot lose: the replica has them."""
        node = self.cluster.node_of(stream)
        ids = [node.call("XADD", stream, "*", "n", n).decode() for n in range(count)]
        assert node.call("WAIT", 1, 5000) >= 1
        return ids

    def produce(self, streams, **more):
        producer = Producer(self.cluster, streams, **more)
        producer.start()
        self.addCleanup(producer.stop)
        return producer

    def dead_in(self, stream):
        return [resp.pairs(r[1]) for r in self.call(stream, "XRANGE", stream, "-", "+")]

    def another_primary(self, slot):
        owner = self.cluster.owner(slot)
        return next(n for n in self.cluster.primaries() if n.id != owner.id)

    def start_cluster_daemon(self, streams, dotted=None, redis=None, body=WORKER, **more):
        settings = {"stream": None, "streams": streams, "handler.mode": "worker", **(dotted or {})}
        consumer = self.consumer(self.python(body), settings)
        redis = {"url": "redis://" + self.cluster.seeds[0], "cluster": True, **(redis or {})}
        return self.start_all({"c": consumer}, redis=redis, **more)

    def handled(self, stream=None):
        return {r["id"] for r in self.records() if stream in (None, r["stream"])}

    def n_pending(self, stream):
        return self.call(stream, "XPENDING", stream, "g")[0]

    def wait_handled(self, wanted, seconds=20):
        wanted = set(wanted)
        wait_until(lambda: wanted <= self.handled(), seconds, "%d entries handled" % len(wanted))

    def wait_nothing_pending(self, streams, seconds=20):
        wait_until(lambda: not any(self.n_pending(s) for s in streams), seconds, "all acknowledged")

    def streams_everywhere(self):
        return [self.cluster.name_in(node, "s") for node in self.cluster.primaries()]


class SharedClusterCase(ClusterCase):
    """One cluster for all tests of the class, which leave each node alive and each slot settled.
    The streams of a test are its own: self.name("s")."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="sluiced-cluster-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.shared = Cluster(cls.folder.name, cls.primaries, cls.replicas, options=cls.options)
        cls.addClassCleanup(cls.shared.stop_all)
        cls.shared.start().ready()

    def start_servers(self):
        self.cluster = self.shared

    def name(self, word):
        return "%s.%s" % (self._testMethodName, word)


class Producer(threading.Thread):
    """Adds to streams, one after the other, until it is stopped, over connections of its own; a
    slot that moves or has no owner is waited for. self.added is a list of (stream, id, n)."""

    def __init__(self, cluster, streams, pause=0.002, n_replicas=0):
        super().__init__(daemon=True)
        self.nodes = {node.address[1]: node for node in cluster.nodes}
        self.streams, self.pause, self.n_replicas = streams, pause, n_replicas
        self.places = {stream: cluster.node_of(stream).address[1] for stream in streams}
        self.connections = {}
        self.added, self.error = [], None
        self.stopping = threading.Event()

    def _connection(self, port):
        if port not in self.connections:
            self.connections[port] = resp.Connection(self.nodes[port].address, timeout=2)
        return self.connections[port]

    def _forget(self, port):
        if port in self.connections:
            self.connections.pop(port).close()

    def _try(self, stream, n, asking=None):
        """The entry's id; None when it has to be tried again."""
        port = asking or self.places[stream]
        connection = self._connection(port)
        try:
            if asking:
                connection.call("ASKING")
            entry_id = connection.call("XADD", stream, "*", "n", n)
            if self.n_replicas and connection.call("WAIT", self.n_replicas, 1000) < self.n_replicas:
                return None
            return entry_id.decode()
        except resp.ReplyError as why:
            kind, *where = str(why).split(" ")
            if kind == "ASK":
                return self._try(stream, n, int(where[1].rpartition(":")[2]))
            if kind == "MOVED":
                self.places[stream] = int(where[1].rpartition(":")[2])
            elif kind not in ("CLUSTERDOWN", "TRYAGAIN", "LOADING", "READONLY", "UNBLOCKED"):
                raise
        return None

    def _add(self, stream, n):
        try:
            return self._try(stream, n)
        except OSError:
            self._forget(self.places[stream])
            ports = [port for port, node in self.nodes.items() if node.is_answering()]
            self.places[stream] = ports[n % len(ports)]
            return None

    def run(self):
        n = 0
        try:
            while not self.stopping.wait(self.pause):
                stream = self.streams[n % len(self.streams)]
                entry_id = self._add(stream, n)
                if entry_id:
                    self.added.append((stream, entry_id, n))
                n += 1
        except BaseException as why:  # told by stop()
            self.error = why
        for port in list(self.connections):
            self._forget(port)

    def wait_added(self, count, seconds=20):
        wanted = len(self.added) + count
        wait_until(lambda: self.error or len(self.added) >= wanted, seconds, "%d more added" % count)

    def stop(self):
        self.stopping.set()
        self.join(10)
        if self.error:
            raise self.error
        return self.added
