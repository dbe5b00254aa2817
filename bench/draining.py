# SPDX-License-Identifier: MIT
"""Candidates that drain a backlog: from the first entry handed out to the last one acknowledged.

Every candidate is started on groups that stand at the end of full streams, and waited for until it
blocks in its read. Then the groups are put back to the beginning and one more entry each wakes the
readers, so that no start-up is measured. The groups tell when all is acknowledged.
"""
import subprocess
import time
from collections import namedtuple

import shapes
from harness import Failed, children, cpu_ns, reaped_cpu_ns, stop, wait_until

MILLION = 1_000_000
# What rates of worker mode are measured with, unless a row is about these very keys.
FULL_READS, WINDOW = {"count": 500}, 2000

# A backlog: so many entries of a shape in each of the streams.
Load = namedtuple("Load", "each shape streams", defaults=("small", ("bench",)))

WAKE = """
local last = {}
for i, stream in ipairs(KEYS) do
  redis.call('XGROUP', 'SETID', stream, 'bench', '0', 'ENTRIESREAD', '0')
  last[i] = redis.call('XADD', stream, '*', unpack(ARGV))
end
return last
"""

# Looks no further than the first stream that is not drained: there may be a thousand.
FIRST_BUSY = """
for i, stream in ipairs(KEYS) do
  local flat, group = redis.call('XINFO', 'GROUPS', stream)[1], {}
  for j = 1, #flat, 2 do group[flat[j]] = flat[j + 1] end
  if group['last-delivered-id'] ~= ARGV[i] or group.pending > 0 then
    return {i - 1, (group['entries-read'] or 0) - group.pending}
  end
end
return {#KEYS, 0}
"""


def add_stream(bench, stream, entries, shape):
    if not entries:
        return
    words = [shapes.encoded(word) for word in shapes.SHAPES[shape]]
    subprocess.run([bench.program("limit"), bench.server.path, "fill", stream, str(entries), *words], check=True)


def fill(bench, load):
    bench.redis("FLUSHALL")
    for stream in load.streams:
        add_stream(bench, stream, load.each - 1, load.shape)
        bench.redis("XGROUP", "CREATE", stream, "bench", "$", "MKSTREAM")


def wake(redis, load):
    """Hands everything out; returns the last entry's id of each stream."""
    return redis("EVAL", WAKE, len(load.streams), *load.streams, *shapes.SHAPES[load.shape])


def group_state(redis, stream="bench"):
    flat = redis("XINFO", "GROUPS", stream)[0]
    return dict(zip(flat[::2], flat[1::2]))


def wait_drained(redis, process, load, last_ids, pass_time):
    """Looks seldom while much is left and often at the end: seen within 2 ms, hardly felt."""
    started, total = time.monotonic(), load.each * len(load.streams)
    while True:
        drained, more = redis("EVAL", FIRST_BUSY, len(load.streams), *load.streams, *last_ids)
        if drained == len(load.streams):
            return time.monotonic()
        if process.poll() is not None:
            raise Failed(f"it ended with status {process.returncode} before it was done")
        # Streams are drained side by side: the first one stands for those behind it.
        elapsed, done = time.monotonic() - started, drained * load.each + more * (len(load.streams) - drained)
        if elapsed > 300:
            raise Failed(f"it did about {done} of {total} entries in {elapsed:.0f} s")
        left_s = elapsed * (total - done) / done if done > 0 else 0.02
        pass_time(min(max(left_s / 2, 0.002), 0.05))


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


def wait_blocked(bench, process, readers=1):
    wait_until("blocked reads", lambda: int(bench.redis.info("clients", "blocked_clients")) >= readers
               or process.poll() is not None)


def drain(bench, process, load, pass_time=time.sleep):
    """Measures a client that waits for entries: rate, and CPU time for each entry."""
    meter = Meter(bench, process)
    started = time.monotonic()
    last_ids = wake(bench.redis, load)
    ended = wait_drained(bench.redis, process, load, last_ids, pass_time)
    entries = load.each * len(load.streams)
    sample = meter.used_us(entries)
    sample["rate"] = entries / (ended - started)
    sample["client_ns_per_byte"] = sample["client_us"] * 1000 / shapes.size(load.shape)
    return sample


def measure_client(bench, argv, load, **popen):
    fill(bench, load)
    process = subprocess.Popen(argv, **popen)
    try:
        wait_blocked(bench, process)
        return drain(bench, process, load)
    finally:
        stop(process)


def measure_daemon(bench, handler, load, **consumer):
    fill(bench, load)
    with bench.daemon(handler, streams=list(load.streams), **consumer) as process:
        wait_blocked(bench, process, len(load.streams))
        return drain(bench, process, load)


def some_streams(how_many):
    return ("bench",) if how_many == 1 else tuple(f"bench:{i}" for i in range(how_many))


def limit(shape="small", entries=MILLION, streams=1):
    def measure(bench):
        load = Load(bench.amount(entries) // streams, shape, some_streams(streams))
        argv = [bench.program("limit"), bench.server.path, "drain", "500", *load.streams]
        return measure_client(bench, argv, load)
    return measure


def c_handler(bench, *kind):
    return [bench.program("handler"), *kind]


def python_handler(bench):
    return [bench.python, bench.script("handler.py")]


def in_worker_mode(argv, **handler):
    return {"command": argv, "mode": "worker", "ready": True, "window": WINDOW, **handler}


def worker(command=c_handler, shape="small", entries=MILLION, streams=1, **handler):
    """The daemon in worker mode; command(bench) is the worker's argv, handler its further keys."""
    def measure(bench):
        load = Load(bench.amount(entries) // streams, shape, some_streams(streams))
        return measure_daemon(bench, in_worker_mode(command(bench), **handler), load, read=FULL_READS)
    return measure


def exec_mode(entries, argv=("/bin/true",), concurrency=8):
    def measure(bench):
        handler = {"command": list(argv), "mode": "exec", "concurrency": concurrency}
        return measure_daemon(bench, handler, Load(bench.amount(entries)))
    return measure


def retrying(entries):
    """Every entry fails once and then succeeds. No breaker: it is made for handlers that fail like that."""
    def measure(bench):
        handler = in_worker_mode(c_handler(bench, "retry-first"))
        return measure_daemon(bench, handler, Load(bench.amount(entries)), read=FULL_READS,
                              retry={"initial_delay": "0s"}, breaker={"streak": 0})
    return measure
