# SPDX-License-Identifier: MIT
"""A program on a terminal: keys are typed, what it writes is taken in."""

import os
import pty
import select
import signal
import time

from servers import PATIENCE


class Program:
    """A subclass says how it is executed and what becomes of its output: take(data), shown()."""

    def __init__(self):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            self.execute()

    def read(self, seconds):
        """False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: the other end is closed
            return False
        self.take(data)
        return bool(data)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait_exit(self, seconds=20):
        """The exit status, negative for a signal."""
        end = time.monotonic() + seconds * PATIENCE
        while self.read(0.02):
            if time.monotonic() > end:
                self.kill()
                raise AssertionError("it does not end:\n" + self.shown())
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = None
        os.close(self.fd)
        return status

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)
            self.pid = None
