# SPDX-License-Identifier: MIT
"""From an entry's XADD until a handler has it, at a steady rate."""
import json
import os
import subprocess
import time

from draining import Load, Meter, c_handler, fill, group_state, in_worker_mode, wait_blocked
from harness import stop, wait_until

WINDOW = 1000


def fresh_file(bench):
    path = os.path.join(bench.folder, "latency.json")
    if os.path.exists(path):
        os.unlink(path)
    return path


def feed(bench, process, rate, entries):
    """Rate and CPU time for each entry."""
    wait_blocked(bench, process)
    meter, started = Meter(bench, process), time.monotonic()
    subprocess.run([bench.program("pace"), bench.server.path, str(rate), str(entries)], check=True)
    took_s = time.monotonic() - started
    wait_until("the last entry", lambda: group_state(bench.redis)["pending"] == 0)
    return {"rate": entries / took_s, **meter.used_us(entries)}


def percentiles(path):
    def written():
        try:
            with open(path) as file:
                return json.load(file)
        except (FileNotFoundError, ValueError):
            return None
    return wait_until("the percentiles", written)


def how_many(bench, rate, seconds):
    """At least a thousand, so that a percentile is one."""
    return max(bench.amount(rate * seconds), 1000)


def daemon(rate, seconds):
    def measure(bench):
        fill(bench, Load(1))
        path = fresh_file(bench)
        with bench.daemon(in_worker_mode(c_handler(bench, "latency", path), window=WINDOW)) as process:
            sample = feed(bench, process, rate, how_many(bench, rate, seconds))
        return {**sample, **percentiles(path)}
    return measure


def floor(rate, seconds):
    """A blocking loop in C whose handler is in the same process."""
    def measure(bench):
        fill(bench, Load(1))
        path, entries = fresh_file(bench), how_many(bench, rate, seconds)
        process = subprocess.Popen([bench.program("floor"), bench.server.path, str(entries), path])
        try:
            return {**feed(bench, process, rate, entries), **percentiles(path)}
        finally:
            stop(process)
    return measure
