# SPDX-License-Identifier: MIT
"""A Redis client for tests: RESP2 over a unix or TCP socket, bytes in, bytes out."""

import select
import socket
import ssl


class ReplyError(Exception):
    """An error that the server answered with."""


def encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        raw = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


class Connection:
    def __init__(self, address, timeout=20, tls=None):
        """address: the path of a unix socket, or (host, port); tls: an SSLContext."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(address)
            if tls:
                self.socket = tls.wrap_socket(self.socket)
        except OSError:
            self.socket.close()
            raise
        self.stream = self.socket.makefile("rb")

    def close(self):
        self.stream.close()
        self.socket.close()

    def is_cut(self):
        """The server has closed it; seen only where there is no TLS, and when no reply is due."""
        if isinstance(self.socket, ssl.SSLSocket) or not select.select([self.socket], [], [], 0)[0]:
            return False
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def send(self, *args):
        self.socket.sendall(encode(args))

    def read(self):
        """One reply; an error in it, nested ones too, is returned as a ReplyError."""
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._read_bulk(int(rest))
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        raise ConnectionError("not RESP: %r" % line)

    def _read_bulk(self, length):
        if length < 0:
            return None
        data = self.stream.read(length + 2)
        if len(data) != length + 2:
            raise ConnectionError("the server closed the connection")
        return data[:-2]

    def call(self, *args):
        self.send(*args)
        reply = self.read()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def pipeline(self, commands):
        """Sends all commands, then reads all replies; errors are returned, not raised."""
        replies = []
        for start in range(0, len(commands), 500):
            chunk = commands[start : start + 500]
            self.socket.sendall(b"".join(encode(args) for args in chunk))
            replies += [self.read() for _ in chunk]
        return replies


def pairs(flat):
    """[a, 1, b, 2] as [(a, 1), (b, 2)]."""
    return list(zip(flat[::2], flat[1::2]))


def table(flat):
    """A flat reply such as XINFO's as a dict with str keys."""
    return {name.decode(): value for name, value in pairs(flat)}
