# SPDX-License-Identifier: MIT
"""A daemon that holds a great many entries whose retry is far away: what it costs to keep them, and
what they cost the others."""
import time

from draining import (FULL_READS, Load, MILLION, add_stream, c_handler, drain, fill, group_state, in_worker_mode,
                      wait_blocked)
from harness import Failed, cpu_s, memory, wait_until

LEASE_S, QUICK_LEASE_S = 60, 15
FILL_S = 300
FOR_EVER = {"retry": {"max_attempts": 0, "max_delay": "1h"}, "breaker": {"streak": 0}}


def hold(bench, entries):
    """A stream "held" beside the others."""
    add_stream(bench, "held", entries, "small")
    bench.redis("XGROUP", "CREATE", "held", "bench", "0")


def wait_held(bench, process, entries):
    def all_are_held():
        if process.poll() is not None:
            raise Failed(f"the daemon ended with status {process.returncode}")
        return group_state(bench.redis, "held")["pending"] >= entries
    wait_until("all entries to wait", all_are_held, FILL_S)


def holding_daemon(bench, streams, entries, lease):
    return bench.daemon(in_worker_mode(c_handler(bench, "hold")), streams=streams, claim={"min_idle": lease},
                        read={**FULL_READS, "max_held": 2 * entries + 10_000}, **FOR_EVER)


def leases(bench, process, entries, lease_s):
    """Each entry is renewed once in five eighths of its lease; figures in percent are for a million entries and
    the lease of a minute."""
    renewal_s = lease_s * 5 / 8
    time.sleep(renewal_s)  # the renewals of what arrived in a rush spread out
    server, client = cpu_s((bench.server.process.pid, process.pid), 2 * renewal_s)
    server_us, client_us = server * 1e6 / (2 * entries), client * 1e6 / (2 * entries)
    percent = 100 * MILLION / (LEASE_S * 5 / 8) / 1e6
    return {"server_us": server_us, "client_us": client_us, "server_percent": server_us * percent,
            "client_percent": client_us * percent, **memory(process.pid)}


def waiting(entries):
    def measure(bench):
        wanted, lease_s = bench.amount(entries), QUICK_LEASE_S if bench.quick else LEASE_S
        bench.redis("FLUSHALL")
        hold(bench, wanted)
        with holding_daemon(bench, ["held"], wanted, f"{lease_s}s") as process:
            wait_held(bench, process, wanted)
            return leases(bench, process, wanted, lease_s)
    return measure


def beside_held(held, entries):
    """Drains one stream while entries of another wait. Their leases last longer than that: what those
    cost is measured by itself."""
    def measure(bench):
        wanted, load = bench.amount(held), Load(bench.amount(entries))
        fill(bench, load)
        hold(bench, wanted)
        with holding_daemon(bench, ["bench", "held"], wanted, "30m") as process:
            wait_held(bench, process, wanted)
            wait_blocked(bench, process, 2)
            return drain(bench, process, load)
    return measure
