# SPDX-License-Identifier: MIT
"""What happened to one entry, from all that was written down, in order of time."""

import datetime
import json
import os

from watch import monitored, wall_offset_ns

LINES_MAX = 150
AROUND_NS = 2 * 10**9


def logged_at_ns(line):
    """Wall time of a line of the daemon's log."""
    return int(datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() * 10**9)


def log_lines(world, wanted):
    for member in world.members:
        if not os.path.exists(member.daemon.log_path):
            continue
        with open(member.daemon.log_path, encoding="utf-8", errors="replace") as f:
            for text in f:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if wanted(line):
                    yield logged_at_ns(line), "%s logs    %s" % (member.name, text.strip()[:400])


def of_entry(world, key):
    """Lines of text."""
    stream, entry_id = key
    offset = wall_offset_ns()
    told = [(r["ns"] + offset, "handler    " + json.dumps(r)) for r in world.records()
            if (r["stream"], r["id"]) == key and r["what"] != "beat"]
    told += [(at, "redis      " + " ".join(words)[:400]) for at, words in monitored(world.path("monitor"))
             if entry_id in words and stream in words]
    told += log_lines(world, lambda line: line.get("entry_id") == entry_id and line.get("stream") == stream)
    if not told:
        return ["nothing is known of it"]
    first, last = min(told)[0] - AROUND_NS, max(told)[0] + AROUND_NS
    told += [(at + offset, "fault      " + text) for at, text in world.story if first <= at + offset <= last]
    told += [item for item in log_lines(world, lambda line: line.get("event") in (
        "connected", "disconnected", "stalled", "started", "draining", "stopped", "name_in_use", "breaker_open"))
        if first <= item[0] <= last]
    return in_order(told)


def in_order(told):
    told.sort()
    began = told[0][0]
    lines = ["%9.3f s  %s" % ((at - began) / 1e9, text) for at, text in told]
    if len(lines) > LINES_MAX:
        half = LINES_MAX // 2
        lines[half:-half] = ["           (%d lines left out)" % (len(lines) - LINES_MAX)]
    return lines
