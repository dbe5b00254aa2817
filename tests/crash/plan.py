# SPDX-License-Identifier: MIT
"""What a seed decides: which faults come when, and what each entry asks of its handler.

Everything here is a pure function of the seed, so that a schedule can be replayed.
"""

import random

MIN_IDLE_MS = 1500
BLOCK_MS = 100
TIMEOUT_MS = 3000
KILL_GRACE_MS = 300
DRAIN_MS = 1500
MAX_ATTEMPTS = 5
SLACK_ATTEMPTS = 3  # runs above MAX_ATTEMPTS that an entry may arrive with and still be run
MAX_ENTRY_BYTES = 32768
OVERSIZE_BYTES = 40000

GROUP = "g"
RIVAL = "rival"
MODES = ("exec", "line", "side")  # one stream and one consumer of each daemon for each

# ---- the schedule of faults ----

# How often each comes, relative to the others.
FAULTS = {
    "kill": 10, "stop": 8, "term": 6, "client_kill": 8, "cut": 14, "stall": 8, "refuse": 3,
    "redis": 4, "rival": 8, "thief": 5, "delete": 4, "trim": 2, "burst": 2,
}
BETWEEN_MS = (250, 500, 1500)  # on average; a seed has one of these
OF_A_DAEMON = ("kill", "stop", "term", "cut", "stall", "refuse")


def schedule(seed, seconds, n_daemons):
    """The faults in order of time: dicts with "at_ms", "kind", and what the kind needs."""
    dice = random.Random("schedule %s" % seed)
    faults, at_ms = [], 1500.0
    between_ms = dice.choice(BETWEEN_MS)
    while at_ms < seconds * 1000:
        kind = dice.choices(list(FAULTS), list(FAULTS.values()))[0]
        fault = {"at_ms": int(at_ms), "kind": kind, **details(kind, dice)}
        if kind in OF_A_DAEMON:
            fault["daemon"] = dice.randrange(n_daemons)
        faults.append(fault)
        at_ms += dice.expovariate(1 / between_ms)
    return faults


def details(kind, dice):
    """The same number of throws for a kind, whatever comes of them."""
    if kind in ("kill", "redis", "burst"):
        return {"down_ms": short_or_long(dice)}
    if kind in ("stop", "refuse"):
        return {"for_ms": short_or_long(dice)}
    if kind == "term":
        return {"down_ms": short_or_long(dice), "twice_ms": dice.choice((None, None, None, 100, 600))}
    if kind == "client_kill":
        return {"which": dice.random(), "all": dice.random() < 0.2}
    if kind == "cut":
        return {"which": dice.random(), "way": dice.choice(("reply", "reply", "request")),
                "after": int(dice.choice((1, 30, 300, 3000)) * dice.random())}
    if kind == "stall":
        return {"which": dice.choice((None, dice.random())), "for_ms": short_or_long(dice),
                "cut": dice.random() < 0.3}
    if kind in ("rival", "thief"):
        return {"which": dice.random(), "count": dice.randint(1, 4), "for_ms": dice.randint(20, 1500),
                "then": dice.choice(("ack", "leave", "give back")), "mode": dice.choice(MODES),
                "tries": 75 if kind == "rival" else 0}
    if kind == "delete":
        return {"which": dice.random(), "count": dice.randint(1, 3), "mode": dice.choice(MODES)}
    if kind == "trim":
        return {"which": dice.random() * 0.3, "mode": dice.choice(MODES)}
    raise ValueError(kind)


def short_or_long(dice):
    """Within a lease, or beyond it."""
    return int(dice.choice((dice.uniform(50, 500), dice.uniform(300, 1400), dice.uniform(1500, 4000))))


# ---- what entries ask for ----

# Steps: the first is for attempt 1, and so on; the last is for all that follow. A worker and a process
# for one entry read them alike, as far as they can.
COMMON = {
    "slow": 3, "slow fails": 1, "retry, ok 0": 4, "retry 200ms, retry 50ms, ok 0": 2, "retry": 2, "dead": 3,
    "late dead": 1, "drop": 2, "release, ok 0": 2, "flood, ok 0": 2, "garbage, ok 0": 2, "oversize": 1,
}
# A worker that has died comes back later each time, so in most of them nothing must happen.
OF_WORKERS = {
    "ok 0": 200, "ok 5": 500, "ok 30": 50,
    "exit 1, ok 0": 1, "kill, ok 0": 1, "kill, kill, ok 0": 1, "hang, ok 0": 1, "ok then die": 1, "broken, ok 0": 1,
    "garbage many, ok 0": 1, "lie, ok 0": 4, "flip, ok 0": 3, "working": 1, "retire": 2, "pause": 2,
}
OF_MODE = {
    "exec": {"ok 0": 30, "ok 5": 30, "exit 1": 2, "exit 1, ok 0": 5, "exit 75, exit 3, ok 0": 2, "kill": 1,
             "kill, ok 0": 3, "hang, ok 0": 2, "deaf, ok 0": 1, "ok then die": 2, "broken, ok 0": 1},
    "line": {**OF_WORKERS, "deaf, ok 0": 1},
    "side": OF_WORKERS,
}


def recipe(seed, mode, number):
    """The steps of an entry, as text."""
    dice = random.Random("entry %s %s %d" % (seed, mode, number))
    weights = {**COMMON, **OF_MODE[mode]}
    steps = dice.choices(list(weights), list(weights.values()))[0]
    slow_ms = int(dice.uniform(0.8, 1.8) * MIN_IDLE_MS)
    return {"slow": "ok %d" % slow_ms, "slow fails": "fail %d, ok 0" % slow_ms,
            "late dead": "retry, dead"}.get(steps, steps)


def trickle(number):
    """An entry for the time after the faults: it only has to succeed."""
    return "ok %d" % (number % 5)
