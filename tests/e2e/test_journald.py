#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real systemd-journald, in a mount namespace of its own: journalctl finds and explains."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import unittest

from harness import Case, main
from servers import ROOT, SLUICED, Daemon, wait_until

JOURNALD = "/lib/systemd/systemd-journald"

# Nothing of this is seen outside: every directory that is written to is a tmpfs.
SETUP = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
mount -t tmpfs tmpfs /var/log
mount -t tmpfs tmpfs /var/lib/systemd
mkdir /var/lib/systemd/catalog
mount -t tmpfs tmpfs /usr/lib/systemd/catalog
cp %s/systemd/sluiced.catalog /usr/lib/systemd/catalog
journalctl --update-catalog
exec %s
""" % (shlex.quote(ROOT), JOURNALD)

# What systemd does for a service: output is a stream of the journal, and JOURNAL_STREAM says which.
# Its lines are: identifier, unit, level, level prefix, and three places to forward to.
LAUNCHER = """\
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.connect("/run/systemd/journal/stdout")
s.sendall(b"sluiced\\n\\n6\\n1\\n0\\n0\\n0\\n")
s.shutdown(socket.SHUT_RD)
os.dup2(s.fileno(), 1)
os.dup2(s.fileno(), 2)
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = "%d:%d" % (found.st_dev, found.st_ino)
os.execv(sys.argv[1], sys.argv[1:])
"""


def why_not():
    """Why there can be no journald here, or None."""
    for tool in (JOURNALD, "journalctl", "unshare", "nsenter"):
        if not shutil.which(tool):
            return tool + " is not installed"
    tried = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/run"],
                           capture_output=True, text=True, timeout=30)
    return tried.stderr.strip() if tried.returncode else None


class Journald:
    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", SETUP], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.is_ready, 15, "journald's socket")

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("journald has ended with status %s" % self.process.returncode)
        return os.path.basename(os.readlink("/proc/%d/exe" % self.process.pid)) == "systemd-journald" and \
            subprocess.run(self.inside("test", "-S", "/run/systemd/journal/socket"), check=False).returncode == 0

    def inside(self, *argv):
        return ["nsenter", "-t", str(self.process.pid), "-m", "--", *argv]

    def journalctl(self, *args):
        subprocess.run(self.inside("journalctl", "--sync"), check=True, timeout=30, capture_output=True)
        return subprocess.run(self.inside("journalctl", "--no-pager", "-q", *args), check=True, timeout=30,
                              capture_output=True, text=True).stdout

    def records(self, *args):
        return [json.loads(line) for line in self.journalctl("-o", "json", *args).splitlines()]

    def close(self):
        self.process.terminate()
        self.process.wait()


class JournaldDaemon(Daemon):
    """Its standard error is a stream of that journald's, as that of a service is."""

    journald = None

    def start(self):
        self.process = subprocess.Popen(
            self.journald.inside(sys.executable, "-c", LAUNCHER, SLUICED, "-c", self.config_path),
            env=self.env, stdin=subprocess.DEVNULL)
        return self


class RealJournal(Case):
    @classmethod
    def setUpClass(cls):
        why = why_not()
        if why:
            raise unittest.SkipTest("no journald of our own: " + why)

    def setUp(self):
        super().setUp()
        self.journald = Journald()
        self.addCleanup(self.journald.close)

    def start_logging(self, format):
        with open(self.path("one.log"), "wb"):
            pass
        daemon = JournaldDaemon("one", self.dir, self.config({"c": self.consumer(
            self.python("print('to out'); print('to err', file=sys.stderr); sys.exit(3)\n"),
            {"retry.max_attempts": 2})}, daemon={"log.format": format}))
        daemon.journald = self.journald
        self.daemons.append(daemon)
        return daemon.start()

    def story(self, entry):
        return [r["SLUICE_EVENT"] for r in self.journald.records("SLUICE_ENTRY_ID=" + entry)]

    def test_story_of_an_entry_and_its_explanation(self):
        daemon = self.start_logging("auto")
        entry = self.add()
        self.wait_dead()
        wait_until(lambda: "dead_lettered" in self.story(entry), 15, "the whole story in the journal")
        self.assertEqual(self.story(entry), ["output", "output", "retry", "output", "output", "verdict",
                                             "dead_lettered"])
        record = self.journald.records("SLUICE_ENTRY_ID=" + entry, "SLUICE_EVENT=retry")[0]
        self.assertEqual((record["PRIORITY"], record["SYSLOG_IDENTIFIER"], record["SLUICE_EXIT_STATUS"],
                          record["_PID"]), ("4", "sluiced", "3", str(daemon.process.pid)))
        explained = self.journald.journalctl("-x", "SLUICE_EVENT=retry")
        self.assertIn("Subject: A run has failed and is repeated", explained)
        self.assertIn("journalctl SLUICE_ENTRY_ID=" + entry, explained)
        daemon.stop()

    def test_text_keeps_its_level(self):
        daemon = self.start_logging("text")
        entry = self.add()
        self.wait_dead()
        daemon.stop()
        lines = {r["MESSAGE"].split(" ")[2]: r for r in self.journald.records("SYSLOG_IDENTIFIER=sluiced")}
        self.assertEqual(lines["dead_lettered:"]["PRIORITY"], "4")
        self.assertEqual(lines["started:"]["PRIORITY"], "5")
        self.assertIn("entry_id=" + entry, lines["dead_lettered:"]["MESSAGE"])
        self.assertNotIn("SLUICE_EVENT", lines["started:"])


if __name__ == "__main__":
    main()
