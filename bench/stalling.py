# SPDX-License-Identifier: MIT
"""What another client of the server feels while a backlog is drained."""
import subprocess
import time

from draining import Load, MILLION, c_handler, drain, fill, in_worker_mode, wait_blocked
from harness import Pings, stop

PING_EVERY_S = 0.001


class Other:
    """Another client, that sends a PING every millisecond."""

    def __init__(self, bench):
        self.pings = Pings(bench.connect())

    def pass_time(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(PING_EVERY_S)
            self.pings.send()


def drain_beside(bench, process, load):
    wait_blocked(bench, process)
    quiet, busy = Other(bench), Other(bench)
    quiet.pass_time(1)
    sample = drain(bench, process, load, busy.pass_time)
    return {**sample, **busy.pings.figures(), **quiet.pings.figures("quiet_")}


def daemon(bench):
    """With the default of read.count."""
    load = Load(bench.amount(MILLION))
    fill(bench, load)
    with bench.daemon(in_worker_mode(c_handler(bench), window=1000)) as process:
        return drain_beside(bench, process, load)


def limit(bench):
    """The ceiling with as much in a read."""
    load = Load(bench.amount(MILLION))
    fill(bench, load)
    process = subprocess.Popen([bench.program("limit"), bench.server.path, "drain", "100", "bench"])
    try:
        return drain_beside(bench, process, load)
    finally:
        stop(process)
