# SPDX-License-Identifier: MIT
"""The verdict over a run of the crash test, from what handlers, Redis and the faults left behind.

Pure functions: evidence in, violations and counts out. Times are monotonic nanoseconds.
"""

import collections
import dataclasses

import plan

FOREVER = 1 << 62
MS = 10**6
SLACK_NS = 500 * MS
CLOCK_NS = 20 * MS
MIN_IDLE_NS = plan.MIN_IDLE_MS * MS
SUCCESS = ("ok", "drop")
# Where a run begins when it is handed over, a daemon that cannot reach Redis has no excuse for beginning one:
# it knows how old its lease is. In the window of a worker an entry waits, and may be lost there.
STANDS_STILL = {"stop", "slow machine", "kill"}

Violation = collections.namedtuple("Violation", "kind key text")


@dataclasses.dataclass
class Run:
    """One run of one entry, by the handler's own account. end_ns: when it was last seen alive."""
    key: tuple
    daemon: str
    parent: int
    pid: int
    attempt: int
    step: str
    start_ns: int
    end_ns: int
    verdict: str = None
    mode: str = "line"

    def __str__(self):
        return "run %d by %s (daemon pid %d, handler %d), %s" % (
            self.attempt, self.daemon, self.parent, self.pid, self.verdict or "no end recorded")


@dataclasses.dataclass
class Life:
    """One process of a daemon. killed_ns: when it was killed by SIGKILL, if it was."""
    daemon: str
    pid: int
    start_ns: int
    killed_ns: int = None


@dataclasses.dataclass
class Evidence:
    added: set = dataclasses.field(default_factory=set)  # keys: (stream, id)
    undelivered: set = dataclasses.field(default_factory=set)
    pending: dict = dataclasses.field(default_factory=dict)  # key: (owner, idle ms, deliveries)
    dead: list = dataclasses.field(default_factory=list)  # (key, metadata)
    oversize: set = dataclasses.field(default_factory=set)
    deleted: set = dataclasses.field(default_factory=set)
    dropped: set = dataclasses.field(default_factory=set)  # deleted, then taken out of the list by the rival
    thefts: dict = dataclasses.field(default_factory=dict)  # key: [ns] of a claim from a living owner
    acks: dict = dataclasses.field(default_factory=dict)  # key: [ns]
    leases: dict = dataclasses.field(default_factory=dict)  # key: [(ns, consumer)] of each XCLAIM
    runs: list = dataclasses.field(default_factory=list)
    lives: list = dataclasses.field(default_factory=list)
    windows: dict = dataclasses.field(default_factory=dict)  # daemon, or None for all: [(t0, t1, kind)]


def runs_of(records):
    """The runs that records of handlers tell of, in order of their start.

    Threads of one worker write them: what was said last is a matter of its time, not of its place."""
    runs, open_runs = [], {}
    for r in sorted(records, key=lambda record: record["ns"]):
        handle = (r["pid"], r["tag"], r["stream"], r["id"])
        if r["what"] == "start":
            open_runs[handle] = Run((r["stream"], r["id"]), r["daemon"], r["parent"], r["pid"], r["attempt"],
                                    r["step"], r["ns"], r["ns"], None, r.get("mode", "line"))
            runs.append(open_runs[handle])
        elif handle in open_runs:
            open_runs[handle].end_ns = r["ns"]
            open_runs[handle].verdict = r.get("verdict", open_runs[handle].verdict)
    return sorted(runs, key=lambda run: run.start_ns)


def by_key(runs):
    found = collections.defaultdict(list)
    for run in runs:
        found[run.key].append(run)
    return found


def succeeded(runs):
    return [run for run in runs if run.verdict in SUCCESS]


# ---- what a daemon cannot be blamed for ----

class Excuses:
    """Which faults could have cost an entry its lease."""

    def __init__(self, evidence):
        self.evidence = evidence
        self.lives = {life.pid: life for life in evidence.lives}

    def life_of(self, run):
        """A handler whose daemon was dead before it looked has another parent."""
        if run.parent in self.lives:
            return self.lives[run.parent]
        dead = [life for life in self.evidence.lives
                if life.daemon == run.daemon and life.killed_ns and life.killed_ns <= run.start_ns]
        return dead[-1] if dead else None

    def windows(self, run):
        yield from self.evidence.windows.get(run.daemon, ())
        yield from self.evidence.windows.get(None, ())
        life = self.life_of(run)
        if life and life.killed_ns:
            yield (life.killed_ns, FOREVER, "kill")

    def of_run(self, run, since_ns, until_ns):
        """The kinds of the faults of a run's daemon that reach into this time."""
        return {kind for t0, t1, kind in self.windows(run) if t0 <= until_ns and t1 + SLACK_NS >= since_ns}

    def of_theft(self, key, since_ns, until_ns):
        return {"thief" for at in self.evidence.thefts.get(key, ())
                if since_ns - MIN_IDLE_NS - SLACK_NS <= at <= until_ns}

    def of_queue(self, run, taken_ns):
        """It stood in a worker's queue when the thief took it: its daemon has not claimed it since."""
        return {"thief" for at in self.evidence.thefts.get(run.key, ())
                if run.mode == "line" and (taken_ns or 0) < at <= run.start_ns}

    def claimed_ns(self, run, until_ns):
        """When the run's daemon last claimed or renewed the entry, as far as Redis was asked; or None."""
        times = [at for at, who in self.evidence.leases.get(run.key, ()) if who == run.daemon and at <= until_ns]
        return max(times, default=None)

    def of_pair(self, earlier, later):
        """Why a second run may have begun while the first was under way, or done: the daemon of the first could
        not renew its lease before the other took it, or that of the second did not learn that it had lost its
        own. Only faults within those times count. What was read as new shows no claim; a lease is its bound."""
        taken = self.claimed_ns(later, later.start_ns + CLOCK_NS)
        until = later.start_ns if taken is None else taken
        renewed = self.claimed_ns(earlier, until)
        first = self.of_run(earlier, earlier.start_ns - MIN_IDLE_NS if renewed is None else renewed, until)
        second = self.of_run(later, later.start_ns - MIN_IDLE_NS if taken is None else taken, later.start_ns)
        if later.mode != "line":
            second &= STANDS_STILL
        return ({"first: " + kind for kind in first} | {"second: " + kind for kind in second}
                | self.of_theft(earlier.key, earlier.start_ns, later.start_ns) | self.of_queue(later, taken))

    def same_life(self, a, b):
        return a.daemon == b.daemon and self.life_of(a) is self.life_of(b)


# ---- the rules ----

def check_missing(evidence, runs, buried):
    """Every entry was handled, or is recorded as dead, or is still there."""
    for key in sorted(evidence.added):
        if not (succeeded(runs[key]) or key in buried or key in evidence.pending
                or key in evidence.undelivered or key in evidence.dropped):
            yield Violation("lost", key, "it is pending for nobody, was not handled with success, and has no "
                                         "dead-letter record")


def check_acks(evidence, runs, buried):
    """Nothing is acknowledged before somebody has handled it."""
    for key, acks in sorted(evidence.acks.items()):
        done = [run.end_ns for run in succeeded(runs[key])]
        if key in buried or (done and min(done) <= min(acks) + CLOCK_NS):
            continue
        yield Violation("acknowledged without success", key,
                        "acknowledged when no run had succeeded: %d runs before" %
                        sum(run.start_ns < min(acks) for run in runs[key]))


def lawful(reason, key, meta, evidence, runs):
    attempts = int(meta["sluice.attempts"])
    if reason == "rejected":
        return any(run.verdict == "dead" for run in runs[key])
    if reason == "trimmed":
        return key in evidence.deleted
    if reason == "oversize":
        return key in evidence.oversize
    return reason == "attempts" and (
        attempts > plan.MAX_ATTEMPTS + plan.SLACK_ATTEMPTS or attempts >= plan.MAX_ATTEMPTS and
        any(run.attempt >= plan.MAX_ATTEMPTS and run.verdict not in SUCCESS for run in runs[key]))


def check_dead(evidence, runs):
    """Every record has a lawful reason, and there is only one."""
    seen = set()
    for key, meta in evidence.dead:
        reason = meta["sluice.reason"]
        if key in seen:
            yield Violation("buried twice", key, "two dead-letter records, the second: %s" % meta)
        elif not lawful(reason, key, meta, evidence, runs):
            yield Violation("buried without reason", key, str(meta))
        elif key in evidence.oversize and any(run.daemon != plan.RIVAL for run in runs[key]):
            yield Violation("oversize and run", key, str(meta))
        seen.add(key)


def check_overlaps(runs, excuses, excused):
    """No entry ran twice at once."""
    for key, its_runs in sorted(runs.items()):
        longest = None
        for run in its_runs:
            if longest and run.start_ns < longest.end_ns:
                yield from judge_pair("ran twice at once", longest, run, excuses, excused)
            # The rival keeps no lease: after min_idle others may take what it holds.
            if run.daemon != plan.RIVAL and (not longest or run.end_ns > longest.end_ns):
                longest = run


def check_after_ack(evidence, runs, excuses, excused):
    """No entry is run again when it is acknowledged."""
    trimmed = {key for key, meta in evidence.dead if meta["sluice.reason"] == "trimmed"}
    for key, acks in sorted(evidence.acks.items()):
        done = succeeded(runs[key])
        late = [run for run in runs[key] if run.start_ns > min(acks) + CLOCK_NS]
        # XCLAIM would drop what has no data any more, so its lease runs out while it stands in a worker's
        # queue, and another records it.
        if done and late and key in trimmed & evidence.deleted:
            excused["ran after it was acknowledged", "deleted"] += 1
        elif done and late:
            yield from judge_pair("ran after it was acknowledged", done[0], late[0], excuses, excused)


def judge_pair(kind, earlier, later, excuses, excused):
    why = set() if excuses.same_life(earlier, later) and kind == "ran twice at once" else \
        excuses.of_pair(earlier, later)
    if why:
        excused[kind, ", ".join(sorted(why))] += 1
    else:
        yield Violation(kind, earlier.key, "%s, and then %s, %d ms after the first began" % (
            earlier, later, (later.start_ns - earlier.start_ns) // MS))


def judge(evidence):
    """(violations, counts, what was excused)."""
    runs = by_key(evidence.runs)
    buried = {key for key, _ in evidence.dead}
    excuses, excused = Excuses(evidence), collections.Counter()
    violations = [*check_missing(evidence, runs, buried), *check_acks(evidence, runs, buried),
                  *check_dead(evidence, runs), *check_overlaps(runs, excuses, excused),
                  *check_after_ack(evidence, runs, excuses, excused)]
    return violations, counts_of(evidence, runs), excused


def counts_of(evidence, runs):
    reasons = collections.Counter(meta["sluice.reason"] for _, meta in evidence.dead)
    more = [key for key in evidence.added if len(runs[key]) > 1]
    buried = {key for key, _ in evidence.dead}
    handled = {key for key in evidence.added if succeeded(runs[key])}
    return {
        "added": len(evidence.added),
        "handled": len(handled),
        "buried": len(evidence.dead),
        **{"buried: " + reason: n for reason, n in sorted(reasons.items())},
        "handled and buried": len(handled & buried),
        "pending at the end": len(evidence.pending),
        "dropped by the rival": len(evidence.dropped),
        "runs": len(evidence.runs),
        "entries with more than one run": len(more),
        "share of them": "%.1f %%" % (100 * len(more) / max(1, len(evidence.added))),
    }
