#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Signals, and how a daemon leaves: it finishes what it can and gives back the rest."""

import re
import signal
import time

from harness import Case, WorkerCase, main
from servers import stays_true, wait_until

HOLD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\ngate('go')\n"
YEAR_MS = 365 * 86400 * 1000


class Finishing(WorkerCase):
    def assert_finishes_what_runs(self, number):
        daemon = self.start(self.python(HOLD), {"handler.concurrency": 2}, daemon={"drain_timeout": "20s"})
        self.add_many(2)
        self.wait_records(2)
        daemon.signal(number)
        daemon.wait_for_event("draining")
        self.add()
        stays_true(lambda: len(self.records()) == 2, 0.5, "nothing new is started")
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(len(daemon.events("verdict", outcome="ok")), 2)
        self.assertTrue(daemon.events("stopped"))
        self.assertEqual(self.claimable(), [])

    def claimable(self):
        """What another consumer can take, however long its lease is."""
        reply = self.redis.call("XAUTOCLAIM", "s", "g", "rescuer", YEAR_MS, 0, "COUNT", 1000, "JUSTID")
        return [entry.decode() for entry in reply[1]]

    def test_sigterm(self):
        self.assert_finishes_what_runs(signal.SIGTERM)

    def test_sigint(self):
        self.assert_finishes_what_runs(signal.SIGINT)

    def test_idle_daemon_leaves_at_once(self):
        daemon = self.start(["/bin/true"], {"read.block": "20s", "claim.min_idle": "60s"})
        self.wait_group()
        started = time.monotonic()
        daemon.stop()
        self.assertLess(time.monotonic() - started, 3)

    def test_leaves_at_once_when_a_silent_server_could_bring_nothing(self):
        """Nothing is held and nothing was read: a page of the pending list is not waited for."""
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-xreadgroup")
        self.add()
        self.abandon()
        daemon = self.start(["/bin/true"], {"claim.interval": "50ms", "claim.min_idle": "1s"},
                            redis={"username": "worker", "password": "secret"})
        self.wait_settled()
        self.redis.freeze()
        stays_true(lambda: True, 0.3, "a page is asked for meanwhile")
        started = time.monotonic()
        daemon.stop()
        self.assertLess(time.monotonic() - started, 3)

    def test_run_that_is_too_long_is_given_back_uncharged(self):
        daemon = self.start(self.python(HOLD), daemon={"drain_timeout": "400ms"})
        entry = self.add()
        self.wait_records(1)
        daemon.stop(seconds=5)
        self.assertEqual([e["message"] for e in daemon.events("released", entry_id=entry)], ["the drain ran out of time"])
        self.assertEqual(self.deliveries(entry), 0)
        self.assertEqual(self.claimable(), [entry])

    def test_run_that_ignores_sigterm(self):
        daemon = self.start(self.python("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HOLD),
                            daemon={"drain_timeout": "400ms"})
        entry = self.add()
        self.wait_records(1)
        daemon.stop(seconds=6)
        self.assertEqual(self.claimable(), [entry])

    def test_run_that_ends_with_0_when_told_to_end_is_not_done(self):
        """Many programs leave so on SIGTERM, whatever they were about."""
        daemon = self.start(self.python("signal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n" + HOLD),
                            daemon={"drain_timeout": "400ms"})
        entry = self.add()
        self.wait_records(1)
        daemon.stop(seconds=5)
        self.assertEqual(self.claimable(), [entry])

    def test_what_was_read_but_not_run_is_given_back(self):
        self.add_many(20)
        daemon = self.start(self.python(HOLD), {"handler.concurrency": 2})
        self.wait_records(2)
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("draining")
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        left = self.pending()
        self.assertEqual({row[2] for row in left.values()} | {0}, {0})
        self.assertEqual(sorted(self.claimable()), sorted(left))

    def test_entry_that_waits_keeps_its_delay(self):
        daemon = self.start(["/bin/false"], {"retry.initial_delay": "30s", "retry.max_delay": "30s",
                                             "claim.min_idle": "60s"})
        entry = self.add()
        daemon.wait_for_event("retry", entry_id=entry)
        daemon.stop()
        _, idle, deliveries = self.pending()[entry]
        self.assertEqual(deliveries, 1)
        self.assertTrue(29000 <= idle <= 45000, idle)

    def test_second_signal_hurries(self):
        daemon = self.start(self.python(HOLD), daemon={"drain_timeout": "60s"})
        entry = self.add()
        self.wait_records(1)
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("draining")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_exit(5), 0)
        self.assertEqual(self.claimable(), [entry])

    def test_worker_finishes_its_window(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    record(id=entry['id']); gate('go'); say('ok', entry['tag'])\n",
                                   {"handler.window": 5})
        self.add_many(5)
        self.wait_records(1)
        wait_until(lambda: len(self.pending()) == 5, what="the whole window read")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("draining")
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(self.claimable(), [])
        self.assertEqual({row[2] for row in self.pending().values()} | {0}, {0})

    def test_hung_worker_gives_its_window_back(self):
        daemon = self.start_worker("for entry in entries():\n    record(id=entry['id'])\n    gate('go')\n",
                                   {"handler.window": 5}, daemon={"drain_timeout": "300ms"})
        ids = self.add_many(5)
        self.wait_records(1)
        daemon.stop(seconds=5)
        self.assertEqual({row[2] for row in self.pending().values()} | {0}, {0})
        self.assertEqual(sorted(self.claimable()), sorted(set(ids) & set(self.pending())))

    def test_restarts_under_load_run_everything_once(self):
        daemon = self.start_worker("for entry in entries():\n"
                                   "    record(id=entry['id']); time.sleep(0.002); say('ok', entry['tag'])\n",
                                   {"handler.window": 20, "handler.concurrency": 2, "claim.min_idle": "1s"},
                                   daemon={"log.level": "notice"})
        ids = self.add_many(1000)
        for count in (100, 300, 600):
            self.wait_records(count)
            daemon.stop()
            daemon.restart()
        self.wait_settled(seconds=30)
        self.assertEqual(sorted(r["id"] for r in self.records()), sorted(ids))


class Unanswered(Case):
    """Commands are on their way when the daemon is told to leave."""

    def test_server_that_is_stopped(self):
        daemon = self.start(["/bin/true"], {"claim.min_idle": "1s"}, daemon={"drain_timeout": "300ms"})
        self.add_many(5)
        self.wait_settled()
        self.redis.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.redis.process.send_signal, signal.SIGCONT)
        stays_true(lambda: True, 0.6, "time for commands to go unanswered")
        daemon.stop()

    def clients(self, *words):
        lines = self.redis.call("CLIENT", "LIST").decode().splitlines()
        return [line for line in lines if all(word in line for word in words)]

    def test_claim_is_given_back(self):
        self.add_many(20)
        ids = self.abandon()
        self.redis.call("XCLAIM", "s", "g", "ghost", 0, *ids, "IDLE", 100000, "JUSTID")
        daemon = self.start(self.python(HOLD), {"claim.min_idle": "1s"})
        self.redis.call("CLIENT", "PAUSE", 30000, "WRITE")
        wait_until(lambda: self.clients("cmd=evalsha", "flags=b"), what="a claim held up")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("draining")
        for client in self.clients("cmd=xreadgroup"):
            self.redis.call("CLIENT", "KILL", "ID", re.search(r"id=(\d+)", client).group(1))
        stays_true(lambda: daemon.process.poll() is None, 0.3, "waiting for the answer")
        self.redis.call("CLIENT", "UNPAUSE")
        self.assertEqual(daemon.wait_exit(), 0)
        left = self.pending()
        self.assertEqual(sorted(left), sorted(ids))
        claimed = [i for i, row in left.items() if row[0] == "me"]
        self.assertTrue(claimed)
        self.assertGreater(min(left[i][1] for i in claimed), YEAR_MS)

    def test_claims_at_any_moment(self):
        self.add_many(400)
        ids = self.abandon()
        self.redis.call("XCLAIM", "s", "g", "ghost", 0, *ids, "IDLE", 100000, "JUSTID")
        daemon = self.start(self.shell("echo '{}' >>$HERE/records; cat >/dev/null"),
                            {"claim.min_idle": "1s", "claim.count": 5, "claim.interval": "50ms"})
        for count in (3, 40, 90):
            self.wait_records(count)
            daemon.stop()
            held = [row for row in self.pending().values() if row[0] == "me" and row[1] < 100000]
            self.assertEqual(held, [])
            daemon.restart()
        daemon.stop()


class OtherSignals(Case):
    def test_usr1_logs_a_summary_of_every_consumer(self):
        daemon = self.start_all({"first": self.consumer(["/bin/true"]),
                                 "second": self.consumer(["/bin/true"], {"stream": "t"})})
        self.wait_group("s")
        self.wait_group("t")
        seen = len(daemon.events())
        daemon.signal(signal.SIGUSR1)
        daemon.wait_for_event(None, count=seen + 2)
        told = {e.get("consumer") for e in daemon.events()[seen:]}
        self.assertLessEqual({"first", "second"}, told)
        daemon.stop()

    def test_signals_before_ready(self):
        """A signal at any time after the start leads to a clean end, never to a kill."""
        daemon = self.prepare({"c": self.consumer(["/bin/true"])}).start()
        daemon.wait_for_event("started")
        daemon.stop()


if __name__ == "__main__":
    main()
