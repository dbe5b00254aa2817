# SPDX-License-Identifier: MIT
"""Candidates that drain a backlog: from the first entry handed out to the last one acknowledged.

Every candidate is started on a group that stands at the end of a full stream, and waited for until
it blocks in its read. Then the group is put back to the beginning and one more entry wakes the
reader, so that no start-up is measured. The group tells when all is acknowledged.
"""
import os
import subprocess
import sys
import time

from harness import Failed, children, cpu_ns, reaped_cpu_ns, stop, wait_until

# One of these is on Debian's path whatever the user's PATH says, and has the distribution's redis-py.
SYSTEM_PYTHON = "/usr/bin/python3"


def fill(bench, entries, shape):
    bench.redis("FLUSHALL")
    subprocess.run([bench.program("limit"), bench.server.path, "fill", str(entries - 1), shape],
                   check=True)
    bench.redis("XGROUP", "CREATE", "bench", "bench", "$", "MKSTREAM")


def wake(redis, shape):
    """Hands the whole stream out; returns the last entry's id."""
    value = "x" * (1024 if shape == "large" else 10)
    redis("MULTI")
    redis("XGROUP", "SETID", "bench", "bench", "0", "ENTRIESREAD", "0")
    redis("XADD", "bench", "*", "payload", value)
    return redis("EXEC")[1]


def group_state(redis):
    flat = redis("XINFO", "GROUPS", "bench")[0]
    return dict(zip(flat[::2], flat[1::2]))


def wait_drained(redis, process, entries, last_id, started):
    """Looks seldom while much is left and often at the end: seen within 2 ms, hardly felt."""
    while True:
        state = group_state(redis)
        if state["last-delivered-id"] == last_id and not state["pending"]:
            return time.monotonic()
        if process.poll() is not None:
            raise Failed(f"it ended with status {process.returncode} before it was done")
        elapsed = time.monotonic() - started
        done = (state["entries-read"] or 0) - state["pending"]
        if elapsed > 300:
            raise Failed(f"it did {done} of {entries} entries in {elapsed:.0f} s")
        left_s = elapsed * (entries - done) / done if done > 0 else 0.02
        time.sleep(min(max(left_s / 2, 0.002), 0.05))


class Meter:
    """CPU time of the client, its children and the server, between two moments."""

    def __init__(self, bench, process):
        self.server, self.pid = bench.server.process.pid, process.pid
        self.handlers = children(self.pid)
        self.before = self.read()

    def read(self):
        handlers = sum(cpu_ns(pid) for pid in self.handlers) + reaped_cpu_ns(self.pid)
        return cpu_ns(self.pid), cpu_ns(self.server), handlers

    def used_us(self, entries):
        used = [(now - before) / 1000 / entries for now, before in zip(self.read(), self.before)]
        return dict(zip(("client_us", "server_us", "handler_us"), used))


def drain(bench, process, entries, shape):
    """Measures a started client: rate, and CPU time for each entry."""
    wait_until("a blocked read", lambda: bench.redis.info("clients", "blocked_clients") != "0"
               or process.poll() is not None)
    meter = Meter(bench, process)
    started = time.monotonic()
    last_id = wake(bench.redis, shape)
    ended = wait_drained(bench.redis, process, entries, last_id, started)
    sample = meter.used_us(entries)
    sample["rate"] = entries / (ended - started)
    return sample


def measure_client(bench, argv, entries, shape):
    fill(bench, entries, shape)
    process = subprocess.Popen(argv)
    try:
        return drain(bench, process, entries, shape)
    finally:
        stop(process)


def measure_daemon(bench, handler, read, entries, shape):
    fill(bench, entries, shape)
    daemon = bench.start_daemon(handler, read)
    try:
        return drain(bench, daemon.process, entries, shape)
    except Failed:
        daemon.show_log()
        raise
    finally:
        stop(daemon.process)


def limit(shape, entries):
    def measure(bench):
        argv = [bench.program("limit"), bench.server.path, "drain"]
        return measure_client(bench, argv, bench.amount(entries), shape)
    return measure


def worker(command, shape, entries):
    """The daemon in worker mode; command(bench) is the worker's argv."""
    def measure(bench):
        handler = {"command": command(bench), "mode": "worker", "window": 2000, "ready": True}
        return measure_daemon(bench, handler, {"count": 500}, bench.amount(entries), shape)
    return measure


def exec_mode(entries):
    def measure(bench):
        handler = {"command": ["/bin/true"], "mode": "exec", "concurrency": 8}
        return measure_daemon(bench, handler, {}, bench.amount(entries), "small")
    return measure


def c_handler(bench):
    return [bench.program("handler")]


def python_handler(bench):
    return [sys.executable, bench.script("handler.py")]


def loop(bench):
    argv = [SYSTEM_PYTHON, bench.script("loop.py"), bench.server.path]
    return measure_client(bench, argv, bench.amount(60_000), "small")


def without_redis_py():
    if not os.path.exists(SYSTEM_PYTHON):
        return f"no {SYSTEM_PYTHON}"
    found = subprocess.run([SYSTEM_PYTHON, "-c", "import redis"], stderr=subprocess.DEVNULL)
    return "redis-py is not installed" if found.returncode else None
