#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The dead-letter stream: what is recorded, when, and what happens while it refuses."""

import socket
import time

from harness import Case, main, record_fields
from servers import stays_true

NAMES = ["sluice.meta", "sluice.stream", "sluice.group", "sluice.consumer", "sluice.id", "sluice.reason",
         "sluice.failure", "sluice.detail", "sluice.attempts", "sluice.handler", "sluice.host",
         "sluice.first_ms", "sluice.last_ms", "sluice.stderr"]
ORIGINAL = [(b"type", b"x"), (b"", b""), (b"type", b"\xff\x00\n"), (b"sluice.meta", b"99"), (b"\xfe", "ü".encode())]
EXIT = ["/bin/sh", "-c", "how=$(cat); eval \"$how\""]
BY_FIELD = {"handler.stdin": "field how"}


class Records(Case):
    def only_record(self):
        """(metadata, original pairs) of the one dead letter, once the entry is acknowledged."""
        self.wait_dead()
        self.wait_settled()
        records = self.dead()
        self.assertEqual(len(records), 1)
        self.assertEqual([name.decode() for name, _ in records[0][:14]], NAMES)
        self.assertEqual(records[0][0][1], b"14")
        return record_fields(records[0])

    def test_rejected(self):
        before = int(time.time() * 1000)
        daemon = self.start(self.python("os.write(2, b'looking\\n')\nsay('dead', '\"no such customer\"')\n"))
        entry = self.add_pairs(ORIGINAL)
        meta, original = self.only_record()
        first, last = int(meta.pop("sluice.first_ms")), int(meta.pop("sluice.last_ms"))
        self.assertTrue(before <= first <= last <= time.time() * 1000)
        self.assertIn("looking", meta.pop("sluice.stderr"))
        self.assertEqual(meta, {"sluice.meta": "14", "sluice.stream": "s", "sluice.group": "g",
                                "sluice.consumer": "me", "sluice.id": entry, "sluice.reason": "rejected",
                                "sluice.failure": "retry", "sluice.detail": "no such customer",
                                "sluice.attempts": "1", "sluice.handler": "c",
                                "sluice.host": socket.gethostname()})
        self.assertEqual(original, ORIGINAL)
        self.assertIn(daemon.wait_for_event("dead_lettered", entry_id=entry)["level"], ("warning", "error"))

    def test_attempts(self):
        self.start(EXIT, {**BY_FIELD, "retry.max_attempts": 3})
        self.add(how="exit 3")
        meta, _ = self.only_record()
        self.assertEqual((meta["sluice.reason"], meta["sluice.failure"], meta["sluice.detail"],
                          meta["sluice.attempts"]), ("attempts", "exit", "exit status 3", "3"))
        self.assertGreater(int(meta["sluice.last_ms"]), int(meta["sluice.first_ms"]))

    def test_last_failure_is_recorded(self):
        for how, failure, detail in (("kill -SEGV $$", "signal", "SIGSEGV"), ("sleep 60", "timeout", ""),
                                     ("echo 'retry come back' >&3", "retry", "come back")):
            self.redis.call("DEL", "s:dead")
            daemon = self.start(EXIT, {**BY_FIELD, "retry.max_attempts": 1, "handler.timeout": "400ms"},
                                name="d-" + failure)
            self.add(how=how)
            meta, _ = self.only_record()
            self.assertEqual((meta["sluice.reason"], meta["sluice.failure"]), ("attempts", failure))
            self.assertIn(detail, meta["sluice.detail"])
            daemon.stop()

    def test_stderr_keeps_the_last_4_kib(self):
        self.start(EXIT, {**BY_FIELD, "retry.max_attempts": 1})
        self.add(how="seq 1 5000 >&2; exit 1")
        meta, _ = self.only_record()
        self.assertIn("5000", meta["sluice.stderr"])
        self.assertNotIn("4000", meta["sluice.stderr"])
        self.assertIn("4400", meta["sluice.stderr"])

    def test_stderr_is_escaped(self):
        self.start(EXIT, {**BY_FIELD, "retry.max_attempts": 1})
        self.add(how="printf 'a\\033[2Jb\\001c\\000d\\377e\\n' >&2; exit 1")
        meta, _ = self.only_record()
        raw = dict(self.dead()[0])[b"sluice.stderr"]
        self.assertEqual([c for c in raw if c < 32 and c != 10], [])
        self.assertIn("[2Jb", meta["sluice.stderr"])

    def test_no_stderr(self):
        self.start(EXIT, BY_FIELD)
        self.add(how="exit 65")
        self.assertEqual(self.only_record()[0]["sluice.stderr"], "")

    def test_wide_entry(self):
        self.start(EXIT, BY_FIELD)
        pairs = [(b"n%d" % n, b"%d" % n) for n in range(6000)]
        self.add_pairs([(b"how", b"exit 65")] + pairs)
        meta, original = self.only_record()
        self.assertEqual(meta["sluice.reason"], "rejected")
        self.assertEqual(original[1:], pairs)

    def test_large_entry(self):
        self.start(EXIT, BY_FIELD)
        self.add(how="exit 65", big="x" * (5 << 20))
        self.assertEqual(len(self.only_record()[1][1][1]), 5 << 20)

    def test_oversize(self):
        self.start(self.python("record(run=1)\n"), {"max_entry_bytes": "64KiB"})
        self.add(v="x" * 100000)
        meta, original = self.only_record()
        self.assertEqual(meta["sluice.reason"], "oversize")
        self.assertEqual(original, [(b"v", b"x" * 100000)])
        self.assertEqual(self.records(), [])

    def test_name_of_the_stream(self):
        self.start(EXIT, {**BY_FIELD, "dead_letter.stream": "morgue"})
        self.add(how="exit 65")
        self.wait_dead(stream="morgue")
        self.assertEqual(self.dead(), [])

    def test_each_once(self):
        self.start(EXIT, {**BY_FIELD, "handler.concurrency": 4, "breaker.streak": 0})
        ids = [self.add(how="exit 65") for _ in range(100)]
        self.wait_settled()
        found = [record_fields(pairs)[0]["sluice.id"] for pairs in self.dead()]
        self.assertEqual(sorted(found), sorted(ids))


class Bounded(Case):
    redis_options = ("--stream-node-max-entries", "10")

    def test_maxlen(self):
        self.start(EXIT, {**BY_FIELD, "dead_letter.maxlen": 20, "breaker.streak": 0})
        for _ in range(80):
            self.add(how="exit 65")
        self.wait_settled()
        self.assertTrue(20 <= len(self.dead()) <= 40, len(self.dead()))


class Trimmed(Case):
    def assert_trimmed(self, entry):
        self.wait_dead()
        self.wait_settled()
        meta, original = record_fields(self.dead()[0])
        self.assertEqual((meta["sluice.reason"], meta["sluice.id"], original), ("trimmed", entry, []))
        self.assertEqual(list(meta), NAMES)

    def start_failing(self, dotted=None):
        return self.start(self.python("record(run=1)\ngate('go')\nsys.exit(1)\n"),
                          {"retry.initial_delay": "1s", "retry.max_delay": "1s", **(dotted or {})})

    def test_deleted_before_the_retry(self):
        daemon = self.start_failing()
        entry = self.add()
        self.open_gate()
        daemon.wait_for_event("retry", entry_id=entry)
        self.redis.call("XDEL", "s", entry)
        self.assert_trimmed(entry)
        self.assertEqual(len(self.records()), 1)

    def test_trimmed_before_the_retry(self):
        daemon = self.start_failing()
        entry = self.add()
        self.open_gate()
        daemon.wait_for_event("retry", entry_id=entry)
        self.redis.call("XTRIM", "s", "MAXLEN", 0)
        self.assert_trimmed(entry)

    def test_deleted_while_running(self):
        self.start_failing({"claim.min_idle": "1s"})
        entry = self.add()
        self.wait_records(1)
        self.redis.call("XDEL", "s", entry)
        self.open_gate()
        self.assert_trimmed(entry)

    def test_deleted_while_running_and_then_done(self):
        daemon = self.start(self.python("record(run=1)\ngate('go')\n"), {"claim.min_idle": "1s"})
        entry = self.add()
        self.wait_records(1)
        self.redis.call("XDEL", "s", entry)
        self.open_gate()
        daemon.wait_for_event("verdict", entry_id=entry, outcome="ok")
        self.wait_settled()
        self.assertEqual(self.dead(), [])


class Off(Case):
    settings = {**BY_FIELD, "dead_letter.stream": "off", "retry.max_attempts": 2, "retry.max_delay": "100ms",
                "breaker.streak": 0}

    def test_exhausted_entry_is_retried_for_ever(self):
        daemon = self.start(EXIT, self.settings)
        entry = self.add(how="exit 1")
        event = daemon.wait_for_event("retry", entry_id=entry, attempt=6)
        self.assertEqual(int(event["delay_ms"]), 100)
        self.assertEqual(self.redis.call("EXISTS", "s:dead", "off"), 0)

    def test_rejected_entry_is_retried_for_ever(self):
        daemon = self.start(EXIT, self.settings)
        entry = self.add(how="exit 65")
        daemon.wait_for_event("retry", entry_id=entry, attempt=4, delay_ms=100)

    def test_oversize_entry_stays_pending(self):
        self.start(self.python("record(run=1)\n"), {**self.settings, "handler.stdin": "json",
                                                    "max_entry_bytes": "64KiB"})
        entry = self.add(v="x" * 100000)
        self.add(v="small")
        self.wait_records(1)
        stays_true(lambda: entry in self.pending(), 1, "the oversize entry pending")
        self.assertEqual(len(self.records()), 1)

    def test_trimmed_entry_is_acknowledged_and_logged(self):
        daemon = self.start(EXIT, {**self.settings, "retry.initial_delay": "1s", "retry.max_delay": "1s"})
        entry = self.add(how="exit 1")
        daemon.wait_for_event("retry", entry_id=entry)
        self.redis.call("XDEL", "s", entry)
        daemon.wait_for_event("trimmed", entry_id=entry)
        self.wait_settled()


class Refused(Case):
    def assert_moves_when(self, daemon, entry, mend):
        daemon.wait_for_event("dead_letter_refused")
        self.assertIn(entry, self.pending())
        mend()
        daemon.wait_for_event("dead_lettered", entry_id=entry, seconds=30)
        self.wait_settled()
        self.assertEqual(len(self.dead()), 1)

    def test_key_of_the_wrong_type(self):
        self.redis.call("SET", "s:dead", "mine")
        daemon = self.start(EXIT, BY_FIELD)
        entry = self.add(how="exit 65")
        good = self.add(how="exit 0")
        daemon.wait_for_event("verdict", entry_id=good, outcome="ok")
        self.assert_moves_when(daemon, entry, lambda: self.redis.call("DEL", "s:dead"))

    def test_out_of_memory(self):
        daemon = self.start(EXIT, BY_FIELD)
        entry = self.add(how="while [ ! -e %s ]; do sleep 0.01; done; exit 65" % self.path("gate.go"))
        self.redis.call("CONFIG", "SET", "maxmemory", 1)
        self.open_gate()
        self.assert_moves_when(daemon, entry, lambda: self.redis.call("CONFIG", "SET", "maxmemory", 0))

    def test_no_permission(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~s", "+@all")
        daemon = self.start(EXIT, BY_FIELD, redis={"username": "worker", "password": "secret"})
        entry = self.add(how="exit 65")
        self.assert_moves_when(daemon, entry,
                               lambda: self.redis.call("ACL", "SETUSER", "worker", "~s:dead"))


if __name__ == "__main__":
    main()
