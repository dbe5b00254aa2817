# SPDX-License-Identifier: MIT
"""What the tests of the examples share: a Redis of their own, the daemon, waiting for a condition.

Each test works on a copy of its example in a temporary directory, so nothing is left behind.
"""

import inspect
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

EXAMPLES = pathlib.Path(__file__).resolve().parent
SLUICED = pathlib.Path(os.environ.get("SLUICED") or EXAMPLES.parent / "build/release/sluiced").resolve()
REDIS_URL = re.compile(r"^  url: redis://127\.0\.0\.1:6379$", re.M)


class ExampleTest(unittest.TestCase):
    """Has a running Redis and a copy of the example's folder in self.folder; no daemon yet."""

    def setUp(self):
        if not os.access(SLUICED, os.X_OK):
            self.fail(f"{SLUICED} is not there: build it with make, or name it in SLUICED")
        home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
        self.addCleanup(shutil.rmtree, home)
        original = pathlib.Path(inspect.getfile(type(self))).resolve().parent
        self.socket, self.runtime_dir, self.log_path = home / "redis.sock", home / "run", home / "log"
        self.folder = home / "example"
        self.config = self.folder / "sluiced.yaml"
        self.log_path.touch()
        self.runtime_dir.mkdir(mode=0o700)
        shutil.copytree(original, self.folder, ignore=shutil.ignore_patterns(
            "test_*", "__pycache__", "*.db*", "inbox", "outbox"))
        self.check_config(original / "sluiced.yaml")
        self.edit_config(REDIS_URL, f"  url: unix://{self.socket}\ndaemon: {{ log: {{ format: json }} }}")
        self._start_redis(home)

    def check_config(self, path):
        check = subprocess.run([SLUICED, "--check", "-c", path], capture_output=True, text=True, timeout=10)
        self.assertEqual(check.returncode, 0, f"{path} as it is shipped: {check.stdout}{check.stderr}")

    def edit_config(self, pattern, replacement):
        text, n = re.subn(pattern, lambda _: replacement, self.config.read_text())
        self.assertEqual(n, 1, f"{pattern} is expected once in sluiced.yaml")
        self.config.write_text(text)

    def _start_redis(self, home):
        with open(home / "redis.log", "wb") as log:
            server = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", home,
                 "--save", "", "--appendonly", "no"], stdout=log, stderr=log)
        self.addCleanup(stop, server)
        self.wait_until("Redis answers", lambda: self.socket.exists() and self.redis("PING") == "PONG")

    def start_daemon(self):
        with open(self.log_path, "ab") as log:
            daemon = subprocess.Popen([SLUICED, "-c", self.config], stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, env=dict(os.environ, RUNTIME_DIRECTORY=str(self.runtime_dir)))
        self.addCleanup(stop, daemon)
        return daemon

    def stop_daemon(self, daemon):
        """A drain: runs finish, and the daemon leaves with status 0."""
        self.assertEqual(stop(daemon), 0, self.log())

    def log(self):
        return self.log_path.read_text(errors="replace")

    def events(self, event):
        """The daemon's log so far: the lines that report this event."""
        lines = [json.loads(line) for line in self.log().splitlines(True) if line.endswith("\n")]
        return [line for line in lines if line.get("event") == event]

    def output(self):
        """What the handlers have printed."""
        return [line["message"] for line in self.events("output")]

    def redis(self, *args, stdin=None):
        """One command by redis-cli; what it answered, parsed. `stdin` becomes the last argument."""
        options = ["-x"] if stdin is not None else []
        done = subprocess.run(["redis-cli", "-s", self.socket, "--json", "-e", *options, *map(str, args)],
                              input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                              capture_output=True, timeout=10, check=True)
        return json.loads(done.stdout)

    def add(self, stream, **fields):
        return self.redis("XADD", stream, "*", *(word for pair in fields.items() for word in pair))

    def dead(self, stream):
        """The records of <stream>:dead as dictionaries."""
        records = self.redis("XRANGE", f"{stream}:dead", "-", "+")
        return [dict(zip(pairs[::2], pairs[1::2])) for _, pairs in records]

    def pending(self, stream, group):
        """The group's pending entries: rows of id, owner, idle milliseconds, deliveries."""
        return self.redis("XPENDING", stream, group, "-", "+", 10000)

    def is_delivered(self, stream, group):
        """The group exists and was given everything in the stream."""
        last = self.redis("XINFO", "STREAM", stream)["last-generated-id"]
        return any(g["name"] == group and g["last-delivered-id"] == last
                   for g in self.redis("XINFO", "GROUPS", stream))

    def is_settled(self, stream, group):
        return self.is_delivered(stream, group) and self.pending(stream, group) == []

    def wait_settled(self, stream, *groups):
        for group in groups:
            self.wait_until(f"group {group} has finished {stream}", lambda: self.is_settled(stream, group))

    def wait_until(self, what, condition, seconds=20):
        give_up = time.monotonic() + seconds
        while not holds(condition):
            if time.monotonic() > give_up:
                self.fail(f"waited {seconds} s in vain until {what}; the daemon's log:\n{self.log()}")
            time.sleep(0.02)


def holds(condition):
    """Redis that is still starting, or a stream that is not there yet, means: not yet."""
    try:
        return condition()
    except subprocess.CalledProcessError:
        return False


def stop(process):
    """SIGTERM, then SIGKILL if it takes too long; the exit status."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(5)
