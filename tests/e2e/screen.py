# SPDX-License-Identifier: MIT
"""A program that draws: the screen of a vt100 as it would look, as lines of text."""

import fcntl
import os
import re
import struct
import termios
import time

from servers import PATIENCE
from terminal import Program

SEQUENCE = re.compile(rb"\x1b(?:\[([?\d;]*)([A-Za-z])|[()][0-9A-B]|([=>78DMEHc]))")


class Screen(Program):
    """What a program shows on a terminal of this size. As much of a vt100 as ncurses makes use of."""

    def __init__(self, argv, env, rows=24, columns=80):
        self.argv, self.env = argv, {**env, "TERM": "vt100", "LC_ALL": "C.UTF-8"}
        super().__init__()
        self.rows = self.columns = 0
        self.cells, self.at, self.unread = [], [0, 0], b""
        self.resize(rows, columns)
        self.type("\n")  # it waits for the size

    def execute(self):
        os.read(0, 1)
        os.execvpe(self.argv[0], self.argv, self.env)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.cells = [self._blank() for _ in range(rows)]
        self.region = (0, rows - 1)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _blank(self):
        return [" "] * self.columns

    # What it writes

    def take(self, data):
        data = self.unread + data
        self.unread = b""
        while data:
            found = SEQUENCE.match(data)
            if found:
                self._control(found)
                data = data[found.end():]
            elif data[0] == 0x1b and len(data) < 16 or data[0] > 0xbf and len(data) < 4:
                self.unread, data = data, b""  # the rest of it comes later
            else:
                data = data[self._plain(data):]

    def _plain(self, data):
        """Bytes taken."""
        row, column = self.at
        if data[0] == 0x0a:
            self._down()
        elif data[0] in b"\r\b":
            self.at[1] = 0 if data[0] == 0x0d else max(column - 1, 0)
        if data[0] < 0x20 or data[0] == 0x7f:
            return 1
        length = 1 if data[0] < 0x80 else 2 if data[0] < 0xe0 else 3 if data[0] < 0xf0 else 4
        if row < self.rows and column < self.columns:
            self.cells[row][column] = data[:length].decode(errors="replace")
            self.at[1] = column + 1
        return length

    def _down(self):
        top, bottom = self.region
        if self.at[0] == bottom:
            self.cells.insert(bottom + 1, self._blank())
            del self.cells[top]
        elif self.at[0] + 1 < self.rows:
            self.at[0] += 1

    def _up(self):
        top, bottom = self.region
        if self.at[0] == top:
            del self.cells[bottom]
            self.cells.insert(top, self._blank())
        elif self.at[0]:
            self.at[0] -= 1

    def _control(self, found):
        letter = found[2]
        if found[3] in (b"D", b"M"):
            self._down() if found[3] == b"D" else self._up()
        if not letter or found[1].startswith(b"?"):
            return
        numbers = [int(n or 0) for n in found[1].split(b";")]
        row, column = self.at
        step = numbers[0] or 1
        if letter == b"H":
            self.at = [max(n - 1, 0) for n in (numbers + [1])[:2]]
        elif letter == b"r":
            self.region = (max(numbers[0], 1) - 1, (numbers + [0])[1] - 1 if len(numbers) > 1 else self.rows - 1)
            self.at = [0, 0]
        elif letter in b"ABCD":
            down, right = {b"A": (-1, 0), b"B": (1, 0), b"C": (0, 1), b"D": (0, -1)}[letter]
            self.at = [max(row + down * step, 0), max(column + right * step, 0)]
        elif letter == b"K" and row < self.rows:
            first, last = [(column, self.columns), (0, column + 1), (0, self.columns)][numbers[0]]
            self.cells[row][first:last] = [" "] * len(self.cells[row][first:last])
        elif letter == b"J":
            first = 0 if numbers[0] == 2 else row
            for line in range(first, self.rows):
                start = column if line == row and numbers[0] == 0 else 0
                self.cells[line][start:] = [" "] * (self.columns - start)

    # What a test asks

    def lines(self):
        return ["".join(line).rstrip() for line in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def shown(self):
        return self.text()

    def wait_for(self, pattern, seconds=20):
        """The match of a regular expression with what is shown."""
        end = time.monotonic() + seconds * PATIENCE
        while True:
            found = re.search(pattern, self.text(), re.M)
            if found:
                return found
            if not self.read(0.05) or time.monotonic() > end:
                raise AssertionError("waited in vain for %r in\n%s" % (pattern, self.text()))
