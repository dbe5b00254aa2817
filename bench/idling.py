# SPDX-License-Identifier: MIT
"""A daemon that has nothing to do: the memory that is its own, and CPU time."""
import time

from draining import Load, c_handler, fill, in_worker_mode, some_streams, wait_blocked
from harness import children, cpu_s, memory, wait_until

SETTLE_S = 2  # the first reads, and the connections, are over


def idle(streams=1, workers=1):
    def measure(bench):
        load = Load(1, streams=some_streams(streams))
        fill(bench, load)
        handler = in_worker_mode(c_handler(bench), concurrency=workers)
        with bench.daemon(handler, streams=list(load.streams)) as process:
            wait_blocked(bench, process, streams)
            wait_until("all workers", lambda: len(children(process.pid)) == workers)
            time.sleep(SETTLE_S)
            seconds = 2 if bench.quick else 6
            server, daemon = cpu_s((bench.server.process.pid, process.pid), seconds)
            return {**memory(process.pid), "daemon_ms_per_s": daemon * 1000 / seconds,
                    "server_ms_per_s": server * 1000 / seconds}
    return measure
