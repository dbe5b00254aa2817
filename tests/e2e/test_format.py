#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The entry's line: its keys, and that no byte of an entry is lost or changed in it."""

import base64
import json
import time

from harness import Case, WorkerCase, main
from servers import wait_until

KEYS = ["tag", "stream", "group", "consumer", "id", "attempt", "max_attempts", "deadline_ms", "more",
        "fields"]
COPY = "line = sys.stdin.buffer.read()\nrecord(line=line.decode())\n"
NOT_UTF8 = [b"\xff", b"caf\xe9", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"ok\x80"]


def b64(raw):
    return {"base64": base64.b64encode(raw).decode()}


class FormatCase(Case):
    def lines(self, count=1):
        return [r["line"] for r in self.wait_records(count)]

    def entry_of(self, fields):
        """The entry, parsed, that a handler got for these pairs."""
        self.start(self.python(COPY))
        self.add_pairs(fields)
        return json.loads(self.lines()[0])


class Envelope(FormatCase):
    def test_keys_and_values(self):
        before = time.time() * 1000
        self.start(self.python(COPY), {"handler.timeout": "20s", "retry.max_attempts": 5})
        entry = self.add(type="order.placed")
        line = self.lines()[0]
        found = json.loads(line, object_pairs_hook=list)
        self.assertEqual([key for key, _ in found], KEYS)
        found = json.loads(line)
        deadline = found.pop("deadline_ms")
        self.assertTrue(before + 20000 <= deadline <= time.time() * 1000 + 20000)
        self.assertIsInstance(found.pop("tag"), int)
        self.assertEqual(found, {"stream": "s", "group": "g", "consumer": "me", "id": entry, "attempt": 1,
                                 "max_attempts": 5, "more": False, "fields": {"type": "order.placed"}})

    def test_written_as_documented(self):
        """No blanks, so that a shell reads the tag without tools."""
        self.start(self.python(COPY), {"retry.max_attempts": 5})
        entry = self.add(type="order.placed", order_id="o-1234")
        self.assertRegex(
            self.lines()[0],
            r'^\{"tag":\d+,"stream":"s","group":"g","consumer":"me","id":"%s","attempt":1,"max_attempts":5,'
            r'"deadline_ms":\d+,"more":false,"fields":\{"type":"order\.placed","order_id":"o-1234"\}\}\n$' % entry)

    def test_shell_reads_the_tag(self):
        self.start(self.script("#!/bin/sh\nwhile IFS= read -r entry; do\n"
                               "tag=${entry#*:}; tag=${tag%%,*}\necho ok $tag >&3\ndone\n"),
                   {"handler.mode": "worker", "handler.window": 4})
        self.add_many(20)
        self.wait_settled()

    def test_attempts(self):
        self.start(self.python(COPY + "sys.exit(1)\n"), {"retry.max_attempts": 3})
        self.add()
        self.wait_dead()
        entries = [json.loads(line) for line in self.lines(3)]
        self.assertEqual([e["attempt"] for e in entries], [1, 2, 3])
        self.assertEqual([e["max_attempts"] for e in entries], [3, 3, 3])
        self.assertEqual(len({e["tag"] for e in entries}), 3)
        self.assertNotIn("recovered", entries[0])

    def test_for_ever(self):
        self.start(self.python(COPY), {"retry.max_attempts": 0})
        self.add()
        self.assertEqual(json.loads(self.lines()[0])["max_attempts"], 0)

    def test_recovered(self):
        self.add()
        self.abandon()
        self.start(self.python(COPY), {"claim.min_idle": "1s"})
        line = self.lines()[0]
        keys = [key for key, _ in json.loads(line, object_pairs_hook=list)]
        self.assertEqual(keys[keys.index("more") + 1], "recovered")
        self.assertIs(json.loads(line)["recovered"], True)
        self.assertEqual(json.loads(line)["attempt"], 2)

    def test_names_with_quotes(self):
        stream = 'a "quoted" \\ stream\u00fc'
        self.start(self.python(COPY), {"stream": stream})
        self.add(stream)
        self.assertEqual(json.loads(self.lines()[0])["stream"], stream)


class Fields(FormatCase):
    def assert_fields(self, pairs, expected):
        entry = self.entry_of(pairs)
        self.assertNotIn("pairs", entry)
        self.assertEqual(list(entry["fields"].items()), expected)

    def test_order_is_the_streams(self):
        self.assert_fields([("z", "1"), ("a", "2"), ("m", "3")], [("z", "1"), ("a", "2"), ("m", "3")])

    def test_empty_names_and_values(self):
        self.assert_fields([("", "x"), ("y", "")], [("", "x"), ("y", "")])

    def test_unicode(self):
        values = ["grüße", "日本語", "\U0001f600", "\u2028\u2029", "\ufeff", "\uffff", "\x7f\x80"]
        self.assert_fields([(v, v) for v in values], [(v, v) for v in values])

    def test_control_characters_and_quotes(self):
        value = "".join(map(chr, range(32))) + "\"\\/\x7f"
        entry = self.entry_of([("v", value)])
        self.assertEqual(entry["fields"]["v"], value)
        self.assertEqual(self.lines()[0].count("\n"), 1)

    def test_json_in_a_value_stays_a_string(self):
        self.assert_fields([("v", '{"a": [1, 2]}'), ("n", "17")], [("v", '{"a": [1, 2]}'), ("n", "17")])

    def test_values_that_are_not_utf8(self):
        pairs = [("v%d" % n, raw) for n, raw in enumerate(NOT_UTF8)]
        self.assert_fields(pairs, [(name, b64(raw)) for name, raw in pairs])

    def test_every_length_of_base64(self):
        pairs = [("v%d" % n, b"\xff" * n) for n in range(1, 10)]
        self.assert_fields(pairs, [(name, b64(raw)) for name, raw in pairs])

    def test_duplicate_names(self):
        self.assert_fields([("a", "1"), ("b", "x"), ("a", b"\xff"), ("a", "3")],
                           [("a", ["1", b64(b"\xff"), "3"]), ("b", "x")])

    def test_many_names(self):
        pairs = [("name%d" % n, str(n)) for n in range(1000)]
        self.assert_fields(pairs, pairs)

    def test_names_that_are_not_utf8(self):
        entry = self.entry_of([("a", "1"), (b"\xffname", b"\xfe"), ("a", "2"), (b"\xffname", "x")])
        self.assertNotIn("fields", entry)
        self.assertEqual(entry["pairs"], [["a", "1"], [b64(b"\xffname"), b64(b"\xfe")], ["a", "2"],
                                          [b64(b"\xffname"), "x"]])


class WorkerFormat(WorkerCase):
    def test_same_line_in_worker_mode(self):
        self.start_worker("for line in sys.stdin.buffer:\n"
                          "    record(line=line.decode()); say('ok')\n")
        self.add_pairs([("a", "1"), ("a", b"\xff")])
        self.add_pairs([("v", "x" * 300000)])
        self.add_pairs([(b"\xff", "1")])
        first, large, binary = [json.loads(r["line"]) for r in self.wait_records(3)]
        self.assertEqual(list(first), KEYS)
        self.assertEqual(first["fields"], {"a": ["1", b64(b"\xff")]})
        self.assertEqual(len(large["fields"]["v"]), 300000)
        self.assertEqual(binary["pairs"], [[b64(b"\xff"), "1"]])

    def test_more_is_told_by_the_next_line(self):
        self.start_worker("seen = []\n"
                          "for entry in entries():\n"
                          "    seen.append(entry['more'])\n"
                          "    say('ok', entry['tag'])\n"
                          "    if not entry['more']: record(seen=seen); seen = []\n", {"handler.window": 8})
        self.add_many(100)
        self.wait_settled()
        for r in self.records():
            self.assertEqual(r["seen"], [True] * (len(r["seen"]) - 1) + [False])
        self.assertEqual(sum(len(r["seen"]) for r in self.records()), 100)

    def test_last_line_never_says_more_while_the_pipe_is_full(self):
        self.start_worker("for n, entry in enumerate(entries(), 1):\n"
                          "    if n % 40 == 0: time.sleep(0.002)\n"
                          "    say('ok', entry['tag'])\n"
                          "    if not entry['more']: record(n=n)\n",
                          {"handler.window": 300}, daemon={"log.level": "notice"})
        value = "x" * 2000
        for done in range(500, 4001, 500):
            self.redis.connection.pipeline([("XADD", "s", "*", "v", value)] * 500)
            self.wait_settled()
            wait_until(lambda: self.records()[-1]["n"] == done, 5, "the last line says that none follows")


if __name__ == "__main__":
    main()
