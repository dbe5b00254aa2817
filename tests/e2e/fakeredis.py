# SPDX-License-Identifier: MIT
"""A stand-in for Redis that says what a test tells it to, and passes everything else on.

It stands between a daemon and a real server. By a rule a command is answered without having
reached the server, or the server's answer to it is exchanged for another: what some version, some
topology or some misfortune would say.
"""

import os
import queue
import socket
import threading
import time

CLOSED = b""  # as an answer: the connection ends instead


def error(text):
    return b"-%s\r\n" % text.encode()


class Rule:
    """What becomes of the commands that it fits, from the (skip + 1)-th on, so many times.

    It fits a command that begins with these words and has the key, or all of the keys, among them, on a
    connection that has had a command `beside` already.
    """

    def __init__(self, command, change, before, key=(), beside=None, skip=0, times=None):
        self.words = [word.upper().encode() for word in command.split()]
        self.change = change  # the new answer, for the old one (None: the server was not asked)
        self.before = before  # the server is not asked at all
        self.keys = [word.encode() for word in ((key,) if isinstance(key, str) else key)]
        self.beside = beside and beside.encode()
        self.skip, self.times = skip, times
        self.hits = []  # when it was applied

    def fits(self, words, beside=()):
        begin = [word.upper() for word in words[:len(self.words)]]
        if begin != self.words or any(key not in words for key in self.keys):
            return False
        if self.beside and self.beside not in beside:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and len(self.hits) >= self.times:
            return False
        self.hits.append(time.monotonic())
        return True


class Wire:
    """One direction of a connection: whole messages of RESP2, as the bytes they came in."""

    def __init__(self, sock):
        self.stream = sock.makefile("rb")

    def _line(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        return line

    def _bytes(self, length):
        data = self.stream.read(length)
        if len(data) != length:
            raise ConnectionError("closed")
        return data

    def message(self):
        line = self._line()
        length = int(line[1:]) if line[:1] in (b"$", b"*") else -1
        if length < 0:
            return line
        if line[:1] == b"$":
            return line + self._bytes(length + 2)
        return line + b"".join(self.message() for _ in range(length))

    def command(self):
        """Its words, and the bytes."""
        line = self._line()
        words, raw = [], [line]
        for _ in range(int(line[1:])):
            raw.append(self._line())
            raw.append(self._bytes(int(raw[-1][1:]) + 2))
            words.append(raw[-1][:-2])
        return words, b"".join(raw)


class Link:
    """One connection of a daemon and the one to the server behind it."""

    def __init__(self, fake, near, server_path):
        self.fake, self.near = fake, near
        self.far = socket.socket(socket.AF_UNIX)
        self.far.connect(server_path)
        self.asked = queue.Queue()  # (rule or None) for each command, in order
        self.said = queue.Queue()  # what the server answered
        for work in (self._commands, self._answers):
            threading.Thread(target=self._until_closed, args=(work,), daemon=True).start()
        threading.Thread(target=self._listen, daemon=True).start()

    def _until_closed(self, work):
        try:
            work()
        except (OSError, ValueError):  # the latter: the stream was closed under the reader
            pass
        self.close()

    def close(self):
        for sock in (self.near, self.far):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        self.asked.put(CLOSED)

    def _commands(self):
        wire, before = Wire(self.near), set()
        while True:
            words, raw = wire.command()
            rule = self.fake.rule_for(words, before)
            before.add(words[0])
            self.asked.put((rule,))
            if not (rule and rule.before):
                self.far.sendall(raw)

    def _listen(self):
        """The server's closing comes after its answers, and is noticed with nothing asked."""
        try:
            wire = Wire(self.far)
            while True:
                self.said.put(wire.message())
        except (OSError, ValueError):
            self.said.put(CLOSED)
            self.asked.put(CLOSED)

    def _answers(self):
        while True:
            item = self.asked.get()
            if item == CLOSED:
                return
            answer = self._answer(item[0])
            if answer == CLOSED:
                return
            self.fake.pass_on(self.near, answer)

    def _answer(self, rule):
        if rule and rule.before:
            return rule.change(None)
        answer = self.said.get()
        return rule.change(answer) if rule and answer != CLOSED else answer


class FakeRedis:
    """Listens at `path` and asks the server at `server_path`."""

    def __init__(self, path, server_path):
        self.path, self.server_path = path, server_path
        self.lock = threading.Lock()
        self.rules, self.links, self.seen = [], [], []
        self.over = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return "unix://" + self.path

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.links.append(Link(self, near, self.server_path))
            except OSError:
                near.close()

    def close(self):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            link.close()
        os.unlink(self.path)

    def pass_on(self, near, answer):
        near.sendall(answer)

    # What a test tells it

    def _add(self, rule):
        with self.lock:
            self.rules.insert(0, rule)
        return rule

    def refuse(self, command, text, **which):
        """Answers it with an error; the server never hears of it."""
        return self._add(Rule(command, lambda _old: error(text), True, **which))

    def answer(self, command, make, **which):
        """Answers it with make(None); the server never hears of it."""
        return self._add(Rule(command, make, True, **which))

    def say(self, command, answer, **which):
        """The server does it, and the daemon is told something else."""
        return self._add(Rule(command, lambda _old: answer, False, **which))

    def translate(self, command, change, **which):
        """The server does it, and the daemon is told change(answer), bytes for bytes."""
        return self._add(Rule(command, change, False, **which))

    def silence_until(self, command, seconds, begin, answer, **which):
        """An answer that begins so is not passed on; so much later comes the other one instead."""
        def change(old):
            if not old.startswith(begin):
                return old
            self.over.wait(seconds)
            return answer
        return self.translate(command, change, **which)

    def lift(self, *rules):
        with self.lock:
            self.rules = [rule for rule in self.rules if rule not in rules]

    # What it saw

    def rule_for(self, words, before):
        """before: first words of what has come over the connection."""
        with self.lock:
            self.seen.append(words)
            return next((rule for rule in self.rules if rule.fits(words, before)), None)

    def count(self, command, key=()):
        """How many such commands have come so far."""
        probe = Rule(command, None, False, key)
        with self.lock:
            return sum(probe.fits(words) for words in self.seen)
