# SPDX-License-Identifier: MIT
"""What a soak has to show: pure functions of what was measured."""

from collections import namedtuple

# Sizes in KiB. zombies: pids of children that nobody had waited for.
Sample = namedtuple("Sample", "at_s added private rss fds children zombies server")

# idle_before and idle_after are samples of a daemon that has nothing to do. sanitizer: lines that one printed.
# trend: whether the growth of memory counts. AddressSanitizer's allocator never takes memory of one size for
# another, so it grows with every new mixture of sizes; there, LeakSanitizer tells.
Evidence = namedtuple("Evidence", "samples idle_before idle_after wanted settled status left sanitizer trend",
                      defaults=(0, True, 0, (), (), True))

WARM_UP = 1 / 4     # of the time: by then every kind of entry and of trouble has come many times
GROWTH_KIB = 2048   # over the rest of the time. What the daemon keeps for its next replies comes and goes by as much
GROWTH_SHARE = 0.03  # or this share of what is in use on average, whichever is more
DONE_SHARE = 0.5    # of the entries that were wanted; with less it was no soak


def slope(points):
    """Of the line that fits (x, y) best, by least squares."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def warm(samples):
    """The samples after the warm-up."""
    begin = samples[-1].at_s * WARM_UP
    return [sample for sample in samples if sample.at_s >= begin]


def growth(samples):
    """(KiB by which the private memory grew after the warm-up, as the line has it; its bound)"""
    points = [(sample.at_s, sample.private) for sample in warm(samples)]
    mean = sum(private for _, private in points) / len(points)
    return slope(points) * (points[-1][0] - points[0][0]), max(GROWTH_KIB, GROWTH_SHARE * mean)


def stayed_zombies(samples):
    """Those of two samples in a row: half a second is far more than a SIGCHLD takes."""
    return sorted(set().union(*(one.zombies & two.zombies for one, two in zip(samples, samples[1:]))))


def of_memory(evidence):
    grown, bound = growth(evidence.samples)
    if evidence.trend and grown > bound:
        yield "private memory grew by %.0f KiB after the warm-up, more than %.0f KiB" % (grown, bound)


def of_descriptors(evidence):
    before, after = evidence.idle_before, evidence.idle_after
    if after.fds != before.fds:
        yield "%d descriptors when idle, not %d as at the start" % (after.fds, before.fds)


def of_children(evidence):
    before, after = evidence.idle_before, evidence.idle_after
    if after.children != before.children:
        yield "%d children when idle, not %d as at the start" % (after.children, before.children)
    zombies = stayed_zombies(evidence.samples) + sorted(after.zombies)
    if zombies:
        yield "zombies: %s" % ", ".join(map(str, zombies))


def of_the_end(evidence):
    if not evidence.settled:
        yield "entries were left when the load was over"
    if evidence.status != 0:
        yield "exit status %s" % evidence.status
    if evidence.left:
        yield "processes left behind: %s" % ", ".join(map(str, evidence.left))
    for line in evidence.sanitizer:
        yield "sanitizer: %s" % line


def of_the_load(evidence):
    added = evidence.samples[-1].added
    if added < evidence.wanted * DONE_SHARE:
        yield "only %d entries of %d were done: not the load that was asked for" % (added, evidence.wanted)


def judge(evidence):
    """What is wrong, a sentence each."""
    checks = (of_memory, of_descriptors, of_children, of_the_end, of_the_load)
    return [fault for check in checks for fault in check(evidence)]
