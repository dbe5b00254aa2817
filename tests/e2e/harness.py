# SPDX-License-Identifier: MIT
"""What every end-to-end test stands on: a Redis server, daemons and handlers in one directory.

A test gives the daemon a configuration and handlers, adds entries, and looks at what can be seen
from outside: Redis, the daemon's log, what the handlers recorded. Everything that was started is
stopped again, by its pid, and a process that is left over fails the test.
"""

import functools
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import resp

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FLAVOUR = os.environ.get("FLAVOUR", "release")
SLUICED = os.path.join(ROOT, "build", FLAVOUR, "sluiced")
MARK = "E2E_MARK"

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


def wait_until(condition, seconds=15, what="condition"):
    """The first true value of condition(); fails after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %s s in vain for: %s" % (seconds, what))
        time.sleep(0.01)


def stays_true(condition, seconds, what="condition"):
    """Fails as soon as condition() is false within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            raise AssertionError("did not stay true for %s s: %s" % (seconds, what))
        time.sleep(0.02)


def yaml_scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*|\d+[a-z]+", value):
        return json.dumps(value)
    return str(value)


def yaml(value, indent=0):
    """Plain dicts, lists and scalars as a YAML document."""
    pad = "  " * indent
    text = ""
    for name, item in value.items():
        if isinstance(item, dict) and item:
            text += "%s%s:\n%s" % (pad, yaml_scalar(name), yaml(item, indent + 1))
        elif isinstance(item, dict):
            text += "%s%s: {}\n" % (pad, yaml_scalar(name))
        elif isinstance(item, list):
            items = ", ".join(yaml_scalar(i) for i in item)
            text += "%s%s: [%s]\n" % (pad, yaml_scalar(name), items)
        else:
            text += "%s%s: %s\n" % (pad, yaml_scalar(name), yaml_scalar(item))
    return text


def put(settings, path, value):
    """put(c, "handler.window", 5) sets c["handler"]["window"]."""
    *parents, last = path.split(".")
    for name in parents:
        settings = settings.setdefault(name, {})
    settings[last] = value


def merged(defaults, dotted):
    settings = {}
    for path, value in {**defaults, **(dotted or {})}.items():
        if value is not None:
            put(settings, path, value)
    return settings


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environ_without(*names):
    return {k: v for k, v in os.environ.items() if k not in names and not k.startswith(MARK)}


def processes_marked(mark):
    """Pids of the living processes that carry the mark in their environment."""
    wanted = ("%s=%s" % (MARK, mark)).encode()
    found = []
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/environ" % name, "rb") as f:
                variables = f.read().split(b"\0")
        except (OSError, ValueError):
            continue
        if any(v == wanted or v.startswith(wanted + b":") for v in variables):
            found.append(int(name))
    return found


class Redis:
    def __init__(self, directory, options=(), tcp=False):
        self.directory = directory
        self.path = os.path.join(directory, "redis.sock")
        self.port = free_port() if tcp else 0
        self.options = list(options)
        self.process = None
        self.connection = None

    def start(self, *more):
        args = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
                "--unixsocket", self.path, "--dir", self.directory, "--save", "",
                "--logfile", os.path.join(self.directory, "redis.log"), *self.options, *more]
        self.process = subprocess.Popen(args, env=environ_without(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def wait_ready(self):
        wait_until(self._answers, 15, "redis-server answering PING")
        return self

    def _answers(self):
        try:
            self.connection = resp.Connection(self.path)
            return self.connection.call("PING") == b"PONG"
        except (OSError, resp.ReplyError):
            return False

    def connect(self):
        """A connection of one's own."""
        return resp.Connection(self.path)

    def call(self, *args):
        return self.connection.call(*args)

    def kill(self):
        if self.process is None:
            return
        if self.connection:
            self.connection.close()
        self.process.kill()
        self.process.wait()
        self.process = None

    @property
    def unix_url(self):
        return "unix://" + self.path


class Daemon:
    """One sluiced with its configuration and its log."""

    def __init__(self, name, directory, text, args=(), env=None):
        self.name = name
        self.mark = "%s:%s" % (directory, name)
        self.config_path = os.path.join(directory, name + ".yaml")
        self.log_path = os.path.join(directory, name + ".log")
        self.args = list(args)
        self.env = dict(environ_without("NOTIFY_SOCKET"), **{MARK: self.mark}, **(env or {}))
        self.process = None
        self.lines = []
        self.read_to = 0
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(text)

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([SLUICED, "-c", self.config_path, *self.args],
                                            env=self.env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        return self

    def wait_ready(self):
        ready = len(self.events("ready")) + 1
        self.wait_for_event("ready", count=ready)
        return self

    def restart(self):
        """Starts again what was stopped or killed, with the same file and log."""
        seen = len(self.events("ready"))
        self.start()
        self.wait_for_event("ready", count=seen + 1)
        return self

    def _read_log(self):
        with open(self.log_path, "rb") as f:
            f.seek(self.read_to)
            text = f.read()
        end = text.rfind(b"\n") + 1
        self.read_to += end
        for line in text[:end].splitlines():
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"text": line.decode(errors="replace")})

    def events(self, event=None, **fields):
        """The log's lines of that event whose fields have these values, oldest first."""
        self._read_log()
        wanted = {name: str(value) for name, value in fields.items()}
        return [line for line in self.lines
                if (event is None or line.get("event") == event)
                and all(str(line.get(name)) == value for name, value in wanted.items())]

    def wait_for_event(self, event, seconds=15, count=1, **fields):
        """The count-th such line."""
        def seen():
            found = self.events(event, **fields)
            if len(found) < count and self.process and self.process.poll() is not None:
                raise AssertionError("%s: ended with status %s before event %s %s"
                                     % (self.name, self.process.returncode, event, fields))
            return found if len(found) >= count else None
        what = "%s: %d x event %s %s" % (self.name, count, event, fields or "")
        return wait_until(seen, seconds, what)[count - 1]

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, seconds=20):
        """The exit status; negative for a signal."""
        wait_until(lambda: self.process.poll() is not None, seconds, self.name + " to end")
        return self.process.returncode

    def stop(self, status=0, seconds=20):
        """SIGTERM; the daemon must leave in time with this status and leave no process behind."""
        self.signal(signal.SIGTERM)
        found = self.wait_exit(seconds)
        if found != status:
            raise AssertionError("%s: exit status %s, not %s" % (self.name, found, status))
        wait_until(lambda: not processes_marked(self.mark), 3,
                   "no process left behind by " + self.name)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    def memory_kib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


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

    def __init__(self, name="runTest"):
        super().__init__(name)
        setattr(self, name, self._dumping(getattr(self, name)))

    def _dumping(self, method):
        @functools.wraps(method)
        def run():
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
        self.daemons = []
        self.redis = Redis(self.dir, self.redis_options, self.redis_tcp)
        self.addCleanup(self._leave_nothing)
        self.redis.start().wait_ready()

    def _leave_nothing(self):
        for daemon in self.daemons:
            daemon.kill()
        self.open_gate("all")
        try:
            wait_until(lambda: not processes_marked(self.dir), 5, "the handlers to be gone")
        finally:
            self.kill_handlers()
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
        """What the handlers have record()ed."""
        try:
            with open(self.path("records"), encoding="utf-8") as f:
                return [json.loads(line) for line in f.read().splitlines()]
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
            "redis": merged({"url": self.redis.unix_url, "reconnect.initial": "50ms",
                             "reconnect.max": "200ms"}, redis),
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
        try:
            with_keys = self.redis.connect()
            for key in sorted(with_keys.call("KEYS", "*"))[:10]:
                if with_keys.call("TYPE", key) != b"stream":
                    continue
                for group in with_keys.call("XINFO", "GROUPS", key):
                    yield "---- %r %r" % (key, resp.table(group))
                    name = resp.table(group)["name"]
                    yield repr(with_keys.call("XPENDING", key, name, "-", "+", 20))
        except (OSError, resp.ReplyError) as why:
            yield "---- redis: %s" % why


def record_fields(pairs):
    """A dead-letter record as (dict of its metadata, list of the original pairs)."""
    count = int(pairs[0][1])
    return {name.decode(): value.decode(errors="replace") for name, value in pairs[:count]}, pairs[count:]


def main():
    unittest.main()
