# SPDX-License-Identifier: MIT
"""The processes of a test: a Redis server, a daemon with its log, and how to find what is left."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import resp

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FLAVOUR = os.environ.get("FLAVOUR", "release")
SLUICED = os.path.join(ROOT, "build", FLAVOUR, "sluiced")
MARK = "E2E_MARK"

# Below 1 for a look at many failures in a short time, above 1 on a machine that is slow.
PATIENCE = float(os.environ.get("E2E_PATIENCE", "1"))


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
        except OSError:
            return False
        try:
            return self.connection.call("PING") == b"PONG"
        except (OSError, resp.ReplyError):
            self.connection.close()
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
