#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much is read, and from where."""

import re
import signal
import statistics
import time

from harness import Case, WorkerCase, main
from monitor import Monitor, command_of
from servers import FLAVOUR, stays_true, wait_until

HOLD = "record(id=json.load(sys.stdin)['id'])\ngate('go')\n"


class Walks(WorkerCase):
    """A walk through the pending list ends where the list ended when it began, or it would follow the
    entries of a drain for as long as that lasts."""

    PAGE, PAUSE_S = 250, 0.0025

    def monitor(self):
        monitor = Monitor(self.redis)
        self.addCleanup(monitor.connection.close)
        return monitor

    def pages(self, monitor, owner, enough):
        """When the pages of everybody's rows (none) or of one consumer's were asked, their starts and ends."""
        found = []
        while len(found) < enough:
            at, _, words = command_of(monitor.connection.read())
            if words[:3] == ["XPENDING", "s", "g"] and words[5:] == [str(self.PAGE), *owner]:
                found.append((at, words[3], words[4]))
        return found

    def pauses(self, pages):
        return [later[0] - page[0] for page, later in zip(pages, pages[1:])]

    def pages_from_the_start(self, *owner):
        self.add_many(1300)
        last = self.abandon(2000, consumer=owner[0] if owner else "ghost")[-1]
        monitor = self.monitor()
        self.start(self.python(HOLD), {"claim.min_idle": "2s", "claim.interval": "500ms"})
        _, starts, ends = zip(*self.pages(monitor, owner, 4))
        self.open_gate("all")
        self.assertEqual((starts[0], *ends), ("-", "+", last, last, last))
        self.assertEqual(len(set(starts)), 4)

    def test_own_rows(self):
        self.pages_from_the_start("me")

    def test_sweep(self):
        self.pages_from_the_start()

    def hold(self, pages):
        """A daemon that holds so many pages of rows; and how it asked for them while it took them up."""
        self.abandon(len(self.add_many(pages * self.PAGE)), consumer="me")
        monitor = self.monitor()
        self.start(self.python(HOLD), {"claim.min_idle": "1h", "read.max_held": 100000},
                   daemon={"log.level": "notice"})
        return self.pages(monitor, ["me"], pages + 1)

    def connect_anew(self):
        """Its monitor, from before the first page of the look through what it holds."""
        self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        return self.monitor()

    def test_pause_behind_a_page_without_work_only(self):
        working = self.hold(16)
        looking = self.pages(self.connect_anew(), ["me"], 17)
        self.open_gate("all")
        self.assertEqual([start for _, start, _ in looking], [start for _, start, _ in working])
        self.assertLess(min(self.pauses(working)), self.PAUSE_S)
        self.assertGreater(min(self.pauses(looking)), self.PAUSE_S)

    def test_look_that_lasts_is_neither_cut_nor_doubled(self):
        """A page is so long on its way that the next look is due before the pause behind it is over."""
        working = self.hold(40)
        monitor = self.connect_anew()
        looking = self.pages(monitor, ["me"], 2)
        self.redis.process.send_signal(signal.SIGSTOP)
        stays_true(lambda: True, 1.7)
        self.redis.process.send_signal(signal.SIGCONT)
        looking += self.pages(monitor, ["me"], 80)
        self.open_gate("all")
        self.assertEqual([start for _, start, _ in looking], 2 * [start for _, start, _ in working])
        self.assertGreater(max(self.pauses(looking[:41])), 4.5)


class Bounds(WorkerCase):
    def most_pending(self, seconds=1.0):
        most = [0]

        def look():
            most[0] = max(most[0], len(self.pending()))
            return True
        stays_true(look, seconds, "looking")
        return most[0]

    def test_exec_holds_little_more_than_it_runs(self):
        self.add_many(500)
        self.start(self.python(HOLD), {"handler.concurrency": 2})
        self.wait_records(2)
        self.assertLessEqual(self.most_pending(), 2 * 2 + 1)
        self.open_gate("all")

    def test_worker_holds_little_more_than_its_window(self):
        self.add_many(500)
        self.start_worker("for entry in entries():\n    record(id=entry['id'])\n    gate('go')\n",
                          {"handler.concurrency": 2, "handler.window": 10})
        self.wait_records(2)
        self.assertLessEqual(self.most_pending(), 2 * 20 + 1)

    def test_max_held(self):
        daemon = self.start_worker("for entry in entries(): say('retry', entry['tag'], 'delay=1h')\n",
                                   {"handler.window": 10, "read.max_held": 50, "breaker.streak": 0})
        self.add_many(300)
        daemon.wait_for_event("bound_reached")
        self.assertLessEqual(self.most_pending(), 50)
        self.assertEqual(len(self.pending()), 50)

    def test_max_held_is_over_when_entries_go(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    say(*(['ok', entry['tag']] if is_open('go') else\n"
                                   "          ['retry', entry['tag'], 'delay=300ms']))\n",
                                   {"handler.window": 10, "read.max_held": 50, "breaker.streak": 0,
                                    "retry.max_attempts": 0})
        self.add_many(300)
        daemon.wait_for_event("bound_reached")
        self.open_gate()
        self.wait_settled()
        daemon.wait_for_event("bound_over")

    def test_bytes_in_flight(self):
        self.start_worker("for entry in entries():\n"
                          "    record(id=entry['id'])\n"
                          "    if entry['fields'].get('n') != 'first': gate('go')\n"
                          "    say('ok', entry['tag'])\n",
                          {"handler.window": 100}, daemon={"max_in_flight_bytes": "1MiB"})
        self.add(n="first", v="x" * 100000)
        self.wait_settled()
        for _ in range(60):
            self.add(v="x" * 100000)
        self.wait_records(2)
        self.assertLessEqual(self.most_pending(), 20)
        self.open_gate("all")
        self.wait_settled()
        self.assertEqual(len(self.records()), 61)

    def test_bytes_that_another_consumer_gives_back(self):
        """What the other holds stops this one; that it lets go must wake it."""
        taker = self.consumer(self.python("record(holds=1)\ngate('go')\n", "taker"),
                              {"stream": "t", "handler.concurrency": 2})
        daemon = self.start_all({"c": self.consumer(["/bin/true"], {"read.block": "1s"}), "taker": taker},
                                daemon={"max_in_flight_bytes": "1MiB"})
        for _ in range(2):
            self.add("t", v="x" * 600000)
        self.wait_records(2)
        self.add()
        daemon.wait_for_event("bound_reached", consumer="c")
        self.add()
        self.assertFalse(self.is_settled())
        self.open_gate()
        self.wait_settled("t")
        self.wait_settled(seconds=4)

    def test_oversize_entries_do_not_multiply_memory(self):
        for _ in range(60):
            self.add(v="x" * 1000000)
        daemon = self.start_worker("for entry in entries(): say('ok', entry['tag'])\n",
                                   {"handler.window": 100, "max_entry_bytes": "100KiB"},
                                   daemon={"max_in_flight_bytes": "1MiB"})
        self.wait_dead(60)
        if FLAVOUR != "asan":
            self.assertLess(daemon.memory_kib(), 40 << 10)


class OutputLimit(WorkerCase):
    """A reply larger than client-output-buffer-limit kills the connection it was for."""

    def test_begin_gets_through_in_smaller_batches(self):
        self.redis.call("CONFIG", "SET", "client-output-buffer-limit", "normal 1000000 0 0")
        for _ in range(64):
            self.add(v="x" * 50000)
        for _ in range(16):
            self.abandon(4, consumer="me")
        daemon = self.start_worker("for entry in entries():\n    record(attempt=entry['attempt'])\n"
                                   "    say('ok', entry['tag'])\n", {"handler.window": 64})
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [2] * 64)
        self.assertTrue(1 <= len(daemon.events("disconnected")) <= 6)


class Commands(WorkerCase):
    def monitored(self, work):
        monitor = Monitor(self.redis)
        work()
        self.redis.call("ECHO", "done")
        return monitor.until("done")

    def add_steadily(self, n, a_second):
        """By the clock: what a busy machine is late with comes at once."""
        connection = self.redis.connect()
        self.addCleanup(connection.close)
        start = time.perf_counter()
        for i in range(n):
            while time.perf_counter() < start + i / a_second:
                pass
            connection.send("XADD", "s", "*", "f", "v")
        for _ in range(n):
            connection.read()

    def test_count_and_block(self):
        daemon = self.prepare({"c": self.consumer(
            self.python("for entry in entries(): say('ok', entry['tag'])\n"),
            {"handler.mode": "worker", "handler.window": 100, "read.count": 7})}, daemon={"log.level": "notice"})
        self.add_many(500)

        def work():
            daemon.start()
            self.wait_settled()
        reads = [line for line in self.monitored(work) if '] "xreadgroup"' in line]
        counts = [int(n) for line in reads for n in re.findall(r'"count" "(\d+)"', line)]
        self.assertEqual(len(counts), len(reads))
        self.assertTrue(counts and max(counts) <= 7 and min(counts) >= 1, counts)
        blocks = [int(n) for line in reads for n in re.findall(r'"block" "(\d+)"', line)]
        self.assertTrue(set(blocks) <= {100}, blocks)

    def test_no_command_for_each_entry(self):
        self.start_worker("for entry in entries(): say('ok', entry['tag'])\n",
                          {"handler.window": 200}, daemon={"log.level": "notice"})

        def work():
            self.add_many(2000)
            self.wait_settled()
        own = [line for line in self.monitored(work) if re.search('"x(readgroup|ack|claim|pending)"|eval', line)]
        acks = [line for line in own if '"xack"' in line]
        self.assertLess(len(acks), 1000)

    def test_dense_entries_are_read_some_at_a_time(self):
        self.start_worker("for entry in entries(): say('ok', entry['tag'])\n",
                          {"handler.window": 200}, daemon={"log.level": "notice"})
        self.wait_settled()
        monitor = Monitor(self.redis)
        self.add_steadily(5000, 8000)
        self.redis.call("ECHO", "done")
        reads = [command.at for command in map(command_of, monitor.raw_until("done")) if command.words[0] == "XREADGROUP"]
        # At first it is not known that they come densely. A count would tell less: on a busy machine some gather
        # without being left to.
        known = [at for at in reads if at > (reads[0] + reads[-1]) / 2]
        apart = statistics.median(after - before for before, after in zip(known, known[1:]))
        self.assertGreater(apart, 0.0009, "seconds from one read to the next, %d for 5000 entries" % len(reads))

    def test_idle_daemon_is_quiet(self):
        self.start_worker("for entry in entries(): say('ok', entry['tag'])\n", {"read.block": "1s", "claim.interval": "60s"})
        self.add()
        self.wait_settled()
        lines = self.monitored(lambda: stays_true(lambda: True, 1.5, ""))
        own = [line for line in lines if '] "xreadgroup"' in line or '"xack"' in line]
        self.assertLess(len(own), 6)


class Streams(Case):
    def test_range_is_expanded(self):
        self.start(["/bin/true"], {"stream": None, "streams": ["e:{0..3}", "other", "{tag}:x"]})
        for stream in ("e:0", "e:1", "e:2", "e:3", "other", "{tag}:x"):
            self.wait_group(stream)
            self.add(stream)
        for stream in ("e:0", "e:3", "other", "{tag}:x"):
            self.wait_settled(stream)
        self.assertEqual(len(self.redis.call("KEYS", "*")), 6)

    def test_busy_stream_does_not_starve_another(self):
        self.add_many(400, "a")
        self.start(self.python("record(stream=os.environ['SLUICE_STREAM'])\n"),
                   {"stream": None, "streams": ["a", "b", "c"], "handler.stdin": "none"},
                   daemon={"log.level": "notice"})
        self.wait_records(10)
        self.add_many(10, "b")
        self.add_many(10, "c")
        self.wait_settled("b", seconds=30)
        self.wait_settled("c", seconds=30)
        streams = [r["stream"] for r in self.records()]
        self.assertLess(streams.count("a"), 120)

    def test_each_stream_has_its_own_dead_letters(self):
        self.start(["/bin/sh", "-c", "exit 65"], {"stream": None, "streams": ["a", "b"]})
        self.add("a")
        self.add("b")
        self.assertEqual(dict(self.wait_dead(stream="a:dead")[0])[b"sluice.stream"], b"a")
        self.assertEqual(dict(self.wait_dead(stream="b:dead")[0])[b"sluice.stream"], b"b")

    def test_two_consumers_of_one_stream(self):
        self.start_all({"a": self.consumer(self.python("record(c='a')\n", "a"), {"group": "g"}),
                        "b": self.consumer(self.python("record(c='b')\n", "b"), {"group": "h"})})
        self.add_many(5)
        self.wait_records(10)
        wait_until(lambda: self.is_settled("s", "g") and self.is_settled("s", "h"), what="both groups settled")
        self.assertEqual(sorted(r["c"] for r in self.records()), ["a"] * 5 + ["b"] * 5)

    def test_many_streams(self):
        self.start(["/bin/true"], {"stream": None, "streams": ["e:{0..99}"], "handler.concurrency": 4},
                   daemon={"log.level": "notice"})
        for n in range(100):
            self.add("e:%d" % n)
        for n in range(100):
            self.wait_settled("e:%d" % n)


if __name__ == "__main__":
    main()
