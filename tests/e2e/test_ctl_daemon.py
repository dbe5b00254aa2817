#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl's commands to the daemon: which one it finds, what it says, how it ends."""

import grp
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

from control import control_of
from ctl import SLUICECTL, CtlCase, Said
from harness import main
from servers import PATIENCE, SLUICED, wait_until

HOLD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'])\ngate('go')\n"
NOBODY = 65534


class DaemonCase(CtlCase):
    """ask() runs a command with the socket of self.daemon, a daemon with the consumer c."""

    def start_daemon(self, command=("/bin/true",), **daemon):
        self.daemon = self.start(list(command), daemon=daemon)
        self.control = control_of(self.daemon)

    def ask(self, *args, status=0, **env):
        return self.run_ctl("--socket", self.control.address, *args, status=status, **env)

    def run_ctl(self, *args, status=0, user=None, **env):
        """Without -c."""
        done = subprocess.run([SLUICECTL, *map(str, args)], capture_output=True, text=True, check=False,
                              timeout=60 * PATIENCE, env=self.ctl_env(**env), user=user, group=user,
                              extra_groups=None if user is None else [], stdin=subprocess.DEVNULL)
        if done.returncode != status:
            raise AssertionError("%s: exit status %s\n%s%s" % (args, done.returncode, done.stdout, done.stderr))
        return Said(done.returncode, done.stdout, done.stderr)


class Status(DaemonCase):
    def setUp(self):
        super().setUp()
        self.start_daemon(self.python(HOLD), drain_timeout="1s")
        self.add()
        self.wait_records(1)

    def test_table(self):
        said = self.ask("status").out
        self.assertRegex(said, r"^sluiced \S+, instance default on \S+, process %d: running for " % self.daemon.process.pid)
        row = dict(zip(said.splitlines()[2].split(), said.splitlines()[3].split()))
        row.pop("OLDEST")
        self.assertEqual(row, {"CONSUMER": "c", "STATE": "running", "CONNECTED": "yes", "HELD": "1", "RUNNING": "1",
                               "LAG": "0", "PENDING": "1", "DEAD": "0", "BREAKER": "closed"})

    def test_one(self):
        said = self.ask("status", "c").out
        self.assertRegex(said, r"held +ready 0 waiting 0 running 1 acking 0 burying 0 total 1 bytes \d+\n")
        self.assertRegex(said, r"handler +exec, concurrency \d+, window 1, 1 process\n")
        self.assertRegex(said, r"counted +read_new 1\n")
        self.assertRegex(said, r"(?m)^s +ready +yes +1 +1 +0 +1 +\S+ +0$")
        self.assertIn('no consumer "x"', self.ask("status", "x", status=3).err)

    def test_json(self):
        whole = self.ask("status", "--json").json()
        self.assertEqual(list(whole), list(self.control.status()))
        one = self.ask("status", "c", "--json").json()
        self.assertEqual((one["name"], one["held"]["running"], one["streams"][0]["lag"]), ("c", 1, 0))
        self.assertEqual(list(one), list(whole["consumers"][0]))

    def test_server_is_away(self):
        self.redis.kill()
        wait_until(lambda: not self.control.consumer()["connected"], 15, "the loss of the connection")
        said = self.ask("status").out
        self.assertIn("c: stream s: not connected", said)
        self.assertRegex(said, r"(?m)^c +running +no ")
        self.assertRegex(self.ask("status", "c").out, r"(?m)^s: .*(refused|No such file|closed by)")


class Steering(DaemonCase):
    def setUp(self):
        super().setUp()
        self.start_daemon()

    def test_pause_and_resume(self):
        self.assertIn("c is paused", self.ask("pause", "c").out)
        self.assertTrue(self.control.consumer()["paused"])
        self.assertRegex(self.ask("status").out, r"(?m)^c +paused ")
        self.assertEqual(self.ask("resume", "c", "--json").json(), {"consumer": "c", "paused": False})
        self.assertFalse(self.control.consumer()["paused"])

    def test_concurrency(self):
        self.assertIn("7 until the next reload", self.ask("concurrency", "c", 7).out)
        self.assertEqual(self.control.consumer()["handler"]["concurrency"], 7)
        self.assertIn("from 1 to 10000", self.ask("concurrency", "c", 10001, status=1).err)
        for wrong in ("0", "x", "007"):
            self.assertIn("from 1 to 10000", self.ask("concurrency", "c", wrong, status=2).err)

    def test_names_that_are_not_there(self):
        for args in (("pause", "x"), ("resume", "x"), ("concurrency", "x", 3), ("pause", "x", "--dry-run"), ("pause", "c/pause?")):
            self.assertIn('the daemon has no consumer "%s"' % args[1], self.ask(*args, status=3).err)

    def test_only_said(self):
        for args in (("pause", "c"), ("concurrency", "c", 9), ("reload",), ("drain",)):
            said = self.ask(*args, "--dry-run")
            self.assertRegex(said.err, r"^(The daemon at|c) .*will .*\.\n$")
            self.assertEqual(said.out, "")
        consumer = self.control.consumer()
        self.assertEqual((consumer["state"], consumer["handler"]["concurrency"]),
                         ("running", consumer["handler"]["configured_concurrency"]))
        self.assertEqual(self.daemon.events("reloaded"), [])

    def test_reload(self):
        self.assertIn("is loaded", self.ask("reload").out)
        self.daemon.wait_for_event("reloaded")
        self.assertEqual(self.ask("reload", "--json").json(), {"reloaded": True, "warnings": []})

    def test_reload_that_is_refused(self):
        with open(self.daemon.config_path, "a", encoding="utf-8") as f:
            f.write("nonsense: 1\nmore: 2\n")
        said = self.ask("reload", status=1)
        checked = subprocess.run([SLUICED, "-c", self.daemon.config_path, "--check"], capture_output=True,
                                 text=True, check=False)
        for line in said.err.splitlines()[2:]:
            self.assertIn(line, checked.stdout + checked.stderr)
        self.assertEqual((said.out, len(said.err.splitlines())), ("", 4))
        self.assertEqual(len(self.ask("reload", "--json", status=1).json()["errors"]), 2)

    def test_drain(self):
        self.assertEqual(self.ask("drain").out, "The daemon is draining.\n")
        self.assertEqual(self.daemon.wait_exit(), 0)
        self.assertIn("is the daemon running?", self.ask("status", status=1).err)

    def test_asked_on_a_terminal(self):
        for args in (("pause", "c"), ("concurrency", "c", "9"), ("reload",), ("drain",)):
            terminal = self.terminal("--socket", self.control.address, *args)
            terminal.wait_for("Go on? [y/N]")
            terminal.type("n\n")
            self.assertEqual(terminal.wait_exit(), 1)
        self.assertEqual((self.control.status()["state"], self.control.consumer()["paused"]), ("running", False))
        self.assertEqual(self.daemon.events("reloaded"), [])
        terminal = self.terminal("--socket", self.control.address, "pause", "c", "--yes")
        self.assertEqual(terminal.wait_exit(), 0)
        self.assertTrue(self.control.consumer()["paused"])

    def test_metrics(self):
        self.assertIn('sluiced_paused{consumer="c"} 0\n', self.ask("metrics").out)
        self.assertIn("status --json", self.ask("metrics", "--json", status=2).err)

    def test_proxies_are_not_for_it(self):
        self.ask("status", http_proxy="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9")

    def test_names_for_completion(self):
        self.assertEqual(self.ask("names").out, "c\n")
        self.assertEqual(self.ctl("names").out, "c\n")
        self.assertNotIn("names", self.run_ctl("--help").out)


class Finding(DaemonCase):
    """Below /run/sluiced there may be a daemon of this machine, so what is found without any word is
    for tests/unit/ctl/test_socketpath.c."""

    def test_in_the_configuration(self):
        self.start_daemon()
        self.run_ctl("-c", self.daemon.config_path, "pause", "c")
        self.assertTrue(self.control.consumer()["paused"])

    def test_configuration_without_a_socket(self):
        self.write_config(CONFIG_OF_TCP)
        self.assertIn("daemon.listen has no unix socket", self.ctl("status", status=1).err)
        self.write_config("consumers: 3\n")
        self.assertIn("name it with --socket", self.ctl("status", status=1).err)

    def test_instance_of_the_user(self):
        runtime = self.path("user")
        os.makedirs(runtime + "/sluiced/no-such-instance")
        self.start_daemon(listen=["unix:%s/sluiced/no-such-instance/control.sock" % runtime])
        said = self.run_ctl("--instance", "no-such-instance", "status", XDG_RUNTIME_DIR=runtime)
        self.assertIn("process %d:" % self.daemon.process.pid, said.out)
        said = self.run_ctl("--instance", "no-other-instance", "status", status=1, XDG_RUNTIME_DIR=runtime)
        self.assertIn("no-other-instance/control.sock: is the daemon running?", said.err)

    def test_nobody_is_there(self):
        path = self.path("x.sock")
        self.assertIn("there is no %s: is the daemon running?" % path, self.run_ctl("--socket", path, "status", status=1).err)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        self.assertIn("nobody listens on %s" % path, self.run_ctl("--socket", path, "reload", status=1).err)
        self.assertIn("is no socket", self.run_ctl("--socket", self.config_path, "status", status=1).err)

    def test_somebody_else_is_there(self):
        self.assertIn("redis.sock", self.run_ctl("--socket", self.redis.path, "status", status=1).err)

    def test_permission(self):
        if os.geteuid():
            self.skipTest("it takes root")
        group = next(g for g in grp.getgrall() if g.gr_gid not in (0, NOBODY) and NOBODY not in g.gr_mem
                     and pwd.getpwuid(NOBODY).pw_name not in g.gr_mem)
        if not all(os.stat(folder).st_mode & 0o001 for folder in self.parents(SLUICECTL)):
            self.skipTest("another user cannot run it here")
        folder = tempfile.mkdtemp(prefix="sluiced-", dir="/tmp")  # that of the tests is for us alone
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        path = folder + "/shared.sock"
        self.start_daemon(listen=["unix:%s?mode=0660&group=%s" % (path, group.gr_name)])
        for mode, who in ((0o660, "members of the group " + group.gr_name), (0o600, "the user root")):
            os.chmod(path, mode)
            said = self.run_ctl("--socket", path, "status", status=1, user=NOBODY)
            self.assertIn("permission denied: it is for " + who, said.err)

    @staticmethod
    def parents(path):
        return [str(folder) for folder in pathlib.Path(os.path.abspath(path)).parents]

    def test_daemon_that_hangs(self):
        path = self.path("silent.sock")
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(path)
            silent.listen(1)
            process = subprocess.Popen([SLUICECTL, "--socket", path, "status"], stderr=subprocess.PIPE, env=self.ctl_env())
            self.addCleanup(self._end, process)
            silent.settimeout(10)
            with silent.accept()[0]:  # kept: its end would be an answer
                process.send_signal(2)
                self.assertEqual(process.wait(10), -2)


CONFIG_OF_TCP = json.dumps({
    "daemon": {"listen": ["127.0.0.1:9"]},
    "consumers": {"c": {"stream": "s", "group": "g", "handler": {"command": ["/bin/true"]}}},
})


if __name__ == "__main__":
    main()
