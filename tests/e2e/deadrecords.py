# SPDX-License-Identifier: MIT
"""Dead-letter records as a daemon writes them, made by hand."""

import resp

ODD = [(b"type", b"x"), (b"", b""), (b"type", b"\xff\x00\n"), (b"sluice.meta", b"99"), (b"\xfe", "ü".encode())]


def record_values(entry, pairs=((b"n", b"1"),), **other):
    """The values of a record of an entry; stream="s", group="g", reason="attempts", ..."""
    meta = {"stream": "s", "group": "g", "consumer": "host-7", "id": entry, "reason": "attempts",
            "failure": "exit", "detail": "exit status 3", "attempts": 8, "handler": "c", "host": "web7",
            "first_ms": "1717200000001", "last_ms": "", "stderr": "one\\ntwo", **other}
    flat = ["sluice.meta", len(meta) + 1]
    for name, value in meta.items():
        flat += ["sluice." + name, value]
    return flat + [part for pair in pairs for part in pair]


class DeadMixin:
    """For a CtlCase, or whatever has self.redis_call(key, *command)."""

    def bury(self, entry, pairs=((b"n", b"1"),), key="s:dead", **other):
        """Adds a record; its id."""
        return self.redis_call(key, "XADD", key, "*", *record_values(entry, pairs, **other)).decode()

    def add_done(self, pairs=((b"n", b"1"),), key="s", groups=("g",)):
        """An entry that every group has acknowledged; its id, which no record will have."""
        flat = [part for pair in pairs for part in pair]
        self.n_added = getattr(self, "n_added", 0) + 1
        entry = self.redis_call(key, "XADD", key, "%d-0" % (1000 + self.n_added), *flat).decode()
        for group in groups:
            self.ensure_group(key, group)
            self.redis_call(key, "XREADGROUP", "GROUP", group, "ghost", "STREAMS", key, ">")
            self.redis_call(key, "XACK", key, group, entry)
        return entry

    def ensure_group(self, key="s", group="g"):
        try:
            self.redis_call(key, "XGROUP", "CREATE", key, group, 0, "MKSTREAM")
        except resp.ReplyError:
            pass

    def records_left(self, key="s:dead"):
        return [r[0].decode() for r in self.redis_call(key, "XRANGE", key, "-", "+")]

    def entries(self, key="s"):
        return {e[0].decode(): resp.pairs(e[1]) for e in self.redis_call(key, "XRANGE", key, "-", "+")}

    def pending_of(self, key="s", group="g"):
        """{id: (owner, idle ms, deliveries)}"""
        rows = self.redis_call(key, "XPENDING", key, group, "-", "+", 10000)
        return {row[0].decode(): (row[1].decode(), row[2], row[3]) for row in rows}
