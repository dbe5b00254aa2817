#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts order events and their money in SQLite.

Each entry is one row under its idempotency key and the totals are a view over the rows, so an
entry that is delivered again counts once.
"""

import json
import os
import sqlite3
import sys
import traceback
from decimal import Decimal

SCHEMA = """
CREATE TABLE IF NOT EXISTS counted (
    stream TEXT, grp TEXT, id TEXT, type TEXT NOT NULL, cents INTEGER NOT NULL,
    PRIMARY KEY (stream, grp, id));
CREATE VIEW IF NOT EXISTS totals AS
    SELECT type, count(*) AS events, sum(cents) AS cents FROM counted GROUP BY type;
"""


def text(entry, name):
    """A field that must be there, once, and be UTF-8."""
    value = entry.get("fields", {}).get(name)
    if not isinstance(value, str):
        raise ValueError(f"field {name}: expected one value of text")
    return value


def cents(amount):
    try:
        return int(Decimal(amount) * 100)
    except ArithmeticError:
        raise ValueError(f"field total: not an amount: {amount[:40]!r}") from None


def count(db, entry):
    row = (entry["stream"], entry["group"], entry["id"], text(entry, "type"), cents(text(entry, "total")))
    with db:  # one transaction; the verdict is written after its commit
        db.execute("INSERT OR IGNORE INTO counted VALUES (?, ?, ?, ?, ?)", row)


def main():
    db = sqlite3.connect(os.environ.get("DATABASE", "totals.db"), timeout=10)
    db.executescript(SCHEMA)
    verdicts = open(3, "w", buffering=1)
    for line in sys.stdin.buffer:
        entry = json.loads(line)
        try:
            count(db, entry)
            print("ok", entry["tag"], file=verdicts)
        except ValueError as why:  # the data is wrong: never try again
            print("dead", entry["tag"], json.dumps(str(why)), file=verdicts)
        except Exception as why:  # the database is busy, the disk is full: later
            traceback.print_exc()
            print("retry", entry["tag"], json.dumps(str(why)), file=verdicts)


if __name__ == "__main__":
    main()
