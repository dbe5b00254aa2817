#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a service manager is told, when, and that nobody waits for it; sockets that it hands over."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

from harness import Case, main
from listeners import Manager
from servers import SLUICED, Daemon, stays_true, wait_until

# Starts the daemon under the pid that the variables name, with descriptors from 3 on.
LAUNCHER = """\
import os, sys
fds, argv = sys.argv[1], sys.argv[2:]
for n, fd in enumerate(fds.split()):
    os.dup2(int(fd), 3 + n)
os.closerange(3 + len(fds.split()), 1000)
for name in ("LISTEN_PID", "WATCHDOG_PID"):
    if os.environ.get(name) == "SELF":
        os.environ[name] = str(os.getpid())
os.execv(argv[0], argv)
"""


class ServiceDaemon(Daemon):
    """LISTEN_PID=SELF and WATCHDOG_PID=SELF stand for the daemon's own pid."""

    fds = ()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, " ".join(map(str, self.fds)), SLUICED, "-c", self.config_path],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=self.fds)
        return self


class NotifyCase(Case):
    def setUp(self):
        super().setUp()
        self.manager = self.new_manager(self.path("notify"))

    def new_manager(self, address):
        manager = Manager(address)
        self.addCleanup(manager.close)
        return manager

    def prepare(self, consumers, name="one", redis=None, daemon=None, env=None, fds=(), **more):
        text = self.config(consumers, name, redis, daemon)
        made = ServiceDaemon(name, self.dir, text, env={"NOTIFY_SOCKET": self.path("notify"), **(env or {})}, **more)
        made.fds = fds
        self.daemons.append(made)
        return made


class Life(NotifyCase):
    def test_ready_once(self):
        daemon = self.start(self.python("gate('go')\n"), {"handler.concurrency": 3})
        self.manager.wait_told("READY", "1")
        self.assertEqual(self.manager.messages()[-1],
                         {"READY": "1", "STATUS": "1 consumers, 1 connected, 0 held, 0 dead"})
        self.add_many(3)
        self.manager.wait_told("STATUS", "1 consumers, 1 connected, 3 held, 0 dead")
        self.open_gate()
        self.manager.wait_told("STATUS", "1 consumers, 1 connected, 0 held, 0 dead", count=2)
        daemon.stop()
        self.assertEqual(self.manager.told("READY"), ["1"])

    def test_ready_comes_when_all_have_tried(self):
        self.redis.freeze()
        daemon = self.prepare({name: self.consumer(self.python(""), {"stream": name}) for name in "cd"}).start()
        self.manager.wait_told("STATUS", "2 consumers, 0 connected, 0 held, 0 dead; starting")
        self.assertEqual(self.manager.told("READY"), [])
        self.redis.thaw()
        self.manager.wait_told("READY", "1")
        daemon.wait_for_event("ready")
        self.assertEqual(self.manager.told("STATUS")[-1], "2 consumers, 2 connected, 0 held, 0 dead")

    def test_redis_that_is_down_does_not_keep_it(self):
        self.redis.kill()
        self.start(self.python(""))
        self.manager.wait_told("READY", "1")
        self.assertEqual(self.manager.told("STATUS")[-1], "1 consumers, 0 connected, 0 held, 0 dead")
        self.redis.start().wait_ready()
        self.manager.wait_told("STATUS", "1 consumers, 1 connected, 0 held, 0 dead")

    def test_status_at_most_once_a_second(self):
        daemon = self.start(["/bin/true"])
        self.manager.wait_told("READY")
        begun = time.monotonic()
        for _ in range(25):
            self.add_many(20)
            self.wait_settled()
        seconds = time.monotonic() - begun
        self.assertLessEqual(len(self.manager.told("STATUS")), seconds + 2)
        daemon.stop()

    def test_dead_letters_are_counted(self):
        self.start(self.python("sys.exit(65)\n"))
        self.add_many(2)
        self.manager.wait_told("STATUS", "1 consumers, 1 connected, 0 held, 2 dead")

    def test_abstract_socket(self):
        name = "sluiced-%d" % os.getpid()
        manager = self.new_manager("\0" + name)
        self.start(self.python(""), env={"NOTIFY_SOCKET": "@" + name})
        manager.wait_told("READY", "1")

    def test_without_a_manager(self):
        for n, variable in enumerate(("", "relative", "/" + "x" * 200, self.path("nobody"))):
            daemon = self.start(self.python(""), name="d%d" % n, env={"NOTIFY_SOCKET": variable})
            self.assertEqual(len(daemon.events("config_warning")), variable in ("relative", "/" + "x" * 200))
            daemon.stop()


class Reload(NotifyCase):
    def reload(self, daemon, count):
        daemon.signal(signal.SIGHUP)
        self.manager.wait_told("READY", "1", count=count)

    def assert_reloading(self, message):
        self.assertEqual(set(message), {"RELOADING", "MONOTONIC_USEC", "STATUS"})
        ago = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - int(message["MONOTONIC_USEC"])
        self.assertTrue(0 <= ago < 30e6, ago)

    def test_applied_and_refused(self):
        daemon = self.start(self.python(""))
        self.manager.wait_told("READY")
        self.reload(daemon, 2)
        with open(daemon.config_path, "a", encoding="utf-8") as f:
            f.write("nonsense: 1\n")
        self.reload(daemon, 3)
        told = [m for m in self.manager.messages() if "READY" in m or "RELOADING" in m]
        self.assertEqual(["READY" in m for m in told], [True, False, True, False, True])
        self.assert_reloading(told[1])
        self.assert_reloading(told[3])
        facts = "1 consumers, 1 connected, 0 held, 0 dead"
        self.assertEqual(told[2]["STATUS"], facts)
        self.assertRegex(told[4]["STATUS"], "^%s; reload refused: .*nonsense" % re.escape(facts))
        self.add_many(1)
        daemon.wait_for_event("verdict")
        stays_true(lambda: all("refused" in s for s in self.manager.told("STATUS")[-1:]), 1.5, "why it was refused")


class Watchdog(NotifyCase):
    INTERVAL_S = 0.4

    def start_watched(self, **env):
        return self.start(self.python("gate('go')\n"),
                          env={"WATCHDOG_USEC": str(int(self.INTERVAL_S * 1e6)), **env})

    def test_fed_at_half_the_interval(self):
        self.start_watched(WATCHDOG_PID="SELF")
        self.manager.wait_told("WATCHDOG", "1", count=8)
        times = self.manager.times("WATCHDOG")
        gaps = [b - a for a, b in zip(times, times[1:])]
        self.assertLess(sorted(gaps)[len(gaps) // 2], self.INTERVAL_S * 0.75)
        self.assertGreater(sum(gaps) / len(gaps), self.INTERVAL_S * 0.3)

    def test_no_pid_means_us(self):
        self.start_watched()
        self.manager.wait_told("WATCHDOG", "1", count=2)

    def test_of_another_process(self):
        self.start_watched(WATCHDOG_PID="1")
        self.manager.wait_told("READY")
        stays_true(lambda: not self.manager.told("WATCHDOG"), 3 * self.INTERVAL_S, "no WATCHDOG")

    def test_hungry_when_the_loop_stands_still(self):
        daemon = self.start_watched()
        self.manager.wait_told("WATCHDOG")
        daemon.signal(signal.SIGSTOP)
        wait_until(lambda: time.monotonic() - self.manager.times("WATCHDOG")[-1] > 3 * self.INTERVAL_S, 10, "hunger")
        daemon.signal(signal.SIGCONT)
        count = len(self.manager.told("WATCHDOG"))
        self.manager.wait_told("WATCHDOG", count=count + 1)

    def test_fed_while_draining(self):
        daemon = self.start_watched()
        self.add()
        daemon.wait_for_event("group_created")
        self.manager.wait_told("STATUS", "1 consumers, 1 connected, 1 held, 0 dead")
        daemon.signal(signal.SIGTERM)
        self.manager.wait_told("STOPPING")
        count = len(self.manager.told("WATCHDOG"))
        self.manager.wait_told("WATCHDOG", count=count + 3)
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)


class Stop(NotifyCase):
    def test_more_time_is_asked_for_until_it_is_over(self):
        daemon = self.start(self.python("record(pid=1)\ngate('go')\n"), daemon={"drain_timeout": "60s"})
        self.add()
        self.wait_records(1)
        daemon.signal(signal.SIGTERM)
        self.manager.wait_told("STOPPING", "1")
        stopping = next(m for m in self.manager.messages() if "STOPPING" in m)
        self.assertEqual(stopping["STATUS"], "1 consumers, 1 connected, 1 held, 0 dead; draining")
        self.manager.wait_told("EXTEND_TIMEOUT_USEC", count=3)
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        times = self.manager.times("EXTEND_TIMEOUT_USEC")
        allowed = [int(usec) / 1e6 for usec in self.manager.told("EXTEND_TIMEOUT_USEC")]
        for (a, b), seconds in zip(zip(times, times[1:]), allowed):
            self.assertLess(b - a, seconds / 2)
        self.assertEqual(self.manager.told("STOPPING"), ["1"])

    def test_second_signal_is_not_told_again(self):
        daemon = self.start(self.python("record(pid=1)\ngate('go')\n"), daemon={"drain_timeout": "60s"})
        self.add()
        self.wait_records(1)
        daemon.signal(signal.SIGTERM)
        self.manager.wait_told("STOPPING", "1")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(self.manager.told("STOPPING"), ["1"])


class Unread(NotifyCase):
    """A manager that does not read."""

    def fill(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            with self.assertRaises(BlockingIOError):
                for _ in range(100000):
                    s.sendto(b"FILLED=1", self.manager.address)

    def test_ready_is_told_in_the_end(self):
        self.manager.pause()
        self.fill()
        daemon = self.start(self.python(""), env={"WATCHDOG_USEC": "20000"})
        self.add_many(100)
        self.wait_settled()
        self.assertEqual(self.manager.told("READY"), [])
        self.manager.resume()
        self.manager.wait_told("READY", "1")
        daemon.stop()
        self.assertEqual(self.manager.told("STOPPING"), ["1"])

    def test_order_is_kept(self):
        daemon = self.start(self.python(""))
        self.manager.wait_told("READY")
        self.manager.pause()
        self.fill()
        for count in range(1, 11):
            daemon.signal(signal.SIGHUP)
            daemon.wait_for_event("reloaded", count=count)
        self.manager.resume()
        self.manager.wait_told("RELOADING")
        self.add()
        daemon.wait_for_event("verdict")
        wait_until(lambda: "READY" in self.manager.messages()[-1], 5, "READY last")
        told = ["READY" in m for m in self.manager.messages() if "READY" in m or "RELOADING" in m]
        self.assertEqual(told[1:], [False, True] * (len(told) // 2))

    def test_stop_does_not_wait_for_it(self):
        daemon = self.start(self.python(""))
        self.manager.pause()
        self.fill()
        daemon.stop(seconds=5)


class Activation(NotifyCase):
    def listening(self, name):
        s = socket.socket(socket.AF_UNIX)
        s.bind(self.path(name))
        s.listen()
        self.addCleanup(s.close)
        return s

    def start_with(self, *sockets, pid="SELF"):
        return self.start(self.python(""), fds=[s.fileno() for s in sockets],
                          env={"LISTEN_FDS": str(len(sockets)), "LISTEN_PID": pid})

    def test_what_is_not_ours_is_closed_and_said(self):
        s = self.listening("other")
        daemon = self.start_with(s)
        self.assertEqual(len(daemon.events("config_warning")), 1)
        self.assertIn("descriptor 3", daemon.events("config_warning")[0]["message"])
        s.close()
        with socket.socket(socket.AF_UNIX) as client, self.assertRaises(ConnectionRefusedError):
            client.connect(self.path("other"))

    def test_of_another_process(self):
        daemon = self.start_with(self.listening("other"), pid="1")
        self.assertEqual(daemon.events("config_warning"), [])


if __name__ == "__main__":
    main()
