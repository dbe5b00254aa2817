# SPDX-License-Identifier: MIT
"""A daemon that holds a great many entries whose retry is far away: what it costs to keep them."""
import sys
import time

from draining import fill, group_state
from harness import Failed, cpu_ns, stop, wait_until

LEASE_S = 60
RENEWAL_S = LEASE_S // 3  # each entry is renewed once in that time
FILL_S = 300


def private_mib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) / 1024


def all_are_held(bench, entries, process):
    if process.poll() is not None:
        raise Failed(f"the daemon ended with status {process.returncode}")
    return group_state(bench.redis)["pending"] >= entries


def cpu_s(pids, seconds):
    """CPU seconds that each takes in so many seconds."""
    before = [cpu_ns(pid) for pid in pids]
    time.sleep(seconds)
    return [(cpu_ns(pid) - cpu) / 1e9 for pid, cpu in zip(pids, before)]


def figures(bench, daemon, entries):
    wait_until("all entries to wait", lambda: all_are_held(bench, entries, daemon.process), FILL_S)
    time.sleep(RENEWAL_S)  # the renewals of what arrived in a rush spread out
    server, client = cpu_s((bench.server.process.pid, daemon.process.pid), 2 * RENEWAL_S)
    renewals, of_a_million = 2 * entries, 1_000_000 / entries
    return {"rate": renewals / (2 * RENEWAL_S), "handler_us": 0.0,
            "client_us": client * 1e6 / renewals, "server_us": server * 1e6 / renewals,
            "server_percent": 100 * server / (2 * RENEWAL_S) * of_a_million,
            "client_percent": 100 * client / (2 * RENEWAL_S) * of_a_million,
            "private_mib": private_mib(daemon.process.pid)}


def waiting(entries):
    def measure(bench):
        wanted = bench.amount(entries)
        fill(bench, wanted + 1, "small")
        bench.redis("XGROUP", "SETID", "bench", "bench", "0")
        handler = {"command": [sys.executable, bench.script("later.py")], "mode": "worker",
                   "window": 2000, "ready": True}
        daemon = bench.start_daemon(
            handler, {"count": 500, "max_held": 2 * wanted}, claim={"min_idle": f"{LEASE_S}s"},
            retry={"max_attempts": 0, "max_delay": "1h"}, breaker={"streak": 0})
        try:
            return figures(bench, daemon, wanted)
        except Failed:
            daemon.show_log()
            raise
        finally:
            stop(daemon.process)
    return measure
