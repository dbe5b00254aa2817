# SPDX-License-Identifier: MIT
"""What listens for the daemon's datagrams in place of systemd: a journal and a service manager."""

import contextlib
import os
import select
import socket
import struct
import threading
import time

from servers import Daemon, wait_until

LEVELS = {"3": "error", "4": "warning", "5": "notice", "6": "info", "7": "debug"}


class Listener:
    """A datagram socket that a thread reads. pause() leaves its queue to fill up."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.received = []  # (time, bytes)
        self.lock = threading.Lock()
        self.is_reading, self.is_closed = True, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.is_closed:
            if not self._wait_readable():
                continue
            with self.lock:
                if self.is_reading:
                    self.received.append((time.monotonic(), self._receive()))

    def _wait_readable(self):
        """Whether there is something to read within a moment; a pause is such a moment."""
        if self.is_reading:
            return select.select([self.socket], [], [], 0.02)[0]
        select.select([], [], [], 0.02)
        return False

    def _receive(self):
        data, fds, _, _ = socket.recv_fds(self.socket, 1 << 20, 1)
        for fd in fds:
            with open(fd, "rb") as f:
                f.seek(0)
                data += f.read()
        return data

    def pause(self):
        with self.lock:
            self.is_reading = False

    def resume(self):
        self.is_reading = True

    def wait_until_read(self):
        """Returns when all that was sent so far has been read."""
        while self.is_reading and select.select([self.socket], [], [], 0)[0]:
            time.sleep(0.001)
        with self.lock:
            pass

    def close(self):
        if self.is_closed:
            return
        self.is_closed = True
        self.thread.join()
        self.socket.close()
        if isinstance(self.address, str) and not self.address.startswith("\0"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address)


def fields_of(record):
    """{name: bytes} of a record of the journal's native protocol; fails where it has not that form."""
    fields = {}
    while record:
        line, newline, rest = record.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = struct.unpack("<Q", rest[:8])[0]
            value, newline, rest = rest[8:8 + length], rest[8 + length:9 + length], rest[9 + length:]
        if newline != b"\n" or name in fields:
            raise AssertionError("not a record: %r" % record)
        fields[name.decode("ascii")] = value
        record = rest
    return fields


class Journal(Listener):
    def records(self):
        return [fields_of(data) for _, data in list(self.received)]


class JournalDaemon(Daemon):
    """A daemon whose log is read at its journal: events() and wait_for_event() look there."""

    def __init__(self, journal, name, directory, text, args=(), env=None):
        super().__init__(name, directory, text, args,
                         {"SLUICED_JOURNAL_SOCKET": journal.address, **(env or {})})
        self.journal = journal

    def _read_log(self):
        if self.process and self.process.poll() is not None:
            self.journal.wait_until_read()
        records = list(self.journal.received)
        self.lines += [self._as_line(fields_of(data)) for _, data in records[self.read_to:]]
        self.read_to = len(records)

    @staticmethod
    def _as_line(record):
        """The record as log.format json has it."""
        line = {name[len("SLUICE_"):].lower(): value.decode() for name, value in record.items()
                if name.startswith("SLUICE_")}
        line["message"] = record["MESSAGE"].decode()
        line["level"] = LEVELS[record["PRIORITY"].decode()]
        return line


class Manager(Listener):
    """A service manager: what it was told, as dicts."""

    def messages(self):
        return [dict(line.split("=", 1) for line in data.decode().split("\n"))
                for _, data in list(self.received)]

    def told(self, name):
        return [m[name] for m in self.messages() if name in m]

    def times(self, name):
        wanted = name.encode() + b"="
        return [at for at, data in list(self.received) if wanted in data]

    def wait_told(self, name, value=None, count=1, seconds=15):
        def seen():
            found = [v for v in self.told(name) if value in (None, v)]
            return len(found) >= count and found
        return wait_until(seen, seconds, "%d x %s=%s" % (count, name, value or ""))
