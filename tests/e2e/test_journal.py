#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The log in the journal: every event with its id and its fields, and a journal that does not read."""

import os
import re
import signal
import stat
import time

from harness import Case, main
from listeners import Journal, JournalDaemon
from servers import ROOT, wait_until

TEXTS = {"INSTANCE", "CONSUMER", "STREAM", "GROUP", "ENTRY_ID", "EVENT", "OUTCOME", "FAILURE", "SIGNAL"}
NUMBERS = {"ATTEMPT", "EXIT_STATUS", "HANDLER_PID", "DURATION_MS", "DELAY_MS"}
OF_ALL = {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "MESSAGE_ID", "SLUICE_EVENT", "SLUICE_INSTANCE"}


def message_ids():
    with open(os.path.join(ROOT, "src/base/log.h"), encoding="utf-8") as f:
        return dict(re.findall(r'X\(\w+, "(\w+)", "(\w+)"\)', f.read()))


class JournalCase(Case):
    def setUp(self):
        super().setUp()
        self.journal = Journal(self.path("journal"))
        self.addCleanup(self.journal.close)

    def prepare(self, consumers, name="one", redis=None, daemon=None, **more):
        text = self.config(consumers, name, redis, {"log.format": "journal", **(daemon or {})})
        self.daemons.append(JournalDaemon(self.journal, name, self.dir, text, **more))
        return self.daemons[-1]

    def assert_forms(self):
        """Every record that came has the fields it must have, and no other."""
        ids = message_ids()
        for record in self.journal.records():
            own = {name[len("SLUICE_"):] for name in record if name.startswith("SLUICE_")}
            self.assertLessEqual(OF_ALL, set(record))
            self.assertLessEqual(own, TEXTS | NUMBERS)
            self.assertEqual(set(record), OF_ALL | {"SLUICE_" + name for name in own})
            self.assertEqual(record["SYSLOG_IDENTIFIER"], b"sluiced")
            self.assertEqual(record["SLUICE_INSTANCE"], b"default")
            self.assertIn(record["PRIORITY"], (b"3", b"4", b"5", b"6", b"7"))
            self.assertEqual(record["MESSAGE_ID"].decode(), ids[record["SLUICE_EVENT"].decode()])
            for name in own & NUMBERS:
                self.assertRegex(record["SLUICE_" + name], rb"^\d+$")
        self.assertGreater(len(self.journal.records()), 3)

    def story(self, entry):
        """The events of an entry, in order."""
        return [r["SLUICE_EVENT"].decode() for r in self.journal.records()
                if r.get("SLUICE_ENTRY_ID") == entry.encode()]


class Story(JournalCase):
    def test_entry_that_dies(self):
        daemon = self.start(self.python("print('to out'); print('to err', file=sys.stderr); sys.exit(3)\n"),
                            {"retry.max_attempts": 2})
        entry = self.add()
        self.wait_dead()
        died = daemon.wait_for_event("dead_lettered", entry_id=entry)
        self.assertEqual((died["level"], died["stream"], died["group"], died["consumer"]),
                         ("warning", "s", "g", "c"))
        self.assertEqual(self.story(entry), ["output", "output", "retry", "output", "output", "verdict",
                                             "dead_lettered"])
        retry, = daemon.events("retry", entry_id=entry)
        self.assertEqual((retry["attempt"], retry["outcome"], retry["failure"], retry["exit_status"],
                          retry["delay_ms"]), ("1", "retry", "exit", "3", "50"))
        self.assertTrue(int(retry["handler_pid"]) > 0 and int(retry["duration_ms"]) >= 0)
        said = {(line["message"], line["level"]) for line in daemon.events("output", entry_id=entry)}
        self.assertEqual(said, {("to out", "info"), ("to err", "warning")})
        self.assert_forms()

    def test_entry_that_succeeds(self):
        daemon = self.start(self.python("print('done')\n"))
        entry = self.add()
        daemon.wait_for_event("verdict", entry_id=entry)
        self.assertEqual(self.story(entry), ["output", "verdict"])
        verdict, = daemon.events("verdict", entry_id=entry)
        self.assertEqual((verdict["level"], verdict["outcome"]), ("debug", "ok"))
        self.assert_forms()

    def test_handler_that_crashes(self):
        daemon = self.start(self.python("os.kill(os.getpid(), signal.SIGSEGV)\n"))
        entry = self.add()
        retry = daemon.wait_for_event("retry", entry_id=entry)
        self.assertEqual((retry["failure"], retry["signal"]), ("signal", "SIGSEGV"))
        self.assertNotIn("exit_status", retry)

    def test_output_of_a_worker_names_its_entry(self):
        daemon = self.start(self.python("for entry in entries():\n"
                                        "    print('at', entry['id'], flush=True)\n"
                                        "    say('ok', entry['tag'])\n"), {"handler.mode": "worker"})
        entries = [self.add() for _ in range(3)]
        for entry in entries:
            daemon.wait_for_event("output", entry_id=entry, message="at " + entry)
        daemon.wait_for_event("worker_started", consumer="c")
        daemon.stop()
        daemon.wait_for_event("worker_ended", consumer="c")
        self.assert_forms()

    def test_output_of_any_kind(self):
        daemon = self.start(self.python("out = sys.stdout.buffer\n"
                                        "out.write(b'\\tat \\x1b[31mred\\n\\xff\\x00\\n' + b'x' * 5000 + b'\\n')\n"))
        entry = self.add()
        daemon.wait_for_event("verdict", entry_id=entry)
        said = [line["message"] for line in daemon.events("output", entry_id=entry)]
        self.assertEqual(said[:2], ["\tat \x1b[31mred", "\\xff\\x00"])
        self.assertTrue(said[2].startswith("x" * 4000))

    def test_names_with_newlines(self):
        daemon = self.start(self.python(""), {"stream": "two\nlines"})
        entry = self.add("two\nlines")
        daemon.wait_for_event("verdict", entry_id=entry, stream="two\nlines")

    def test_entry_of_a_dead_consumer(self):
        entry = self.add()
        self.abandon()
        daemon = self.start(self.python(""), {"claim.min_idle": "1s"})
        claimed = daemon.wait_for_event("claimed", entry_id=entry)
        self.assertEqual((claimed["level"], claimed["attempt"]), ("info", "1"))
        daemon.wait_for_event("verdict", entry_id=entry, attempt="2")
        self.assert_forms()

    def test_life_of_the_daemon(self):
        daemon = self.start(self.python(""))
        for event in ("started", "connected", "group_created", "ready"):
            daemon.wait_for_event(event)
        self.redis.kill()
        daemon.wait_for_event("disconnected")
        daemon.wait_for_event("redis_error")
        self.redis.start().wait_ready()
        daemon.wait_for_event("group_recreated")
        daemon.signal(signal.SIGUSR1)
        daemon.wait_for_event("ready", consumer="c")
        daemon.stop()
        daemon.wait_for_event("draining", level="notice")
        daemon.wait_for_event("stopped", level="notice")
        self.assert_forms()
        self.assertEqual(os.path.getsize(daemon.log_path), 0)

    def test_trouble_with_the_handler(self):
        daemon = self.start(self.python("gate('go')\nsay('nonsense')\nsys.exit(78)\n"),
                            {"breaker.failures": 1})
        self.add()
        self.open_gate()
        daemon.wait_for_event("protocol_error", level="warning")
        daemon.wait_for_event("breaker_open", level="error")
        self.assert_forms()

    def test_data_that_is_gone(self):
        daemon = self.start(self.python("sys.exit(1)\n"), {"retry.initial_delay": "500ms",
                                                           "retry.max_delay": "500ms"})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry)
        self.redis.call("XDEL", "s", entry)
        daemon.wait_for_event("trimmed", entry_id=entry)
        self.assert_forms()


class Form(JournalCase):
    def as_service(self, format):
        """A daemon whose standard error is what JOURNAL_STREAM names."""
        daemon = self.prepare({"c": self.consumer(self.python(""))}, daemon={"log.format": format})
        with open(daemon.log_path, "ab") as log:
            found = os.stat(log.fileno())
        daemon.env["JOURNAL_STREAM"] = "%d:%d" % (found.st_dev, found.st_ino)
        return daemon.start()

    def text(self, daemon):
        with open(daemon.log_path, encoding="utf-8") as f:
            return f.read()

    def test_service_logs_to_the_journal(self):
        daemon = self.as_service("auto")
        daemon.wait_for_event("ready")
        self.assertEqual(self.text(daemon), "")
        self.assert_forms()

    def test_stream_of_another_is_not_ours(self):
        daemon = self.prepare({"c": self.consumer(self.python(""))}, daemon={"log.format": "auto"},
                              env={"JOURNAL_STREAM": "1:2"}).start()
        wait_until(lambda: " ready: " in self.text(daemon), 15, "ready as text")
        self.assertEqual(self.journal.records(), [])
        self.assertNotIn("<", self.text(daemon))

    def test_text_on_the_journals_stream_has_priorities(self):
        daemon = self.as_service("text")
        wait_until(lambda: " ready: " in self.text(daemon), 15, "ready as text")
        self.assertEqual(self.journal.records(), [])
        for line in self.text(daemon).splitlines():
            self.assertRegex(line, r"^<[3-7]>\d{4}-\d\d-\d\dT")

    def test_no_journal(self):
        daemon = self.prepare({"c": self.consumer(self.python(""))},
                              env={"SLUICED_JOURNAL_SOCKET": self.path("nobody")}).start()
        wait_until(lambda: " ready: " in self.text(daemon), 15, "ready as text")
        self.assertIn(" warning config_warning: the journal takes no records", self.text(daemon))

    def test_handlers_know_nothing_of_it(self):
        self.start(self.python("record(names=sorted(os.environ))\n"),
                   env={"JOURNAL_STREAM": "1:2", "NOTIFY_SOCKET": "@nobody", "LISTEN_FDS": "0",
                        "LISTEN_PID": "1", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"})
        self.add()
        names = self.wait_records(1)[0]["names"]
        self.assertFalse([n for n in names if n.startswith(("SLUICED_", "JOURNAL_", "NOTIFY_", "LISTEN_",
                                                            "WATCHDOG_"))])


class Unread(JournalCase):
    """A journal that does not read."""

    WORKER = "for entry in entries(): say('ok', entry['tag'])\n"
    COUNT = 10000

    def seconds_for(self, daemon_settings, name):
        daemon = self.prepare({"c": self.consumer(self.python(self.WORKER), {
            "handler.mode": "worker", "handler.window": 64})}, name=name, daemon=daemon_settings).start()
        self.wait_group()
        begun = time.monotonic()
        self.add_many(self.COUNT)
        self.wait_settled(seconds=60)
        return time.monotonic() - begun, daemon

    def test_acknowledgements_are_not_slowed(self):
        quiet, daemon = self.seconds_for({"log.level": "error"}, "quiet")
        daemon.stop()
        self.journal.pause()
        unread, daemon = self.seconds_for({"log.level": "debug"}, "unread")
        self.assertLess(unread, 3 * quiet + 1, "%.2f s without a log" % quiet)
        self.journal.resume()
        daemon.wait_for_event("log_dropped")
        daemon.stop()
        daemon.wait_for_event("stopped")
        confessed = sum(int(line["message"].split()[0]) for line in daemon.events("log_dropped"))
        # An acknowledgement that found nothing pending would be a verdict, too: there are none here.
        verdicts = daemon.events("verdict", outcome="ok")
        self.assertGreater(confessed, self.COUNT / 10)
        self.assertEqual(len(verdicts) + confessed, self.COUNT)
        self.assert_forms()

    def test_journal_that_is_started_again(self):
        daemon = self.start(self.python(""))
        self.journal.close()
        entries = [self.add() for _ in range(20)]
        self.wait_settled()
        daemon.journal = self.journal = Journal(self.journal.address)
        self.addCleanup(self.journal.close)
        daemon.read_to = 0
        daemon.lines = []
        for entry in entries:
            daemon.wait_for_event("verdict", entry_id=entry)

    def test_stop_does_not_wait_for_it(self):
        daemon = self.start(self.python(""))
        self.journal.pause()
        self.add_many(50)
        self.wait_settled()
        daemon.stop(seconds=5)


if __name__ == "__main__":
    main()
