# SPDX-License-Identifier: MIT
"""What a server is told to do, in the order in which it does it."""

import collections
import re

WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')


class Monitor:
    """Commands as the server sees them."""

    def __init__(self, redis):
        self.connection = redis.connect()
        self.connection.call("MONITOR")

    def raw_until(self, marker):
        """Lines up to an ECHO of the marker."""
        end = b'"echo" "%s"' % marker.encode()
        while True:
            line = self.connection.read()
            if end in line.lower():
                self.connection.close()
                return
            yield line

    def until(self, marker):
        """The same, in lower case."""
        return [line.decode(errors="replace").lower() for line in self.raw_until(marker)]


Command = collections.namedtuple("Command", "at who words")


def command_of(line):
    """Of a line: when it was, in seconds; an address, or "lua" for what a script does; and its words, the first
    one in capitals. Odd bytes stay escaped."""
    begin, _, rest = line.partition(b"] ")
    at, _, who = begin.decode().split(" ", 2)
    words = [word.decode() for word in WORD.findall(rest)]
    return Command(float(at), who, [words[0].upper(), *words[1:]])
