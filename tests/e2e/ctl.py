# SPDX-License-Identifier: MIT
"""sluicectl as its users run it: in a pipe, and on a terminal."""

import json
import os
import subprocess
import sys
import time

from harness import Case
from servers import PATIENCE, SLUICED, environ_without
from terminal import Program

SLUICECTL = os.environ.get("SLUICECTL") or os.path.join(os.path.dirname(SLUICED), "sluicectl")
CONFIG = """\
redis:
  url: "%s"
consumers:
  c:
    stream: s
    group: g
    consumer: me
    handler: { command: [/bin/true] }
"""


class Said:
    """What a command printed, and its exit status."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def json(self):
        return json.loads(self.out)

    def lines(self):
        """Of JSON, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def rows(self):
        """Of a table: a dict of each row; columns are two blanks apart."""
        title, *rows = [line.rstrip() for line in self.out.splitlines()]
        names = title.split()
        return [dict(zip(names, row.split(None, len(names) - 1))) for row in rows]


class Terminal(Program):
    """A command on a terminal of 80 columns."""

    def __init__(self, argv, env, size=(24, 80)):
        self.argv, self.output = argv, b""
        self.env = {**env, "LINES": str(size[0]), "COLUMNS": str(size[1])}
        super().__init__()

    def execute(self):
        os.execvpe(self.argv[0], self.argv, self.env)

    def take(self, data):
        self.output += data

    def shown(self):
        return self.output.decode(errors="replace")

    def wait_for(self, text, seconds=15):
        end = time.monotonic() + seconds * PATIENCE
        while text.encode() not in self.output:
            if time.monotonic() > end:
                raise AssertionError("waited in vain for %r in %r" % (text, self.output))
            self.read(0.05)
        return self.shown()

    def interrupt(self):
        self.type("\x03")


class CtlCase(Case):
    """ctl() runs a command with self.config_path, which holds the consumer "c" of stream "s", group
    "g", name "me"."""

    def setUp(self):
        super().setUp()
        self.config_path = self.path("ctl.yaml")
        self.write_config(CONFIG % self.redis.unix_url)

    def write_config(self, text):
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(text)

    def argv(self, *args):
        return [SLUICECTL, "-c", self.config_path, *map(str, args)]

    def ctl_env(self, **more):
        return {**environ_without("NO_COLOR", "COLUMNS", "LINES"), "TERM": "xterm", **more}

    def ctl(self, *args, status=0, stdin=None, seconds=60, **env):
        """Runs it in pipes; fails on another exit status."""
        done = subprocess.run(self.argv(*args), input=stdin, capture_output=True, check=False,
                              timeout=seconds * PATIENCE, env=self.ctl_env(**env))
        said = Said(done.returncode, done.stdout.decode(errors="replace"),
                    done.stderr.decode(errors="replace"))
        if said.status != status:
            raise AssertionError("sluicectl %s: exit status %s\n%s%s"
                                 % (" ".join(map(str, args)), said.status, said.out, said.err))
        return said

    def start_ctl(self, *args, stdin=subprocess.PIPE, **env):
        """One that goes on, as a Popen; killed at the end."""
        process = subprocess.Popen(self.argv(*args), stdin=stdin, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.ctl_env(**env))
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def terminal(self, *args, **env):
        terminal = Terminal(self.argv(*args), self.ctl_env(**env))
        self.addCleanup(terminal.kill)
        return terminal


if __name__ == "__main__":
    sys.exit("run the test_ctl_*.py")
