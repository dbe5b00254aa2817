# SPDX-License-Identifier: MIT
"""The consumer of a tutorial: COUNT 10, an XACK for each entry. usage: loop.py SOCKET"""
import sys

import redis

connection = redis.Redis(unix_socket_path=sys.argv[1])
while True:
    replies = connection.xreadgroup("bench", "bench", {"bench": ">"}, count=10, block=5000)
    for stream, entries in replies:
        for entry_id, fields in entries:
            connection.xack(stream, "bench", entry_id)
