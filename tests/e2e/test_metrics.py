#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""/metrics and /v1/status: every figure is there, is well formed, and is true."""

import os
import shutil
import signal
import subprocess
import time
import unittest

from control import control_of
from harness import Case, WorkerCase, main
from servers import stays_true, wait_until

HOLD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'])\ngate('go')\n"
CONSUMER, STREAM, GROUP = ("consumer",), ("consumer", "stream"), ("consumer", "group", "stream")

# Every metric with the labels of its samples. Dashboards are built on these words.
METRICS = {
    "sluiced_entries_read_total": ("counter", CONSUMER + ("source",)),
    "sluiced_verdicts_total": ("counter", CONSUMER + ("verdict",)),
    "sluiced_failures_total": ("counter", CONSUMER + ("failure",)),
    "sluiced_acked_total": ("counter", CONSUMER),
    "sluiced_ack_missing_total": ("counter", CONSUMER),
    "sluiced_once_skipped_total": ("counter", CONSUMER),
    "sluiced_dead_lettered_total": ("counter", CONSUMER + ("reason",)),
    "sluiced_leases_lost_total": ("counter", CONSUMER),
    "sluiced_released_total": ("counter", CONSUMER),
    "sluiced_trimmed_total": ("counter", CONSUMER),
    "sluiced_retention_removed_total": ("counter", CONSUMER),
    "sluiced_held": ("gauge", CONSUMER + ("state",)),
    "sluiced_held_bytes": ("gauge", CONSUMER),
    "sluiced_workers": ("gauge", CONSUMER + ("state",)),
    "sluiced_breaker_open": ("gauge", CONSUMER),
    "sluiced_paused": ("gauge", CONSUMER),
    "sluiced_connected": ("gauge", ("connection",) + STREAM),
    "sluiced_group_lag": ("gauge", GROUP),
    "sluiced_group_pending": ("gauge", GROUP),
    "sluiced_group_oldest_pending_seconds": ("gauge", GROUP),
    "sluiced_stream_length": ("gauge", STREAM),
    "sluiced_dead_letter_length": ("gauge", STREAM),
    "sluiced_handler_seconds": ("histogram", CONSUMER),
    "sluiced_entry_age_seconds": ("histogram", CONSUMER),
    "sluiced_queue_seconds": ("histogram", CONSUMER),
    "sluiced_redis_errors_total": ("counter", CONSUMER + ("kind",)),
    "sluiced_reconnects_total": ("counter", CONSUMER),
    "sluiced_log_dropped_total": ("counter", ()),
    "sluiced_loop_stall_seconds": ("gauge", ()),
    "sluiced_build_info": ("gauge", ("version",)),
    "process_cpu_seconds_total": ("counter", ()),
    "process_resident_memory_bytes": ("gauge", ()),
    "process_virtual_memory_bytes": ("gauge", ()),
    "process_open_fds": ("gauge", ()),
    "process_max_fds": ("gauge", ()),
    "process_start_time_seconds": ("gauge", ()),
}


class Figures(Case):
    def control(self, command, dotted=None, **more):
        self.daemon = self.start(command, dotted, **more)
        return control_of(self.daemon)

    def known(self, control):
        """A page that has what Redis was asked."""
        def page():
            metrics = control.metrics()
            return metrics.get("sluiced_stream_length") is not None and metrics
        return wait_until(page, 15, "figures of Redis")


class EveryMetric(Figures):
    def test_names_types_and_labels(self):
        metrics = self.known(self.control(["/bin/true"]))
        self.assertEqual(metrics.types, {name: kind for name, (kind, _) in METRICS.items()})
        for name, (kind, labels) in METRICS.items():
            sample = name + "_count" if kind == "histogram" else name
            self.assertEqual(metrics.labels_of(sample), {labels}, name)

    def test_values_of_labels(self):
        metrics = self.known(self.control(["/bin/true"]))
        for name, label, values in (
                ("sluiced_entries_read_total", "source", "new claimed recovered"),
                ("sluiced_verdicts_total", "verdict", "ok retry dead drop"),
                ("sluiced_failures_total", "failure", "exit signal timeout retry broken"),
                ("sluiced_held", "state", "ready waiting running acking burying"),
                ("sluiced_dead_lettered_total", "reason", "rejected attempts trimmed oversize"),
                ("sluiced_connected", "connection", "reader command")):
            found = [dict(labels)[label] for n, labels in metrics.samples if n == name]
            self.assertEqual(sorted(found), sorted(values.split()), name)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_finds_no_fault(self):
        page = self.control(["/bin/true"]).get("/metrics").text
        check = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=20)
        self.assertEqual(check.stdout + check.stderr, "")

    def test_many_consumers_and_streams(self):
        consumers = {"c%d" % n: self.consumer(["/bin/true"], {"stream": None, "streams": ["s%d:{0..9}" % n]})
                     for n in range(6)}
        control = control_of(self.start_all(consumers))
        def all_known():
            metrics = control.metrics()
            return sum(name == "sluiced_stream_length" for name, _ in metrics.samples) == 60
        wait_until(all_known, 15, "the length of each stream")
        self.assertEqual(control.metrics().get("sluiced_group_lag", consumer="c3", stream="s3:7", group="g"), 0)

    def test_names_are_escaped(self):
        stream = 'we"ird\\ s\u00e9\n'
        control = self.control(["/bin/true"], {"stream": stream})
        self.assertEqual(self.known(control).get("sluiced_stream_length", stream=stream), 0)
        self.assertEqual(control.consumer()["streams"][0]["stream"], stream)


class Counted(Figures):
    def test_outcomes(self):
        command = self.shell('read -r line; case $line in *good*) exit 0;; *drop*) exit 64;; *ruined*) exit 65;; '
                             '*kill*) kill -9 $$;; *) exit 3;; esac')
        control = self.control(command, {"retry.max_attempts": 2, "breaker.streak": 0,
                                         "handler.exit_codes": {64: "drop", 65: "dead"}})
        for kind in ("good", "good", "drop", "ruined", "kill", "bad"):
            self.add(kind=kind)
        self.wait_dead(3)
        self.wait_settled()
        expected = {
            ("sluiced_entries_read_total", "source", "new"): 6,
            ("sluiced_verdicts_total", "verdict", "ok"): 2,
            ("sluiced_verdicts_total", "verdict", "drop"): 1,
            ("sluiced_verdicts_total", "verdict", "dead"): 3,
            ("sluiced_verdicts_total", "verdict", "retry"): 2,
            ("sluiced_failures_total", "failure", "exit"): 3,
            ("sluiced_failures_total", "failure", "signal"): 2,
            ("sluiced_dead_lettered_total", "reason", "rejected"): 1,
            ("sluiced_dead_lettered_total", "reason", "attempts"): 2,
        }
        wait_until(lambda: control.metrics().get("sluiced_acked_total") == 3, 15, "acknowledgements")
        metrics = control.metrics()
        found = {key: metrics.get(key[0], **{key[1]: key[2]}) for key in expected}
        self.maxDiff = None
        self.assertEqual(found, expected)
        self.assertEqual(metrics.get("sluiced_handler_seconds_count"), 8)
        self.assertEqual(metrics.get("sluiced_queue_seconds_count"), 8)
        self.assertEqual(metrics.get("sluiced_entry_age_seconds_count"), 8)
        counters = control.consumer()["counters"]
        self.assertEqual((counters["read_new"], counters["acked"], counters["dead_attempts"]), (6, 3, 2))

    def test_times(self):
        control = self.control(self.shell("cat >/dev/null; sleep 0.3"))
        self.add_many(2)
        self.wait_settled()
        metrics = control.metrics()
        for name, least, most in (("sluiced_handler_seconds", 0.6, 2), ("sluiced_queue_seconds", 0.2, 2),
                                  ("sluiced_entry_age_seconds", 0.8, 4)):
            total = metrics.get(name + "_sum")
            self.assertTrue(least <= total <= most, "%s: %s" % (name, total))
        buckets = dict(metrics.buckets("sluiced_handler_seconds", frozenset({("consumer", "c")})))
        self.assertEqual((buckets[0.2], buckets[300], buckets[float("inf")]), (0, 2, 2))

    def test_ids_that_are_no_times(self):
        control = self.control(["/bin/true"])
        for entry in ("1-1", "99999999999999-1"):
            self.redis.call("XADD", "s", entry, "a", "1")
        self.wait_settled()
        wait_until(lambda: control.metrics().get("sluiced_entry_age_seconds_count") == 2, 15, "two verdicts")
        buckets = dict(control.metrics().buckets("sluiced_entry_age_seconds", frozenset({("consumer", "c")})))
        self.assertEqual((buckets[0.005], buckets[604800], buckets[float("inf")]), (1, 1, 2))

    def test_held(self):
        control = self.control(self.python(HOLD), {"handler.concurrency": 2})
        self.add_many(5)
        self.wait_records(2)
        control.wait_metric(2, "sluiced_held", state="running")
        self.assertGreater(control.metrics().get("sluiced_held_bytes"), 0)
        held = control.consumer()["held"]
        self.assertEqual(held["total"], sum(held[state] for state in ("ready", "waiting", "running", "acking", "burying")))
        processes = control.consumer()["handler"]["processes"]
        self.assertEqual([p["in_flight"] for p in processes], [1, 1])
        self.assertEqual(control.metrics().get("sluiced_workers", state="up"), 2)
        self.open_gate()
        self.wait_settled()
        for state in ("ready", "waiting", "running", "acking", "burying"):
            control.wait_metric(0, "sluiced_held", state=state)
        control.wait_metric(0, "sluiced_held_bytes")

    def test_redis_errors_by_kind(self):
        control = self.control(["/bin/false"], {"retry.max_attempts": 1})
        self.redis.call("SET", "s:dead", "no stream")
        self.add()
        wait_until(lambda: control.metrics().get("sluiced_redis_errors_total", kind="wrongtype"), 15, "the error")
        error = control.consumer()["streams"][0]["last_error"]
        self.assertEqual(error["kind"], "wrongtype")
        self.assertIn("WRONGTYPE", error["text"])

    def test_reconnects(self):
        control = self.control(["/bin/true"])
        self.assertEqual(control.metrics().get("sluiced_reconnects_total"), 0)
        self.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: control.metrics().get("sluiced_reconnects_total") >= 2, 15, "reader and command")
        for connection in ("reader", "command"):
            control.wait_metric(1, "sluiced_connected", connection=connection)

    def test_connected(self):
        control = self.control(["/bin/true"])
        self.redis.kill()
        for connection in ("reader", "command"):
            control.wait_metric(0, "sluiced_connected", connection=connection)

    def test_stall_is_told_once(self):
        control = self.control(["/bin/true"], {"claim.min_idle": "3s"})
        control.metrics()
        self.daemon.signal(signal.SIGSTOP)
        started = time.monotonic()
        wait_until(lambda: time.monotonic() - started > 2, 20, "a stall of more than a third of the lease")
        self.daemon.signal(signal.SIGCONT)
        self.daemon.wait_for_event("stalled")
        self.assertGreater(control.metrics().get("sluiced_loop_stall_seconds"), 1)
        self.assertLess(control.metrics().get("sluiced_loop_stall_seconds"), 1)

    def test_process(self):
        started = time.time()
        metrics = self.control(["/bin/true"]).metrics()
        self.assertAlmostEqual(metrics.get("process_start_time_seconds"), started, delta=20)
        self.assertGreater(metrics.get("process_resident_memory_bytes"), 1e6)
        open_fds = len(os.listdir("/proc/%d/fd" % self.daemon.process.pid))
        self.assertAlmostEqual(metrics.get("process_open_fds"), open_fds, delta=2)
        self.assertGreaterEqual(metrics.get("process_max_fds"), 256)


class AskedOfRedis(Figures):
    def test_pending_and_lag(self):
        control = self.control(self.python(HOLD), {"read.max_held": 1})
        self.add_many(4)
        self.wait_records(1)
        def told():
            m = control.metrics()
            return (m.get("sluiced_group_pending"), m.get("sluiced_group_lag"), m.get("sluiced_stream_length")) == (1, 3, 4)
        wait_until(told, 30, "1 pending, 3 behind, 4 in the stream")
        self.assertLess(control.metrics().get("sluiced_group_oldest_pending_seconds"), 60)
        stream = control.consumer()["streams"][0]
        self.assertEqual((stream["pending"], stream["lag"], stream["length"]), (1, 3, 4))

    def test_dead_letters(self):
        control = self.control(["/bin/false"], {"retry.max_attempts": 1})
        self.add_many(3)
        self.wait_dead(3)
        wait_until(lambda: control.metrics().get("sluiced_dead_letter_length", stream="s") == 3, 30, "3 dead letters")

    def test_lag_is_absent_while_redis_says_null(self):
        self.redis.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
        ids = self.add_many(5)
        self.redis.call("XDEL", "s", ids[2])
        if self.group()["lag"] is not None:
            self.skipTest("this server knows the lag nevertheless")
        control = self.control(self.python(HOLD), {"read.max_held": 1})
        metrics = self.known(control)
        self.assertIsNone(metrics.get("sluiced_group_lag"))
        self.assertIsNotNone(metrics.get("sluiced_group_pending"))
        self.assertIsNone(control.consumer()["streams"][0]["lag"])

    def rounds(self):
        """Each asks for two lengths; the group, when it was made, for one."""
        return self.calls("xlen") // 2

    def test_nobody_asks_when_nobody_looks(self):
        control = self.control(["/bin/true"])
        control.get("/healthz")
        control.get("/readyz")
        before = self.rounds()
        stays_true(lambda: self.rounds() == before, 0.7, "nothing is asked")
        self.known(control)
        self.assertEqual(self.rounds(), before + 1)

    def test_many_looks_are_one_question(self):
        control = self.control(["/bin/true"])
        before = self.rounds()
        self.known(control)
        for _ in range(50):
            control.metrics()
            control.status()
        self.assertEqual(self.rounds(), before + 1)

    def test_figures_are_asked_for_again(self):
        control = self.control(["/bin/true"])
        before = self.rounds()
        self.known(control)
        wait_until(lambda: self.rounds() >= before + 2, 15, "a second round")
        stays_true(lambda: control.metrics().get("sluiced_stream_length") is not None, 1, "figures are there")

    def test_old_figures_are_not_told(self):
        control = self.control(["/bin/true"])
        self.known(control)
        self.redis.freeze()
        wait_until(lambda: control.metrics().get("sluiced_stream_length") is None, 20, "the figures to age")
        self.redis.thaw()
        self.known(control)

    def test_missing_permission(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-xinfo", "-xlen")
        control = self.control(["/bin/true"], redis={"username": "worker", "password": "secret"})
        control.metrics()
        wait_until(lambda: control.metrics().get("sluiced_group_oldest_pending_seconds") is not None or
                   self.calls("xpending") > 1, 15, "what may be asked")
        self.assertIsNone(control.metrics().get("sluiced_stream_length"))
        self.add()
        self.wait_settled()

    def calls(self, command):
        stats = self.redis.call("INFO", "commandstats").decode()
        for line in stats.splitlines():
            if line.startswith("cmdstat_%s:" % command):
                return int(line.split("calls=")[1].split(",")[0])
        return 0


class Status(WorkerCase):
    def test_shape(self):
        daemon = self.start_worker("for e in entries():\n    say('ok', e['tag'])\n", {"handler.concurrency": 2})
        control = control_of(daemon)
        self.add()
        self.wait_settled()
        status = control.status()
        consumers = status.pop("consumers")
        self.assertEqual(sorted(status), ["hostname", "instance", "log_dropped", "pid", "process", "started_ms", "state",
                                          "uptime_ms", "version"])
        self.assertEqual((status["pid"], status["state"]), (daemon.process.pid, "running"))
        self.assertEqual(len(consumers), 1)
        self.assertEqual(sorted(consumers[0]), ["at_bound", "breaker", "connected", "consumer", "counters", "group",
                                                "handler", "held", "name", "obstacles", "paused", "reconnects",
                                                "redis_errors", "state", "streams", "timings"])
        self.assertEqual(sorted(consumers[0]["streams"][0]), [
            "abilities", "connected", "dead_letter_length", "dead_letter_stream", "fault", "group_state", "held", "lag",
            "last_error", "length", "name_in_use", "oldest_pending_ms", "paths", "pending", "server", "server_version",
            "stream"])
        self.assertEqual(consumers[0]["breaker"], {"state": "closed", "cooldown_ms": None})
        self.assertEqual(consumers[0]["streams"][0]["server"], self.redis.unix_url)

    def test_workers(self):
        daemon = self.start_windowed("for e in entries():\n    record(id=e['id'])\n    gate('go')\n    say('ok', e['tag'])\n", 3)
        control = control_of(daemon)
        self.add_many(3)
        self.wait_records(1)
        wait_until(lambda: control.consumer()["handler"]["processes"][0]["in_flight"] == 3, 15, "three in flight")
        process = control.consumer()["handler"]["processes"][0]
        self.assertEqual(process["state"], "up")
        os.kill(process["pid"], 0)
        self.assertEqual(control.metrics().get("sluiced_workers", state="up"), 1)

    def test_tells_no_secrets_and_no_payloads(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">hush-hush", "~*", "&*", "+@all")
        daemon = self.start(self.python(HOLD), redis={"username": "worker", "password": "hush-hush"})
        control = control_of(daemon)
        self.add(card="private-value")
        self.wait_records(1)
        told = control.get("/v1/status").text + control.get("/metrics").text
        self.assertNotIn("hush-hush", told)
        self.assertNotIn("private-value", told)


if __name__ == "__main__":
    main()
