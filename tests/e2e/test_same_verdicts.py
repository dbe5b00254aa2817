#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The fast ways and the slow ways of an entry through the daemon end in the same verdicts.

One set of entries (deeds.py) goes every way that there is, each a row of ROWS: a daemon and streams of its
own. What became of each entry, and every byte that its handler saw, has to be what the oracle says of the
entry alone. A row also proves, by what the server was told to do, that the entries went the way it means.
"""

import array
import collections
import fcntl
import functools
import itertools
import random
import termios
import time

from control import control_of
from deeds import (HANDLER, MAX_ATTEMPTS, SALT, End, Record, deeds, expected, expected_counts,
                   expected_payload, parse_line)
from fakeredis import FakeRedis
from harness import Case, main
from monitor import Monitor, command_of
from servers import wait_until

DEEDS = deeds()
N = len(DEEDS)
PAYLOADS = [expected_payload(deed.pairs) for deed in DEEDS]
NO_SCRIPTS = ["~*", "+@all", "-@scripting"]
SECONDS = 60
Run = collections.namedtuple("Run", "pid stdin act entry")


class InPieces(FakeRedis):
    """Every answer comes in pieces, each of them only when the one before has been read."""

    def __init__(self, path, server_path):
        self.rng, self.n_pieces = random.Random(7), 0
        super().__init__(path, server_path)

    def pass_on(self, near, answer):
        while answer:
            size = self.rng.choice((1, 9, 100, 1500, 40000))
            near.sendall(answer[:size])
            self._wait_read(near)
            answer = answer[size:]
            self.n_pieces += 1

    @staticmethod
    def _wait_read(near):
        unread, end = array.array("i", [1]), time.monotonic() + 0.5
        while unread[0] and time.monotonic() < end:
            fcntl.ioctl(near, termios.TIOCOUTQ, unread)


class Reads:
    """Looks at the answers to XREADGROUP, and may change how they are written."""

    def __init__(self, fake, change=lambda answer: answer):
        self.change, self.n_answered, self.n_changed, self.most = change, 0, 0, 0
        self.rule = fake.translate("XREADGROUP", self._answer)

    def _unanswered(self):
        return len(self.rule.hits) - self.n_answered

    def _wait_for_another(self, seconds):
        end = time.monotonic() + seconds
        while self._unanswered() < 2 and time.monotonic() < end:
            time.sleep(0.002)

    def _answer(self, old):
        self._wait_for_another(0.2 if self.most < 2 else 0)
        self.most = max(self.most, self._unanswered())
        self.n_answered += 1
        new = self.change(old)
        self.n_changed += new != old
        return new


def unusual(answer):
    """The stream's name as a simple string: the same to a client, and no beginning that is known."""
    begin, end = b"*1\r\n*2\r\n", answer.find(b"\r\n", 10)
    if not answer.startswith(begin + b"$"):
        return answer
    return begin + b"+" + answer[end + 2:]


class Way:
    """One row: how entries get in, what the daemon is told, and how it is seen that they went this way."""

    streams = 1
    mode = "each"       # what the handler does, see deeds.HANDLER
    first_attempt = 1   # of what another had begun, the first run here is the second
    recovered = None    # what the line says
    settings = {}
    tcp = False
    rules = None        # of a Redis user

    def __init__(self, case, name):
        self.case, self.name = case, name
        self.keys = ["%s:%d" % (name, n) for n in range(self.streams)]
        self.places = {}  # (stream, id): number of a deed
        self.last = {}    # stream: the last of these ids
        self.n_salt, self.salted_at = 0, 0.0

    # What comes before the daemon, and after

    def before(self):
        self.add_all()

    def after(self):
        pass

    def add_all(self):
        self.added(self.case.redis.connection.pipeline([self.xadd(deed) for deed in DEEDS]))

    def xadd(self, deed):
        return ("XADD", self.key_of(deed), "*", *itertools.chain(*deed.pairs))

    def key_of(self, deed):
        return self.keys[deed.number % self.streams]

    def added(self, ids):
        for deed, entry in zip(DEEDS, ids):
            self.places[self.key_of(deed), entry.decode()] = deed.number
            self.last[self.key_of(deed)] = entry.decode()

    def leave_pending(self, consumer):
        """All are delivered to a consumer, who has been away for an hour since."""
        self.add_all()
        for key in self.keys:
            ids = self.case.abandon(stream=key, consumer=consumer)
            self.case.redis.call("XCLAIM", key, "g", consumer, 0, *ids, "IDLE", 3600000, "JUSTID")

    # The daemon

    def url(self):
        return self.case.redis.url if self.tcp else self.case.redis.unix_url

    def redis(self):
        if not self.rules:
            return {"url": self.url()}
        self.case.redis.call("ACL", "SETUSER", self.name, "on", ">secret", *self.rules)
        return {"url": self.url(), "username": self.name, "password": "secret"}

    def prepare(self):
        handler = [*self.case.handler, self.case.path("runs." + self.name), self.mode]
        dotted = {"stream": None, "streams": self.keys, "retry.max_attempts": MAX_ATTEMPTS, "breaker.streak": 0,
                  "claim.min_idle": "2s", "handler.mode": "exec" if self.mode == "exec" else "worker",
                  **self.settings}
        self.before()
        self.daemon = self.case.prepare({"c": self.case.consumer(handler, dotted)}, name=self.name,
                                        redis=self.redis(), daemon={"log.level": "warning"})

    def proof(self, told):
        """Fails unless the entries went the way that is meant. told: Told"""

    # Until the end

    def is_done(self, key):
        """Everything of the set was delivered, and nothing of it is pending."""
        state = self.case.group(key)
        if not state or entry_id(state["last-delivered-id"].decode()) < entry_id(self.last[key]):
            return False
        return not self.case.redis.call("XPENDING", key, "g", "-", self.last[key], 1)

    def look(self):
        """Whether all is done, or nothing more will be. If not, a worker gets something to prove itself by: only
        then may it die."""
        if self.daemon.process.poll() is not None or all(self.is_done(key) for key in self.keys):
            return True
        if self.mode != "exec" and time.monotonic() - self.salted_at > 0.05:
            self.add_salt(self.keys[0])
        return False

    def add_salt(self, key):
        self.case.add_pairs(SALT, key)
        self.n_salt, self.salted_at = self.n_salt + 1, time.monotonic()

    # What was seen

    @functools.cached_property
    def runs(self):
        """{number of a deed: [Run, ...]}; what was given back before its run is none."""
        found = collections.defaultdict(list)
        with open(self.case.path("runs." + self.name), "rb") as f:
            for line in f:
                pid, stdin, act, text = line.split(b" ", 3)
                run = Run(int(pid), stdin.decode(), act.decode(), dict(parse_line(text)))
                number = self.places.get((run.entry["stream"], run.entry["id"]))
                if number is not None and run.act != "release":
                    found[number].append(run)
        return found

    @functools.cached_property
    def records(self):
        """{number of a deed: [(reason, Record), ...]}"""
        found = collections.defaultdict(list)
        for key in self.keys:
            for pairs in self.case.dead(key + ":dead"):
                count = int(pairs[0][1])
                meta = {name.decode(): value for name, value in pairs[:count]}
                number = self.places[meta["sluice.stream"].decode(), meta["sluice.id"].decode()]
                record = Record(meta["sluice.failure"].decode(), meta["sluice.detail"],
                                int(meta["sluice.attempts"]), pairs[count:])
                found[number].append((meta["sluice.reason"].decode(), record))
        return found

    def ends(self):
        """[End] of all deeds, by number."""
        pending = {self.places.get((key, entry)) for key in self.keys for entry in self.case.pending(key)}
        return [self.end_of(n in pending, [r.entry["attempt"] for r in self.runs.get(n, ())], self.records.get(n))
                for n in range(N)]

    def comparable(self, _deed, end):
        """The end of a deed without what the contract lets be different on this way."""
        return end

    @staticmethod
    def end_of(is_pending, runs, records):
        reasons = ["pending"] * is_pending + [reason for reason, _ in records or ()]
        return End(" and ".join(reasons) or "acknowledged", runs, records[0][1] if records else None)


def entry_id(text):
    return tuple(map(int, text.split("-")))


# --- what the server was told to do --------------------------------------------------------------


class Told:
    """The commands about a row's streams."""

    def __init__(self, commands):
        self.commands = commands
        self.reads = self.of("XREADGROUP")

    def of(self, *words):
        return [c for c in self.commands if c.words[: len(words)] == list(words)]

    @property
    def scripts(self):
        return [c for c in self.commands if c.words[0] in ("EVAL", "EVALSHA", "FCALL") or c.who == "lua"]

    def counts(self, blocking):
        return [int(c.words[5]) for c in self.reads if ("BLOCK" in c.words) == blocking]

    def most_acked(self):
        return max((len(c.words) - 3 for c in self.of("XACK") if c.who != "lua"), default=0)


# --- the ways ------------------------------------------------------------------------------------


class OneAtATime(Way):
    settings = {"handler.window": 1, "read.count": 1}

    def proof(self, told):
        check = self.case
        check.assertEqual({*told.counts(True), *told.counts(False)}, {1})
        check.assertGreaterEqual(len(told.reads), N)
        check.assertGreaterEqual(len(told.of("XACK")), 50)


class Batches(Way):
    mode = "batches"
    settings = {"handler.window": 2000, "read.count": 500}

    def proof(self, told):
        check, counts = self.case, told.counts(False)
        check.assertGreaterEqual(max(counts), 128)
        check.assertLess(len([n for n in counts if n > 1]), 20)
        check.assertGreaterEqual(told.most_acked(), 30)


class TwoReads(Batches):
    """Behind somebody who sees that the second read comes before the first one's answer."""

    settings = {"handler.window": 2000, "read.count": 32}
    change = staticmethod(lambda answer: answer)

    def url(self):
        fake = self.make_fake(self.case.path(self.name + ".sock"), self.case.redis.path)
        self.case.addCleanup(fake.close)
        self.reads = Reads(fake, self.change)
        return fake.url

    make_fake = FakeRedis

    def proof(self, told):
        self.case.assertGreaterEqual(self.reads.most, 2)
        self.case.assertLessEqual(max(told.counts(False)), 32)
        self.case.assertEqual(self.reads.n_changed, 0)


class GeneralDecoder(TwoReads):
    """Replies that are not of the usual form: hiredis decodes them."""

    change = staticmethod(unusual)

    def proof(self, told):
        self.case.assertGreaterEqual(self.reads.n_changed, N // 32)


class Pieces(TwoReads):
    mode = "each"
    settings = {"handler.window": 50}

    def make_fake(self, *paths):
        self.fake = InPieces(*paths)
        return self.fake

    def proof(self, _told):
        self.case.assertGreater(self.fake.n_pieces, N)


class Densely(Way):
    """One stream, and entries that come one by one, but several in a millisecond: they gather."""

    tcp = True
    settings = {"handler.window": 200}
    salt_each, a_second = 7, 6000

    def before(self):
        pass

    def after(self):
        self.case.wait_group(self.keys[0])
        connection = self.case.redis.connect()
        salt = ("XADD", self.keys[0], "*", *itertools.chain(*SALT))
        commands = [command for deed in DEEDS for command in [self.xadd(deed)] + [salt] * self.salt_each]
        start = time.perf_counter()
        for n, command in enumerate(commands):
            while time.perf_counter() < start + n / self.a_second:
                pass
            connection.send(*command)
        ids = [connection.read() for _ in commands][:: self.salt_each + 1]
        connection.close()
        self.n_salt += self.salt_each * N
        self.added(ids)

    def proof(self, told):
        self.case.assertLess(len(told.reads), N * (1 + self.salt_each) // 2)
        self.case.assertTrue({c.who for c in told.reads} & {c.who for c in told.of("XACK")},
                             "no acknowledgement has gone together with a read")


class ManyStreams(Way):
    """Quiet streams of one pool: each listens with a read of COUNT 1 beyond the room."""

    streams = 8
    settings = {"handler.window": 4}

    def before(self):
        pass

    def after(self):
        for key in self.keys:
            self.case.wait_group(key)
        self.added([self.case.redis.call(*self.xadd(deed)) for deed in DEEDS])

    def proof(self, told):
        self.case.assertEqual(set(told.counts(True)), {1})
        brought = {c.words[-2] for c in told.reads if "BLOCK" in c.words}
        self.case.assertEqual(brought, set(self.keys))


class LeftPending(Way):
    """Nothing is read: it waits without payload, and a script begins its run."""

    first_attempt, recovered = 2, True
    consumer, source = "ghost", "claimed"

    def before(self):
        self.leave_pending(self.consumer)

    def proof(self, told):
        self.assert_begun([c for c in told.of("XCLAIM") if c.who == "lua"])

    def assert_begun(self, claims):
        begun = {(c.words[1], entry) for c in claims if "RETRYCOUNT" in c.words
                 for entry in c.words[5:c.words.index("RETRYCOUNT")]}
        self.case.assertGreaterEqual(begun, set(self.places))
        came = self.case.metrics[self.name].get("sluiced_entries_read_total", source=self.source)
        self.case.assertGreaterEqual(came, N)


class Swept(LeftPending):
    mode = "batches"
    settings = {"handler.window": 2000}


class TakenUp(LeftPending):
    consumer, source = "me", "recovered"
    settings = {"handler.window": 20}


class WithoutScripts(Batches):
    rules = NO_SCRIPTS

    def proof(self, told):
        super().proof(told)
        self.case.assertEqual(told.scripts, [])
        self.case.assertEqual({c.who for c in told.of("XADD", self.keys[0] + ":dead")},
                              {c.who for c in told.of("XACK")})


class SweptWithoutScripts(LeftPending):
    rules = NO_SCRIPTS
    settings = {"handler.window": 50}

    def proof(self, told):
        self.case.assertEqual(told.scripts, [])
        self.assert_begun(told.of("XCLAIM"))


class Parallel(Way):
    """Several workers that are said to do their entries side by side."""

    tcp = True
    settings = {"handler.window": 20, "handler.concurrency": 3, "handler.parallel": True}

    def comparable(self, deed, end):
        """A death that several may have caused charges nobody: each is run again, alone, with the same number."""
        return end._replace(runs=[n for n, _ in itertools.groupby(end.runs)]) if deed.kills else end

    def proof(self, told):
        self.case.assertEqual([c.who for c in told.reads if not c.who.startswith("127.0.0.1:")], [])


class Exec(Way):
    mode = "exec"
    settings = {"handler.concurrency": 4}

    def proof(self, told):
        super().proof(told)
        runs = [run for each in self.runs.values() for run in each]
        self.case.assertEqual(len({run.pid for run in runs}), len(runs))
        self.case.assertEqual({run.stdin for run in runs}, {"pipe", "file"})


class ExecWithoutScripts(Exec, SweptWithoutScripts):
    """... by TCP, of what was left pending under our own name."""

    tcp = True
    consumer, source = "me", "recovered"


ROWS = {
    "densely": Densely,  # the first one has the machine for itself while its entries are added
    "one_at_a_time": OneAtATime,
    "batches": Batches,
    "two_reads": TwoReads,
    "general_decoder": GeneralDecoder,
    "pieces": Pieces,
    "many_streams": ManyStreams,
    "swept": Swept,
    "taken_up": TakenUp,
    "without_scripts": WithoutScripts,
    "swept_without_scripts": SweptWithoutScripts,
    "parallel": Parallel,
    "exec": Exec,
    "exec_without_scripts": ExecWithoutScripts,
}


class SameVerdicts(Case):
    redis_tcp = True

    def test_every_way(self):
        self.handler = self.script(HANDLER)
        self.metrics = {}
        self.ways = [way(self, name) for name, way in ROWS.items()]
        for way in self.ways:
            way.prepare()
        monitor = Monitor(self.redis)
        self.go()
        self.redis.call("ECHO", "done")
        told = self.told(monitor)
        for way in self.ways:
            with self.subTest(way.name):
                self.check(way, Told(told[way.name]))

    def go(self):
        first, *others = self.ways
        first.daemon.start()
        first.after()
        for way in others:
            way.daemon.start()
        for way in others:
            way.after()
        left = list(self.ways)

        def look():
            left[:] = [way for way in left if not way.look()]
            return not left
        try:
            wait_until(look, SECONDS, "every way to end")
        except AssertionError:  # which entries are left will be told
            pass
        for way in self.ways:
            way.trouble = self.trouble_with(way, way in left)

    def trouble_with(self, way, is_late):
        """Takes the figures and ends the daemon; None when all went well."""
        if way.daemon.process.poll() is not None:
            return "the daemon has ended with status %s" % way.daemon.process.returncode
        try:
            for key in way.keys if not is_late else ():
                self.wait_settled(key)
            self.metrics[way.name] = control_of(way.daemon).metrics()
            way.daemon.stop()
        except (AssertionError, OSError) as why:
            return "%s: %s" % (type(why).__name__, why)
        return "not done in time" if is_late else None

    def told(self, monitor):
        """{name of a row: what was said of its streams}"""
        found = collections.defaultdict(list)
        for line in monitor.raw_until("done"):
            command = command_of(line)
            names = (word.partition(":")[0] for word in command.words[1:])
            found[next((name for name in names if name in ROWS), None)].append(command)
        return found

    def check(self, way, told):
        wanted = [expected(deed, way.first_attempt) for deed in DEEDS]
        self.assert_ends(way, wanted, way.trouble)
        self.assertIsNone(way.trouble)
        self.assert_seen(way)
        self.assert_counted(way, wanted)
        way.proof(told)

    def assert_ends(self, way, wanted, trouble):
        ends = [way.comparable(deed, end) for deed, end in zip(DEEDS, way.ends())]
        different = [(deed.acts, want, end) for deed, want, end in zip(DEEDS, wanted, ends) if end != want]
        self.assertEqual(different[:3], [], "%d of %d entries ended otherwise; %s" % (len(different), N, trouble))

    def assert_seen(self, way):
        """What each run was given, to the byte."""
        for number, runs in way.runs.items():
            for run in runs:
                payload = list(run.entry.items())[-1]
                self.assertTrue(payload == PAYLOADS[number], "%.2000r, not %.2000r" % (payload, PAYLOADS[number]))
                # A worker that was unproven gave what would have killed it back to the group.
                if not DEEDS[number].kills:
                    self.assertEqual(run.entry.get("recovered"), way.recovered)

    def assert_counted(self, way, wanted):
        metrics, counts = self.metrics[way.name], expected_counts(zip(DEEDS, wanted))
        counts["sluiced_verdicts_total", "verdict", "ok"] += way.n_salt
        seen = {(name, label, word): metrics.get(name, **{label: word}) for name, label, word in counts}
        self.assertEqual(seen, dict(counts))
        self.assertEqual(metrics.get("sluiced_acked_total"), N - len(way.records) + way.n_salt)
        for name in ("ack_missing", "leases_lost", "trimmed"):
            self.assertEqual(metrics.get("sluiced_%s_total" % name), 0)


if __name__ == "__main__":
    main()
