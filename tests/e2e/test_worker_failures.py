#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Worker mode when workers crash, hang, flood or talk nonsense."""

import collections
import os

from harness import WorkerCase, main
from servers import FLAVOUR, wait_until

# Proves itself with the entry `first`, then gathers a window of four.
PROVEN_THEN = """\
held = []
for entry in entries():
    what = entry["fields"].get("what")
    record(what=what, attempt=entry["attempt"], pid=os.getpid(), held=len(held))
    if what == "first" or is_open("go"):
        say("ok", entry["tag"])
        continue
    held.append(entry["tag"])
    if len(held) == 4:
        open(os.path.join(HERE, "gate.go"), "w").close()
        %s
"""


class Crash(WorkerCase):
    def start_four(self, ending, dotted=None):
        daemon = self.start_windowed(PROVEN_THEN % ending, 4, dotted)
        first = self.add(what="first")
        daemon.wait_for_event("verdict", entry_id=first)
        ids = [self.add(what="entry%d" % n) for n in range(4)]
        return daemon, ids

    def attempts(self):
        found = collections.defaultdict(list)
        for r in self.records():
            found[r["what"]].append(r["attempt"])
        return found

    def assert_only_the_oldest_is_charged(self, daemon, ids, **retry):
        daemon.wait_for_event("retry", entry_id=ids[0], attempt=1, **retry)
        self.wait_settled()
        self.assertEqual(len(daemon.events("retry", level="warning")), 1)
        self.assertEqual(dict(self.attempts()), {"first": [1], "entry0": [1, 2], "entry1": [1, 1],
                                                 "entry2": [1, 1], "entry3": [1, 1]})

    def test_exit_charges_the_oldest(self):
        daemon, ids = self.start_four("sys.exit(9)")
        self.assert_only_the_oldest_is_charged(daemon, ids, failure="exit")

    def test_signal_charges_the_oldest(self):
        daemon, ids = self.start_four("os.kill(os.getpid(), signal.SIGSEGV)")
        self.assert_only_the_oldest_is_charged(daemon, ids, failure="signal", signal="SIGSEGV")

    def test_timeout_charges_the_oldest(self):
        daemon, ids = self.start_four("time.sleep(60)", {"handler.timeout": "500ms"})
        self.assert_only_the_oldest_is_charged(daemon, ids, failure="timeout")

    def test_timeout_with_sigterm_ignored(self):
        daemon, ids = self.start_four("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
                                      {"handler.timeout": "500ms", "handler.kill_grace": "200ms"})
        self.assert_only_the_oldest_is_charged(daemon, ids, failure="timeout")
        daemon.wait_for_event("worker_ended", signal="SIGKILL")

    def test_parallel_suspects_are_run_alone(self):
        body = ("held = 0\n"
                "for entry in entries():\n"
                "    what = entry['fields']['what']\n"
                "    record(what=what, attempt=entry['attempt'])\n"
                "    if what == 'first': say('ok', entry['tag']); continue\n"
                "    held += 1\n"
                "    if is_open('alone'):\n"
                "        if what == 'killer': sys.exit(9)\n"
                "        say('ok', entry['tag'])\n"
                "    elif held == 4:\n"
                "        open(os.path.join(HERE, 'gate.alone'), 'w').close()\n"
                "        sys.exit(9)\n")
        daemon = self.start_windowed(body, 4, {"handler.parallel": True, "retry.max_attempts": 2})
        daemon.wait_for_event("verdict", entry_id=self.add(what="first"))
        for what in ("a", "b", "killer", "c"):
            self.add(what=what)
        daemon.wait_for_event("dead_lettered", seconds=30)
        self.wait_settled(seconds=30)
        self.assertEqual(self.attempts()["killer"][-1], 2)
        for what in "abc":
            self.assertEqual(set(self.attempts()[what]), {1})
        self.assertEqual(len(self.dead()), 1)


class Nonsense(WorkerCase):
    def test_a_few_lines_are_forgiven(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    say('okay'); say('ok', entry['tag'])\n")
        self.add_many(5)
        self.wait_settled()
        self.assertEqual(daemon.events("worker_ended"), [])
        self.assertEqual(len(daemon.events("protocol_error")), 1)

    def assert_replaced(self, nonsense):
        """The worker is replaced and the entry it held goes back uncharged."""
        daemon = self.start_worker("for entry in entries():\n"
                                   "    record(pid=os.getpid(), attempt=entry['attempt'])\n"
                                   "    if is_open('go'): say('ok', entry['tag']); continue\n"
                                   "    open(os.path.join(HERE, 'gate.go'), 'w').close()\n"
                                   "    %s\n" % nonsense)
        self.add()
        self.wait_settled()
        seen = self.records()
        self.assertEqual([r["attempt"] for r in seen], [1, 1])
        self.assertNotEqual(seen[0]["pid"], seen[1]["pid"])
        self.assertEqual(daemon.events("retry", level="warning"), [])

    def test_many_lines_replace_the_worker(self):
        self.assert_replaced("for n in range(20): say('hello', n)")

    def test_long_lines_replace_the_worker(self):
        self.assert_replaced("for n in range(20): say('x' * 70000)")

    def test_endless_line(self):
        self.assert_replaced("os.write(3, b'x' * 1000000); [say('z') for n in range(20)]")


class Floods(WorkerCase):
    def test_flood_neither_stalls_nor_fills_the_daemon(self):
        flood = "for n in range(3000): os.write(1, b'%s\\n' * 100)" % ("x" * 99)
        body = ("for entry in entries():\n"
                "    if entry['fields'].get('what') == 'flood':\n"
                "        record(flood=1)\n        %s\n"
                "    say('ok', entry['tag'])\n" % flood)
        noisy = self.consumer(self.python(body, "noisy"), {"handler.mode": "worker"})
        quiet = self.consumer(self.python("for entry in entries(): say('ok', entry['tag'])\n", "quiet"),
                              {"handler.mode": "worker", "stream": "t"})
        daemon = self.start_all({"noisy": noisy, "quiet": quiet})
        self.add(what="flood")
        self.wait_records(1)
        for _ in range(20):
            self.add("t")
        self.wait_settled("t", seconds=5)
        self.wait_settled(seconds=30)
        self.assertLess(os.path.getsize(daemon.log_path), 10 << 20)
        if FLAVOUR != "asan":
            self.assertLess(daemon.memory_kib(), 32 << 10)

    def test_endless_line_of_output(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    for n in range(300): os.write(1, b'x' * 100000)\n"
                                   "    os.write(1, b'\\n'); say('ok', entry['tag'])\n")
        entry = self.add()
        self.wait_settled()
        lines = daemon.events("output", entry_id=entry)
        self.assertLessEqual(max(len(e["message"]) for e in lines), 8192 + 100)
        if FLAVOUR != "asan":
            self.assertLess(daemon.memory_kib(), 32 << 10)

    def test_worker_that_does_not_read(self):
        """Its pipe fills up; the daemon goes on with the other consumer and leaves in time."""
        lazy = self.consumer(self.python("gate('never')\n", "lazy"),
                             {"handler.mode": "worker", "handler.window": 100})
        quick = self.consumer(["/bin/true"], {"stream": "t"})
        daemon = self.start_all({"lazy": lazy, "quick": quick}, daemon={"drain_timeout": "300ms"})
        for _ in range(30):
            self.add(v="x" * 100000)
        self.add("t")
        self.wait_settled("t")
        wait_until(self.pending, what="entries handed over")
        daemon.stop()
        self.assertEqual({row[2] for row in self.pending().values()}, {0})


if __name__ == "__main__":
    main()
