#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl trim: exactly what was said goes, and with --acknowledged nothing that anybody needs."""

import signal

from ctl import CtlCase
from harness import main
from servers import wait_until


class TrimCase(CtlCase):
    def setUp(self):
        super().setUp()
        self.redis.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")

    def put(self, count, stream="s"):
        ids = ["%d-1" % n for n in range(1, count + 1)]
        self.redis.connection.pipeline([("XADD", stream, entry_id, "k", "v") for entry_id in ids])
        return ids

    def ids(self, stream="s"):
        return [entry[0].decode() for entry in self.redis.call("XRANGE", stream, "-", "+")]

    def read(self, group, count, ack=None):
        reply = self.redis.call("XREADGROUP", "GROUP", group, "x", "COUNT", count, "STREAMS", "s", ">")
        ids = [entry[0].decode() for entry in reply[0][1]]
        if ids[:ack]:
            self.redis.call("XACK", "s", group, *ids[:ack])

    def group_at(self, group, entry_id="0"):
        self.redis.call("XGROUP", "CREATE", "s", group, entry_id)


class Acknowledged(TrimCase):
    def test_several_groups_one_lagging_one_with_something_pending(self):
        ids = self.put(300)
        for group in ("slow", "stuck"):
            self.group_at(group)
        self.read("g", 300)
        self.read("slow", 150)
        self.read("stuck", 300, ack=80)
        said = self.ctl("trim", "c", "--acknowledged")
        self.assertEqual(said.err, "80 entries of s, up to 80-1, will be removed.\n")
        self.assertEqual(said.out, "80 entries of s removed.\n")
        self.assertEqual(self.ids(), ids[80:])
        self.redis.call("XACK", "s", "stuck", *ids[80:])
        self.ctl("trim", "c", "--acknowledged")
        self.assertEqual(self.ids(), ids[150:])
        self.read("slow", 150)
        self.ctl("trim", "c", "--acknowledged")
        self.assertEqual(self.ids(), [])
        said = self.ctl("trim", "c", "--acknowledged")
        self.assertEqual((said.err, said.out), ("", "0 entries of s removed.\n"))

    def test_no_group(self):
        ids = self.put(10)
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        said = self.ctl("trim", "c", "--acknowledged")
        self.assertEqual(said.out, "s has no group: nobody has acknowledged anything.\n")
        self.assertEqual(self.ids(), ids)

    def test_what_is_set_back_before_the_answer_stays(self):
        ids = self.put(20)
        self.read("g", 20)
        terminal = self.terminal("trim", "c", "--acknowledged")
        terminal.wait_for("Go on?")
        self.redis.call("XGROUP", "SETID", "s", "g", "5-1")
        terminal.type("y\n")
        self.assertEqual(terminal.wait_exit(), 0)
        self.assertEqual(self.ids(), ids[5:])

    def test_what_is_acknowledged_before_the_answer_was_not_said(self):
        ids = self.put(20)
        self.read("g", 5)
        terminal = self.terminal("trim", "c", "--acknowledged")
        terminal.wait_for("5 entries of s, up to 5-1, will be removed.")
        self.read("g", 15)
        terminal.type("y\n")
        self.assertEqual(terminal.wait_exit(), 0)
        self.assertEqual(self.ids(), ids[5:])


class LengthAndAge(TrimCase):
    def test_maxlen_is_exact_and_names_who_loses(self):
        ids = self.put(1234)
        self.group_at("slow")
        self.read("g", 1234)
        self.read("slow", 400, ack=100)
        said = self.ctl("trim", "c", "--maxlen", 700)
        self.assertEqual(said.err, '534 entries of s, up to 534-1, will be removed. The group "slow" has 134 of '
                                   "them still to read and 300 of them still to acknowledge.\n")
        self.assertEqual(said.out, "534 entries of s removed.\n")
        self.assertEqual(self.ids(), ids[534:])
        self.assertEqual(self.ctl("trim", "c", "--maxlen", 700).out, "0 entries of s removed.\n")

    def test_older_than(self):
        now = int(self.redis.call("TIME")[0])
        for ago in (7200, 3700, 3500, 5):
            self.redis.call("XADD", "s", "%d000-0" % (now - ago), "k", "v")
        self.read("g", 4)
        self.assertEqual(self.ctl("trim", "c", "--older-than", "1h").out, "2 entries of s removed.\n")
        self.assertEqual(self.redis.call("XLEN", "s"), 2)

    def test_entries_of_every_size(self):
        self.redis.connection.pipeline([("XADD", "s", "*", "k", "v" * (n % 7 * 30000)) for n in range(400)])
        self.assertEqual(self.ctl("trim", "c", "--maxlen", 7).out, "393 entries of s removed.\n")

    def test_the_highest_id(self):
        self.redis.call("XADD", "s", "1-1", "k", "v")
        self.redis.call("XADD", "s", "18446744073709551615-18446744073709551614", "k", "v")
        self.redis.call("XADD", "s", "18446744073709551615-18446744073709551615", "k", "v")
        self.assertEqual(self.ctl("trim", "c", "--maxlen", 1).out, "2 entries of s removed.\n")


class Command(TrimCase):
    def test_dry_run(self):
        ids = self.put(30)
        said = self.ctl("trim", "c", "--maxlen", 10, "--dry-run")
        self.assertIn("20 entries of s, up to 20-1, will be removed. The group \"g\" has 20 of them", said.err)
        self.assertEqual(said.out, "")
        self.assertEqual(self.ids(), ids)

    def test_json(self):
        self.put(30)
        wanted = {"stream": "s", "entries": 20, "last": "20-1", "removed": 0, "dry_run": True,
                  "losing": [{"group": "g", "unread": 20, "pending": 0}]}
        self.assertEqual(self.ctl("--json", "trim", "c", "--maxlen", 10, "--dry-run").lines(), [wanted])
        wanted.update(removed=20, dry_run=False)
        self.assertEqual(self.ctl("--json", "trim", "c", "--maxlen", 10).lines(), [wanted])
        wanted.update(entries=0, last=None, removed=0, losing=[])
        self.assertEqual(self.ctl("--json", "trim", "c", "--maxlen", 10).lines(), [wanted])

    def test_usage(self):
        for args in ((), ("--maxlen", 1, "--acknowledged"), ("--maxlen", 0), ("--older-than", "soon")):
            self.ctl("trim", "c", *args, status=2)

    def test_no_is_no(self):
        ids = self.put(30)
        for answer in ("n\n", "\n", "\x03"):
            terminal = self.terminal("trim", "c", "--maxlen", "10")
            terminal.wait_for("Go on?")
            terminal.type(answer)
            self.assertEqual(terminal.wait_exit(), 1)
        self.assertEqual(self.ids(), ids)

    def test_no_stream(self):
        self.redis.call("DEL", "s")
        self.assertIn('there is no stream "s"', self.ctl("trim", "c", "--maxlen", 1, status=3).err)

    def test_several_streams(self):
        with open(self.config_path, encoding="utf-8") as f:
            self.write_config(f.read().replace("stream: s", "streams: [s, t, u]"))
        for stream, count in (("s", 30), ("t", 5), ("u", 12)):
            self.put(count, stream)
        said = self.ctl("trim", "c", "--maxlen", 10)
        self.assertEqual([line.split(",")[0] for line in said.err.splitlines()], ["20 entries of s", "2 entries of u"])
        self.assertEqual(said.out, "20 entries of s removed.\n0 entries of t removed.\n2 entries of u removed.\n")

    def test_interrupted_gives_an_account(self):
        self.redis.call("EVAL", "for i = 1, 200000 do redis.call('XADD', KEYS[1], i .. '-1', 'k', 'v') end", 1, "s")
        process = self.start_ctl("trim", "c", "--maxlen", 1000)
        wait_until(lambda: self.redis.call("XLEN", "s") < 200000, 30, "the first step")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        left = self.redis.call("XLEN", "s")
        self.assertEqual(process.returncode, 1)
        self.assertEqual(out.decode(), "%d entries of s removed.\n" % (200000 - left))
        self.assertIn("interrupted: the rest was not removed", err.decode())
        self.assertGreater(left, 1000)


if __name__ == "__main__":
    main()
