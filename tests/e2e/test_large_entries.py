#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Entries that are too large: for max_entry_bytes, or for what the server sends to a client."""

from harness import Case, main, record_fields
from servers import stays_true, wait_until

RECORD = "entry = json.load(sys.stdin)\nrecord(stream=entry['stream'], id=entry['id'])\n"
MIB = 1 << 20


class TooLargeToSend(Case):
    """The server closes the connection instead, after it has delivered the entry to us."""

    redis_options = ("--client-output-buffer-limit", "normal", "1mb", "0", "0")

    def ids_run(self, stream="s"):
        return [r["id"] for r in self.records() if r["stream"] == stream]

    def start_both(self):
        settings = {"stream": None, "streams": ["s", "t"], "claim.min_idle": "1s", "retry.max_delay": "1h"}
        return self.start(self.python(RECORD), settings)

    def assert_put_aside(self, daemon, large):
        event = daemon.wait_for_event("redis_error", entry_id=large)
        self.assertEqual((event["level"], event["delay_ms"]), ("error", 3600000))
        self.assertIn("client-output-buffer-limit", event["message"])
        seen = len(daemon.events("disconnected"))
        small = {stream: self.add(stream) for stream in "st"}
        wait_until(lambda: all(small[s] in self.ids_run(s) for s in "st"), 10, "the others handled")
        stays_true(lambda: len(daemon.events("disconnected")) == seen, 1.5, "the connections are left alone")
        self.assertIn(large, self.pending())
        self.assertNotIn(large, self.ids_run())

    def test_one_entry_is_put_aside(self):
        daemon = self.start_both()
        self.assert_put_aside(daemon, self.add(v="x" * 2 * MIB))

    def test_among_others(self):
        """Those that fell due with it are begun all the same."""
        large = self.add(v="x" * 2 * MIB)
        ids = {"s": self.add_many(20), "t": self.add_many(20, "t")}
        for stream, large_ones in (("s", [large]), ("t", [])):
            self.redis.call("XGROUP", "CREATE", stream, "g", "$")
            self.redis.call("XCLAIM", stream, "g", "ghost", 0, *large_ones, *ids[stream], "FORCE", "JUSTID")
        daemon = self.start_both()
        self.assert_put_aside(daemon, large)
        self.wait_settled("t")
        wait_until(lambda: list(self.pending()) == [large], 5, "nothing else pending")
        for stream in "st":
            self.assertLessEqual(set(ids[stream]), set(self.ids_run(stream)))

    def test_over_max_entry_bytes_too(self):
        """It is dead-lettered where it is, by the server."""
        daemon = self.start(self.python(RECORD), {"claim.min_idle": "1s", "max_entry_bytes": "512KiB"})
        large = self.add(v="x" * 2 * MIB)
        daemon.wait_for_event("dead_lettered", entry_id=large)
        self.assertEqual(len(daemon.events("redis_error", level="error")), 0)
        self.redis.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
        meta, original = record_fields(self.dead()[0])
        self.assertEqual((meta["sluice.reason"], meta["sluice.id"]), ("oversize", large))
        self.assertEqual(original, [(b"v", b"x" * 2 * MIB)])
        self.wait_settled()


if __name__ == "__main__":
    main()
