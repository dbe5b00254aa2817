# SPDX-License-Identifier: MIT
"""Looks on while the faults come: what Redis is told, and whether the machine itself stands still."""

import os
import threading
import time
from itertools import takewhile

import resp

TOO_SLOW_NS = 250 * 10**6


class Watcher(threading.Thread):
    """Does self.look() again and again, over as many connections as it takes."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.over = threading.Event()
        self.connection = None

    def run(self):
        while not self.over.is_set():
            try:
                self.connection = resp.Connection(self.path, timeout=2)
                self.connection.call("CLIENT", "SETNAME", "crash.watcher")
                self.look()
            except (OSError, resp.ReplyError):
                self.over.wait(0.02)
            finally:
                if self.connection:
                    self.connection.close()
                    self.connection = None

    def end(self):
        self.over.set()
        self.join(5)


class Monitor(Watcher):
    """Keeps what MONITOR shows, in a file."""

    def __init__(self, path, output):
        super().__init__(path)
        self.output = output

    def look(self):
        self.connection.call("MONITOR")
        raw = self.connection.socket
        raw.settimeout(0.2)
        with open(self.output, "ab") as f:
            while not self.over.is_set():
                try:
                    data = raw.recv(1 << 20)
                except TimeoutError:
                    continue
                if not data:
                    return
                f.write(data)
                f.flush()


class Witness(Watcher):
    """Times in which nobody could have reached Redis, or in which this machine was too busy."""

    def __init__(self, path):
        super().__init__(path)
        self.windows = []
        self.last_ns = time.monotonic_ns()

    def look(self):
        while not self.over.wait(0.05):
            self.connection.call("PING")
            now = time.monotonic_ns()
            if now - self.last_ns > TOO_SLOW_NS:
                self.windows.append((self.last_ns, now, "slow machine"))
            self.last_ns = now


def wall_offset_ns():
    """Wall time less monotonic time."""
    before = time.monotonic_ns()
    wall = time.time_ns()
    return wall - (before + time.monotonic_ns()) // 2


def monitored(path):
    """(ns of the wall clock, words) of each command that MONITOR has shown."""
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            try:
                stamp, rest = line[1:].split(" ", 1)
                words = rest[rest.index('] "') + 3:].rstrip()[:-1].split('" "')
                yield int(stamp.replace(".", "")) * 1000, words
            except ValueError:
                continue  # the half of a line, where the server was killed


def commands(path, group):
    """What MONITOR shows of the entries of a group, each as {(stream, id): [...]} with ns of the wall clock:
    [ns] of each XACK, and [(ns, consumer)] of each XCLAIM."""
    acks, leases = {}, {}
    for at_ns, words in monitored(path):
        name = words[0].upper()
        if name == "XACK" and words[2] == group:
            for entry_id in words[3:]:
                acks.setdefault((words[1], entry_id), []).append(at_ns)
        if name == "XCLAIM" and words[2] == group:
            for entry_id in takewhile(lambda word: "-" in word, words[5:]):
                leases.setdefault((words[1], entry_id), []).append((at_ns, words[3]))
    return acks, leases
