#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl top on a terminal: what it shows, its keys, and a daemon that comes and goes."""

import os
import re
import signal

from control import control_of
from ctl import SLUICECTL, CtlCase
from harness import main
from screen import Screen
from servers import wait_until

HOLD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'])\ngate('go')\n"
DOWN, ESCAPE = "\x1bOB", "\x1b"


class TopCase(CtlCase):
    def start_top(self, consumers, rows=24, columns=80, **env):
        self.daemon = self.prepare(consumers).start()
        self.control = control_of(self.daemon)
        wait_until(lambda: os.path.exists(self.control.address), 15, "the control socket")
        self.screen = self.top("-c", self.daemon.config_path, rows=rows, columns=columns, **env)

    def top(self, *args, rows=24, columns=80, **env):
        screen = Screen([SLUICECTL, *args, "top"], self.ctl_env(**env), rows, columns)
        self.addCleanup(screen.kill)
        return screen

    def leave(self):
        self.screen.type("q")
        self.assertEqual(self.screen.wait_exit(), 0)


class Live(TopCase):
    def test_figures(self):
        self.start_top({"c": self.consumer(["/bin/true"])})
        self.screen.wait_for(r"^sluiced \S+, instance default on \S+: running for ")
        self.screen.wait_for(r"^CONSUMER RATE/s +LAG +PEND +RUN +FAIL +P50 +P99 BREAKER STATE +5 MINUTES$")
        self.screen.wait_for(r"^c +0\.0 +0 +0 +0 +0 +- +- closed  ok")
        self.add_many(20)
        self.screen.wait_for(r"^c +[1-9][0-9.]* +\d+ +\d+ +\d+ +0 +\d+ms +\d+ms closed  ok +[▁▂▃▄▅▆▇█]+$")
        self.assertTrue(all(len(line) <= 80 for line in self.screen.lines()))
        self.leave()

    def test_failures(self):
        self.start_top({"c": self.consumer(self.shell("cat >/dev/null; exit 1"), {"retry.max_attempts": 2})})
        self.screen.wait_for(r"^c +0.0 .* ok")
        self.add()
        self.screen.wait_for(r"^c +\S+ +\S+ +\S+ +0 +2 +\S+ +\S+ closed ")

    def test_the_breaker(self):
        command = self.shell("cat >/dev/null; exit 127")
        self.start_top({"c": self.consumer(command, {"breaker.failures": 1, "breaker.cooldown": "30s",
                                                     "handler.exit_codes": {127: "broken"}})})
        self.add()
        self.screen.wait_for(r"^c .* open ")

    def test_pause_and_resume(self):
        self.start_top({"a": self.consumer(["/bin/true"], {"stream": "a"}), "b": self.consumer(["/bin/true"], {"stream": "b"})})
        self.screen.wait_for(r"^b .* ok")
        self.screen.type("jp")
        self.screen.wait_for(r"^b is paused$")
        self.screen.wait_for(r"^b .* paused")
        self.assertFalse(self.control.consumer("a")["paused"])
        self.screen.type("r")
        self.screen.wait_for(r"^b goes on$")
        self.screen.wait_for(r"^b .* ok")
        self.assertFalse(self.control.consumer("b")["paused"])

    def test_sorting_and_choosing(self):
        self.start_top({name: self.consumer(["/bin/true"], {"stream": name}) for name in "abc"})
        self.screen.wait_for(r"(?s)^a .*^b .*^c ")
        self.screen.type("s")
        self.screen.wait_for(r"s sort \(rate\)")
        self.add_many(40, "b")
        self.screen.wait_for(r"(?s)^b .*^a .*^c ")
        self.screen.type(DOWN + "\r")  # the choice has stayed on a, so that the next one is c
        self.screen.wait_for(r"^c: group g, as me; running")

    def test_one_consumer(self):
        self.start_top({"c": self.consumer(self.python(HOLD), {"handler.concurrency": 1})})
        entry = self.add()
        self.wait_records(1)
        self.screen.wait_for(r"^c .* 1 ")
        self.screen.type("\r")
        self.screen.wait_for(r"^held:  ready 0  waiting 0  running 1 ")
        self.screen.wait_for(r"^handler: exec, concurrency 1, window 1; last minute: p50 -, p99 -, 0 failed$")
        self.screen.wait_for(r"^s +1 +")
        self.screen.wait_for(r"^%s +\S+ +\S+ +1  me$" % re.escape(entry))
        self.screen.type("?")
        self.screen.wait_for(r"^sluicectl top$")
        self.screen.type("?")
        self.screen.wait_for(r"^held: ")
        self.screen.type(ESCAPE)
        self.screen.wait_for(r"^CONSUMER ")
        self.leave()

    def test_pending_entries_that_cannot_be_had(self):
        self.start_top({"c": self.consumer(["/bin/true"])})
        self.screen.wait_for(r"^c .* ok")
        self.redis.kill()
        self.screen.type("\r")
        self.screen.wait_for(r"^Pending entries are not shown: \S+")
        self.screen.wait_for(r"^stream s: not connected$")
        self.screen.type("q")
        self.screen.wait_for(r"^c .* no conn")

    def test_resize(self):
        self.start_top({"c%02d" % i: self.consumer(["/bin/true"], {"stream": "s%d" % i}) for i in range(30)})
        self.screen.wait_for(r"^c19 ")
        self.assertNotIn("c21", self.screen.text())
        self.screen.resize(40, 120)
        self.screen.wait_for(r"^c29 ")
        self.assertRegex(self.screen.lines()[39], r"q leave$")
        self.screen.resize(10, 60)
        self.screen.wait_for(r"(?s)^c00 .*\n\Z|jk choose")
        self.screen.type("G")
        self.screen.wait_for(r"^c29 ")
        self.assertNotIn("c00", self.screen.text())

    def test_without_colours(self):
        self.start_top({"c": self.consumer(["/bin/true"])}, NO_COLOR="1")
        self.screen.wait_for(r"^c .* ok")


class Away(TopCase):
    def test_daemon_that_is_gone_and_back(self):
        self.start_top({"c": self.consumer(["/bin/true"])})
        self.screen.wait_for(r"^c .* ok")
        self.daemon.kill()
        self.screen.wait_for(r"^nobody listens on /")
        self.screen.wait_for(r"^c ")
        self.screen.type("p")
        self.screen.wait_for(r"(?s)nobody listens.*nobody listens")
        self.daemon.restart()
        self.screen.wait_for(r"^1 consumers, ")
        self.screen.wait_for(r"^c .* ok")
        self.leave()

    def test_daemon_that_hangs(self):
        self.start_top({"c": self.consumer(["/bin/true"])})
        self.screen.wait_for(r"^c .* ok")
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.daemon.process.pid, signal.SIGCONT)
        self.screen.wait_for(r"^no answer within 3s from /")
        self.screen.type("?")
        self.screen.wait_for(r"^any key: back$", 2)
        self.screen.type("q")
        os.kill(self.daemon.process.pid, signal.SIGCONT)
        self.screen.wait_for(r"^1 consumers, ")

    def test_consumer_that_a_reload_removes(self):
        consumers = {name: self.consumer(["/bin/true"], {"stream": name}) for name in "ab"}
        self.start_top(consumers)
        self.screen.wait_for(r"^b .* ok")
        self.screen.type("j\r")
        self.screen.wait_for(r"^b: group g")
        with open(self.daemon.config_path, "w", encoding="utf-8") as f:
            f.write(self.config({"a": consumers["a"]}, "one", None, None))
        self.control.post("/v1/reload")
        self.screen.wait_for(r"^a: group g")


class Leaving(TopCase):
    def test_interrupt(self):
        self.start_top({"c": self.consumer(["/bin/true"])})
        self.screen.wait_for(r"^c .* ok")
        self.screen.type("\x03")
        self.assertEqual(self.screen.wait_exit(), 0)

    def test_no_daemon(self):
        screen = self.top("--socket", self.path("x.sock"))
        screen.wait_for(r"^sluicectl: there is no /")
        self.assertEqual(screen.wait_exit(), 1)

    def test_no_terminal(self):
        daemon = self.start(["/bin/true"])
        self.assertIn("needs a terminal", self.ctl("--socket", control_of(daemon).address, "top", status=1).err)
        self.assertIn("status --json", self.ctl("top", "--json", status=2).err)


if __name__ == "__main__":
    main()
