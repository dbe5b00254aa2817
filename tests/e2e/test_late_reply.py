#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A reply that was on its way for longer than the lease: what it brings may be another's by now."""

import json
import os
import subprocess
import sys

from harness import WorkerCase, main
from servers import wait_until

PROXY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash", "proxy.py")
SLOW = ("for entry in entries():\n"
        "    record(by=entry['consumer'])\n"
        "    time.sleep(2.5)\n"
        "    say('ok', entry['tag'])\n")


class LateReply(WorkerCase):
    def start_proxy(self):
        """Between the first daemon and Redis; takes its orders on standard input."""
        proxy = subprocess.Popen([sys.executable, PROXY, self.redis.path, self.path("events"), self.path("p.sock")],
                                 stdin=subprocess.PIPE)
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.kill)
        self.addCleanup(proxy.stdin.close)
        wait_until(lambda: os.path.exists(self.path("p.sock")), what="the proxy")
        return proxy

    def stand_still(self, proxy, milliseconds):
        order = {"do": "stall", "daemon": 0, "which": None, "for_ms": milliseconds, "cut": False}
        proxy.stdin.write((json.dumps(order) + "\n").encode())
        proxy.stdin.flush()
        wait_until(lambda: "stall" in open(self.path("events"), encoding="utf-8").read(), what="the stall")

    def is_blocked(self):
        clients = self.redis.call("CLIENT", "LIST").splitlines()
        return any(b"reader" in line and b"cmd=xreadgroup" in line for line in clients)

    def test_what_another_has_claimed_meanwhile_is_not_run(self):
        proxy = self.start_proxy()
        self.start_worker(SLOW, {"claim.min_idle": "1s"}, redis={"url": "unix://" + self.path("p.sock")})
        self.wait_group()
        wait_until(self.is_blocked, what="a blocked read")
        self.stand_still(proxy, 2600)
        entry = self.add()
        wait_until(lambda: self.pending().get(entry), 2, "read by the first")
        self.start_worker(SLOW, {"claim.min_idle": "1s", "consumer": "you"}, name="two")
        self.wait_settled()
        self.assertEqual([r["by"] for r in self.records()], ["you"])


if __name__ == "__main__":
    main()
