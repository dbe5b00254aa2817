# SPDX-License-Identifier: MIT
"""handler.py line|side: a worker that does what an entry's first field, "do", says.

"line" answers in the order of the entries and "side" the other way round, for a whole batch at once.
"""

import os
import re
import sys

HEAD = re.compile(rb'\{"tag":(\d+),.*?"attempt":(\d+),.*?"more":(true|false),.*?"do":"(\w+)"')
HEAD_BYTES = 1000  # what comes before the payload
OFTEN = 3


def said(tag, attempt, do):
    """The verdict; None for plain success, which is said for many at once."""
    if do == b"retry" and attempt == 1:
        return b"retry %d not yet" % tag
    if do == b"later" and attempt == 1:
        return b"retry %d delay=4s later" % tag
    if do == b"exhaust":
        return b"retry %d never" % tag
    if do == b"dead":
        return b"dead %d unwanted" % tag
    if do == b"drop":
        return b"drop %d" % tag
    if do == b"release" and tag % OFTEN:
        return b"release %d" % tag
    return None


def answer(batch):
    lines = [said(*entry) for entry in batch]
    done = [b"%d" % entry[0] for entry, line in zip(batch, lines) if not line]
    lines = [line for line in lines if line] + ([b"ok " + b" ".join(done)] if done else [])
    if any(do == b"retire" for _, _, do in batch):
        lines.append(b"retire")
    os.write(3, b"\n".join(lines) + b"\n")


def main():
    batch = []
    for line in sys.stdin.buffer:
        tag, attempt, more, do = HEAD.match(line[:HEAD_BYTES]).groups()
        if do == b"crash" and attempt == b"1":
            os._exit(1)
        if do == b"noise":
            os.write(1, b"a line that nobody reads\n" * 40)
        batch.append((int(tag), int(attempt), do))
        if more == b"false" or len(batch) == 100:
            answer(batch if sys.argv[1] == "line" else batch[::-1])
            batch = []


main()
