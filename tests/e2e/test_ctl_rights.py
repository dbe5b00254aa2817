#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""With the rights that docs/connecting.md adds for sluicectl no command of it is refused anything."""

from ctl import CtlCase
from harness import main
from test_documented_acl import documented, documented_rule

CONFIG = """\
redis: { url: "%s", username: worker, password: secret }
consumers:
  c:
    stream: orders
    group: g
    consumer: me
    handler: { command: [/bin/true] }
"""
META = ("sluice.stream", "orders", "sluice.group", "g", "sluice.reason", "attempts", "sluice.attempts", "5")


class Rights(CtlCase):
    def setUp(self):
        super().setUp()
        self.write_config(CONFIG % self.redis.unix_url)
        more = documented(r"^`sluicectl` uses the same user, and needs `([^`]*)`")
        self.redis.call("ACL", "SETUSER", "worker", *documented_rule(), *more)
        self.redis.call("XGROUP", "CREATE", "orders", "g", "0", "MKSTREAM")

    def bury(self, entry):
        self.redis.call("XADD", "orders:dead", "*", "sluice.meta", "6", *META[:4], "sluice.id", entry, *META[4:],
                        "f", "v")

    def test_nothing_is_refused(self):
        entries = [self.ctl("add", "c", "f", str(i)).out.split()[-1] for i in range(4)]
        self.redis.call("XREADGROUP", "GROUP", "g", "other", "COUNT", "2", "STREAMS", "orders", ">")
        self.redis.call("XREADGROUP", "GROUP", "g", "me", "COUNT", "2", "STREAMS", "orders", ">")
        self.redis.call("XACK", "orders", "g", entries[3])
        for entry in (entries[3], entries[3]):
            self.bury(entry)
        self.redis.call("ACL", "LOG", "RESET")
        for args in (("info", "c"), ("pending", "c", "--payload"), ("show", "c", entries[0]),
                     ("claim", "c", "--min-idle", "0s", "--yes"), ("release", "c", entries[0], "--yes"),
                     ("consumers", "c"), ("consumers", "rm", "c", "other", "--handover", "--yes"),
                     ("dead", "list", "c"), ("dead", "show", "c"), ("dead", "redrive", "c", "--count", "1", "--yes"),
                     ("dead", "redrive", "c", "--as-new", "--yes"), ("dead", "purge", "c", "--yes"),
                     ("replay", "c", "--yes"), ("trim", "c", "--acknowledged", "--yes"),
                     ("trim", "c", "--older-than", "1h", "--yes")):
            self.ctl(*args)
            self.assertEqual(self.redis.call("ACL", "LOG"), [], args)
        self.ctl("doctor", status=0)


if __name__ == "__main__":
    main()
