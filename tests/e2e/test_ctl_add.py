#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl add: one entry, a file of them, and the account when something comes between."""

import array
import fcntl
import json
import os
import signal
import subprocess
import termios
import unittest

import resp
from clustercase import SharedClusterCase
from ctl import SLUICECTL, CtlCase
from fakeredis import FakeRedis
from harness import main
from servers import PATIENCE, wait_until

CLUSTER = """\
redis:
  url: "redis://%s"
  cluster: true
consumers:
  c:
    streams: [%s]
    group: g
    handler: { command: [/bin/true] }
"""


class AddCase(CtlCase):
    def entries(self, stream="s"):
        return [resp.pairs(entry[1]) for entry in self.redis.call("XRANGE", stream, "-", "+")]

    def length(self):
        return self.redis.call("XLEN", "s")

    def ndjson(self, *lines, status=0, args=()):
        text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
        return self.ctl("add", "c", "--ndjson", "-", "--json", *args, stdin=text.encode(), status=status)

    def feed(self, *lines):
        """More lines for self.process."""
        self.process.stdin.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def start_feeding(self, count):
        self.process = self.start_ctl("add", "c", "--ndjson", "-", "--json")
        self.feed(*[{"n": str(n)} for n in range(count)])
        wait_until(lambda: self.redis.call("EXISTS", "s") and self.length() == count, 15, "the lines to be added")

    def account(self, status=1):
        out, err = self.process.communicate(timeout=30 * PATIENCE)
        self.assertEqual(self.process.returncode, status, err)
        return json.loads(out), err.decode()


class Words(AddCase):
    def test_one_entry(self):
        said = self.ctl("add", "c", "type", "order placed", "n", "")
        self.assertRegex(said.out, r"^\d+-0\n$")
        self.assertEqual(self.entries(), [[(b"type", b"order placed"), (b"n", b"")]])
        self.assertRegex(self.ctl("add", "c", "--json", "a", "b").json()["id"], r"^\d+-0$")

    def test_fields_are_taken_literally(self):
        self.ctl("add", "c", "a", "--json", "-c", "--", "a", "-n")
        self.ctl("add", "c", "--", "--x", "1")
        self.ctl("add", "--stream", "s", "--group", "g", "a", "-y")
        self.assertEqual(self.entries(), [[(b"a", b"--json"), (b"-c", b"--"), (b"a", b"-n")], [(b"--x", b"1")],
                                          [(b"a", b"-y")]])

    def test_length_is_bounded_about(self):
        self.redis.call("CONFIG", "SET", "stream-node-max-entries", "10")
        for n in range(60):
            self.add(n=str(n))
        self.ctl("add", "c", "--maxlen", "20", "a", "b")
        self.assertTrue(20 <= self.length() < 40)

    def test_no_group_is_made(self):
        self.ctl("add", "c", "a", "b")
        self.assertIsNone(self.group())

    def test_usage(self):
        for args in (("c",), ("c", "a"), ("c", "a", "b", "c"), ("c", "--ndjson", "-", "a", "b"), ("c", "--maxlen", "0", "a", "b")):
            self.ctl("add", *args, status=2)
        self.assertIsNone(self.redis.call("GET", "s"))
        self.ctl("add", "x", "a", "b", status=3)

    def test_errors(self):
        self.redis.call("SET", "s", "x")
        self.assertIn("WRONGTYPE", self.ctl("add", "c", "a", "b", status=1).err)
        self.redis.call("CONFIG", "SET", "maxmemory", "1")
        self.assertIn("OOM", self.ctl("add", "c", "a", "b", status=1).err)


class Lines(AddCase):
    def test_forms(self):
        said = self.ndjson({"a": "1", "b": ["x", "y"]}, "\n", " \t\r\n", {"a": {"base64": "/wA="}},
                           {"id": "5-1", "stream": "t", "pairs": [[{"base64": "/w=="}, "1"], ["b", "2"]]},
                           '{"id":"5-1","fields":{"a":"\\u00e4"},"more":false}').json()
        self.assertEqual((said["stream"], said["added"], said["refused"], said["unknown"], said["complete"],
                          said["next_line"]), ("s", 4, 0, 0, True, None))
        self.assertEqual(self.entries(), [[(b"a", b"1"), (b"b", b"x"), (b"b", b"y")], [(b"a", b"\xff\x00")],
                                          [(b"\xff", b"1"), (b"b", b"2")], [(b"a", "ä".encode())]])
        ids = [entry[0].decode() for entry in self.redis.call("XRANGE", "s", "-", "+")]
        self.assertEqual([said["first_id"], said["last_id"]], [ids[0], ids[-1]])

    def test_what_is_printed_can_be_added(self):
        wanted = [[(b"a", b"1"), (b"a", b"\xff"), (b"b", b"\x00")], [(b"\xfe", b""), (b"\xfe", b"x")],
                  [(b"base64", b"QUJD")], [(b"fields", b"\xff")], [(b"", b"\n\"\\")], [(b"id", b"5-1"), (b"pairs", b"x")]]
        for pairs in wanted:
            self.add_pairs(pairs)
        self.abandon()
        printed = self.ctl("pending", "c", "--payload", "--json").out
        self.redis.call("DEL", "s")
        self.ndjson(printed)
        self.assertEqual(self.entries(), wanted)

    def test_bad_line_is_named_and_ends_it(self):
        path = self.path("lines")
        with open(path, "w", encoding="utf-8") as f:
            f.write('{"n":"1"}\n{"n":"2"}\n{"n":3}\n{"n":"4"}\n')
        said = self.ctl("add", "c", "--ndjson", path, status=1)
        self.assertIn("%s:3: expected a string" % path, said.err)
        self.assertRegex(said.out, r"^2 entries added to s, \d+-0 to \d+-\d\nLine 3 is the first that is not")
        self.assertEqual(self.length(), 2)

    def test_bad_line_at_the_start_or_alone(self):
        for line in ("[]\n", "x", "{}\n", '{"a":"1","a":"2"}\n'):
            said = self.ndjson(line, {"n": "1"}, status=1)
            self.assertIn("standard input:1: ", said.err)
            self.assertEqual((said.json()["added"], said.json()["next_line"]), (0, 1))
        self.assertEqual(self.redis.call("EXISTS", "s"), 0)

    def test_nothing_to_add(self):
        self.assertEqual(self.ndjson().json()["added"], 0)
        self.assertIn("No such file", self.ctl("add", "c", "--ndjson", self.path("nope"), status=1).err)
        self.assertIn("Is a directory", self.ctl("add", "c", "--ndjson", self.dir, status=1).err)

    def test_lines_that_come_slowly(self):
        """None waits for the next one, nor does the connection have to last."""
        self.start_feeding(3)
        self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.feed({"n": "x"})
        wait_until(lambda: self.length() == 4, 15, "one more line")
        self.assertEqual(self.account(0)[0]["added"], 4)

    def test_lines_of_any_size(self):
        sizes = [1, 100, 70000, 3000000, 10, 400000]
        self.ndjson(*[{"p": "x" * size} for size in sizes])
        self.assertEqual([len(pairs[0][1]) for pairs in self.entries()], sizes)

    def test_line_that_is_too_long(self):
        with subprocess.Popen(self.argv("add", "c", "--ndjson", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            chunk = b"x" * (1024 * 1024)
            process.stdin.write(b'{"n":"1"}\n{"n":"')
            for _ in range(66):
                try:
                    process.stdin.write(chunk)
                except BrokenPipeError:
                    break
            _, err = process.communicate()
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"standard input:2: longer than 64 MiB", err)
        self.assertEqual(self.length(), 1)


class Trouble(AddCase):
    def test_memory_of_the_server_is_full(self):
        self.start_feeding(5)
        self.redis.call("CONFIG", "SET", "maxmemory", "1")
        self.feed({"n": "x"}, {"n": "y"})
        said, err = self.account()
        self.assertEqual((said["added"], said["unknown"], said["next_line"], said["complete"]), (5, 0, 6, False))
        self.assertIn("standard input:6 was refused", err)
        self.assertIn("OOM", err)
        self.assertEqual(self.length(), 5)

    def test_other_refusals(self):
        for command, word in ((("REPLICAOF", "127.0.0.1", "1"), "READONLY"), (("SET", "s", "x"), "WRONGTYPE"),
                              (("ACL", "SETUSER", "default", "-xadd"), "NOPERM")):
            self.redis.call("DEL", "s")
            self.start_feeding(2)
            self.redis.call(*command)
            self.feed({"n": "x"})
            said, err = self.account()
            self.assertEqual((said["added"], said["refused"], said["unknown"], said["next_line"]), (2, 1, 0, 3))
            self.assertIn(word, err)
            self.redis.call("REPLICAOF", "NO", "ONE")

    def test_what_was_sent_behind_a_refused_line_is_told(self):
        fake = FakeRedis(self.path("fake.sock"), self.redis.path)
        self.addCleanup(fake.close)
        fake.refuse("XADD", "OOM command not allowed when used memory > 'maxmemory'.", skip=2, times=1)
        self.write_config("redis: { url: '%s' }\nconsumers:\n  c: { stream: s, group: g, handler: { command: "
                          "[/bin/true] } }\n" % fake.url)
        lines = b"".join(b'{"n":"%d"}\n' % n for n in range(5))
        said = self.ctl("--json", "add", "c", "--ndjson", "-", stdin=lines, status=1).json()
        self.assertEqual((said["added"], said["refused"], said["next_line"], said["added_behind"]), (4, 1, 3, 2))
        self.assertEqual(self.length(), 4)

    def test_connection_that_is_lost(self):
        self.start_feeding(5)
        self.redis.freeze()
        self.feed({"n": "x"}, {"n": "y"})
        wait_until(lambda: not self.unread(), 15, "the lines to be read")
        self.redis.kill()
        said, err = self.account()
        self.assertEqual((said["added"], said["refused"], said["next_line"]), (5, 0, 6))
        self.assertTrue(1 <= said["unknown"] <= 2)
        self.assertIn("the connection to Redis was lost", err)

    def unread(self):
        """Bytes that are in the pipe."""
        n = array.array("i", [0])
        fcntl.ioctl(self.process.stdin, termios.FIONREAD, n)
        return n[0]

    def test_interrupt(self):
        self.start_feeding(4)
        self.process.send_signal(signal.SIGINT)
        said, err = self.account()
        self.assertEqual((said["added"], said["unknown"], said["next_line"], said["complete"]), (4, 0, 5, False))
        self.assertEqual(err, "sluicectl: interrupted\n")

    def test_server_that_is_away(self):
        self.redis.kill()
        self.assertIn("no connection to unix:", self.ctl("add", "c", "--ndjson", "-", status=1, stdin=b"{}").err)


class Many(AddCase):
    def write_lines(self, count):
        path = self.path("many")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines('{"type":"order.placed","n":"%d"}\n' % n for n in range(count))
        return path

    def test_bar_on_a_terminal(self):
        path = self.write_lines(200000)
        terminal = self.terminal("add", "c", "--ndjson", path)
        shown = terminal.wait_for("left")
        self.assertRegex(shown, r"\[#* *\] +\d+%  \d+ entries, \d+/s, ")
        terminal.interrupt()
        self.assertEqual(terminal.wait_exit(), 1)
        self.assertIn("interrupted", terminal.shown())
        self.assertRegex(terminal.shown(), r"%d entries added to s" % self.length())

    @unittest.skipIf(os.environ.get("FLAVOUR") == "asan", "a sanitizer has memory of its own")
    def test_many_take_no_memory(self):
        with open(self.write_lines(100000), "rb") as lines:
            self.process = subprocess.Popen(self.argv("add", "c", "--ndjson", "-", "--json"), stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(self._end, self.process)
            self.process.stdin.write(lines.read())
        self.process.stdin.flush()
        wait_until(lambda: self.length() == 100000, 30, "all lines to be added")
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            peak_kib = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
        self.assertLess(peak_kib, 24 * 1024)
        self.assertEqual(self.account(0)[0]["added"], 100000)


class InACluster(SharedClusterCase):
    def setUp(self):
        super().setUp()
        self.streams = [self.cluster.name_in(node, "s") for node in self.cluster.primaries()]
        self.config_path = self.path("ctl.yaml")
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(CLUSTER % (self.cluster.seeds[0], ", ".join('"%s"' % s for s in self.streams)))

    def run_ctl(self, *args, stdin=b"", status=0):
        done = subprocess.run([SLUICECTL, "-c", self.config_path, *args], input=stdin, capture_output=True, check=False,
                              timeout=60 * PATIENCE)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout.decode()

    def test_commands_find_their_streams(self):
        for stream in self.streams:
            text = b"".join(b'{"n":"%d"}\n' % n for n in range(1500))
            self.assertIn("1500 entries", self.run_ctl("add", "c", "--stream", stream, "--ndjson", "-", stdin=text))
            self.call(stream, "XGROUP", "CREATE", stream, "g", 0)
            self.call(stream, "XREADGROUP", "GROUP", "g", "me", "COUNT", 300, "STREAMS", stream, ">")
        streams = json.loads(self.run_ctl("info", "c", "--json"))["streams"]
        self.assertEqual([(s["stream"], s["length"], s["dead_letters"]) for s in streams],
                         [(s, 1500, 0) for s in self.streams])
        rows = [json.loads(line) for line in self.run_ctl("pending", "c", "--json", "--payload").splitlines()]
        self.assertEqual([row["stream"] for row in rows], [s for s in self.streams for _ in range(300)])
        said = json.loads(self.run_ctl("show", "c", rows[0]["id"], "--stream", self.streams[0], "--json"))
        self.assertEqual((said["state"], said["fields"]), ("pending", {"n": "0"}))

    def test_slot_that_moves_while_lines_come(self):
        stream = self.streams[0]
        process = subprocess.Popen([SLUICECTL, "-c", self.config_path, "add", "c", "--stream", stream, "--ndjson", "-",
                                    "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(CtlCase._end, process)
        before = self.call(stream, "XLEN", stream)
        process.stdin.write(b'{"n":"1"}\n' * 10)
        process.stdin.flush()
        wait_until(lambda: self.call(stream, "XLEN", stream) == before + 10, 15, "lines before the move")
        slot = self.cluster.slot_of(stream)
        self.cluster.move_slot(slot, self.another_primary(slot))
        out, err = process.communicate(b'{"n":"2"}\n' * 1500, timeout=60 * PATIENCE)
        self.assertEqual((process.returncode, err), (0, b""))
        self.assertEqual(json.loads(out)["added"], 1510)
        self.assertEqual(self.call(stream, "XLEN", stream), before + 1510)


if __name__ == "__main__":
    main()
