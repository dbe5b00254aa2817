# SPDX-License-Identifier: MIT
"""What every end-to-end test stands on: a Redis server, daemons and handlers in one directory.

A test gives the daemon a configuration and handlers, adds entries, and looks at what can be seen
from outside: Redis, the daemon's log, what the handlers recorded. Everything that was started is
stopped again, by its pid, and a process that is left over fails the test.
"""

import functools
import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
import types
import unittest

import resp
from certificates import Tls
from servers import Daemon, Redis, processes_marked, wait_until
from settings import merged, yaml

# Every handler begins with this. gate() holds a handler until the test opens it; the bound keeps
# a handler from outliving a test that went wrong.
PYTHON_PRELUDE = """\
import json, os, signal, sys, time
HERE = os.path.dirname(os.path.abspath(__file__))

def record(**what):
    fd = os.open(os.path.join(HERE, "records"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (json.dumps(what) + "\\n").encode())
    os.close(fd)

def is_open(name):
    return any(os.path.exists(os.path.join(HERE, "gate." + n)) for n in (name, "all"))

def gate(name):
    for _ in range(6000):
        if is_open(name):
            return
        time.sleep(0.01)

def say(*words):
    os.write(3, (" ".join(str(word) for word in words) + "\\n").encode())

def entries():
    for line in sys.stdin.buffer:
        yield json.loads(line)

"""

CONSUMER_DEFAULTS = {
    "stream": "s", "group": "g", "consumer": "me",
    "read.block": "100ms", "handler.kill_grace": "500ms",
    "retry.initial_delay": "50ms", "retry.max_delay": "50ms", "retry.jitter": False,
    "claim.interval": "250ms", "breaker.cooldown": "300ms",
}


class Case(unittest.TestCase):
    """A directory, a Redis server in it, and daemons by self.start()."""

    redis_options = ()
    redis_tcp = False
    redis_tls = None  # whether the server asks for certificates of clients: "no", "optional", "yes"

    def __init__(self, name="runTest"):
        super().__init__(name)
        setattr(self, name, types.MethodType(self._dumping(getattr(self, name)), self))

    def _dumping(self, method):
        @functools.wraps(method)
        def run(_self):
            try:
                method()
            except unittest.SkipTest:
                raise
            except BaseException:
                self._dump()
                raise
        return run

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="sluiced-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.daemons, self.redis = [], None
        self.addCleanup(self._leave_nothing)
        self.start_servers()

    def start_servers(self):
        """Sets self.redis, which is killed at the end. A test of several servers starts them here,
        and has them stopped."""
        tls = Tls(clients=self.redis_tls) if self.redis_tls else None
        self.redis = Redis(self.dir, self.redis_options, self.redis_tcp, tls)
        self.redis.start().wait_ready()

    def _leave_nothing(self):
        for daemon in self.daemons:
            daemon.kill()
        self.open_gate("all")
        try:
            wait_until(lambda: not processes_marked(self.dir), 5, "the handlers to be gone")
        finally:
            self.kill_handlers()
            if self.redis:
                self.redis.kill()

    def kill_handlers(self):
        """Ends whatever handlers of this test are left; for tests that leave some on purpose."""
        for pid in processes_marked(self.dir):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # Handlers

    def path(self, name):
        return os.path.join(self.dir, name)

    def script(self, text, name="handler"):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), stat.S_IRWXU)
        return [self.path(name)]

    def python(self, body, name="handler"):
        """A Python handler with record(), gate(), say() and entries()."""
        return self.script("#!%s -uSE\n%s%s" % (sys.executable, PYTHON_PRELUDE, body), name)

    def shell(self, body):
        """A handler that runs `body` with the path of this test's directory in $HERE."""
        return ["/bin/sh", "-c", "HERE=%s\n%s" % (self.dir, body)]

    def records(self):
        """What the handlers have record()ed. A line that is just being written may be seen in part."""
        try:
            with open(self.path("records"), encoding="utf-8") as f:
                return [json.loads(line) for line in f.read().split("\n")[:-1]]
        except FileNotFoundError:
            return []

    def wait_records(self, count, seconds=15):
        return wait_until(lambda: len(self.records()) >= count and self.records(), seconds,
                          "%d records of handlers" % count)

    def open_gate(self, name="go"):
        with open(self.path("gate." + name), "w", encoding="ascii"):
            pass

    # Daemons

    def consumer(self, command, dotted=None):
        return merged(dict(CONSUMER_DEFAULTS, **{"handler.command": command}), dotted)

    def config(self, consumers, name="one", redis=None, daemon=None):
        return yaml({
            "redis": merged({"url": self.redis and self.redis.unix_url,
                             "reconnect.initial": "50ms", "reconnect.max": "200ms"}, redis),
            "daemon": merged({"runtime_dir": self.path("run." + name), "drain_timeout": "5s",
                              "log.format": "json", "log.level": "debug"}, daemon),
            "consumers": consumers,
        })

    def prepare(self, consumers, name="one", redis=None, daemon=None, **more):
        """A daemon that is not started yet."""
        made = Daemon(name, self.dir, self.config(consumers, name, redis, daemon), **more)
        self.daemons.append(made)
        return made

    def start(self, command, dotted=None, **more):
        """A daemon with the one consumer "c" of stream "s" and group "g", ready."""
        return self.start_all({"c": self.consumer(command, dotted)}, **more)

    def start_all(self, consumers, **more):
        daemon = self.prepare(consumers, **more).start()
        daemon.wait_for_event("ready")
        return daemon

    # Redis

    def add(self, stream="s", **fields):
        return self.add_pairs(list(fields.items()) or [("n", "1")], stream)

    def add_pairs(self, fields, stream="s"):
        flat = [part for pair in fields for part in pair]
        return self.redis.call("XADD", stream, "*", *flat).decode()

    def add_many(self, count, stream="s"):
        commands = [("XADD", stream, "*", "n", n) for n in range(count)]
        return [reply.decode() for reply in self.redis.connection.pipeline(commands)]

    def trickle(self, stream="s"):
        """An entry every now and then, by a connection of its own. Call what it returns to end it,
        or it ends with the test."""
        connection, over = self.redis.connect(), threading.Event()

        def run():
            while not over.wait(0.05):
                connection.call("XADD", stream, "*", "n", "1")

        thread = threading.Thread(target=run)
        thread.start()

        def end():
            over.set()
            thread.join()
            connection.close()

        self.addCleanup(end)
        return end

    def pending(self, stream="s", group="g"):
        """{id: (owner, idle ms, deliveries)}"""
        try:
            rows = self.redis.call("XPENDING", stream, group, "-", "+", 100000)
        except resp.ReplyError:
            return {}
        return {row[0].decode(): (row[1].decode(), row[2], row[3]) for row in rows}

    def deliveries(self, entry_id, stream="s"):
        row = self.pending(stream).get(entry_id)
        return row and row[2]

    def group(self, stream="s", group="g"):
        try:
            groups = self.redis.call("XINFO", "GROUPS", stream)
        except resp.ReplyError:
            return None
        found = [resp.table(g) for g in groups]
        return next((g for g in found if g["name"] == group.encode()), None)

    def is_settled(self, stream="s", group="g"):
        """Everything in the stream was delivered and nothing is pending."""
        state = self.group(stream, group)
        if state is None or state["pending"]:
            return False
        last = resp.table(self.redis.call("XINFO", "STREAM", stream))["last-generated-id"]
        return state["last-delivered-id"] == last

    def wait_settled(self, stream="s", seconds=20):
        wait_until(lambda: self.is_settled(stream), seconds, "everything acknowledged")

    def wait_group(self, stream="s"):
        wait_until(lambda: self.group(stream), 15, "the group on " + stream)

    def abandon(self, count=None, stream="s", consumer="ghost"):
        """Delivers what waits to a consumer that does nothing; the ids."""
        try:
            self.redis.call("XGROUP", "CREATE", stream, "g", 0, "MKSTREAM")
        except resp.ReplyError:
            pass
        reply = self.redis.call("XREADGROUP", "GROUP", "g", consumer, "COUNT", count or 1000,
                                "STREAMS", stream, ">")
        return [entry[0].decode() for entry in reply[0][1]]

    def dead(self, stream="s:dead"):
        """The records of the dead-letter stream, each a list of pairs of bytes."""
        return [resp.pairs(record[1]) for record in self.redis.call("XRANGE", stream, "-", "+")]

    def wait_dead(self, count=1, stream="s:dead", seconds=15):
        return wait_until(lambda: len(self.dead(stream)) >= count and self.dead(stream), seconds,
                          "%d dead letters" % count)

    # When a test fails

    def _dump(self):
        out = sys.stderr
        print("\n==== %s" % self.id(), file=out)
        for daemon in self.daemons:
            for path in (daemon.config_path, daemon.log_path):
                print("---- %s" % path, file=out)
                with open(path, errors="replace", encoding="utf-8") as f:
                    print("".join(f.readlines()[-120:]), file=out)
        for line in self._dump_redis():
            print(line, file=out)
        out.flush()

    def _dump_redis(self):
        if not self.redis:
            return
        try:
            with_keys = self.redis.connect()
            for key in sorted(with_keys.call("KEYS", "*"))[:10]:
                if with_keys.call("TYPE", key) != b"stream":
                    continue
                for group in with_keys.call("XINFO", "GROUPS", key):
                    yield "---- %r %r" % (key, resp.table(group))
                    name = resp.table(group)["name"]
                    yield repr(with_keys.call("XPENDING", key, name, "-", "+", 20))
            with_keys.close()
        except (OSError, resp.ReplyError) as why:
            yield "---- redis: %s" % why


class WorkerCase(Case):
    def start_worker(self, body, dotted=None, **more):
        return self.start(self.python(body), {"handler.mode": "worker", **(dotted or {})}, **more)

    def start_windowed(self, body, window, dotted=None):
        return self.start_worker(body, {"handler.window": window, **(dotted or {})})


def record_fields(pairs):
    """A dead-letter record as (dict of its metadata, list of the original pairs)."""
    count = int(pairs[0][1])
    return {name.decode(): value.decode(errors="replace") for name, value in pairs[:count]}, pairs[count:]


def main():
    unittest.main()
