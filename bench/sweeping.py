# SPDX-License-Identifier: MIT
"""A daemon that looks through a long pending list in which nothing is stale.

The entries are pending to somebody else, and fresher than claim.min_idle. A daemon begins to sweep half
a lease after it has connected; the time until then shows what everything costs without a sweep. In the
first round CPU time is taken, in the second one another client sends PINGs. XPENDING's count in the
server's statistics tells where a round begins and ends.
"""
import re
import time

from draining import Load, c_handler, fill, in_worker_mode, wait_blocked
from harness import Failed, Pings, cpu_ns, wait_until

LOOK_S, PING_S = 0.05, 0.001
STILL_LOOKS = 3  # without a page: the round is over

# The script keeps the entries to itself: a reply with all of them would have to be parsed here.
HAND_OUT = """
local reply = redis.call('XREADGROUP', 'GROUP', 'bench', ARGV[1], 'COUNT', 10000, 'STREAMS', KEYS[1], '>')
return reply and #reply[1][2] or 0
"""


def hand_out(redis, consumer):
    """Makes every entry of the stream pending to a consumer."""
    redis("XGROUP", "SETID", "bench", "bench", "0")
    while redis("EVAL", HAND_OUT, 1, "bench", consumer):
        pass


def fill_pending(bench, entries):
    """How many are pending then."""
    fill(bench, Load(entries))
    hand_out(bench.redis, "somebody")
    return pending_to(bench.redis, "somebody")


def pending_to(redis, consumer):
    return int(dict(redis("XPENDING", "bench", "bench")[3] or []).get(consumer, 0))


def calls(redis, command):
    found = re.search(rf"cmdstat_{command}:calls=(\d+)", redis("INFO", "commandstats"))
    return int(found[1]) if found else 0


class Watch:
    """What the server and the daemon do in a stretch of time, and how long PINGs take meanwhile."""

    def __init__(self, bench, process):
        self.redis, self.pids = bench.redis, (bench.server.process.pid, process.pid)
        self.process = process

    def stretch(self, is_over, ping):
        """Until is_over() is true: seconds, CPU seconds of server and daemon, the PINGs."""
        before, began = [cpu_ns(pid) for pid in self.pids], time.monotonic()
        look_at, pings = began + LOOK_S, Pings(self.redis)
        while True:
            now = time.monotonic()
            if now >= look_at:
                look_at = now + LOOK_S
                self.check(now - began)
                if is_over():
                    break
            time.sleep(PING_S if ping else LOOK_S)
            if ping:
                pings.send()
        used = [(cpu_ns(pid) - cpu) / 1e9 for pid, cpu in zip(self.pids, before)]
        return time.monotonic() - began, *used, pings

    def check(self, elapsed):
        if self.process.poll() is not None or elapsed > 120:
            raise Failed("the daemon ended, or its round does not")

    def idle(self, seconds, ping):
        until = time.monotonic() + seconds
        return self.stretch(lambda: time.monotonic() >= until, ping)

    def round(self, lease_s, ping):
        """From the first page until no more have come for a while."""
        before = calls(self.redis, "xpending")
        wait_until("a sweep", lambda: calls(self.redis, "xpending") > before + 1, lease_s)
        seen = []

        def is_over():
            seen.append(calls(self.redis, "xpending"))
            return len(seen) > STILL_LOOKS and seen[-1] == seen[-1 - STILL_LOOKS]
        took_s, *rest = self.stretch(is_over, ping)
        return took_s - STILL_LOOKS * LOOK_S, *rest


def figures(watch, entries, lease_s):
    quiet_s, quiet_server, quiet_daemon, _ = watch.idle(2, ping=False)
    *_, quiet_pings = watch.idle(2, ping=True)
    took_s, server, daemon, _ = watch.round(lease_s, ping=False)
    *_, pings = watch.round(lease_s, ping=True)
    if pending_to(watch.redis, "somebody") != entries:
        raise Failed("entries became stale: this machine is too slow for the lease")
    return {"rate": entries / took_s,
            "client_us": (daemon - quiet_daemon * took_s / quiet_s) * 1e6 / entries,
            "server_us": (server - quiet_server * took_s / quiet_s) * 1e6 / entries,
            **pings.figures(), **quiet_pings.figures("quiet_")}


def sweep(entries):
    def measure(bench):
        lease_s = 16 if bench.quick else 40
        found = fill_pending(bench, bench.amount(entries))
        with bench.daemon(in_worker_mode(c_handler(bench)), read={"block": "5s"},
                          claim={"min_idle": f"{lease_s}s", "interval": "2s"}) as process:
            wait_blocked(bench, process)
            return figures(Watch(bench, process), found, lease_s)
    return measure


class Pages:
    """Pages of XPENDING, read as they are: a row has seven line ends, an array one."""

    def __init__(self, redis, rows):
        self.socket, self.rows = redis.socket, rows

    def after(self, last_id):
        """The last id of the page behind this one."""
        words = ("XPENDING", "bench", "bench", last_id, "+", str(self.rows))
        self.socket.sendall("".join([f"*{len(words)}\r\n"] + [f"${len(w)}\r\n{w}\r\n" for w in words]).encode())
        page, ends = b"", 0
        while ends < 7 * self.rows + 1:
            got = self.socket.recv(1 << 18)
            ends += got.count(b"\n")
            page += got
        return "(" + page.rsplit(b"\r\n", 7)[-6].decode()


def bare_pages(entries):
    def measure(bench):
        found = fill_pending(bench, bench.amount(entries))
        n_pages, last_id = found // 1000, "-"
        pages, pid = Pages(bench.connect(), 1000), bench.server.process.pid
        began, server, client = time.monotonic(), cpu_ns(pid), time.process_time_ns()
        for _ in range(n_pages):
            last_id = pages.after(last_id)
        rows = n_pages * 1000
        return {"rate": rows / (time.monotonic() - began),
                "client_us": (time.process_time_ns() - client) / 1000 / rows,
                "server_us": (cpu_ns(pid) - server) / 1000 / rows}
    return measure
