# SPDX-License-Identifier: MIT
"""The table: what is measured, against what, and what it must reach.

A candidate is a function of the run that measures once and returns named figures. A row compares
a figure of one candidate with a figure of another, or with a number.
"""
import json
import subprocess
from collections import namedtuple

import draining
import sweeping
import waiting
from draining import c_handler, exec_mode, limit, python_handler, worker

# skip() returns why the candidate cannot run here, or None.
Candidate = namedtuple("Candidate", "measure skip", defaults=(lambda: None,))

# figure and baseline are (candidate, name of the figure); without a baseline `bound` is absolute,
# with one it is a ratio. at_least tells on which side of it is good.
Row = namedtuple("Row", "number what figure unit baseline at_least bound")

MILLION = 1_000_000


def spawn(bench):
    entries = bench.amount(5_000)
    done = subprocess.run([bench.program("spawn"), str(entries), "8", "/bin/true"],
                          check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    times = json.loads(done.stdout)
    return {"rate": entries * 1e9 / times["wall_ns"],
            "client_us": times["cpu_ns"] / 1000 / entries, "server_us": 0.0,
            "handler_us": times["children_cpu_ns"] / 1000 / entries}


# In the order in which a round runs them: what is compared stands side by side.
CANDIDATES = {
    "limit": Candidate(limit("small", MILLION)),
    "worker C": Candidate(worker(c_handler, "small", MILLION)),
    "worker Python": Candidate(worker(python_handler, "small", MILLION // 2)),
    "loop": Candidate(draining.loop, draining.without_redis_py),
    "limit 1 KiB": Candidate(limit("large", MILLION // 2)),
    "worker C 1 KiB": Candidate(worker(c_handler, "large", MILLION // 2)),
    "spawn": Candidate(spawn),
    "exec": Candidate(exec_mode(5_000)),
    "pages": Candidate(sweeping.bare_pages(MILLION)),
    "sweep": Candidate(sweeping.sweep(MILLION)),
    "waiting": Candidate(waiting.waiting(MILLION)),
}

ROWS = [
    Row("P1", "worker mode, C handler, 5 fields of 10 bytes, against limit",
        ("worker C", "rate"), "entries/s", ("limit", "rate"), True, 0.98),
    Row("P2", "the same with one field of 1 KiB",
        ("worker C 1 KiB", "rate"), "entries/s", ("limit 1 KiB", "rate"), True, 0.95),
    Row("P3", "daemon CPU at saturation, 5 fields",
        ("worker C", "client_us"), "µs/entry", None, False, 0.45),
    Row("P3", "daemon CPU at saturation, 1 KiB",
        ("worker C 1 KiB", "client_us"), "µs/entry", None, False, 0.80),
    Row("P4", "worker mode, C handler, against loop",
        ("worker C", "rate"), "entries/s", ("loop", "rate"), True, 55),
    Row("P4", "worker mode, Python handler that parses JSON, against loop",
        ("worker Python", "rate"), "entries/s", ("loop", "rate"), True, 30),
    Row("P6", "exec mode, /bin/true, against spawn",
        ("exec", "rate"), "entries/s", ("spawn", "rate"), True, 0.95),
    Row("P7", "exec mode, daemon CPU",
        ("exec", "client_us"), "µs/entry", None, False, 60),
    Row("P13", "sweep of 1,000,000 pending entries, nothing stale: server CPU",
        ("sweep", "server_us"), "µs/entry", None, False, 0.3),
    Row("P13", "the same against pages of XPENDING and nothing else",
        ("sweep", "server_us"), "µs/entry", ("pages", "server_us"), False, 1.25),
    Row("P13", "another client's PING meanwhile, p99",
        ("sweep", "p99_ms"), "ms", None, False, 0.5),
    Row("P13", "another client's PING meanwhile, slowest",
        ("sweep", "max_ms"), "ms", None, False, 2),
    Row("P17", "leases of 1,000,000 entries that wait for a retry: server CPU",
        ("waiting", "server_percent"), "% of a core", None, False, 10),
]
