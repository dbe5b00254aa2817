#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Exec mode: what a command gets, and what each of its ends means."""

import os
import time

from harness import Case, main

# The entry's field `how` is the program.
EVAL = ["/bin/sh", "-c", "how=$(cat); eval \"$how\""]
EVAL_SETTINGS = {"handler.stdin": "field how"}


class ExecCase(Case):
    def run_entry(self, how, dotted=None):
        """A daemon whose handler runs `how` for the one entry; (daemon, entry's id)."""
        daemon = self.start(EVAL, {**EVAL_SETTINGS, **(dotted or {})})
        return daemon, self.add(how=how)

    def assert_retried(self, how, failure, dotted=None, **fields):
        daemon, entry = self.run_entry(how, {"retry.initial_delay": "1h", "retry.max_delay": "1h",
                                             **(dotted or {})})
        event = daemon.wait_for_event("retry", entry_id=entry, failure=failure, attempt=1, **fields)
        self.assertEqual(event["level"], "warning")
        self.assertEqual(int(event["delay_ms"]), 3600000)
        self.assertEqual(self.deliveries(entry), 1)

    def assert_released(self, how, dotted=None):
        """Given back, not charged, not dead-lettered."""
        daemon, entry = self.run_entry(how, {"breaker.cooldown": "1h", "claim.interval": "1h",
                                             **(dotted or {})})
        daemon.wait_for_event("released", entry_id=entry)
        self.assertEqual(daemon.events("retry"), [])
        self.assertEqual(self.deliveries(entry), 0)
        self.assertEqual(self.dead(), [])

    def assert_acked(self, how, outcome, dotted=None):
        daemon, entry = self.run_entry(how, dotted)
        daemon.wait_for_event("verdict", entry_id=entry, outcome=outcome, attempt=1)
        self.wait_settled()
        self.assertEqual(self.dead(), [])
        return daemon

    def assert_dead(self, how, dotted=None):
        daemon, entry = self.run_entry(how, dotted)
        daemon.wait_for_event("dead_lettered", entry_id=entry)
        self.wait_settled()
        return dict(self.dead()[0])


class ExitTable(ExecCase):
    def test_0_is_ok(self):
        daemon = self.assert_acked("exit 0", "ok")
        self.assertEqual(daemon.events("verdict")[0]["level"], "debug")

    def test_1_is_retry(self):
        self.assert_retried("exit 1", "exit", exit_status=1)

    def test_75_is_retry(self):
        self.assert_retried("exit 75", "exit", exit_status=75)

    def test_255_is_retry(self):
        self.assert_retried("exit 255", "exit", exit_status=255)

    def test_65_is_dead(self):
        record = self.assert_dead("exit 65")
        self.assertEqual(record[b"sluice.reason"], b"rejected")
        self.assertEqual(record[b"sluice.detail"], b"exit status 65")

    def test_64_is_broken(self):
        self.assert_released("exit 64")

    def test_78_is_broken(self):
        self.assert_released("exit 78")

    def test_126_is_broken(self):
        self.assert_released("exit 126")

    def test_127_is_broken(self):
        self.assert_released("/no/such/program")

    def test_command_that_cannot_be_started(self):
        command = self.script("#!/bin/sh\nexit 0\n")
        daemon = self.start(command, {"breaker.cooldown": "1h", "claim.interval": "1h"})
        os.unlink(command[0])
        entry = self.add()
        daemon.wait_for_event("released", entry_id=entry)
        self.assertEqual(self.deliveries(entry), 0)

    def test_signal(self):
        self.assert_retried("kill -SEGV $$", "signal", signal="SIGSEGV")

    def test_timeout(self):
        started = time.monotonic()
        self.assert_retried("sleep 60", "timeout", {"handler.timeout": "300ms"})
        self.assertGreater(time.monotonic() - started, 0.3)

    def test_timeout_with_sigterm_ignored(self):
        self.assert_retried("trap '' TERM; sleep 60; sleep 60", "timeout",
                            {"handler.timeout": "300ms", "handler.kill_grace": "200ms"})

    def test_timeout_and_then_exit_status_0(self):
        self.assert_retried("trap 'exit 0' TERM; sleep 60 & wait", "timeout", {"handler.timeout": "300ms"})

    def test_exit_codes_map(self):
        codes = {"handler.exit_codes": {3: "dead", 4: "ok", 5: "drop", 6: "broken", 65: "retry"}}
        daemon = self.start(EVAL, {**EVAL_SETTINGS, **codes, "claim.interval": "1h",
                                   "retry.initial_delay": "1h", "retry.max_delay": "1h"})
        daemon.wait_for_event("dead_lettered", entry_id=self.add(how="exit 3"))
        daemon.wait_for_event("verdict", entry_id=self.add(how="exit 4"), outcome="ok")
        daemon.wait_for_event("verdict", entry_id=self.add(how="exit 5"), outcome="drop")
        daemon.wait_for_event("released", entry_id=self.add(how="exit 6"))
        daemon.wait_for_event("retry", entry_id=self.add(how="exit 65"), exit_status=65)


class VerdictLines(ExecCase):
    def test_retry_with_reason_and_delay(self):
        daemon, entry = self.run_entry("echo 'retry delay=700s \"too early\"' >&3")
        event = daemon.wait_for_event("retry", entry_id=entry, failure="retry", delay_ms=700000)
        self.assertIn("too early", event["message"])

    def test_dead(self):
        record = self.assert_dead("echo 'dead no such customer' >&3")
        self.assertEqual(record[b"sluice.reason"], b"rejected")
        self.assertEqual(record[b"sluice.detail"], b"no such customer")

    def test_digits_belong_to_the_reason(self):
        record = self.assert_dead("echo 'dead 404 not found' >&3")
        self.assertEqual(record[b"sluice.detail"], b"404 not found")

    def test_nul_does_not_end_the_reason(self):
        for reason in (r'"one\\u0000two"', r"one\000two"):
            daemon, entry = self.run_entry(r"printf 'dead %s\n' >&3" % reason)
            event = daemon.wait_for_event("dead_lettered", entry_id=entry)
            self.assertIn(r"one\x00two", event["message"])
            self.wait_settled()
            self.assertEqual(dict(self.dead()[-1])[b"sluice.detail"], rb"one\x00two")
            daemon.stop()

    def test_drop(self):
        self.assert_acked("echo drop >&3", "drop")

    def test_release(self):
        self.assert_released("echo release >&3")

    def test_broken(self):
        self.assert_released("echo broken >&3")

    def test_first_terminal_verdict_counts(self):
        self.assert_acked("echo ok >&3; echo dead >&3", "ok")

    def test_dying_after_ok_is_dying(self):
        self.assert_retried("echo ok >&3; exit 1", "exit", exit_status=1)

    def test_killed_after_drop_is_a_signal(self):
        self.assert_retried("echo drop >&3; kill -KILL $$", "signal", signal="SIGKILL")

    def test_dead_stands_with_any_end(self):
        record = self.assert_dead("echo 'dead bad data' >&3; exit 1")
        self.assertEqual(record[b"sluice.detail"], b"bad data")

    def test_release_stands_with_any_end(self):
        self.assert_released("echo release >&3; kill -SEGV $$")

    def test_working_starts_the_timeout_anew(self):
        self.assert_acked("for i in 1 2 3 4 5 6; do sleep 0.2; echo working >&3; done", "ok",
                          {"handler.timeout": "600ms"})

    def test_verdicts_on_stdout(self):
        daemon, entry = self.run_entry("echo hello; echo drop", {"handler.verdicts": "stdout"})
        daemon.wait_for_event("verdict", entry_id=entry, outcome="drop")
        self.assertEqual([e["message"] for e in daemon.events("output")], ["hello"])


class Output(ExecCase):
    def test_lines_are_logged_with_the_entry(self):
        daemon, entry = self.run_entry("echo to stdout; echo to stderr >&2; printf 'no newline'")
        daemon.wait_for_event("verdict", entry_id=entry)
        lines = {e["message"]: e["level"] for e in daemon.events("output", entry_id=entry)}
        self.assertEqual(lines, {"to stdout": "info", "to stderr": "warning", "no newline": "info"})

    def test_output_is_logged_before_the_verdict(self):
        daemon, entry = self.run_entry("seq 1 200")
        daemon.wait_for_event("verdict", entry_id=entry)
        words = [e["event"] for e in daemon.events(entry_id=entry)]
        self.assertEqual(words.count("output"), 200)
        self.assertEqual(words.index("verdict"), 200)

    def test_bytes_of_any_kind_leave_the_log_json(self):
        daemon, entry = self.run_entry("printf 'a\\001\\377\"\\\\\\n\\033[31mred\\n'")
        daemon.wait_for_event("verdict", entry_id=entry)
        self.assertEqual(len(daemon.events("output", entry_id=entry)), 2)
        self.assertEqual([line for line in daemon.events() if "text" in line], [])

    def test_long_line_is_cut(self):
        daemon, entry = self.run_entry("head -c 100000 /dev/zero | tr '\\0' x; echo; echo after")
        daemon.wait_for_event("verdict", entry_id=entry)
        lines = [e["message"] for e in daemon.events("output", entry_id=entry)]
        self.assertEqual(lines[-1], "after")
        self.assertLessEqual(max(len(line) for line in lines), 8192 + 100)

    def test_background_child_does_not_hold_the_entry(self):
        daemon, entry = self.run_entry("sleep 20 & exit 0")
        daemon.wait_for_event("verdict", entry_id=entry, outcome="ok", seconds=5)
        self.wait_settled(seconds=5)
        self.kill_handlers()


if __name__ == "__main__":
    main()
