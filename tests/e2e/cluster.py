# SPDX-License-Identifier: MIT
"""A Redis Cluster: its nodes, its slots, and what can happen to both.

    cluster = Cluster(directory)            # 3 primaries with a replica each; primaries=3, replicas=0
    cluster.start().ready()                 # also: tls=, login=Login(user, password), options=
    cluster.nodes, cluster.seeds            # servers.Redis of each; "127.0.0.1:PORT" of each
    cluster.call("s", "XLEN", "s")          # wherever the key "s" lives: follows MOVED and ASK
    cluster.slot_of("{a}b"), cluster.node_of("{a}b"), cluster.owner(slot)
    cluster.primaries(), cluster.replica_of(node)
    cluster.name_in(node)                   # a key "k…" of that node, for streams on given nodes

    cluster.move_slot(slot, node)           # at once, or step by step:
    move = cluster.begin_move(slot, node)   # absent keys answer ASK now, present ones are served
    cluster.migrate_keys(move)              # now all answer ASK; or keys=["s"] only
    cluster.finish_move(move)               # MOVED; or cancel_move(move) before migrate_keys

    cluster.kill(node)                      # kill -9; or freeze(node): SIGSTOP
    new = cluster.wait_promoted(node)       # its replica, 2.5 s
    node.start().wait_ready(); cluster.wait_settled()       # back, as a replica
    cluster.failover(cluster.replica_of(node))              # by hand: 0.1 s
    cluster.stop_all()
"""

import binascii
import collections
import os

import resp
from sentinel import ConfiguredServer, account_settings
from servers import free_port, wait_until

N_SLOTS = 16384
Move = collections.namedtuple("Move", "slot source target")
Row = collections.namedtuple("Row", "id flags primary_id link slots")


def slot_of(key):
    raw = key if isinstance(key, bytes) else str(key).encode()
    opening = raw.find(b"{")
    closing = raw.find(b"}", opening + 1)
    if opening >= 0 and closing > opening + 1:
        raw = raw[opening + 1:closing]
    return binascii.crc_hqx(raw, 0) % N_SLOTS


class Node(ConfiguredServer):
    """One node. self.id is its name in the cluster."""

    def __init__(self, directory, settings, tls, login):
        super().__init__(directory, settings, tls, login)
        self.bus_port = free_port()
        self.settings.append(("cluster-port", self.bus_port))
        self.id = None

    def connect(self):
        """As a remote client: MOVED and ASK name the port for clients of the same kind."""
        return self.dial()

    def table(self):
        """CLUSTER NODES as it looks from here: {id: Row}."""
        rows = [line.split(" ") for line in self.call("CLUSTER", "NODES").decode().splitlines()]
        return {words[0]: Row(words[0], words[2].split(","), words[3], words[7], words[8:]) for words in rows}

    def info(self):
        lines = self.call("CLUSTER", "INFO").decode().splitlines()
        return dict(line.split(":", 1) for line in lines)


class Cluster:
    def __init__(self, directory, primaries=3, replicas=1, *, tls=None, login=None, options=(),
                 node_timeout_ms=1000):
        self.login = login
        settings = [("cluster-enabled", "yes"), ("cluster-node-timeout", node_timeout_ms),
                    ("repl-diskless-sync-delay", 0), *account_settings(login, "masteruser", "masterauth")]
        if tls:
            settings.append(("tls-cluster", "yes"))
        self.n_primaries = primaries
        self.had = {}  # the first slot of each node that is gone
        self.nodes = [Node(os.path.join(directory, "node%d" % n), list(settings), tls, login)
                      for n in range(primaries * (1 + replicas))]
        for node in self.nodes:
            node.options += options

    # --- the start -------------------------------------------------------------------------------

    def start(self):
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_ready()
            node.id = node.call("CLUSTER", "MYID").decode()
        for n, node in enumerate(self.nodes):
            node.call("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        for n, node in enumerate(self.nodes[:self.n_primaries]):
            first, after = (N_SLOTS * i // self.n_primaries for i in (n, n + 1))
            node.call("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
        self._introduce()
        for n, node in enumerate(self.nodes[self.n_primaries:]):
            node.call("CLUSTER", "REPLICATE", self.nodes[n % self.n_primaries].id)
        return self

    def _introduce(self):
        """All to all: it would take seconds for them to hear of each other."""
        for n, node in enumerate(self.nodes):
            for other in self.nodes[:n]:
                node.call("CLUSTER", "MEET", *other.address, other.bus_port)
        ids = {node.id for node in self.nodes}
        wait_until(lambda: all(set(node.table()) == ids for node in self.nodes), 20, "the nodes to know each other")

    def ready(self):
        self.wait_settled()
        return self

    def wait_settled(self, seconds=30):
        """Until all living nodes say that all is well, and agree on who has which slots."""
        wait_until(self._is_settled, seconds, "the cluster to be in agreement")

    def _is_settled(self):
        living = self._living()
        try:
            views = [self._view(node, living) for node in living]
        except (OSError, resp.ReplyError):
            return False
        return views[0] and all(view == views[0] for view in views)

    def _view(self, node, living):
        info, table = node.info(), node.table()
        known = {other.id for other in living}
        state = node.replication()
        if (info["cluster_state"] != "ok" or info["cluster_slots_ok"] != str(N_SLOTS) or not known <= set(table)
                or state["role"] == "slave" and state["master_link_status"] != "up"):
            return None
        rows = [row for row in table.values() if row.id in known]
        if any(row.link != "connected" or "fail" in row.flags or "fail?" in row.flags for row in rows):
            return None
        return sorted((row.id, row.primary_id, *(s for s in row.slots if not s.startswith("["))) for row in rows)

    # --- who has what ----------------------------------------------------------------------------

    @property
    def seeds(self):
        return ["%s:%d" % node.address for node in self.nodes]

    slot_of = staticmethod(slot_of)

    def _living(self):
        return [node for node in self.nodes if node.is_answering()]

    def _by_id(self, node_id):
        return next((node for node in self.nodes if node.id == node_id), None)

    def owner(self, slot):
        """The primary that has the slot, by the living nodes' own word."""
        for node in self._living():
            row = node.table()[node.id]
            if "master" in row.flags and any(slot in numbers(text) for text in row.slots):
                return node
        raise AssertionError("no living node has slot %d" % slot)

    def node_of(self, key):
        return self.owner(slot_of(key))

    def name_in(self, node, prefix="k"):
        """A key of that node; the same one at each call while the slots stay where they are."""
        ranges = [numbers(text) for text in node.table()[node.id].slots]
        return next(name for name in ("%s%d" % (prefix, n) for n in range(10 * N_SLOTS))
                    if any(slot_of(name) in r for r in ranges))

    def primaries(self):
        return [node for node in self._living() if "master" in node.table()[node.id].flags]

    def replica_of(self, primary):
        """A living replica of that node, or None."""
        return next((node for node in self._living()
                     if node.table()[node.id].primary_id == primary.id), None)

    def call(self, key, *command, seconds=15):
        """Like a client of a cluster; waits while the slot has no owner."""
        def attempt():
            try:
                return [self._call_once(self.node_of(key), command)]
            except (AssertionError, OSError):
                return None
            except resp.ReplyError as why:
                if str(why).split(" ")[0] in ("CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "LOADING", "MOVED"):
                    return None
                raise
        return wait_until(attempt, seconds, "a node that takes %s" % (command,))[0]

    def _call_once(self, node, command):
        try:
            return node.call(*command)
        except resp.ReplyError as why:
            kind, *where = str(why).split(" ")
            if kind not in ("MOVED", "ASK"):
                raise
            port = int(where[1].rpartition(":")[2])
            node = next(node for node in self.nodes if node.address[1] == port)
        if kind == "ASK":
            node.call("ASKING")
        return node.call(*command)

    # --- slots that move -------------------------------------------------------------------------

    def begin_move(self, slot, target):
        wait_until(self._knows_its_epoch, 10, "the last move to be known to all")
        move = Move(slot, self.owner(slot), target)
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", move.source.id)
        move.source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        return move

    def _knows_its_epoch(self):
        """A node that takes a slot before it has heard of the former move takes it in an epoch that
        is over: then none has it."""
        return len({node.info()["cluster_current_epoch"] for node in self._living()}) == 1

    def migrate_keys(self, move, keys=None):
        """All keys of the slot, or these."""
        todo = keys or move.source.call("CLUSTER", "GETKEYSINSLOT", move.slot, 1000)
        while todo:
            move.source.call("MIGRATE", *move.target.address, "", 0, 5000, *self._migrating_login(), "KEYS", *todo)
            todo = [] if keys else move.source.call("CLUSTER", "GETKEYSINSLOT", move.slot, 1000)

    def _migrating_login(self):
        if not self.login:
            return []
        return ["AUTH2", *self.login] if self.login.user else ["AUTH", self.login.password]

    def finish_move(self, move):
        others = [node for node in self.primaries() if node not in (move.source, move.target)]
        for node in (move.target, move.source, *others):
            node.call("CLUSTER", "SETSLOT", move.slot, "NODE", move.target.id)

    def cancel_move(self, move):
        for node in (move.source, move.target):
            node.call("CLUSTER", "SETSLOT", move.slot, "STABLE")

    def move_slot(self, slot, target):
        move = self.begin_move(slot, target)
        self.migrate_keys(move)
        self.finish_move(move)

    # --- nodes that go ---------------------------------------------------------------------------

    def kill(self, node):
        self._remember(node)
        node.kill()

    def freeze(self, node):
        self._remember(node)
        node.freeze()

    def _remember(self, node):
        slots = [slot for text in node.table()[node.id].slots for slot in numbers(text)[:1]]
        self.had[node.id] = slots[0] if slots else None

    def wait_promoted(self, gone, seconds=30):
        """The replica that took the place of a primary, when all living nodes see it."""
        def heir():
            try:
                return self._is_settled() and self.owner(self.had[gone.id])
            except (AssertionError, OSError, resp.ReplyError):
                return None
        return wait_until(heir, seconds, "another primary")

    def failover(self, replica):
        """CLUSTER FAILOVER at this replica, which is the primary at the end."""
        replica.call("CLUSTER", "FAILOVER")
        wait_until(lambda: "master" in replica.table()[replica.id].flags and self._is_settled(), 20,
                   "the replica to be a primary")
        return replica

    def stop_all(self):
        for node in self.nodes:
            node.kill()


def numbers(text):
    """The slots of "5" or "0-5461"; none of "[5->-…", which tells of a slot on the move."""
    if text.startswith("["):
        return range(0)
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
