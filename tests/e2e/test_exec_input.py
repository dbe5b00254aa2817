#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Exec mode: what a command finds when it starts: its input, environment, descriptors."""

import os
import time

from harness import Case, main


class InputCase(Case):
    def start_copying(self, dotted=None):
        """A daemon whose handler copies its standard input to the file `input`."""
        return self.start(self.shell('cat >"$HERE/part" && mv "$HERE/part" "$HERE/input"'), dotted)

    def read_input(self):
        self.wait_settled()
        with open(self.path("input"), "rb") as f:
            return f.read()


class Stdin(InputCase):
    def test_json_is_one_line(self):
        self.start_copying()
        self.add(name="a\nb")
        data = self.read_input()
        self.assertTrue(data.startswith(b'{"tag":'))
        self.assertEqual(data.count(b"\n"), 1)
        self.assertTrue(data.endswith(b"}\n"))

    def test_none(self):
        self.start_copying({"handler.stdin": "none"})
        self.add(name="value")
        self.assertEqual(self.read_input(), b"")

    def test_field_is_raw(self):
        self.start_copying({"handler.stdin": "field payload"})
        value = bytes(range(256)) + b"\n\n"
        self.add_pairs([("other", "x"), ("payload", value), ("payload", "second")])
        self.assertEqual(self.read_input(), value)

    def test_field_that_is_missing(self):
        self.start_copying({"handler.stdin": "field payload"})
        self.add(other="x")
        self.assertEqual(self.read_input(), b"")

    def test_field_larger_than_a_pipe(self):
        self.start_copying({"handler.stdin": "field payload"})
        value = os.urandom(1 << 20)
        self.add_pairs([("payload", value)])
        self.assertEqual(self.read_input(), value)

    def test_json_larger_than_a_pipe(self):
        self.start(self.python("entry = json.load(sys.stdin)\nrecord(size=len(entry['fields']['v']))\n"))
        self.add(v="x" * (1 << 20))
        self.wait_settled()
        self.assertEqual(self.records(), [{"size": 1 << 20}])

    def test_handler_that_never_reads(self):
        self.start(["/bin/true"], {"handler.concurrency": 4})
        for size in (10, 1 << 16, 1 << 20, 3 << 20):
            self.add(v="x" * size)
        self.wait_settled()
        self.assertEqual(self.dead(), [])


class Environment(Case):
    handler = "record(env=dict(os.environ), cwd=os.getcwd())\n"

    def seen(self):
        return self.wait_records(1)[0]

    def test_sluice_variables(self):
        before = time.time() * 1000
        self.start(self.python(self.handler), {"handler.timeout": "20s", "retry.max_attempts": 7})
        entry = self.add()
        env = self.seen()["env"]
        found = {name: env.get("SLUICE_" + name) for name in
                 ("STREAM", "GROUP", "CONSUMER", "ID", "ATTEMPT", "MAX_ATTEMPTS", "VERDICT_FD", "PROTOCOL")}
        self.assertEqual(found, {"STREAM": "s", "GROUP": "g", "CONSUMER": "me", "ID": entry, "ATTEMPT": "1",
                                 "MAX_ATTEMPTS": "7", "VERDICT_FD": "3", "PROTOCOL": "1"})
        deadline = int(env["SLUICE_DEADLINE_MS"])
        self.assertTrue(before + 20000 <= deadline <= time.time() * 1000 + 20000)

    def test_attempt_counts(self):
        self.start(self.python("record(attempt=os.environ['SLUICE_ATTEMPT'])\nsys.exit(1)\n"),
                   {"retry.max_attempts": 3})
        self.add()
        self.wait_dead()
        self.assertEqual([r["attempt"] for r in self.records()], ["1", "2", "3"])

    def test_own_variables_and_inherited_ones(self):
        self.start(self.python(self.handler), {"handler.environment": {"COLOUR": "blue", "LANG": "C.UTF-8"}},
                   env={"INHERITED": "yes"})
        self.add()
        env = self.seen()["env"]
        self.assertEqual((env["COLOUR"], env["LANG"], env["INHERITED"]), ("blue", "C.UTF-8", "yes"))

    def test_variables_meant_for_the_daemon_are_removed(self):
        own = {"NOTIFY_SOCKET": self.path("notify"), "WATCHDOG_USEC": "30000000", "INVOCATION_ID": "1",
               "CREDENTIALS_DIRECTORY": self.dir, "JOURNAL_STREAM": "1:2", "LIBEV_FLAGS": "0"}
        self.start(self.python(self.handler), env=own)
        self.add()
        left = set(own) - {"INVOCATION_ID"}
        self.assertEqual(left & set(self.seen()["env"]), set())

    def test_fields(self):
        self.start(self.python(self.handler),
                   {"handler.environment_fields": ["type", "order-id", "nul", "huge"]})
        self.add_pairs([("type", "placed\n2"), ("type", "second"), ("order-id", "o-1"),
                        ("nul", b"a\0b"), ("huge", "x" * 65537), ("other", "x")])
        env = self.seen()["env"]
        found = {name: value for name, value in env.items() if name.startswith("SLUICE_FIELD_")}
        self.assertEqual(found, {"SLUICE_FIELD_TYPE": "placed\n2", "SLUICE_FIELD_ORDER_ID": "o-1",
                                 "SLUICE_FIELD_NUL_OMITTED": "1", "SLUICE_FIELD_HUGE_OMITTED": "1"})

    def test_fields_are_bounded_together(self):
        self.start(self.python("record(names=[n for n in os.environ if n.startswith('SLUICE_FIELD')])\n"),
                   {"handler.environment_fields": ["a", "b", "c"]})
        self.add(a="x" * 60000, b="x" * 60000, c="x" * 60000)
        self.assertEqual(set(self.seen()["names"]),
                         {"SLUICE_FIELD_A", "SLUICE_FIELD_B", "SLUICE_FIELD_C_OMITTED"})

    def test_working_directory(self):
        daemon = self.start(self.python(self.handler))
        self.add()
        self.assertEqual(self.seen()["cwd"], "/")
        daemon.stop()

    def test_working_directory_of_the_configuration(self):
        self.start(self.python(self.handler), {"handler.working_directory": self.dir})
        self.add()
        self.assertEqual(self.seen()["cwd"], os.path.realpath(self.dir))


class Process(Case):
    def test_descriptors(self):
        self.start(self.python("fds = [int(n) for n in os.listdir('/proc/self/fd')]\n"
                               "record(fds=sorted(n for n in fds if os.path.exists('/proc/self/fd/%d' % n)))\n"),
                   {"handler.concurrency": 3})
        for _ in range(6):
            self.add()
        self.wait_settled()
        self.assertEqual([r["fds"] for r in self.records()], [[0, 1, 2, 3]] * 6)

    def test_process_group_of_its_own(self):
        daemon = self.start(self.python("record(pid=os.getpid(), group=os.getpgrp())\n"))
        self.add()
        seen = self.wait_records(1)[0]
        self.assertEqual(seen["pid"], seen["group"])
        event = daemon.wait_for_event("verdict")
        self.assertEqual(int(event["handler_pid"]), seen["pid"])

    def test_signals_are_as_in_a_fresh_process(self):
        self.start(self.shell("grep -E '^Sig(Blk|Ign)' /proc/self/status >\"$HERE/input\""))
        self.add()
        self.wait_settled()
        with open(self.path("input"), encoding="ascii") as f:
            masks = [int(line.split()[1], 16) for line in f]
        self.assertEqual(masks, [0, 0])

    def test_timeout_kills_the_whole_group(self):
        daemon = self.start(self.shell("sleep 60 & sleep 60"),
                            {"handler.timeout": "300ms", "retry.initial_delay": "1h", "retry.max_delay": "1h"})
        self.add()
        daemon.wait_for_event("retry", failure="timeout")
        daemon.stop()  # and nothing is left behind

    def test_concurrency(self):
        self.start(self.python("record(n=1)\ngate('go')\n"), {"handler.concurrency": 3})
        self.add_many(8)
        self.wait_records(3)
        self.add()
        self.assertEqual(len(self.records()), 3)
        self.open_gate()
        self.wait_settled()
        self.assertEqual(len(self.records()), 9)


if __name__ == "__main__":
    main()
