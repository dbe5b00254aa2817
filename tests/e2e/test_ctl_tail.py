#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl tail: the last entries, new ones, and what may happen meanwhile."""

import json
import os
import selectors
import signal
import subprocess
import time

from ctl import CtlCase
from harness import main
from servers import PATIENCE, wait_until

SEVERAL = """\
redis:
  url: "%s"
  reconnect: { initial: 50ms, max: 100ms }
consumers:
  m:
    streams: [a, b]
    group: g
    handler: { command: [/bin/true] }
"""


class TailCase(CtlCase):
    def tail(self, *args):
        self.process = self.start_ctl("tail", *args)
        self.buffer = b""
        return self.process

    def read_lines(self, count, pipe=None, seconds=15):
        """So many lines of what it prints, as they come."""
        pipe = pipe or self.process.stdout
        end = time.monotonic() + seconds * PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while self.buffer.count(b"\n") < count:
                if time.monotonic() > end:
                    self.fail("waited in vain for %d lines: %r" % (count, self.buffer[-2000:]))
                if selector.select(0.1):
                    data = os.read(pipe.fileno(), 65536)
                    if not data:
                        self.fail("it has ended: %r" % self.buffer[-2000:])
                    self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n", count)
        return [line.decode() for line in lines]

    def read_json(self, count):
        return [json.loads(line) for line in self.read_lines(count)]

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=15)
        self.assertEqual(self.process.returncode, 0)
        return out, err


class Tail(TailCase):
    def test_last_ten_and_new_ones(self):
        ids = [self.add(n=str(n)) for n in range(12)]
        self.tail("c", "--json")
        entries = self.read_json(10)
        self.assertEqual([e["id"] for e in entries], ids[2:])
        self.assertEqual((entries[0]["stream"], entries[0]["fields"]), ("s", {"n": "2"}))
        new = self.add(n="new")
        self.assertEqual(self.read_json(1)[0]["id"], new)
        self.assertEqual(self.interrupt(), (b"", b""))

    def test_where_to_begin(self):
        ids = [self.add(n=str(n)) for n in range(40)]
        for args, first in ((("-n", "3"), 37), (("-n", "30"), 10), (("-n", "100"), 0), (("--from", ids[5]), 5),
                            (("--from", "-"), 0), (("--from", "0"), 0), (("--from", ids[5], "-n", "2"), 38),
                            (("--from", ids[38], "-n", "9"), 38)):
            self.tail("c", "--json", *args)
            self.assertEqual([e["id"] for e in self.read_json(40 - first)], ids[first:])
            self.assertEqual(self.interrupt(), (b"", b""))
        self.assertEqual(self.ctl("tail", "c", "--from", "x", status=2).out, "")

    def test_only_new_ones(self):
        self.add(n="old")
        self.tail("c", "--json", "--from", "$")
        self.wait_blocked()
        self.assertEqual([self.add(n="new")], [e["id"] for e in self.read_json(1)])
        self.interrupt()

    def wait_blocked(self):
        wait_until(lambda: b"cmd=xread" in self.redis.call("CLIENT", "LIST"), 15, "a blocked read")

    def test_stream_that_comes_later(self):
        self.tail("c", "--json")
        self.wait_blocked()
        self.assertEqual([self.add(n="1")], [e["id"] for e in self.read_json(1)])
        self.assertIsNone(self.group())
        self.interrupt()

    def test_colour_on_a_terminal(self):
        self.add_pairs([("a", "x\ny"), ("b", b"\xff")])
        terminal = self.terminal("tail", "c")
        shown = terminal.wait_for("\\xff")
        self.assertIn("\033[36ma\033[0m=x\\ny", shown)
        terminal.interrupt()
        self.assertEqual(terminal.wait_exit(), 0)

    def test_large_entries_come_in_small_pages(self):
        ids = [self.add_pairs([("p", "x" * 300000)]) for n in range(30)]
        self.tail("c", "--json", "--from", "-")
        self.assertEqual([e["id"] for e in self.read_json(30)], ids)
        self.interrupt()

    def test_several_streams(self):
        self.write_config(SEVERAL % self.redis.unix_url)
        self.add("a", n="1")
        self.tail("m", "--json")
        self.assertEqual(self.read_json(1)[0]["stream"], "a")
        self.add("b", n="2")
        self.assertEqual(self.read_json(1)[0]["stream"], "b")
        self.add("a", n="3")
        self.assertEqual(self.read_json(1)[0]["fields"], {"n": "3"})
        self.interrupt()

    def test_reader_that_leaves(self):
        """Also while nothing comes."""
        self.add(n="1")
        with subprocess.Popen(self.argv("tail", "c", "--json"), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.stdout.readline()
            process.stdout.close()
            self.assertEqual(process.stderr.read(), b"")
            process.wait(15 * PATIENCE)


class Trouble(TailCase):
    redis_options = ("--appendonly", "yes")

    def test_server_that_restarts(self):
        self.write_config(SEVERAL % self.redis.unix_url)
        self.tail("m", "--stream", "a", "--json")
        self.assertEqual([self.add("a", n="1")], [e["id"] for e in self.read_json(1)])
        self.redis.kill()
        self.assertIn("lost", self.read_lines(1, self.process.stderr)[0])
        self.redis.start().wait_ready()
        self.assertIn("connected again", self.read_lines(1, self.process.stderr)[0])
        self.assertEqual([self.add("a", n="2")], [e["id"] for e in self.read_json(1)])
        self.interrupt()

    def test_connection_that_is_cut(self):
        self.tail("c", "--json")
        for n in range(3):
            self.assertEqual([self.add(n=str(n))], [e["id"] for e in self.read_json(1)])
            self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.interrupt()

    def test_key_of_another_type(self):
        self.redis.call("SET", "s", "x")
        self.assertIn("WRONGTYPE", self.ctl("tail", "c", status=1).err)
        self.redis.call("DEL", "s")
        self.tail("c", "--json")
        self.assertEqual([self.add(n="1")], [e["id"] for e in self.read_json(1)])
        self.redis.call("SET", "s", "x")
        self.assertEqual(self.process.wait(30), 1)
        self.assertIn(b"WRONGTYPE", self.process.stderr.read())

    def test_rights_that_are_missing(self):
        self.redis.call("ACL", "SETUSER", "default", "-xread")
        self.assertIn("xread", self.ctl("tail", "c", status=1).err)

    def test_server_that_is_away(self):
        self.redis.kill()
        self.assertIn("no connection to unix:", self.ctl("tail", "c", status=1).err)


if __name__ == "__main__":
    main()
