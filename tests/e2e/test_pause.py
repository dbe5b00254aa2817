#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A consumer is paused and goes on, and gets more or fewer processes, while entries flow."""

import collections
import os
import signal

from control import control_of
from harness import WorkerCase, main
from servers import stays_true, wait_until

HOLD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\ngate('go')\n"
QUICK = "for e in entries():\n    record(id=e['id'], attempt=e['attempt'])\n    say('ok', e['tag'])\n"
SLOW = "for e in entries():\n    record(id=e['id'], pid=os.getpid())\n    time.sleep(0.02)\n    say('ok', e['tag'])\n"
HELD = "for e in entries():\n    record(id=e['id'], pid=os.getpid())\n    gate('go')\n    say('ok', e['tag'])\n"
YEAR_MS = 365 * 86400 * 1000


class Pause(WorkerCase):
    def claimable(self):
        reply = self.redis.call("XAUTOCLAIM", "s", "g", "rescuer", YEAR_MS, 0, "COUNT", 1000, "JUSTID")
        return [entry.decode() for entry in reply[1]]

    def blocked(self, name="c"):
        clients = self.redis.call("CLIENT", "LIST").decode().splitlines()
        return [c for c in clients if " flags=b" in c and " name=sluiced.default.%s.reader " % name in c]

    def wait_unblocked(self):
        wait_until(lambda: not self.blocked(), 5, "no reader to be blocked")

    def test_nothing_is_read_until_it_goes_on(self):
        daemon = self.start(self.python(HOLD + "pass\n"), {"handler.concurrency": 4})
        control = control_of(daemon)
        self.assertEqual(control.act("pause"), {"consumer": "c", "paused": True})
        daemon.wait_for_event("paused", consumer="c")
        self.wait_unblocked()
        ids = self.add_many(3)
        stays_true(lambda: not self.records() and not self.pending(), 0.6, "nothing is read")
        self.assertEqual(control.consumer()["state"], "paused")
        self.assertEqual(control.metrics().get("sluiced_paused", consumer="c"), 1)
        self.assertEqual(control.get("/readyz").status, 200)
        self.assertEqual(control.act("resume"), {"consumer": "c", "paused": False})
        daemon.wait_for_event("resumed", consumer="c")
        self.wait_records(3)
        self.assertEqual(sorted(r["id"] for r in self.records()), ids)
        self.open_gate()
        self.wait_settled()
        self.assertEqual(control.metrics().get("sluiced_paused", consumer="c"), 0)

    def test_twice_is_once(self):
        daemon = self.start(["/bin/true"])
        control = control_of(daemon)
        for action in ("resume", "pause", "pause", "resume", "resume"):
            control.act(action)
        self.assertEqual(len(daemon.events("paused")), 1)
        self.assertEqual(len(daemon.events("resumed")), 1)

    def test_blocked_read_ends_at_once(self):
        """What is added then is for others, at once."""
        daemon = self.start(["/bin/true"], {"read.block": "30s", "claim.min_idle": "60s"})
        control = control_of(daemon)
        self.wait_group()
        wait_until(self.blocked, 15, "a blocked reader")
        control.act("pause")
        self.wait_unblocked()
        entry = self.add()
        self.assertEqual(self.abandon(consumer="other"), [entry])

    def test_what_runs_finishes_and_what_waits_is_given_back(self):
        daemon = self.start(self.python(HOLD), {"handler.concurrency": 2, "claim.min_idle": "60s"})
        control = control_of(daemon)
        ids = self.add_many(6)
        self.wait_records(2)
        wait_until(lambda: len(self.pending()) > 2, 15, "more that is read ahead")
        control.act("pause")
        wait_until(lambda: control.consumer()["held"]["total"] == 2, 15, "what waits to be given back")
        running = {r["id"] for r in self.records()}
        given_back = set(self.claimable())
        self.assertTrue(given_back and given_back.isdisjoint(running))
        self.assertTrue(all(n == 0 for i, (_, _, n) in self.pending().items() if i in given_back))
        self.open_gate()
        wait_until(lambda: not running & set(self.pending()), 15, "what ran to be acknowledged")
        stays_true(lambda: len(self.records()) == 2, 0.5, "nothing is started")
        self.assertEqual(control.metrics().get("sluiced_released_total"), len(given_back))
        self.assertLess(len(given_back), len(ids))

    def test_retries_wait_for_others_then(self):
        daemon = self.start(["/bin/false"], {"retry.initial_delay": "60s", "retry.max_delay": "60s",
                                             "claim.min_idle": "120s"})
        control = control_of(daemon)
        entry = self.add()
        daemon.wait_for_event("retry")
        control.act("pause")
        wait_until(lambda: control.consumer()["held"]["total"] == 0, 15, "the entry to be given back")
        _, idle, deliveries = self.pending()[entry]
        self.assertEqual(deliveries, 1)
        self.assertTrue(50000 < idle < 75000, idle)

    def test_run_that_fails_meanwhile_is_given_back(self):
        daemon = self.start(self.python(HOLD + "sys.exit(1)\n"), {"claim.min_idle": "60s"})
        control = control_of(daemon)
        entry = self.add()
        self.wait_records(1)
        control.act("pause")
        self.open_gate()
        wait_until(lambda: control.consumer()["held"]["total"] == 0, 15, "the entry to be given back")
        self.assertEqual(self.deliveries(entry), 1)
        stays_true(lambda: len(self.records()) == 1, 0.4, "it is not run again")

    def test_lease_of_a_run_is_kept(self):
        daemon = self.start(self.python(HOLD), {"claim.min_idle": "3s"})
        entry = self.add()
        self.wait_records(1)
        control_of(daemon).act("pause")
        stays_true(lambda: self.pending()[entry][1] < 2500, 4, "the lease is renewed")

    def test_what_was_given_back_is_taken_up_again(self):
        daemon = self.start(self.python(HOLD), {"claim.min_idle": "60s"})
        control = control_of(daemon)
        ids = self.add_many(4)
        self.wait_records(1)
        wait_until(lambda: len(self.pending()) > 1, 15, "more that is read ahead")
        control.act("pause")
        wait_until(lambda: control.consumer()["held"]["total"] == 1, 15, "what waits to be given back")
        control.act("resume")
        self.open_gate()
        self.wait_settled()
        self.assertEqual(sorted(r["id"] for r in self.records()), ids)
        self.assertEqual({r["attempt"] for r in self.records()}, {1})

    def test_nothing_is_claimed(self):
        self.add_many(3)
        self.abandon()
        daemon = self.prepare({"c": self.consumer(["/bin/true"], {"claim.min_idle": "1s"})}).start()
        daemon.wait_for_event("ready")
        control = control_of(daemon)
        control.act("pause")
        stays_true(lambda: all(owner == "ghost" for owner, _, _ in self.pending().values()), 2.5, "nothing is claimed")
        control.act("resume")
        self.wait_settled()

    def test_before_the_first_read(self):
        """Its own, left over from a former life, is not taken up either."""
        self.add_many(3)
        self.abandon(consumer="me")
        daemon = self.prepare({"c": self.consumer(["/bin/true"])}).start()
        control = control_of(daemon)
        wait_until(lambda: os.path.exists(control.address), 15, "the socket")
        control.act("pause")
        daemon.wait_for_event("ready")
        held = control.consumer()["counters"]["read_recovered"]
        if not held:
            stays_true(lambda: len(self.pending()) == 3, 1.5, "nothing is taken up")
        control.act("resume")
        self.wait_settled()

    def test_over_a_loss_of_the_server(self):
        daemon = self.start(self.python(QUICK), {"handler.mode": "worker"})
        control = control_of(daemon)
        control.act("pause")
        self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: control.consumer()["reconnects"] >= 2 and control.consumer()["connected"], 15, "a reconnect")
        ids = self.add_many(3)
        stays_true(lambda: not self.records(), 0.6, "nothing is read")
        control.act("resume")
        self.wait_records(3)
        self.assertEqual(sorted(r["id"] for r in self.records()), ids)

    def test_group_that_vanishes_meanwhile(self):
        daemon = self.start(self.python(QUICK), {"handler.mode": "worker"})
        control = control_of(daemon)
        control.act("pause")
        self.redis.call("FLUSHALL")
        self.add_many(2)
        control.act("resume")
        self.wait_records(2)

    def test_breaker_that_opens_meanwhile(self):
        body = HOLD + "sys.exit(127)\n"
        daemon = self.start(self.python(body), {"handler.exit_codes": {127: "broken"}, "breaker.failures": 1})
        control = control_of(daemon)
        self.add()
        self.wait_records(1)
        control.act("pause")
        self.open_gate()
        daemon.wait_for_event("breaker_open")
        stays_true(lambda: len(self.records()) == 1, 1, "no entry is tried")
        self.python(QUICK.replace("for e in entries():", "for e in [json.load(sys.stdin)]:").replace(
            "say('ok', e['tag'])", "pass"))
        control.act("resume")
        daemon.wait_for_event("breaker_closed")
        self.wait_settled()

    def test_drain_of_a_paused_consumer(self):
        daemon = self.start(self.python(HOLD), {"claim.min_idle": "60s"})
        control_of(daemon).act("pause")
        self.wait_unblocked()
        self.add()
        daemon.stop(seconds=5)
        daemon.restart()
        self.open_gate()
        self.wait_settled()

    def test_drain_and_then_pause(self):
        daemon = self.start(self.python(HOLD))
        control = control_of(daemon)
        self.add()
        self.wait_records(1)
        control.post("/v1/drain")
        self.assertEqual(control.post("/v1/consumers/c/pause").status, 409)
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(self.pending(), {})

    def test_other_consumers_go_on(self):
        consumers = {"a": self.consumer(self.python(QUICK, "a"), {"handler.mode": "worker"}),
                     "b": self.consumer(self.python(QUICK, "b"), {"handler.mode": "worker", "stream": "t"})}
        control = control_of(self.start_all(consumers))
        control.act("pause", "a")
        wait_until(lambda: not self.blocked("a"), 5, "its reader not to be blocked")
        self.add("s")
        entry = self.add("t")
        self.wait_settled("t")
        self.assertEqual([r["id"] for r in self.records()], [entry])

    def test_bytes_of_a_paused_consumer_are_free_for_others(self):
        consumers = {"a": self.consumer(self.python(HOLD, "a")),
                     "b": self.consumer(self.python(QUICK, "b"), {"handler.mode": "worker", "stream": "t"})}
        for _ in range(8):
            self.add_pairs([("blob", "x" * 40000)], "s")
        control = control_of(self.start_all(consumers, daemon={"max_in_flight_bytes": "64KiB"}))
        wait_until(lambda: control.consumer("a")["held"]["bytes"] > 65536, 15, "the bound to be reached")
        self.add("t")
        control.act("pause", "a")
        self.wait_settled("t")

    def test_again_and_again_under_load(self):
        daemon = self.start_windowed(QUICK, 5, {"handler.concurrency": 2, "claim.min_idle": "5s"})
        control = control_of(daemon)
        ids = []
        for _ in range(15):
            ids += self.add_many(200)
            control.act("pause")
            ids += self.add_many(50)
            control.act("resume")
        self.wait_settled(seconds=40)
        seen = collections.Counter(r["id"] for r in self.records())
        self.assertEqual(set(seen), set(ids))
        self.assertEqual({i: n for i, n in seen.items() if n > 1}, {})
        self.assertEqual(control.consumer()["held"]["total"], 0)


class Concurrency(WorkerCase):
    def processes(self, control, state="up"):
        return [p["pid"] for p in control.consumer()["handler"]["processes"] if p["state"] == state]

    def wait_processes(self, control, count):
        return wait_until(lambda: len(self.processes(control)) == count and self.processes(control), 15,
                          "%d workers" % count)

    def test_more_workers_at_once(self):
        daemon = self.start_worker(HELD)
        control = control_of(daemon)
        self.add_many(4)
        self.wait_records(1)
        self.assertEqual(control.act("concurrency?n=4"), {"consumer": "c", "concurrency": 4})
        self.wait_records(4)
        self.assertEqual(len({r["pid"] for r in self.records()}), 4)
        self.assertEqual(len(self.wait_processes(control, 4)), 4)
        handler = control.consumer()["handler"]
        self.assertEqual((handler["concurrency"], handler["configured_concurrency"]), (4, 1))

    def test_fewer_workers_when_they_have_finished(self):
        daemon = self.start_worker(HELD, {"handler.concurrency": 4})
        control = control_of(daemon)
        self.add_many(4)
        self.wait_records(4)
        pids = self.wait_processes(control, 4)
        control.act("concurrency?n=1")
        wait_until(lambda: len(self.processes(control, "leaving")) == 3, 15, "three that leave")
        stays_true(lambda: all(os.path.exists("/proc/%d" % pid) for pid in pids), 0.4, "they finish what they have")
        self.open_gate()
        self.wait_settled()
        left = wait_until(lambda: self.processes(control, "leaving") == [] and self.processes(control), 15, "one")
        self.assertEqual(len(left), 1)
        self.assertIn(left[0], pids)
        self.assertEqual(len(self.records()), 4)
        self.assertEqual(control.metrics().get("sluiced_workers", state="down"), 0)

    def test_retired_worker_that_is_killed_is_not_replaced(self):
        daemon = self.start_worker(HELD, {"handler.concurrency": 2})
        control = control_of(daemon)
        self.add_many(2)
        self.wait_records(2)
        control.act("concurrency?n=1")
        leaving = wait_until(lambda: self.processes(control, "leaving"), 15, "one that leaves")
        os.kill(leaving[0], signal.SIGKILL)
        wait_until(lambda: not self.processes(control, "leaving"), 15, "its end")
        stays_true(lambda: len(control.consumer()["handler"]["processes"]) == 1, 0.5, "one worker")
        self.open_gate()
        self.wait_settled()

    def test_workers_that_cannot_start(self):
        daemon = self.start(["/bin/false"], {"handler.mode": "worker", "handler.concurrency": 3})
        control = control_of(daemon)
        for n in (1, 5, 2):
            control.act("concurrency?n=%d" % n)
        wait_until(lambda: sum(control.metrics().get("sluiced_workers", state=state) for state in
                               ("down", "starting", "up", "leaving", "dying")) == 2, 15, "two workers")

    def test_exec_mode(self):
        daemon = self.start(self.python(HOLD), {"handler.concurrency": 3})
        control = control_of(daemon)
        self.add_many(10)
        self.wait_records(3)
        control.act("concurrency?n=1")
        stays_true(lambda: len(self.records()) == 3, 0.4, "nothing more is started")
        control.act("concurrency?n=5")
        self.wait_records(5)
        stays_true(lambda: len(self.records()) == 5, 0.4, "five at most")
        self.open_gate()
        self.wait_settled()

    def test_until_the_next_reload(self):
        daemon = self.start_worker(QUICK, {"handler.concurrency": 2})
        control = control_of(daemon)
        control.act("concurrency?n=5")
        self.wait_processes(control, 5)
        self.assertEqual(control.post("/v1/reload").status, 200)
        self.wait_processes(control, 2)
        self.assertEqual(control.consumer()["handler"]["concurrency"], 2)

    def test_up_and_down_under_load(self):
        daemon = self.start_windowed(SLOW, 3, {"handler.concurrency": 2})
        control = control_of(daemon)
        ids = []
        for n in (8, 1, 5, 2, 9, 1, 3) * 2:
            ids += self.add_many(60)
            control.act("concurrency?n=%d" % n)
            wait_until(lambda: len(self.processes(control)) == n, 15, "%d workers" % n)
        self.wait_settled(seconds=60)
        seen = collections.Counter(r["id"] for r in self.records())
        self.assertEqual(seen, collections.Counter(ids))

    def test_drain_while_workers_leave(self):
        daemon = self.start_worker(HELD, {"handler.concurrency": 3})
        control = control_of(daemon)
        self.add_many(3)
        self.wait_records(3)
        control.act("concurrency?n=1")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("draining")
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(self.pending(), {})

    def test_hurry_while_workers_leave(self):
        daemon = self.start_worker(HELD, {"handler.concurrency": 3}, daemon={"drain_timeout": "300ms"})
        control = control_of(daemon)
        self.add_many(3)
        self.wait_records(3)
        control.act("concurrency?n=1")
        daemon.stop(seconds=6)
        self.assertEqual([n for _, _, n in self.pending().values()], [0, 0, 0])


if __name__ == "__main__":
    main()
