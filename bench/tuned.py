# SPDX-License-Identifier: MIT
"""The consumer of somebody who has measured: COUNT 500, one XACK for a batch. usage: tuned.py SOCKET"""
import sys

import redis


def handle(fields):
    pass


connection = redis.Redis(unix_socket_path=sys.argv[1])
while True:
    replies = connection.xreadgroup("bench", "bench", {"bench": ">"}, count=500, block=5000)
    for stream, entries in replies:
        for entry_id, fields in entries:
            handle(fields)
        connection.xack(stream, "bench", *[entry_id for entry_id, fields in entries])
