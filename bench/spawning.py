# SPDX-License-Identifier: MIT
"""A process for each entry, as with subprocess.run in a tutorial. usage: spawning.py SOCKET"""
import subprocess
import sys

import redis

connection = redis.Redis(unix_socket_path=sys.argv[1])
while True:
    replies = connection.xreadgroup("bench", "bench", {"bench": ">"}, count=10, block=5000)
    for stream, entries in replies:
        for entry_id, fields in entries:
            subprocess.run(["/bin/true"], check=True)
            connection.xack(stream, "bench", entry_id)
