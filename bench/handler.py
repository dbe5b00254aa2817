# SPDX-License-Identifier: MIT
"""A worker as its user would write it: parses each entry, answers for a whole batch at once."""
import json
import os
import sys

verdicts = os.fdopen(3, "w")
print("ready", file=verdicts, flush=True)
done = []
for line in sys.stdin.buffer:
    entry = json.loads(line)
    done.append(entry["tag"])
    if not entry["more"]:
        print("ok", *done, file=verdicts, flush=True)
        done.clear()
