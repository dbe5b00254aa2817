#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Projects order events into a table of orders.

Two things make it safe to run an entry twice, or after a later one (a retried entry comes late):
the entry's key is remembered in the transaction that applies it, and an order's status comes from
the newest entry id that was seen for it, not from the entry that happens to run last.
"""

import json
import os
import sqlite3
import sys
import traceback

SCHEMA = """
CREATE TABLE IF NOT EXISTS applied (stream TEXT, grp TEXT, id TEXT, PRIMARY KEY (stream, grp, id));
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY, status TEXT NOT NULL, events INTEGER NOT NULL, newest TEXT NOT NULL);
"""

UPSERT = """
INSERT INTO orders VALUES (:order_id, :status, 1, :position)
ON CONFLICT (order_id) DO UPDATE SET
    events = events + 1,
    status = CASE WHEN :position > newest THEN :status ELSE status END,
    newest = max(newest, :position)
"""

STATUS = {"order.placed": "placed", "order.paid": "paid",
          "order.shipped": "shipped", "order.cancelled": "cancelled"}


def text(entry, name):
    """A field that must be there, once, and be UTF-8."""
    value = entry.get("fields", {}).get(name)
    if not isinstance(value, str):
        raise ValueError(f"field {name}: expected one value of text")
    return value


def position(id):
    """An entry id as text that sorts as ids do: both halves are numbers, so 5-10 comes after 5-9."""
    return "-".join(half.zfill(20) for half in id.split("-"))


def change(entry):
    """The row that an entry asks for; ValueError when it makes no sense."""
    type = text(entry, "type")
    if type not in STATUS:
        raise ValueError(f"unknown type of event {type[:40]!r}")
    return {"order_id": text(entry, "order_id"), "status": STATUS[type], "position": position(entry["id"])}


def apply(db, entry):
    row = change(entry)
    key = entry["stream"], entry["group"], entry["id"]
    with db:  # the key and the change are committed together, or not at all
        if db.execute("INSERT OR IGNORE INTO applied VALUES (?, ?, ?)", key).rowcount == 0:
            print("applied before:", entry["id"], flush=True)
            return
        db.execute(UPSERT, row)


def main():
    db = sqlite3.connect(os.environ.get("DATABASE", "orders.db"), timeout=10)
    db.executescript(SCHEMA)
    verdicts = open(3, "w", buffering=1)
    for line in sys.stdin.buffer:
        entry = json.loads(line)
        try:
            apply(db, entry)
            print("ok", entry["tag"], file=verdicts)
        except ValueError as why:  # the data is wrong: never try again
            print("dead", entry["tag"], json.dumps(str(why)), file=verdicts)
        except Exception as why:  # the database is busy, the disk is full: later
            traceback.print_exc()
            print("retry", entry["tag"], json.dumps(str(why)), file=verdicts)


if __name__ == "__main__":
    main()
