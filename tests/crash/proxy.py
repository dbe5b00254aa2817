# SPDX-License-Identifier: MIT
"""proxy.py REDIS_SOCKET EVENTS SOCKET...: stands between each daemon and Redis, and does harm on request.

One socket for each daemon. Requests come on standard input, a line of JSON each:

  {"do": "cut", "daemon": 0, "which": 0.3, "way": "reply", "after": 17}   cut after so many bytes more
  {"do": "stall", "daemon": 0, "which": 0.3 or null, "for_ms": 900, "cut": true}
  {"do": "refuse", "daemon": 0, "for_ms": 900}                            cut all, and let none in
  {"do": "heal"}

What really happens, and when, goes to EVENTS, a line of JSON each. End of input ends it.
"""

import asyncio
import json
import os
import sys
import time

CHUNK = 65536
IDLE_CUT_S = 2  # a cut that waits for bytes in vain comes after this


class Link:
    """A connection of a daemon, and ours to Redis for it."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.left = {}  # way: bytes that may still pass
        self.flows = asyncio.Event()
        self.flows.set()
        self.ends = []

    def abort(self):
        self.flows.set()
        for writer in self.ends:
            writer.transport.abort()


class Proxy:
    def __init__(self, redis, events, paths):
        self.redis, self.paths = redis, paths
        self.events = os.open(events, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.links = [[] for _ in paths]
        self.refused_until = [0] * len(paths)

    def note(self, kind, daemon, for_ms=0):
        now = time.monotonic_ns()
        line = {"kind": kind, "daemon": daemon, "t0": now, "t1": now + for_ms * 10**6}
        os.write(self.events, (json.dumps(line) + "\n").encode())

    # Traffic

    async def serve(self, daemon, reader, writer):
        link = Link(daemon)
        link.ends.append(writer)
        if time.monotonic() < self.refused_until[daemon]:
            return link.abort()
        try:
            to_reader, to_writer = await asyncio.open_unix_connection(self.redis, limit=CHUNK)
        except OSError:
            return link.abort()
        link.ends.append(to_writer)
        self.links[daemon].append(link)
        try:
            await asyncio.gather(self.pump(link, "request", reader, to_writer),
                                 self.pump(link, "reply", to_reader, writer))
        finally:
            self.links[daemon].remove(link)
        return None

    async def pump(self, link, way, reader, writer):
        try:
            while data := await reader.read(CHUNK):
                await link.flows.wait()
                if way in link.left and len(data) >= link.left[way]:
                    writer.write(data[:link.left[way]])
                    self.note("cut", link.daemon)
                    return link.abort()
                if way in link.left:
                    link.left[way] -= len(data)
                writer.write(data)
                await writer.drain()
            await link.flows.wait()
        except OSError:
            pass
        for end in link.ends:
            end.close()
        return None

    # Harm

    def chosen(self, daemon, which):
        links = self.links[daemon]
        if which is None:
            return list(links)
        return links[int(which * len(links)):][:1]

    def cut(self, daemon, which, way, after):
        for link in self.chosen(daemon, which):
            link.left[way] = after
            asyncio.get_running_loop().call_later(IDLE_CUT_S, self.cut_idle, link)

    def cut_idle(self, link):
        if link.left and link in self.links[link.daemon]:
            self.note("cut", link.daemon)
            link.abort()

    def stall(self, daemon, which, for_ms, cut):
        loop = asyncio.get_running_loop()
        for link in self.chosen(daemon, which):
            link.flows.clear()
            self.note("stall", daemon, for_ms)
            loop.call_later(for_ms / 1000, link.abort if cut else link.flows.set)

    def refuse(self, daemon, for_ms):
        self.refused_until[daemon] = time.monotonic() + for_ms / 1000
        self.note("refuse", daemon, for_ms)
        for link in list(self.links[daemon]):
            link.abort()

    def heal(self):
        self.refused_until = [0] * len(self.paths)
        for links in self.links:
            for link in links:
                link.left = {}
                link.flows.set()

    async def obey(self):
        loop = asyncio.get_running_loop()
        stdin = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
        while line := await stdin.readline():
            request = json.loads(line)
            getattr(self, request.pop("do"))(**request)

    async def run(self):
        for daemon, path in enumerate(self.paths):
            def serve(reader, writer, daemon=daemon):
                return self.serve(daemon, reader, writer)
            await asyncio.start_unix_server(serve, path, limit=CHUNK)
        self.note("ready", None)
        await self.obey()


if __name__ == "__main__":
    asyncio.run(Proxy(sys.argv[1], sys.argv[2], sys.argv[3:]).run())
