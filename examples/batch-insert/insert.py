#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Inserts sensor readings in batches: one transaction for all that the daemon hands over together.

An entry's "more" says that the next one follows at once. A reading that makes no sense is refused
alone, before the transaction; when the database fails, the whole batch is to be tried again. Each
row carries its entry's key, so trying again doubles nothing.
"""

import json
import os
import sqlite3
import sys

SCHEMA = """
CREATE TABLE IF NOT EXISTS readings (
    stream TEXT, grp TEXT, id TEXT, sensor TEXT NOT NULL, celsius REAL NOT NULL,
    PRIMARY KEY (stream, grp, id));
"""


def row(entry):
    """The row for an entry; ValueError when it is not a reading."""
    sensor, celsius = (entry.get("fields", {}).get(name) for name in ("sensor", "celsius"))
    if not isinstance(sensor, str) or not isinstance(celsius, str):
        raise ValueError("expected the fields sensor and celsius, each with one value of text")
    if not -273.15 <= float(celsius) <= 1e6:
        raise ValueError(f"no temperature: {celsius[:40]!r}")
    return entry["stream"], entry["group"], entry["id"], sensor, float(celsius)


def insert(db, batch, say):
    """Settles every entry of the batch: {tag: row}."""
    try:
        with db:
            db.executemany("INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?, ?)", batch.values())
    except sqlite3.Error as why:
        for tag in batch:
            say("retry", tag, json.dumps(str(why)))
        return
    say("ok", *batch)
    print(f"inserted {len(batch)} readings", flush=True)


def main():
    db = sqlite3.connect(os.environ.get("DATABASE", "readings.db"), timeout=1)
    db.executescript(SCHEMA)
    verdicts = open(3, "w", buffering=1)
    batch = {}

    def say(*words):
        print(*words, file=verdicts)

    for line in sys.stdin.buffer:
        entry = json.loads(line)
        try:
            batch[entry["tag"]] = row(entry)
        except ValueError as why:
            say("dead", entry["tag"], json.dumps(str(why)))
        if batch and not entry["more"]:
            insert(db, batch, say)
            batch = {}


if __name__ == "__main__":
    main()
