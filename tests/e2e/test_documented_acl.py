#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rule for a Redis user that docs/connecting.md prints is enough, and nothing in it is idle talk."""

import os
import re
import signal

from harness import Case, main
from servers import ROOT, wait_until


def documented(pattern):
    with open(os.path.join(ROOT, "docs", "connecting.md"), encoding="utf-8") as f:
        return re.search(pattern, f.read(), re.M)[1].split()


def documented_rule():
    return [">secret" if word == ">PASSWORD" else word for word in documented(r"^ACL SETUSER worker (.*)$")]


class DocumentedAcl(Case):
    HANDLER = ("entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"
               "how = entry['fields'].get('how')\nif how == 'hold': gate('go')\nsys.exit({'dead': 65, 'fail': 1}.get(how, 0))\n")

    def test_everything_works_and_nothing_is_refused(self):
        self.check([], {})

    def test_once(self):
        self.check(documented(r"with `once` add `([^`]*)`"), {"once.ttl": "1h"})
        self.assertEqual(len(self.redis.call("KEYS", "{orders}:once:*")), 2)

    def check(self, more, settings):
        self.redis.call("ACL", "SETUSER", "worker", *documented_rule(), *more)
        self.redis.call("ACL", "LOG", "RESET")
        self.add("orders")
        self.abandon(stream="orders")
        daemon = self.start(self.python(self.HANDLER),
                            {"stream": "orders", "claim.min_idle": "1s", "retry.max_attempts": 2, "alerts.lag": 1000, **settings},
                            redis={"username": "worker", "password": "secret"})
        for how in ("ok", "dead", "fail"):
            self.add("orders", how=how)
        self.wait_settled("orders")
        self.wait_dead(2, "orders:dead")
        self.redis.call("XGROUP", "DESTROY", "orders", "g")
        daemon.wait_for_event("group_recreated")
        self.add("orders", how="hold")
        wait_until(lambda: self.records()[-1:] and self.pending("orders"), 15, "a run")
        daemon.signal(signal.SIGTERM)
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(self.redis.call("ACL", "LOG"), [])
        refused = [e for e in daemon.events() if "NOPERM" in e.get("message", "")]
        self.assertEqual(refused, [])

    def test_trim(self):
        more = documented(r"With `trim` add `([^`]*)`")
        self.redis.call("ACL", "SETUSER", "worker", *documented_rule(), *more)
        self.redis.call("CONFIG", "SET", "stream-node-max-entries", 10)
        self.redis.call("ACL", "LOG", "RESET")
        for trim in ({"trim.max_age": "1s"}, {"trim.acknowledged": True}):
            self.add_many(50, "orders")
            daemon = self.start(["/bin/true"], {"stream": "orders", "trim.interval": "1s", **trim},
                                redis={"username": "worker", "password": "secret"})
            wait_until(lambda: self.redis.call("XLEN", "orders") < 10, 20, "the stream to be trimmed")
            daemon.stop()
            self.assertEqual(self.redis.call("ACL", "LOG"), [])


if __name__ == "__main__":
    main()
