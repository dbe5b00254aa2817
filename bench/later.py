# SPDX-License-Identifier: MIT
"""A worker that puts everything off for an hour."""
import os
import sys

tags = []
os.write(3, b"ready\n")
for line in sys.stdin.buffer:
    tags.append(line[len(b'{"tag":'):line.index(b",")])
    if b'"more":false' in line:
        os.write(3, b"".join(b"retry %b delay=1h\n" % tag for tag in tags))
        tags.clear()
