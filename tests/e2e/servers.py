# SPDX-License-Identifier: MIT
"""The processes of a test: a Redis server, a daemon with its log, and how to find what is left."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time

import resp

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FLAVOUR = os.environ.get("FLAVOUR", "release")
SLUICED = os.environ.get("SLUICED") or os.path.join(ROOT, "build", FLAVOUR, "sluiced")
MARK = "E2E_MARK"
# Any server that is called as redis-server is: every test runs against it.
REDIS_SERVER = os.environ.get("E2E_SERVER", "redis-server")

# Below 1 for a look at many failures in a short time, above 1 on a machine that is slow.
PATIENCE = float(os.environ.get("E2E_PATIENCE", "1"))
CLAIMS = []  # of ports, see free_port()


def wait_until(condition, seconds=15, what="condition"):
    """The first true value of condition(); fails after so many seconds."""
    end = time.monotonic() + seconds * PATIENCE
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


def free_port():
    """A port below those of outgoing connections, and of no other test: nobody takes it before its
    server is up, or while it is down."""
    for port in random.SystemRandom().sample(range(10000, 32000), 100):
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                claim.bind("\0sluiced-test-port-%d" % port)
                s.bind(("127.0.0.1", port))
                CLAIMS.append(claim)  # until this process ends
                return port
            except OSError:
                claim.close()
    raise AssertionError("no free port")


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
    """A server with a unix socket; tcp=True: and self.port; tls=certificates.Tls(): and
    self.tls_port. self.auth holds the arguments of AUTH for the connections of the test."""

    def __init__(self, directory, options=(), tcp=False, tls=None):
        self.directory = directory
        self.path = os.path.join(directory, "redis.sock")
        self.port = free_port() if tcp else 0
        self.tls = tls
        self.tls_port = free_port() if tls else 0
        self.options = list(options)
        if "--cluster-enabled" in self.options:  # 10000 for all who have no port
            self.options += ["--cluster-port", str(free_port())]
        self.auth = ()
        self.process, self.is_frozen = None, False
        self.connection = None

    def arguments(self):
        args = ["--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.path,
                "--dir", self.directory, "--save", "", "--logfile", self.log_path]
        for name, value in self.tls.settings(self.tls_port) if self.tls else ():
            args += ["--" + name, value]
        return args + self.options

    def start(self, *more):
        self.process = subprocess.Popen([REDIS_SERVER, *self.arguments(), *more],
                                        env=environ_without(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def wait_ready(self):
        wait_until(self._answers, 15, "redis-server answering PING")
        return self

    def _answers(self):
        if not self.is_running():
            raise AssertionError("%s ended with status %s:\n%s" % (
                REDIS_SERVER, self.process.returncode, self.log()))
        try:
            self.connection = self.connect()
        except (OSError, resp.ReplyError):
            return False
        try:
            return self.connection.call("PING") == b"PONG"
        except (OSError, resp.ReplyError):
            self.connection.close()
            return False

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def is_answering(self):
        return self.is_running() and not self.is_frozen

    def connect(self):
        """A connection of one's own, by the unix socket."""
        return self._signed_in(resp.Connection(self.path))

    def dial(self):
        """A connection of one's own as a remote client makes it, by TLS where there is TLS."""
        return self._signed_in(resp.Connection(self.address, tls=self.tls and self.tls.context()))

    def _signed_in(self, connection):
        try:
            if self.auth:
                connection.call("AUTH", *self.auth)
        except BaseException:
            connection.close()
            raise
        return connection

    def call(self, *args):
        return self.connection.call(*args)

    def version(self):
        """(8, 0, 2); of a Valkey, the Redis that it is equal to, which is (7, 2, 4)."""
        info = self.call("INFO", "server").decode()
        return tuple(map(int, re.search(r"redis_version:(\d+)\.(\d+)\.(\d+)", info).groups()))

    def present(self, pair):
        """Shows this certificate from the next connection on."""
        self.call("CONFIG", "SET", "tls-cert-file", pair.cert, "tls-key-file", pair.key)

    def freeze(self):
        self.is_frozen = True
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.is_frozen = False
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process is None:
            return
        if self.connection:
            self.connection.close()
        self.process.kill()
        self.process.wait()
        self.process, self.is_frozen = None, False

    @property
    def log_path(self):
        return os.path.join(self.directory, "redis.log")

    def log(self):
        """The end of the server's log."""
        try:
            with open(self.log_path, errors="replace", encoding="utf-8") as f:
                return "".join(f.readlines()[-30:])
        except FileNotFoundError:
            return ""

    @property
    def address(self):
        return "127.0.0.1", self.tls_port or self.port

    @property
    def unix_url(self):
        return "unix://" + self.path

    @property
    def url(self):
        return "redis://127.0.0.1:%d" % self.port

    @property
    def tls_url(self):
        return "rediss://localhost:%d" % self.tls_port


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
            ended = self.process and self.process.poll() is not None  # first: then the log is whole
            found = self.events(event, **fields)
            if len(found) < count and ended:
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
