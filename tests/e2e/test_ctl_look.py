#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl info, pending and show: what they tell of a stream, its group and its entries."""

import os
import subprocess
import unittest

from ctl import CtlCase
from harness import main
from servers import wait_until

SEVERAL = """\
redis:
  url: "%s"
consumers:
  m:
    streams: [a, b]
    group: g
    handler: { command: [/bin/true] }
"""


class LookCase(CtlCase):
    def call(self, *command):
        return self.redis.call(*command)

    def setUp(self):
        super().setUp()
        self.call("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM")

    def deliver(self, consumer="ghost", count=1, stream="s"):
        return self.abandon(count, stream, consumer)

    def bury(self, entry_id, stream="s", group="g", record="*", **more):
        pairs = {"sluice.meta": 14, "sluice.stream": stream, "sluice.group": group, "sluice.consumer": "me",
                 "sluice.id": entry_id, "sluice.reason": "attempts", "sluice.failure": "exit",
                 "sluice.detail": "status 1", "sluice.attempts": 5, **more}
        flat = [part for pair in pairs.items() for part in pair]
        return self.call("XADD", "s:dead", record, *flat).decode()


class Info(LookCase):
    def test_all_of_it(self):
        ids = [self.add(n=str(n)) for n in range(5)]
        self.deliver("me", 2)
        self.deliver("ghost", 1)
        self.call("XACK", "s", "g", ids[0])
        self.bury(ids[0])
        s = self.ctl("info", "c", "--json").json()["streams"][0]
        group = s.pop("group")
        self.assertEqual((s["stream"], s["exists"], s["length"], s["first_id"], s["last_id"], s["dead_letters"],
                          s["dead_letter_stream"]), ("s", True, 5, ids[0], ids[4], 1, "s:dead"))
        self.assertEqual((group["name"], group["exists"], group["lag"], group["pending"], group["last_delivered_id"],
                          group["oldest_pending_id"]), ("g", True, 2, 2, ids[2], ids[1]))
        for age in (s["first_age_ms"], s["last_age_ms"], group["oldest_pending_age_ms"]):
            self.assertLess(age, 60000)
        self.assertGreater(s["memory_bytes"], 0)
        rows = {row["name"]: row for row in group["consumers"]}
        self.assertEqual({name: (row["configured"], row["pending"]) for name, row in rows.items()},
                         {"me": (True, 1), "ghost": (False, 1)})
        self.assertLess(rows["me"]["idle_ms"], 60000)
        self.assertIn("inactive_ms", rows["me"])

    def test_for_people(self):
        self.add(n="1")
        self.deliver("me")
        said = self.ctl("info", "c")
        self.assertEqual(said.out.split("\n")[0].split(),
                         ["STREAM", "LENGTH", "LAG", "PENDING", "OLDEST", "CONSUMERS", "DEAD"])
        self.assertRegex(said.out, r"(?m)^s +1 +0 +1 +\w+ +1 +0$")
        self.assertRegex(said.out, r"(?m)^oldest pending +\d+-0  \w+ ago$")
        self.assertRegex(said.out, r"(?m)^me +1 +\w+ +\S+ +configured$")
        self.assertNotIn("\033", said.out)

    def test_lag_that_redis_does_not_know(self):
        ids = [self.add(n=str(n)) for n in range(4)]
        self.deliver(count=1)
        self.call("XDEL", "s", ids[2])
        self.assertIsNone(self.ctl("info", "c", "--json").json()["streams"][0]["group"]["lag"])
        self.assertRegex(self.ctl("info", "c").out, r"(?m)^s +3 +\? +1 ")

    def test_ids_that_are_no_times(self):
        self.call("XADD", "s", "5-1", "n", "1")
        stream = self.ctl("info", "c", "--json").json()["streams"][0]
        self.assertEqual((stream["first_id"], stream["first_age_ms"]), ("5-1", None))

    def test_what_is_not_there(self):
        self.call("DEL", "s")
        stream = self.ctl("info", "c", "--json").json()["streams"][0]
        self.assertEqual((stream["exists"], stream["length"], stream["first_id"], stream["group"]["exists"]),
                         (False, 0, None, False))
        self.assertIn("The stream s is not there.", self.ctl("info", "c").out)
        self.add(n="1")
        self.assertIn("The stream s has no group g.", self.ctl("info", "c").out)

    def test_several_streams_are_a_row_each(self):
        self.write_config(SEVERAL % self.redis.unix_url)
        self.add("a", n="1")
        self.assertEqual([(row["STREAM"], row["LENGTH"]) for row in self.ctl("info", "m").rows()],
                         [("a", "1"), ("b", "-")])
        self.assertIn("first entry", self.ctl("info", "m", "--stream", "a").out)
        self.assertEqual([s["stream"] for s in self.ctl("info", "m", "--json").json()["streams"]], ["a", "b"])

    def test_key_of_another_type_hides_nothing_else(self):
        self.write_config(SEVERAL % self.redis.unix_url)
        self.call("SET", "a", "x")
        self.add("b", n="1")
        said = self.ctl("info", "m", status=1)
        self.assertIn("a: ", said.err)
        self.assertIn("WRONGTYPE", said.err)
        self.assertEqual([row["LENGTH"] for row in said.rows()], ["-", "1"])
        self.assertNotIn("is not there", self.ctl("info", "m", "--stream", "a", status=1).out)
        stream, = self.ctl("info", "m", "--stream", "a", "--json", status=1).json()["streams"]
        self.assertIsNone(stream["exists"])

    def test_rights_that_are_missing(self):
        self.add(n="1")
        self.call("ACL", "SETUSER", "default", "-memory")
        self.assertIsNone(self.ctl("info", "c", "--json").json()["streams"][0]["memory_bytes"])
        self.call("ACL", "SETUSER", "default", "-xinfo")
        self.assertIn("xinfo", self.ctl("info", "c", status=1).err)


class Pending(LookCase):
    def test_rows(self):
        ids = [self.add(n=str(n)) for n in range(3)]
        self.deliver("me", 1)
        self.deliver("ghost", 2)
        rows = self.ctl("pending", "c", "--json").lines()
        self.assertEqual([(r["stream"], r["group"], r["id"], r["consumer"], r["deliveries"]) for r in rows],
                         [("s", "g", ids[0], "me", 1), ("s", "g", ids[1], "ghost", 1), ("s", "g", ids[2], "ghost", 1)])
        self.assertTrue(all(0 <= r["idle_ms"] < 60000 and r["age_ms"] < 60000 for r in rows))
        self.assertEqual([r["ID"] for r in self.ctl("pending", "c").rows()], ids)

    def test_filters(self):
        ids = [self.add(n=str(n)) for n in range(4)]
        self.deliver("ghost", 3)
        self.call("XCLAIM", "s", "g", "ghost", 0, ids[1], "IDLE", 3600000, "JUSTID")
        self.deliver("me", 1)
        found = lambda *args: [r["id"] for r in self.ctl("pending", "c", "--json", *args).lines()]
        self.assertEqual(found("--consumer", "me"), ids[3:])
        self.assertEqual(found("--idle", "1h"), ids[1:2])
        self.assertEqual(found("--count", "2"), ids[:2])
        self.assertEqual(found("--consumer", "nobody"), [])

    def test_payloads(self):
        ids = [self.add(n=str(n)) for n in range(2)]
        ids.append(self.add_pairs([("a", b"\xff"), ("a", "2")]))
        self.deliver(count=3)
        self.call("XDEL", "s", ids[0])
        rows = self.ctl("pending", "c", "--payload", "--json").lines()
        self.assertEqual([r["trimmed"] for r in rows], [True, False, False])
        self.assertNotIn("fields", rows[0])
        self.assertEqual(rows[1]["fields"], {"n": "1"})
        self.assertEqual(rows[2]["fields"], {"a": [{"base64": "/w=="}, "2"]})
        out = self.ctl("pending", "c", "--payload").out
        self.assertRegex(out, r"(?m)^    trimmed$")
        self.assertRegex(out, r"(?m)^    n=1$")
        self.assertRegex(out, r"(?m)^    a=\\xff  a=2$")

    def test_what_was_given_back_is_claimable(self):
        given_back, other = self.add(n="1"), self.add(n="2")
        self.deliver(count=2)
        self.ctl("release", "c", given_back)
        self.assertEqual([r["IDLE"] == "claimable" for r in self.ctl("pending", "c").rows()], [True, False])
        self.assertIn("for ghost, claimable, 1 delivery", self.ctl("show", "c", given_back).out)
        self.assertRegex(self.ctl("show", "c", other).out, "for ghost, idle .*, 1 delivery")

    def test_group_that_is_not_there(self):
        self.call("XGROUP", "DESTROY", "s", "g")
        self.assertIn("the stream s has no group g", self.ctl("pending", "c", status=3).err)
        self.call("DEL", "s")
        self.ctl("pending", "c", status=3)

    def test_empty_list(self):
        self.assertEqual(self.ctl("pending", "c", "--json").out, "")

    def test_several_streams(self):
        self.write_config(SEVERAL % self.redis.unix_url)
        for stream in ("a", "b"):
            self.add(stream, n="1")
            self.deliver(stream=stream)
        self.assertEqual([r["stream"] for r in self.ctl("pending", "m", "--json").lines()], ["a", "b"])

    def fill(self, count):
        """So many pending ones; nothing else is as fast as a script."""
        self.call("EVAL", "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], i .. '-1', 'n', i) end", 1, "s", count)
        self.call("XREADGROUP", "GROUP", "g", "ghost", "STREAMS", "s", ">")

    def test_terminal_gets_a_page(self):
        self.fill(150)
        terminal = self.terminal("pending", "c")
        shown = terminal.wait_for("--count N shows more")
        self.assertIn("100-1", shown)
        self.assertNotIn("101-1", shown)
        self.assertEqual(terminal.wait_exit(), 0)
        self.assertEqual(len(self.ctl("pending", "c").rows()), 150)

    def peak_kib(self, *args):
        """Of a command, when it has printed a megabyte and goes on; ru_maxrss would be that of Python."""
        with subprocess.Popen(self.argv("pending", "c", *args), stdout=subprocess.PIPE) as process:
            process.stdout.read(1024 * 1024)
            with open("/proc/%d/status" % process.pid, encoding="ascii") as f:
                peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
            process.stdout.read()
        return peak

    @unittest.skipIf(os.environ.get("FLAVOUR") == "asan", "a sanitizer has memory of its own")
    def test_many_take_no_memory(self):
        self.fill(100000)
        for args in ((), ("--payload", "--json")):
            self.assertLess(self.peak_kib(*args), 16 * 1024)
        self.assertEqual(len(self.ctl("pending", "c", "--json").lines()), 100000)
        self.assertEqual(self.ctl("pending", "c", "--json", "--idle", "1h").out, "")

    def test_reader_that_leaves(self):
        self.fill(20000)
        with subprocess.Popen(self.argv("pending", "c", "--json"), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.stdout.readline()
            process.stdout.close()
            self.assertEqual(process.stderr.read(), b"")
            process.wait(20)


class Show(LookCase):
    def show(self, entry_id, **more):
        return self.ctl("show", "c", entry_id, "--json", **more).json()

    def test_entry_that_waits(self):
        entry_id = self.add(n="1")
        said = self.show(entry_id)
        self.assertEqual((said["in_stream"], said["state"], said["consumer"], said["dead"], said["fields"]),
                         (True, "waiting", None, [], {"n": "1"}))
        out = self.ctl("show", "c", entry_id).out
        self.assertIn("not delivered yet", out)
        self.assertRegex(out, r"(?m)^n +1$")

    def test_entry_that_is_pending(self):
        entry_id = self.add(n="1")
        self.deliver("ghost")
        said = self.show(entry_id)
        self.assertEqual((said["state"], said["consumer"], said["deliveries"]), ("pending", "ghost", 1))
        self.assertRegex(self.ctl("show", "c", entry_id).out, "pending for ghost, idle .*, 1 delivery")
        self.call("XDEL", "s", entry_id)
        said = self.show(entry_id)
        self.assertEqual((said["in_stream"], said["state"], "fields" in said), (False, "pending", False))

    def test_entry_that_is_done(self):
        entry_id = self.add(n="1")
        self.deliver()
        self.call("XACK", "s", "g", entry_id)
        self.assertEqual(self.show(entry_id)["state"], "acknowledged")
        self.assertIn("acknowledged", self.ctl("show", "c", entry_id).out)

    def test_entry_that_is_dead(self):
        entry_id, other = self.add(n="1"), self.add(n="2")
        self.call("XADD", "s:dead", "1-1", "sluice.id", entry_id)  # not of this stream
        self.bury(other)
        first = self.bury(entry_id)
        second = self.bury(entry_id, group="h")
        self.bury(entry_id, stream="t")
        dead = self.show(entry_id)["dead"]
        self.assertEqual([(d["record"], d["group"], d["reason"], d["detail"], d["attempts"]) for d in dead],
                         [(first, "g", "attempts", "status 1", 5), (second, "h", "attempts", "status 1", 5)])
        out = self.ctl("show", "c", entry_id).out
        self.assertRegex(out, r"attempts, attempt 5: status 1  \(record " + first)
        self.assertIn("in group h", out)
        self.call("DEL", "s")
        self.assertEqual(self.show(entry_id)["state"], "no_group")

    def test_search_has_a_bound(self):
        entry_id = self.add(n="1")
        for _ in range(40):
            self.bury("5-5")
        self.bury(entry_id)
        said = self.ctl("show", "c", entry_id, "--json", "--count", "20")
        self.assertEqual((said.json()["dead"], said.json()["dead_search_complete"]), ([], False))
        self.assertIn("--count N looks at more", said.err)
        self.assertEqual(len(self.show(entry_id)["dead"]), 1)

    def test_dead_letters_that_cannot_be_searched_hide_nothing_else(self):
        entry_id = self.add(n="1")
        self.call("SET", "s:dead", "x")
        said = self.ctl("show", "c", entry_id, status=1)
        self.assertIn("not delivered yet", said.out)
        self.assertRegex(said.err, r"\Asluicectl: s:dead: Redis says: WRONGTYPE [^\n]*\n\Z")
        shown = self.ctl("show", "c", entry_id, "--json", status=1).json()
        self.assertEqual((shown["state"], shown["dead"], shown["dead_search_complete"]), ("waiting", [], False))
        self.assertIn("5-5 is not in s and not pending\n", self.ctl("show", "c", "5-5", status=1).err)

    def test_id_that_is_no_time(self):
        self.call("XADD", "s", "5-0", "n", "1")
        self.bury("5-0")
        said = self.show("5")
        self.assertEqual((said["id"], said["age_ms"], len(said["dead"])), ("5-0", None, 1))

    def test_id_that_is_nowhere(self):
        self.add(n="1")
        said = self.ctl("show", "c", "5-5", status=3)
        self.assertIn("5-5 is not in s, not pending, and in no record of s:dead", said.err)
        self.assertEqual(said.out, "")
        self.assertIn("is no id", self.ctl("show", "c", "x", status=2).err)

    def test_consumer_of_several_streams(self):
        self.write_config(SEVERAL % self.redis.unix_url)
        entry_id = self.add("b", n="1")
        self.assertIn("--stream", self.ctl("show", "m", entry_id, status=2).err)
        self.assertIn("not there", self.ctl("show", "m", "--stream", "b", entry_id).out)


class Running(LookCase):
    def test_of_a_daemon_at_work(self):
        """The names are those that the daemon uses."""
        self.start(self.shell("exit 65"))
        entry_id = self.add(n="1")
        self.wait_dead()
        said = self.ctl("show", "c", entry_id, "--json").json()
        self.assertEqual(([d["reason"] for d in said["dead"]], said["state"]), (["rejected"], "acknowledged"))
        wait_until(lambda: self.ctl("info", "c", "--json").json()["streams"][0]["group"]["pending"] == 0, 10, "done")
        self.assertEqual(self.ctl("pending", "c", "--json").out, "")


if __name__ == "__main__":
    main()
