# SPDX-License-Identifier: MIT
"""The processes of a crash test and what is done to them."""

import collections
import heapq
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import plan
import resp
import servers
from judge import MS, Evidence, Life, Violation, runs_of
from settings import merged, yaml
from watch import Monitor, Witness, commands, wall_offset_ns

HERE = os.path.dirname(os.path.abspath(__file__))

UP, STOPPED, LEAVING, DOWN = "up", "stopped", "leaving", "down"
TICK_S = 0.1
LEAVE_S = 20 * servers.PATIENCE
SETTLE_S = (240 if servers.FLAVOUR == "asan" else 150) * servers.PATIENCE
AT_A_TICK = {"exec": 1, "line": 8, "side": 4}
LAG_MAX = 60
DIED_NS = 1000 * MS  # a connection that was cut is there again by then

# Gives entries back as a daemon does: only what is still the rival's.
GIVE_BACK = """
for i = 3, #ARGV do
    local row = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
    if row and row[2] == ARGV[2] and #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) == 1 then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'TIME', 0, 'JUSTID')
    end
end
"""


class Unreachable(Exception):
    """Redis is down, or the daemon that a fault was for."""


def stream_of(mode):
    return "s:" + mode


def now_ns():
    return time.monotonic_ns()


class Member:
    """A daemon of the group over all its lives."""

    def __init__(self, name, directory, text):
        self.name = name
        self.state = DOWN
        self.daemon = servers.Daemon(name, directory, text)
        self.life = None
        self.n_started = 0
        self.left_by = None

    def count_starts(self):
        return len(self.daemon.events("started")) if os.path.exists(self.daemon.log_path) else 0
        self.stopped_ns = 0

    @property
    def process(self):
        return self.daemon.process


class World:
    def __init__(self, seed, seconds, n_daemons, directory):
        self.seed, self.seconds, self.dir = seed, seconds, directory
        self.actions, self.n_actions = [], 0
        self.done, self.skipped = collections.Counter(), collections.Counter()
        self.story = []  # (ns, text) of every fault
        self.found = []  # violations seen on the way
        self.evidence = Evidence(windows=collections.defaultdict(list))
        self.numbers = collections.Counter()
        self.produced_at, self.producing, self.trickling = 0, True, False
        self.redis = servers.Redis(directory, ["--appendonly", "yes", "--appendfsync", "always",
                                               "--auto-aof-rewrite-percentage", "0"])
        self.redis_up, self.redis_down_ns, self.hand = False, 0, None
        self.monitor = Monitor(self.redis.path, self.path("monitor"))
        self.witness = Witness(self.redis.path)
        self.proxy = None
        servers.SLUICED = self.snapshot()
        self.members = [Member(name, directory, self.config(name, i))
                        for i, name in enumerate("d%d" % i for i in range(n_daemons))]

    def path(self, name):
        return os.path.join(self.dir, name)

    def snapshot(self):
        """A copy of the daemon: it may be built anew while the test runs."""
        return shutil.copy(os.environ.get("SLUICED", servers.SLUICED), self.path("sluiced"))

    def socket_of(self, index):
        return self.path("p%d.sock" % index)

    def config(self, name, index):
        return yaml({
            "redis": merged({"url": "unix://" + self.socket_of(index), "reconnect.initial": "20ms",
                             "reconnect.max": "200ms"}, None),
            "daemon": merged({"instance": name, "runtime_dir": self.path("run." + name),
                              "drain_timeout": "%dms" % plan.DRAIN_MS, "log.format": "json",
                              "log.level": "debug"}, None),
            "consumers": {mode: self.consumer(name, mode) for mode in plan.MODES},
        })

    def consumer(self, name, mode):
        handler = [sys.executable, "-I", "-S", os.path.join(HERE, "handler.py"), self.path("records"), name, mode]
        of_mode = {"exec": {"handler.concurrency": 3},
                   "line": {"handler.mode": "worker", "handler.concurrency": 2, "handler.window": 8},
                   "side": {"handler.mode": "worker", "handler.concurrency": 2, "handler.window": 6,
                            "handler.parallel": True}}[mode]
        return merged({
            "stream": stream_of(mode), "group": plan.GROUP, "consumer": name, "handler.command": handler,
            "read.block": "%dms" % plan.BLOCK_MS, "read.count": 20, "max_entry_bytes": plan.MAX_ENTRY_BYTES,
            "handler.timeout": "%dms" % plan.TIMEOUT_MS, "handler.kill_grace": "%dms" % plan.KILL_GRACE_MS,
            "claim.min_idle": "%dms" % plan.MIN_IDLE_MS, "retry.max_attempts": plan.MAX_ATTEMPTS,
            "retry.initial_delay": "100ms", "retry.max_delay": "600ms", "breaker.cooldown": "300ms",
        }, of_mode)

    # ---- life ----

    def start(self):
        self.redis.start().wait_ready()
        self.redis_up = True
        for mode in plan.MODES:
            self.call("XGROUP", "CREATE", stream_of(mode), plan.GROUP, 0, "MKSTREAM")
        self.monitor.start()
        self.witness.start()
        sockets = [self.socket_of(i) for i in range(len(self.members))]
        self.proxy = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, "proxy.py"), self.redis.path, self.path("events"), *sockets],
            stdin=subprocess.PIPE)
        servers.wait_until(lambda: os.path.exists(self.path("events")) and os.path.getsize(self.path("events")),
                           what="the proxy")
        for member in self.members:
            self.start_member(member)

    def end(self):
        """Ends every process, by its pid. What the handlers of killed daemons still do is cut short."""
        for member in self.members:
            member.daemon.kill()
        for watcher in (self.monitor, self.witness):
            if watcher.is_alive():
                watcher.end()
        if self.hand:
            self.hand.close()
        if self.proxy:
            self.proxy.kill()
            self.proxy.wait()
            self.proxy.stdin.close()
        self.redis.kill()
        self.kill_handlers()

    def kill_handlers(self):
        for pid in servers.processes_marked(self.dir):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        servers.wait_until(lambda: not servers.processes_marked(self.dir), 5, "the handlers to be gone")

    # ---- Redis ----

    def connected(self):
        if not self.hand:
            try:
                self.hand = resp.Connection(self.redis.path, timeout=5)
                self.hand.call("CLIENT", "SETNAME", "crash.hand")
            except (OSError, resp.ReplyError) as why:
                self.drop_hand()
                raise Unreachable(str(why)) from why
        return self.hand

    def drop_hand(self):
        if self.hand:
            self.hand.close()
        self.hand = None

    def call(self, *args):
        return self.pipeline([args])[0]

    def pipeline(self, commands):
        try:
            replies = self.connected().pipeline(commands)
        except OSError as why:
            self.drop_hand()
            raise Unreachable(str(why)) from why
        for reply in replies:
            if isinstance(reply, resp.ReplyError):
                raise Unreachable(str(reply))
        return replies

    def pending_rows(self, mode, owner=None):
        """[(id, owner, idle ms, deliveries)]"""
        args = ("XPENDING", stream_of(mode), plan.GROUP, "-", "+", 100000) + ((owner,) if owner else ())
        return [(row[0].decode(), row[1].decode(), row[2], row[3]) for row in self.call(*args)]

    # ---- time ----

    def at(self, delay_ms, what, *args):
        self.n_actions += 1
        heapq.heappush(self.actions, (now_ns() + int(delay_ms * MS), self.n_actions, what, args))

    def note(self, text, *args):
        self.story.append((now_ns(), text % args if args else text))

    def window(self, daemon, t0, t1, kind):
        self.evidence.windows[daemon].append((t0, t1, kind))

    def do_due(self):
        while self.actions and self.actions[0][0] <= now_ns():
            _, _, what, args = heapq.heappop(self.actions)
            try:
                what(*args)
            except Unreachable:
                pass

    def look_around(self):
        """One turn: what is due, what has ended, what there is to add."""
        self.do_due()
        self.look_at_redis()
        for member in self.members:
            self.look_at(member)
        if self.producing and now_ns() - self.produced_at >= TICK_S * 10**9:
            self.produced_at = now_ns()
            try:
                self.produce()
            except Unreachable:
                pass

    def wait_turn(self):
        due = self.actions[0][0] - now_ns() if self.actions else 10**9
        time.sleep(max(0.0, min(0.02, due / 10**9)))

    def run(self):
        """The schedule of faults, from its beginning to its end."""
        began = now_ns()
        for fault in plan.schedule(self.seed, self.seconds, len(self.members)):
            self.at(fault["at_ms"], self.inflict, fault)
        while now_ns() - began < self.seconds * 10**9:
            self.look_around()
            self.wait_turn()

    def inflict(self, fault):
        try:
            getattr(self, "fault_" + fault["kind"])(fault)
        except Unreachable as why:
            self.not_now(fault, why)
            return
        self.done[fault["kind"]] += 1
        self.note("%s", fault)

    def not_now(self, fault, why):
        if fault.get("tries"):
            self.at(20, self.inflict, {**fault, "tries": fault["tries"] - 1})
            return
        self.skipped[fault["kind"]] += 1
        self.note("skipped: %s (%s)", fault, why)

    # ---- daemons ----

    def start_member(self, member):
        if member.state != DOWN:
            return
        member.n_started = member.count_starts()
        member.daemon.start()
        member.state = UP
        member.life = Life(member.name, member.process.pid, now_ns())
        self.evidence.lives.append(member.life)
        self.note("%s starts, pid %d", member.name, member.process.pid)

    def look_at(self, member):
        status = member.process.poll() if member.state != DOWN else None
        if status is not None:
            self.note("%s ended with status %s", member.name, status)
            if (member.state != LEAVING or status) and not self.ended_before_it_began(member, status):
                self.found.append(Violation("daemon died", None, "%s (pid %d) ended by itself with status %d:\n%s" % (
                    member.name, member.process.pid, status, self.log_tail(member))))
            if member.state != LEAVING:
                self.at(500, self.start_member, member)
            member.state = DOWN
        elif member.state == LEAVING and now_ns() > member.left_by:
            self.found.append(Violation("daemon stays", None, "%s (pid %d) did not leave after SIGTERM:\n%s" % (
                member.name, member.process.pid, self.log_tail(member))))
            self.kill_member(member)
            self.at(500, self.start_member, member)

    @staticmethod
    def ended_before_it_began(member, status):
        """SIGTERM reached it before main(): then it has taken nothing."""
        return (member.state == LEAVING and status == -signal.SIGTERM
                and member.count_starts() == member.n_started)

    def log_tail(self, member):
        with open(member.daemon.log_path, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-60:])

    def kill_member(self, member):
        member.life.killed_ns = now_ns()
        if member.state == STOPPED:
            self.window(member.name, member.stopped_ns, now_ns(), "stop")
        member.process.kill()
        member.process.wait()
        member.state = DOWN

    def target(self, fault, *states):
        member = self.members[fault["daemon"]]
        if member.state not in states:
            raise Unreachable("%s is %s" % (member.name, member.state))
        return member

    def fault_kill(self, fault):
        member = self.target(fault, UP, STOPPED, LEAVING)
        self.kill_member(member)
        self.at(fault["down_ms"], self.start_member, member)

    def fault_burst(self, fault):
        """All at once, as when the power goes."""
        for member in self.members:
            if member.state != DOWN:
                self.kill_member(member)
                self.at(fault["down_ms"], self.start_member, member)
        if self.redis_up:
            self.fault_redis(fault)

    def fault_stop(self, fault):
        member = self.target(fault, UP)
        os.kill(member.process.pid, signal.SIGSTOP)
        member.state, member.stopped_ns = STOPPED, now_ns()
        self.at(fault["for_ms"], self.go_on, member, member.process.pid)

    def go_on(self, member, pid):
        if member.state == STOPPED and member.process.pid == pid:
            os.kill(pid, signal.SIGCONT)
            member.state = UP
            self.window(member.name, member.stopped_ns, now_ns(), "stop")

    def fault_term(self, fault):
        member = self.target(fault, UP)
        self.leave(member)
        if fault["twice_ms"]:
            self.at(fault["twice_ms"], self.hurry, member, member.process.pid)
        self.at(fault["down_ms"], self.restart, member, fault["down_ms"])

    def leave(self, member):
        member.process.send_signal(signal.SIGTERM)
        member.state = LEAVING
        member.left_by = now_ns() + int(LEAVE_S * 10**9)

    def hurry(self, member, pid):
        if member.state == LEAVING and member.process.pid == pid:
            member.process.send_signal(signal.SIGTERM)

    def restart(self, member, delay_ms):
        """When it has left, and a while after."""
        if member.state == LEAVING:
            self.at(50 + delay_ms / 4, self.restart, member, delay_ms)
        else:
            self.start_member(member)

    # ---- connections ----

    def ask_proxy(self, **request):
        self.proxy.stdin.write((json.dumps(request) + "\n").encode())
        self.proxy.stdin.flush()

    def fault_cut(self, fault):
        self.target(fault, UP, STOPPED, LEAVING)
        self.ask_proxy(do="cut", daemon=fault["daemon"], which=fault["which"], way=fault["way"], after=fault["after"])

    def fault_stall(self, fault):
        self.target(fault, UP, STOPPED, LEAVING)
        self.ask_proxy(do="stall", daemon=fault["daemon"], which=fault["which"], for_ms=fault["for_ms"],
                       cut=fault["cut"])

    def fault_refuse(self, fault):
        self.target(fault, UP, STOPPED, LEAVING)
        self.ask_proxy(do="refuse", daemon=fault["daemon"], for_ms=fault["for_ms"])

    def fault_client_kill(self, fault):
        clients = [dict(word.split("=", 1) for word in line.split(" "))
                   for line in self.call("CLIENT", "LIST").decode().splitlines()]
        ours = sorted((c for c in clients if c["name"].startswith("sluiced.")), key=lambda c: int(c["id"]))
        chosen = ours if fault["all"] else ours[int(fault["which"] * len(ours)):][:1]
        for client in chosen:
            self.window(client["name"].split(".")[1], now_ns(), now_ns() + DIED_NS, "client kill")
        self.pipeline([("CLIENT", "KILL", "ID", c["id"]) for c in chosen] or [("PING",)])

    def fault_redis(self, fault):
        if not self.redis_up:
            raise Unreachable("Redis is down already")
        self.redis_up, self.redis_down_ns = False, now_ns()
        self.drop_hand()
        self.redis.kill()
        self.at(fault["down_ms"], self.start_redis)

    def start_redis(self):
        if not self.redis.process:
            self.redis.start()

    def look_at_redis(self):
        if self.redis_up or not self.redis.process:
            return
        try:
            self.call("PING")
        except Unreachable:
            return
        self.redis_up = True
        self.window(None, self.redis_down_ns, now_ns() + DIED_NS, "redis")
        self.note("Redis is up again")

    # ---- others in the group ----

    def chosen_rows(self, fault, min_idle_ms):
        rows = [row for row in self.pending_rows(fault["mode"])
                if row[1] != plan.RIVAL and row[2] >= min_idle_ms
                and (stream_of(fault["mode"]), row[0]) not in self.evidence.deleted]
        chosen = rows[int(fault["which"] * len(rows)):][:fault["count"]]
        if not chosen:
            raise Unreachable("nothing to take")
        return [row[0] for row in chosen]

    def fault_rival(self, fault):
        """Plays by the rules: takes only what has been idle for the whole lease."""
        stream = stream_of(fault["mode"])
        first = self.chosen_rows(fault, plan.MIN_IDLE_MS)[0]
        _, ids, gone = self.call("XAUTOCLAIM", stream, plan.GROUP, plan.RIVAL, plan.MIN_IDLE_MS, first,
                                 "COUNT", fault["count"], "JUSTID")
        self.evidence.dropped |= {(stream, entry_id.decode()) for entry_id in gone}
        self.held_by_rival(fault, [entry_id.decode() for entry_id in ids])

    def fault_thief(self, fault):
        """Takes what others are at work on."""
        stream = stream_of(fault["mode"])
        ids = self.chosen_rows(fault, 0)
        for entry_id in ids:
            self.evidence.thefts.setdefault((stream, entry_id), []).append(now_ns())
        taken = self.call("XCLAIM", stream, plan.GROUP, plan.RIVAL, 0, *ids, "JUSTID")
        self.held_by_rival(fault, [entry_id.decode() for entry_id in taken])

    def held_by_rival(self, fault, ids):
        self.note("the rival holds %s", ids)
        for entry_id in ids:
            self.record_rival("start", fault, entry_id)
        self.at(fault["for_ms"], self.rival_done, fault, ids)

    def record_rival(self, what, fault, entry_id, **more):
        line = {"what": what, "id": entry_id, "stream": stream_of(fault["mode"]), "pid": os.getpid(), "tag": 0,
                "ns": now_ns(), "attempt": 0, "step": "rival", "daemon": plan.RIVAL, "parent": 0, **more}
        with open(self.path("records"), "ab", buffering=0) as f:
            f.write((json.dumps(line) + "\n").encode())

    def rival_done(self, fault, ids):
        stream = stream_of(fault["mode"])
        if fault["then"] == "ack" and ids:
            for entry_id in ids:
                self.record_rival("end", fault, entry_id, verdict="ok")
            self.call("XACK", stream, plan.GROUP, *ids)
        elif fault["then"] == "give back" and ids:
            self.call("EVAL", GIVE_BACK, 1, stream, plan.GROUP, plan.RIVAL, *ids)

    def fault_delete(self, fault):
        stream = stream_of(fault["mode"])
        ids = self.chosen_rows(fault, 0)
        self.evidence.deleted |= {(stream, entry_id) for entry_id in ids}
        self.call("XDEL", stream, *ids)

    def fault_trim(self, fault):
        stream = stream_of(fault["mode"])
        rows = self.pending_rows(fault["mode"])
        gone = rows[:int(fault["which"] * len(rows))]
        if not gone:
            raise Unreachable("nothing to trim")
        self.evidence.deleted |= {(stream, row[0]) for row in gone}
        self.call("XTRIM", stream, "MINID", rows[len(gone)][0])

    # ---- entries ----

    def produce(self):
        for mode in plan.MODES:
            group = resp.table(self.call("XINFO", "GROUPS", stream_of(mode))[0])
            if (group["lag"] or 0) < LAG_MAX:
                self.add(mode, 1 if self.trickling else AT_A_TICK[mode])

    def add(self, mode, count):
        commands, steps = [], []
        for _ in range(count):
            self.numbers[mode] += 1
            number = self.numbers[mode]
            steps.append(plan.trickle(number) if self.trickling else plan.recipe(self.seed, mode, number))
            fields = ["n", number, "do", steps[-1]]
            if steps[-1] == "oversize":
                fields += ["ballast", "x" * plan.OVERSIZE_BYTES]
            commands.append(("XADD", stream_of(mode), "*", *fields))
        for reply, step in zip(self.pipeline(commands), steps):
            self.known((stream_of(mode), reply.decode()), step)

    def known(self, key, step):
        self.evidence.added.add(key)
        if step == "oversize":
            self.evidence.oversize.add(key)

    # ---- the end ----

    def heal(self):
        """Everything works again."""
        self.actions = [a for a in self.actions if a[2] == self.rival_done]
        heapq.heapify(self.actions)
        self.note("heal")
        self.ask_proxy(do="heal")
        self.start_redis()
        for member in self.members:
            if member.state == STOPPED:
                self.go_on(member, member.process.pid)
            if member.state in (DOWN, LEAVING):
                self.at(0, self.restart, member, 100)

    def settle(self):
        """Runs on until nothing is left, or the bound. A trickle of entries that succeed lets breakers close."""
        self.trickling, bound = True, now_ns() + int(SETTLE_S * 10**9)
        highest = {}
        while now_ns() < bound:
            self.look_around()
            try:
                if not highest and self.redis_up:
                    highest = {mode: self.last_id(mode) for mode in plan.MODES}
                if highest and self.trickling and not self.left_up_to(highest):
                    self.trickling = self.producing = False
                if not self.trickling and not self.left():
                    return
            except Unreachable:
                pass
            self.wait_turn()

    def last_id(self, mode):
        return resp.table(self.call("XINFO", "STREAM", stream_of(mode)))["last-generated-id"].decode()

    def left_up_to(self, highest):
        """Whether an entry from before the trickle is undelivered or pending."""
        for mode, last in highest.items():
            if number_of(self.delivered(mode)) < number_of(last):
                return True
            row = self.call("XPENDING", stream_of(mode), plan.GROUP, "-", last, 1)
            if row:
                return True
        return False

    def left(self):
        return any(self.delivered(mode) != self.last_id(mode) or self.pending_rows(mode) for mode in plan.MODES)

    def delivered(self, mode):
        group = resp.table(self.call("XINFO", "GROUPS", stream_of(mode))[0])
        return group["last-delivered-id"].decode()

    def leave_all(self):
        """Daemons end when told to, and no handler stays but those of daemons that were killed."""
        self.producing = False
        for member in self.members:
            if member.state == UP:
                self.leave(member)
        while any(member.state != DOWN for member in self.members):
            self.look_around()
            self.actions = []
            self.wait_turn()
        try:
            servers.wait_until(lambda: not servers.processes_marked(self.dir), 10, "the handlers to be gone")
        except AssertionError:
            self.found.append(Violation("left behind", None, "processes %s" % servers.processes_marked(self.dir)))

    def gather(self):
        e = self.evidence
        for mode in plan.MODES:
            self.gather_stream(mode)
        e.runs = runs_of(self.records())
        e.added |= {run.key for run in e.runs} | {key for key, _ in e.dead}
        offset = wall_offset_ns()
        acks, leases = commands(self.path("monitor"), plan.GROUP)
        e.acks = {key: [at - offset for at in its_acks] for key, its_acks in acks.items()}
        e.leases = {key: [(at - offset, who) for at, who in its_leases] for key, its_leases in leases.items()}
        for t0, t1, kind in self.witness.windows:
            self.window(None, t0, t1, kind)
        for event in self.json_lines("events"):
            if event["daemon"] is not None:
                self.window(self.members[event["daemon"]].name, event["t0"], event["t1"] + DIED_NS, event["kind"])
        return e

    def gather_stream(self, mode):
        e, stream = self.evidence, stream_of(mode)
        delivered = number_of(self.delivered(mode))
        for row in self.pending_rows(mode):
            e.pending[stream, row[0]] = row[1:]
        for entry_id, pairs in self.call("XRANGE", stream, "-", "+"):
            key = (stream, entry_id.decode())
            self.known(key, dict(resp.pairs(pairs))[b"do"].decode())
            if number_of(key[1]) > delivered:
                e.undelivered.add(key)
        for _, pairs in self.call("XRANGE", stream + ":dead", "-", "+"):
            count = int(pairs[1])
            meta = {name.decode(): value.decode(errors="replace") for name, value in resp.pairs(pairs)[:count]}
            e.dead.append(((meta["sluice.stream"], meta["sluice.id"]), meta))

    def json_lines(self, name):
        if not os.path.exists(self.path(name)):
            return
        with open(self.path(name), encoding="utf-8") as f:
            for line in f:
                yield json.loads(line)

    def records(self):
        return list(self.json_lines("records"))


def number_of(entry_id):
    ms, seq = entry_id.split("-")
    return int(ms), int(seq)
