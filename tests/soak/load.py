# SPDX-License-Identifier: MIT
"""The load of a soak: which entries come, and what troubles come with them.

An entry's id is its number in its stream, so the group's last delivered id tells how far its daemon is.
"""

import collections
import itertools
import sys

import resp

GROUP = "g"

# share: of all entries. ahead: how many may wait in a stream. A stream each.
Lane = collections.namedtuple("Lane", "stream share ahead consumer")
MAXLEN = 5000

# What an entry asks for and how large it is are taken from its number, so that each run has the same.
ADD = """
local stream, first, last, maxlen = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local kinds = { 60, 'retry', 70, 'later', 75, 'exhaust', 95, 'dead', 105, 'drop', 135, 'release',
                136, 'retire', 146, 'noise', 10000, 'ok' }
local sizes = { 5, 200 * 1024, 15, 70 * 1024, 215, 10 * 1024, 1715, 1024, 5000, 100, 10000, 10 }
local function pick(choices, dice)
	for i = 1, #choices, 2 do
		if dice < choices[i] then
			return choices[i + 1]
		end
	end
end
for n = first, last do
	redis.call('XADD', stream, 'MAXLEN', '~', maxlen, n .. '-1', 'do', pick(kinds, n * 7919 % 10000),
		'body', string.rep('x', pick(sizes, n * 6151 % 10000)))
end
"""

TAKE_DATA = """
local rows = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 5)
for i = 1, #rows do
	redis.call('XDEL', KEYS[1], rows[i][1])
end
return #rows
"""


def worker(mode, window, here):
    return {"mode": "worker", "concurrency": 2, "window": window, "parallel": mode == "side",
            "command": [sys.executable, "-SE", here + "/handler.py", mode]}


# Each kind of entry by exit status; large ones reach the process in a memory file.
PROCESS = """
case $SLUICE_FIELD_DO$SLUICE_ATTEMPT in
crash1) kill -9 $$ ;;
retry1) exit 1 ;;
later1) echo 'retry delay=4s' >&3 ;;
exhaust*) exit 1 ;;
dead*) exit 65 ;;
drop*) echo drop >&3 ;;
release*) [ $(($$ % 3)) = 0 ] || echo release >&3 ;;
noise*) echo 'a line that nobody reads'; echo 'and another' >&2 ;;
esac
"""


def lanes(here):
    process = {"concurrency": 4, "command": ["/bin/sh", "-c", PROCESS], "environment_fields": ["do"]}
    return [
        Lane("line", 0.56, 3000, {"handler": worker("line", 100, here)}),
        Lane("side", 0.36, 3000, {"handler": worker("side", 16, here)}),
        Lane("vanishing", 0.07, 1000, {"handler": worker("line", 10, here)}),
        Lane("process", 0.01, 100, {"handler": process}),
    ]


class Load:
    """Adds what is due, as far as the daemon follows."""

    def __init__(self, redis, here, total, seconds):
        self.redis, self.lanes, self.total, self.seconds = redis, lanes(here), total, seconds
        self.added = dict.fromkeys((lane.stream for lane in self.lanes), 0)
        self.crashes = itertools.cycle([lane for lane in self.lanes if lane.stream != "process"])

    def group(self, stream):
        """(number of the last delivered entry, pending), or None while there is no group."""
        try:
            group = resp.table(self.redis.call("XINFO", "GROUPS", stream)[0])
        except (resp.ReplyError, IndexError):
            return None
        return int(group["last-delivered-id"].split(b"-")[0]), group["pending"]

    def feed(self, at_s):
        """Adds what is due by now and has room."""
        for lane in self.lanes:
            due = int(self.total * lane.share * min(at_s / self.seconds, 1))
            self.feed_lane(lane, due)

    def feed_lane(self, lane, due):
        group, added = self.group(lane.stream), self.added[lane.stream]
        if group is None and added:
            return
        delivered, pending = group or (0, 0)
        last = min(due, delivered + lane.ahead - pending, added + 500)
        if last > added:
            self.redis.call("EVAL", ADD, 1, lane.stream, added + 1, last, MAXLEN)
            self.added[lane.stream] = last

    def is_settled(self):
        return all(self.group(stream) == (added, 0) for stream, added in self.added.items())

    def dead_letters(self):
        """How many records there ever were."""
        total = 0
        for lane in self.lanes:
            if self.redis.call("EXISTS", lane.stream + ":dead"):
                info = resp.table(self.redis.call("XINFO", "STREAM", lane.stream + ":dead"))
                total += info["entries-added"]
        return total

    # The troubles

    def cut_connections(self):
        self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def destroy_group(self):
        self.redis.call("XGROUP", "DESTROY", "vanishing", GROUP)

    def delete_pending(self):
        for lane in self.lanes:
            if self.group(lane.stream):
                self.redis.call("EVAL", TAKE_DATA, 1, lane.stream, GROUP)

    def crash_worker(self):
        """Seldom: a worker that dies often is started ever more slowly."""
        stream = next(self.crashes).stream
        self.added[stream] += 1
        self.redis.call("XADD", stream, "%d-1" % self.added[stream], "do", "crash", "body", "x")

    def kill_process(self):
        self.added["process"] += 1
        self.redis.call("XADD", "process", "%d-1" % self.added["process"], "do", "crash", "body", "x")

    def forget_scripts(self):
        self.redis.call("SCRIPT", "FLUSH")


# How often, in seconds.
TROUBLES = {Load.cut_connections: 3.1, Load.destroy_group: 7.3, Load.delete_pending: 0.9,
            Load.crash_worker: 14.9, Load.kill_process: 1.3, Load.forget_scripts: 11.7}


class Troubles:
    def __init__(self, load):
        self.load = load
        self.next_s = dict(TROUBLES)
        self.done = collections.Counter()

    def make(self, at_s):
        """Those whose time has come."""
        for trouble, every_s in TROUBLES.items():
            if at_s >= self.next_s[trouble]:
                self.next_s[trouble] = at_s + every_s
                trouble(self.load)
                self.done[trouble.__name__] += 1
