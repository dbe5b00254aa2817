# SPDX-License-Identifier: MIT
"""The table: what is measured, against what, and what it must reach.

A candidate is a function of the run that measures once and returns named figures. A row compares
a figure of one candidate with a figure of another, or with a number.
"""
from collections import namedtuple

import draining
import idling
import latency
import peers
import stalling
import sweeping
import waiting
from draining import MILLION, exec_mode, limit, python_handler, worker

# skip(bench) returns why the candidate cannot run here, or None.
Candidate = namedtuple("Candidate", "measure skip", defaults=(lambda bench: None,))

# figure and baseline are (candidate, name of the figure). The bound is of the figure itself where there
# is no baseline, else of their ratio or their difference; without a bound the row only tells.
# at_least tells on which side of it is good.
Row = namedtuple("Row", "number what figure unit baseline at_least bound by", defaults=(None, True, None, "ratio"))

# A plot: lines are [(label, candidates by their x, figure)].
Curve = namedtuple("Curve", "file title x y lines")

NODE = {library: peers.without_node(library) for library in ("redis", "ioredis")}
SHAPES = {
    "twelve": ("twelve short fields with some UTF-8", 300_000),
    "document": ("a JSON document of 300 bytes", 500_000),
    "text": ("64 KiB of text", 5_000),
    "binary": ("64 KiB that are no UTF-8", 5_000),
    "escaped": ("fields that need escaping throughout", 300_000),
}
STREAMS, WORKERS, HELD = (1, 10, 100, 1_000), (1, 4, 16, 64), (1_000, 100_000, MILLION)

# In the order in which a round runs them: what is compared stands side by side.
CANDIDATES = {
    "limit": Candidate(limit()),
    "worker C": Candidate(worker()),
    "retry": Candidate(draining.retrying(MILLION // 2)),
    "worker Python": Candidate(worker(python_handler, entries=MILLION // 2)),
    "loop": Candidate(peers.python("loop.py", 60_000), peers.without_redis_py),
    "tuned redis-py": Candidate(peers.python("tuned.py", MILLION // 2), peers.without_redis_py),
    "tuned phpredis": Candidate(peers.php(MILLION), peers.without_phpredis),
    "tuned redigo": Candidate(peers.go(MILLION), peers.without_redigo),
    "tuned node redis": Candidate(peers.node("tuned.js", MILLION // 4), NODE["redis"]),
    "tuned ioredis": Candidate(peers.node("tuned.js", MILLION // 4, "ioredis"), NODE["ioredis"]),
    "limit 1 KiB": Candidate(limit("large", MILLION // 2)),
    "worker C 1 KiB": Candidate(worker(shape="large", entries=MILLION // 2)),
    "spawn": Candidate(peers.spawn),
    "exec": Candidate(exec_mode(5_000)),
    "subprocess.run": Candidate(peers.python("spawning.py", 3_000), peers.without_redis_py),
    "node spawn": Candidate(peers.node("spawning.js", 3_000), NODE["redis"]),
    **{f"{name} {rate}/s": Candidate(measure(rate, seconds))
       for rate, seconds in ((1_000, 8), (10_000, 4))
       for name, measure in (("floor", latency.floor), ("latency", latency.daemon))},
    "idle": Candidate(idling.idle()),
    "100 workers": Candidate(idling.idle(workers=100)),
    "1000 streams": Candidate(idling.idle(streams=1_000)),
    "pages": Candidate(sweeping.bare_pages(MILLION)),
    "sweep": Candidate(sweeping.sweep(MILLION)),
    "limit beside PING": Candidate(stalling.limit),
    "daemon beside PING": Candidate(stalling.daemon),
    **{f"{name} on {n}": Candidate(measure(n))
       for n in STREAMS
       for name, measure in (("limit", lambda n: limit(entries=MILLION // 2, streams=n)),
                             ("worker C", lambda n: worker(entries=MILLION // 2, streams=n)))},
    **{f"{n} busy workers": Candidate(worker(entries=MILLION // 2, concurrency=n)) for n in WORKERS},
    **{f"beside {n} held": Candidate(waiting.beside_held(n, MILLION // 2)) for n in HELD},
    **{f"{name} {shape}": Candidate(measure(shape, entries))
       for shape, (_, entries) in SHAPES.items()
       for name, measure in (("limit", limit), ("worker C", lambda s, n: worker(shape=s, entries=n)))},
    "waiting": Candidate(waiting.waiting(MILLION)),
}

# Of these, the one with the best rate goes by the name as well.
FASTEST = {
    "fastest loop": [name for name in CANDIDATES if name.startswith("tuned ")],
}

# What is left of the server's own ceiling: the rate of one candidate divided by another's of the same round.
SHARES = {f"share on {n}": (f"worker C on {n}", f"limit on {n}") for n in STREAMS}

WINDOWS, EXEC_AT_ONCE, RATES = (
    (1, 4, 16, 64, 256, 1_000, 2_000), (1, 2, 4, 8, 16, 32), (100, 1_000, 3_000, 10_000, 30_000, 100_000))
CURVE_CANDIDATES = {
    **{f"window {n}, C": Candidate(worker(entries=MILLION // 2 if n > 10 else 100_000, window=n)) for n in WINDOWS},
    **{f"window {n}, Python": Candidate(worker(python_handler, entries=200_000 if n > 10 else 50_000, window=n))
       for n in WINDOWS},
    **{f"exec {n}, true": Candidate(exec_mode(3_000, concurrency=n)) for n in EXEC_AT_ONCE},
    **{f"exec {n}, sleep": Candidate(exec_mode(100 * n, ("/bin/sleep", "0.02"), n)) for n in EXEC_AT_ONCE},
    **{f"latency {rate}/s": Candidate(latency.daemon(rate, 3)) for rate in RATES},
}
# A candidate of a row may be a point of a curve as well.
CANDIDATES = {**CANDIDATES, **{name: one for name, one in CURVE_CANDIDATES.items() if name not in CANDIDATES}}

# Drawn, and in no row.
CURVES = [
    Curve("rate-window", "Rate against handler.window", "window", "entries/s", [
        ("C handler", {n: f"window {n}, C" for n in WINDOWS}, "rate"),
        ("Python handler that parses JSON", {n: f"window {n}, Python" for n in WINDOWS}, "rate")]),
    Curve("rate-concurrency", "Exec mode: rate against handler.concurrency", "concurrency", "entries/s", [
        ("/bin/true", {n: f"exec {n}, true" for n in EXEC_AT_ONCE}, "rate"),
        ("a handler that waits 20 ms", {n: f"exec {n}, sleep" for n in EXEC_AT_ONCE}, "rate")]),
    Curve("latency-rate", "From XADD to the handler, worker mode", "entries/s", "µs", [
        ("p50", {rate: f"latency {rate}/s" for rate in RATES}, "p50_us"),
        ("p99", {rate: f"latency {rate}/s" for rate in RATES}, "p99_us")]),
]


def steps(sizes, what, name, figure=("rate", "entries/s")):
    """Rows from each size to the next."""
    key, unit = figure
    return [Row("P15", what.format(size, before), (name.format(size), key), unit, (name.format(before), key), True, 0.9)
            for before, size in zip(sizes, sizes[1:])]


def shape_rows():
    for shape, (what, _) in SHAPES.items():
        yield Row("shape", f"{what}: daemon CPU for each byte, against 5 fields of 10 bytes",
                  (f"worker C {shape}", "client_ns_per_byte"), "ns/byte", ("worker C", "client_ns_per_byte"), False, 2)
        yield Row("shape", f"{what}: rate against limit",
                  (f"worker C {shape}", "rate"), "entries/s", (f"limit {shape}", "rate"))


def memory_rows(what, key):
    """Idle, with many workers, with many streams."""
    for name, candidate, most in (("idle", "idle", 1.5), ("100 workers", "100 workers", 3),
                                  ("1,000 streams", "1000 streams", 5)):
        yield Row("P11", f"{what}, {name}", (candidate, key), "MB", None, False, most)


# A goal that is a ratio to a program's CPU time in the same run was set as an absolute one, where
# that program needed what it is divided by here.
ROWS = [
    Row("P1", "worker mode, C handler, 5 fields of 10 bytes, against limit",
        ("worker C", "rate"), "entries/s", ("limit", "rate"), True, 0.98),
    Row("P2", "the same with one field of 1 KiB",
        ("worker C 1 KiB", "rate"), "entries/s", ("limit 1 KiB", "rate"), True, 0.95),
    Row("P3", "daemon CPU at saturation, 5 fields",
        ("worker C", "client_us"), "µs/entry", None, False, 0.45),
    Row("P3", "daemon CPU at saturation, 1 KiB",
        ("worker C 1 KiB", "client_us"), "µs/entry", None, False, 0.80),
    Row("P3", "the same against limit's, 5 fields",
        ("worker C", "client_us"), "µs/entry", ("limit", "client_us"), False, 0.45 / 0.23),
    Row("P3", "the same against limit's, 1 KiB",
        ("worker C 1 KiB", "client_us"), "µs/entry", ("limit 1 KiB", "client_us"), False, 0.80 / 0.43),
    Row("P4", "worker mode, C handler, against loop",
        ("worker C", "rate"), "entries/s", ("loop", "rate"), True, 55),
    Row("P4", "worker mode, Python handler that parses JSON, against loop",
        ("worker Python", "rate"), "entries/s", ("loop", "rate"), True, 30),
    Row("P5", "worker mode, C handler, against the fastest tuned loop",
        ("worker C", "rate"), "entries/s", ("fastest loop", "rate"), True, 1.6),
    Row("P5", "its daemon's CPU, against that loop's",
        ("worker C", "client_us"), "µs/entry", ("fastest loop", "client_us"), False, 1 / 3),
    Row("P6", "exec mode, /bin/true, against spawn",
        ("exec", "rate"), "entries/s", ("spawn", "rate"), True, 0.95),
    Row("P7", "exec mode, daemon CPU",
        ("exec", "client_us"), "µs/entry", None, False, 60),
    Row("P7", "the same against spawn's",
        ("exec", "client_us"), "µs/entry", ("spawn", "client_us"), False, 60 / 45),
    Row("P8", "exec mode, /bin/true, against redis-py and subprocess.run",
        ("exec", "rate"), "entries/s", ("subprocess.run", "rate"), True, 2.2),
    Row("P8", "exec mode, /bin/true, against Node's spawn",
        ("exec", "rate"), "entries/s", ("node spawn", "rate"), True, 2.8),
    Row("P9", "from XADD to the handler at 1,000/s, p50, above the floor",
        ("latency 1000/s", "p50_us"), "µs", ("floor 1000/s", "p50_us"), False, 60, "difference"),
    Row("P9", "the same, p99",
        ("latency 1000/s", "p99_us"), "µs", None, False, 300),
    Row("P9", "the same, p99 against the floor",
        ("latency 1000/s", "p99_us"), "µs", ("floor 1000/s", "p99_us")),
    Row("P10", "daemon CPU at 10,000/s",
        ("latency 10000/s", "client_us"), "µs/entry", None, False, 5.5),
    Row("P10", "the same against the floor's",
        ("latency 10000/s", "client_us"), "µs/entry", ("floor 10000/s", "client_us"), False, 5.5 / 10.4),
    Row("P10", "from XADD to the handler at 10,000/s, p99",
        ("latency 10000/s", "p99_us"), "µs", None, False, 2_000),
    Row("P10", "the same against the floor",
        ("latency 10000/s", "p99_us"), "µs", ("floor 10000/s", "p99_us")),
    *memory_rows("private memory of the daemon", "private_mb"),
    *memory_rows("of that, what it has written", "written_mb"),
    Row("P12", "daemon CPU with 1,000 quiet streams", ("1000 streams", "daemon_ms_per_s"), "ms/s", None, False, 4),
    Row("P13", "sweep of 1,000,000 pending entries, nothing stale: server CPU",
        ("sweep", "server_us"), "µs/entry", None, False, 0.3),
    Row("P13", "the same against pages of XPENDING and nothing else",
        ("sweep", "server_us"), "µs/entry", ("pages", "server_us"), False, 1.25),
    Row("P13", "another client's PING meanwhile, p99",
        ("sweep", "p99_ms"), "ms", None, False, 0.5),
    Row("P13", "another client's PING meanwhile, slowest",
        ("sweep", "max_ms"), "ms", None, False, 2),
    Row("P14", "another client's PING while a backlog is drained, p99",
        ("daemon beside PING", "p99_ms"), "ms", None, False, 0.6),
    Row("P14", "the same against limit with as much in a read",
        ("daemon beside PING", "p99_ms"), "ms", ("limit beside PING", "p99_ms")),
    *steps(STREAMS, "rate against limit: {:,} streams against {:,}", "share on {}", ("share", "of limit")),
    *steps(WORKERS, "{} workers against {}", "{} busy workers"),
    *steps(HELD, "beside {:,} entries that wait, against {:,}", "beside {} held"),
    Row("P16", "entries that fail once, against those that do not",
        ("retry", "rate"), "entries/s", ("worker C", "rate"), True, 0.2),
    Row("P17", "leases of 1,000,000 entries that wait for a retry: server CPU",
        ("waiting", "server_percent"), "% of a core", None, False, 10),
    *shape_rows(),
]
