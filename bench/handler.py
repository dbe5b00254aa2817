# SPDX-License-Identifier: MIT
"""A worker as a careful user would write it: parses each entry, answers for a whole batch at once.

raw_decode() of text takes little more than half of what json.loads() of bytes does: that one looks
for their encoding first, and for white space around.
"""
import json

parse = json.JSONDecoder().raw_decode
verdicts = open(3, "w", encoding="utf-8")
print("ready", file=verdicts, flush=True)
done = []
for line in open(0, encoding="utf-8"):
    entry, _ = parse(line)
    done.append(entry["tag"])
    if not entry["more"]:
        print("ok", *done, file=verdicts, flush=True)
        done.clear()
