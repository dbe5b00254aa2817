#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Worker mode as a handler's author knows it: entries in lines, verdicts in lines."""

import datetime
import sys

from harness import WorkerCase, main

SHELL_WORKER = """\
#!/bin/sh
while IFS= read -r entry; do
    printf '%s\\n' "$entry" | jq -r .fields.order_id   # printed: a log line with the entry's id
    echo ok >&3
done
"""

PYTHON_WORKER = """\
def handle(fields):
    if fields["order"] == "bad":
        raise ValueError("no such\\norder")
    if fields["order"] == "busy":
        raise OSError("try later")

import json, os, sys
verdicts = os.fdopen(3, "w", buffering=1)
for line in sys.stdin:
    entry = json.loads(line)
    try:
        handle(entry["fields"])
        print("ok", entry["tag"], file=verdicts)
    except ValueError as why:
        print("dead", entry["tag"], json.dumps(str(why)), file=verdicts)
    except Exception as why:
        print("retry", entry["tag"], json.dumps(str(why)), file=verdicts)
"""

# Collects entries until `more` is false.
BATCHES = """\
batch = []
for entry in entries():
    batch.append(entry)
    if entry["more"]:
        continue
    %s
    batch = []
"""


def seconds_between(first, second):
    times = [datetime.datetime.fromisoformat(e["time"].replace("Z", "+00:00")) for e in (first, second)]
    return (times[1] - times[0]).total_seconds()


class Examples(WorkerCase):
    def test_shell_worker(self):
        daemon = self.start(self.script(SHELL_WORKER), {"handler.mode": "worker"})
        ids = [self.add(order_id="o-%d" % n) for n in range(3)]
        self.wait_settled()
        printed = [(e["entry_id"], e["message"]) for e in daemon.events("output")]
        self.assertEqual(printed, [(entry, "o-%d" % n) for n, entry in enumerate(ids)])
        self.assertEqual(len(daemon.events("worker_started")), 1)
        daemon.stop()

    def test_python_worker(self):
        text = "#!%s -S\n%s" % (sys.executable, PYTHON_WORKER)
        daemon = self.start(self.script(text), {"handler.mode": "worker", "retry.initial_delay": "1h",
                                                "retry.max_delay": "1h"})
        good, bad, busy = (self.add(order=word) for word in ("good", "bad", "busy"))
        daemon.wait_for_event("verdict", entry_id=good, outcome="ok")
        daemon.wait_for_event("dead_lettered", entry_id=bad)
        event = daemon.wait_for_event("retry", entry_id=busy, failure="retry")
        self.assertIn("try later", event["message"])
        self.assertIn(b"no such", dict(self.dead()[0])[b"sluice.detail"])
        daemon.stop()


class Window(WorkerCase):
    def test_no_more_than_the_window_is_outstanding(self):
        self.start_windowed("tags = []\n"
                            "for entry in entries():\n"
                            "    record(id=entry['id'])\n"
                            "    tags.append(entry['tag'])\n"
                            "    if len(tags) == 5: gate('go')\n"
                            "    if is_open('go'): say('ok', *tags); tags = []\n", 5)
        self.add_many(12)
        self.wait_records(5)
        self.add()
        self.assertEqual(len(self.records()), 5)
        self.open_gate()
        self.wait_settled()
        self.assertEqual(len(self.records()), 13)

    def test_verdicts_in_any_order(self):
        daemon = self.start_windowed("tags = []\n"
                                     "for entry in entries():\n"
                                     "    tags.append(entry['tag'])\n"
                                     "    if len(tags) == 4:\n"
                                     "        for tag in reversed(tags): say('ok', tag)\n", 4)
        ids = self.add_many(4)
        daemon.wait_for_event("verdict", count=4)
        self.assertEqual([e["entry_id"] for e in daemon.events("verdict")], list(reversed(ids)))

    def test_batches_by_more(self):
        self.start_windowed(BATCHES % "record(size=len(batch)); say('ok', *[e['tag'] for e in batch])", 50)
        self.add_many(500)
        self.wait_settled()
        sizes = [r["size"] for r in self.records()]
        self.assertEqual(sum(sizes), 500)
        self.assertLessEqual(max(sizes), 50)

    def test_last_entry_never_says_more(self):
        """A worker that waits for the end of its batch must not wait for ever."""
        self.start_windowed(BATCHES % "say('ok', *[e['tag'] for e in batch])", 1000)
        for n in range(10):
            self.add_many(n + 1)
            self.wait_settled()

    def test_tag_may_be_left_out(self):
        self.start_worker("for entry in entries(): say('ok')\n")
        self.add_many(20)
        self.wait_settled()

    def test_tags_are_unique_over_workers(self):
        self.start_worker("for entry in entries():\n    record(tag=entry['tag'])\n    say('ok', entry['tag'])\n",
                          {"handler.concurrency": 3, "handler.window": 10})
        self.add_many(100)
        self.wait_settled()
        self.assertEqual(len({r["tag"] for r in self.records()}), 100)


class InputPipe(WorkerCase):
    def sizes(self, concurrency):
        self.start_worker("import fcntl\nrecord(size=fcntl.fcntl(0, 1032))\nfor entry in entries(): pass\n",
                          {"handler.concurrency": concurrency})
        self.wait_records(concurrency)
        return {record["size"] for record in self.records()}

    def test_of_a_few_workers_is_large(self):
        self.assertEqual(self.sizes(2), {256 * 1024})

    def test_of_many_is_as_usual(self):
        self.assertEqual(self.sizes(16), {64 * 1024})


class Verdicts(WorkerCase):
    def test_drop(self):
        daemon = self.start_worker("for entry in entries(): say('drop', entry['tag'], 'too old')\n")
        entry = self.add()
        daemon.wait_for_event("verdict", entry_id=entry, outcome="drop")
        self.wait_settled()

    def test_release_until_the_next_sweep(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    record(attempt=entry['attempt'])\n"
                                   "    say('ok' if is_open('go') else 'release', entry['tag'])\n",
                                   {"claim.min_idle": "1s"})
        entry = self.add()
        daemon.wait_for_event("released", entry_id=entry)
        self.open_gate()
        self.wait_settled()
        self.assertEqual({r["attempt"] for r in self.records()}, {1})

    def test_first_terminal_verdict_counts(self):
        daemon = self.start_windowed("for entry in entries():\n"
                                     "    say('ok', entry['tag']); say('dead', entry['tag'], 'no')\n", 2)
        self.add_many(5)
        self.wait_settled()
        self.assertEqual((self.dead(), len(daemon.events("verdict", outcome="ok"))), ([], 5))

    def test_unknown_tag_is_ignored(self):
        daemon = self.start_windowed("for entry in entries():\n"
                                     "    say('dead', 99999999); say('ok', entry['tag'])\n", 2)
        self.add_many(5)
        self.wait_settled()
        self.assertEqual(self.dead(), [])
        self.assertEqual(len(daemon.events("protocol_error")), 1)

    def test_working_starts_the_timeout_anew(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    for _ in range(6):\n"
                                   "        time.sleep(0.2); say('working', entry['tag'])\n"
                                   "    say('ok', entry['tag'])\n", {"handler.timeout": "600ms"})
        self.add()
        self.wait_settled()
        self.assertEqual(daemon.events("retry") + daemon.events("worker_ended"), [])

    def test_pause(self):
        self.start_worker("for entry in entries():\n"
                          "    record(at=time.monotonic())\n"
                          "    say('pause 700ms'); say('ok', entry['tag'])\n")
        self.add_many(3)
        self.wait_settled()
        at = [r["at"] for r in self.records()]
        self.assertGreater(min(at[1] - at[0], at[2] - at[1]), 0.65)

    def test_retire(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    record(pid=os.getpid())\n"
                                   "    say('retire'); say('ok', entry['tag'])\n")
        self.add_many(4)
        self.wait_settled()
        self.assertEqual(len({r["pid"] for r in self.records()}), 4)
        self.assertEqual(daemon.events("breaker_open"), [])

    def test_retiring_worker_finishes_what_it_has(self):
        self.start_windowed("for n, entry in enumerate(entries()):\n"
                            "    if n == 0: say('retire')\n"
                            "    record(attempt=entry['attempt'])\n"
                            "    say('ok', entry['tag'])\n", 5)
        self.add_many(40)
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [1] * 40)

    def test_nothing_is_sent_before_ready(self):
        self.start_worker("record(started=True)\ngate('go')\nsay('ready')\n"
                          "for entry in entries():\n    record(id=entry['id'])\n    say('ok', entry['tag'])\n",
                          {"handler.ready": True})
        self.add_many(3)
        self.wait_records(1)
        self.assertEqual(self.pending(), {})
        self.open_gate()
        self.wait_settled()
        self.assertEqual(len(self.records()), 4)

    def test_worker_that_never_gets_ready_is_replaced(self):
        daemon = self.start_worker("record(pid=os.getpid())\n"
                                   "if is_open('go'): say('ready')\n"
                                   "for entry in entries(): say('ok', entry['tag'])\n",
                                   {"handler.ready": True, "handler.start_timeout": "300ms"})
        self.add()
        daemon.wait_for_event("worker_ended")
        self.open_gate()
        self.wait_settled()

    def test_broken_releases_everything(self):
        daemon = self.start_windowed(
            "seen = 0\n"
            "for entry in entries():\n"
            "    record(attempt=entry['attempt'])\n"
            "    seen += 1\n"
            "    if is_open('go'): say('ok', entry['tag'])\n"
            "    elif seen == 3: say('broken', 'no database')\n", 3, {"claim.min_idle": "1s"})
        ids = self.add_many(3)
        for entry in ids:
            daemon.wait_for_event("released", entry_id=entry)
        self.assertEqual(daemon.events("retry"), [])
        self.open_gate()
        self.wait_settled()
        self.assertEqual({r["attempt"] for r in self.records()}, {1})

    def test_verdicts_on_stdout(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    print('working hard on it'); print('ok', entry['tag'])\n",
                                   {"handler.verdicts": "stdout"})
        self.add_many(3)
        self.wait_settled()
        self.assertEqual(len(daemon.events("verdict", outcome="ok")), 3)
        daemon.stop()


class EndOfInput(WorkerCase):
    def test_workers_end_with_the_daemon(self):
        daemon = self.start_worker("for entry in entries(): say('ok', entry['tag'])\nrecord(end='clean')\n",
                                   {"handler.concurrency": 3})
        self.add_many(20)
        self.wait_settled()
        daemon.stop()
        self.assertEqual(self.records(), [{"end": "clean"}] * 3)
        self.assertEqual(len(daemon.events("worker_ended", exit_status=0)), 3)

    def test_restart_backs_off(self):
        daemon = self.start_worker("sys.exit(1)\n", {"breaker.failures": 100})
        starts = [daemon.wait_for_event("worker_started", count=n + 1) for n in range(4)]
        gaps = [seconds_between(a, b) for a, b in zip(starts, starts[1:])]
        for gap, least in zip(gaps, (0.05, 0.1, 0.2)):
            self.assertGreaterEqual(gap, least)

    def test_clean_end_is_replaced_at_once(self):
        daemon = self.start_worker("for entry in entries():\n    say('ok', entry['tag']); sys.exit(0)\n")
        self.add_many(10)
        self.wait_settled()
        verdicts = daemon.events("verdict", outcome="ok")
        self.assertEqual(len(verdicts), 10)
        self.assertEqual(daemon.events("breaker_open"), [])


if __name__ == "__main__":
    main()
