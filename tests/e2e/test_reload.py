#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A changed file, while everything runs."""

import os
import shutil
import signal

from control import control_of
from harness import Case, WorkerCase, main
from servers import Redis, stays_true, wait_until

SAY_OK = "for entry in entries():\n    record(id=entry['id'], by='%s', pid=os.getpid())\n    say('ok', entry['tag'])\n"


class ReloadCase(WorkerCase):
    def rewrite(self, daemon, consumers, redis=None, more=None):
        with open(daemon.config_path, "w", encoding="utf-8") as f:
            f.write(self.config(consumers, daemon.name, redis, more))

    def reload(self, daemon, consumers=None, event="reloaded", **more):
        """The event's line."""
        if consumers is not None:
            self.rewrite(daemon, consumers, **more)
        seen = len(daemon.events(event))
        daemon.signal(signal.SIGHUP)
        return daemon.wait_for_event(event, count=seen + 1)

    def worker(self, name, dotted=None, body=SAY_OK):
        return self.consumer(self.python(body % name, name), {"handler.mode": "worker", **(dotted or {})})

    def by(self):
        return [r["by"] for r in self.records()]


class Unchanged(ReloadCase):
    def test_is_not_touched(self):
        daemon = self.start_all({"c": self.worker("old")})
        self.add_many(5)
        self.wait_records(5)
        connections = len(daemon.events("connected", message="connected to Redis"))
        self.assertIn("1 consumers as before", self.reload(daemon)["message"])
        self.add_many(5)
        self.assertEqual(len({r["pid"] for r in self.wait_records(10)}), 1)
        self.assertEqual(len(daemon.events("connected", message="connected to Redis")), connections)
        self.assertEqual(len(daemon.events("worker_started")), 1)

    def test_limits_change_under_a_worker(self):
        daemon = self.start_all({"c": self.worker("old")})
        line = self.reload(daemon, {"c": self.worker("old", {"retry.initial_delay": "1ms", "read.count": 3})})
        self.assertIn("1 changed", line["message"])
        self.add_many(20)
        self.assertEqual(len({r["pid"] for r in self.wait_records(20)}), 1)
        self.wait_settled()

    def test_retry_delay_is_the_new_one(self):
        body = "for entry in entries():\n    record(attempt=entry['attempt'])\n    say('ok' if entry['attempt'] > 1 else 'retry', entry['tag'])\n"
        command = self.python(body)
        slow = {"handler.mode": "worker", "retry.initial_delay": "1h", "retry.max_delay": "1h"}
        daemon = self.start(command, slow)
        self.reload(daemon, {"c": self.consumer(command, {"handler.mode": "worker"})})
        self.add()
        self.wait_settled()


class Handler(ReloadCase):
    def test_new_entries_get_the_new_one_and_runs_finish(self):
        old = self.consumer(self.python("record(by='old')\ngate('go')\nrecord(by='old done')\n", "old"))
        new = self.consumer(self.python("record(by='new')\n", "new"))
        daemon = self.start_all({"c": old})
        self.add()
        self.wait_records(1)
        self.reload(daemon, {"c": new})
        self.add()
        self.wait_records(2)
        self.assertEqual(self.by(), ["old", "new"])
        self.open_gate()
        self.wait_settled()
        self.assertEqual(self.by(), ["old", "new", "old done"])

    def test_workers_are_replaced_and_none_loses_an_entry(self):
        many = {"handler.concurrency": 3, "handler.window": 10}
        daemon = self.start_all({"c": self.worker("v0", many)})
        for version in range(1, 6):
            self.add_many(200)
            self.reload(daemon, {"c": self.worker("v%d" % version, many)})
        last = set(self.add_many(200))
        self.wait_settled(seconds=40)
        ids = [r["id"] for r in self.records()]
        self.assertEqual((len(ids), len(set(ids))), (1200, 1200))
        self.assertEqual({r["by"] for r in self.records() if r["id"] in last}, {"v5"})
        wait_until(lambda: len(daemon.events("worker_started")) - len(daemon.events("worker_ended")) == 3,
                   15, "three workers to be left")
        daemon.stop()

    def test_never_more_than_one_process_too_many(self):
        body = "record(n='%s', id=0)\nfor entry in entries():\n    gate('go')\n    say('ok', entry['tag'])\n"
        two = {"handler.concurrency": 2}
        daemon = self.start_all({"c": self.worker("old", two, body)})
        self.wait_records(2)
        self.add_many(2)
        wait_until(lambda: len(self.pending()) == 2, 15, "both workers to be busy")
        self.reload(daemon, {"c": self.worker("new", two, body)})
        self.wait_records(3)
        stays_true(lambda: len(self.records()) == 3, 0.5, "one new worker beside two old ones")
        self.open_gate()
        self.wait_records(4)
        self.wait_settled()

    def test_a_program_that_was_replaced_on_disk(self):
        daemon = self.start_all({"c": self.worker("same")})
        self.add()
        self.wait_records(1)
        self.python(SAY_OK % "other", "other")
        os.replace(self.path("other"), self.path("same"))
        self.assertIn("1 changed", self.reload(daemon)["message"])
        self.add()
        self.wait_records(2)
        self.assertEqual(self.by(), ["same", "other"])

    def test_another_mode(self):
        daemon = self.start_all({"c": self.worker("worker")})
        self.add_many(3)
        self.wait_records(3)
        exec_mode = self.consumer(self.python("record(by='exec')\n", "exec"), {"handler.concurrency": 2})
        self.reload(daemon, {"c": exec_mode})
        self.add_many(3)
        self.wait_settled()
        self.assertEqual(self.by(), 3 * ["worker"] + 3 * ["exec"])

    def test_concurrency_up_and_down(self):
        daemon = self.start_all({"c": self.worker("w")})
        self.reload(daemon, {"c": self.worker("w", {"handler.concurrency": 4})})
        daemon.wait_for_event("worker_started", count=4)
        self.reload(daemon, {"c": self.worker("w", {"handler.concurrency": 1})})
        daemon.wait_for_event("worker_ended", count=3)
        self.add_many(10)
        self.wait_settled()

    def test_a_fixed_handler_closes_the_breaker_at_once(self):
        broken = {"handler.mode": "worker", "breaker.failures": 1, "breaker.cooldown": "1h"}
        daemon = self.start_all({"c": self.consumer(self.shell("exit 78"), broken)})
        self.add_many(3)
        daemon.wait_for_event("breaker_open")
        self.reload(daemon, {"c": self.worker("fixed", {"breaker.failures": 1, "breaker.cooldown": "1h"})})
        daemon.wait_for_event("breaker_closed")
        self.wait_settled()


    def test_a_fixed_handler_gets_at_once_what_lies_there(self):
        settings = {"breaker.failures": 1, "breaker.cooldown": "1h", "claim.interval": "1h", "claim.min_idle": "1s"}
        daemon = self.start_all({"c": self.consumer(self.shell("exit 127"), settings)})
        self.add()
        daemon.wait_for_event("breaker_open")
        control = control_of(daemon)
        wait_until(lambda: not control.consumer()["held"]["total"], 15, "nothing to be held")
        self.reload(daemon, {"c": self.consumer(["/bin/true"], settings)})
        daemon.wait_for_event("breaker_closed", seconds=4)  # our own pending list is looked at after some 6 s
        self.wait_settled()


class MissingGroup(ReloadCase):
    def test_is_looked_for_again(self):
        one = {"c": self.worker("one", {"on_missing_group": "fail"})}
        daemon = self.start_all(one)
        self.assertEqual(control_of(daemon).consumer()["streams"][0]["group_state"], "stopped")
        self.reload(daemon, one)
        daemon.wait_for_event("redis_error", count=2)
        self.redis.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
        self.reload(daemon, one)
        self.add()
        self.wait_settled()

    def test_is_made_when_the_new_settings_say_so(self):
        daemon = self.start_all({"c": self.worker("one", {"on_missing_group": "fail"})})
        self.reload(daemon, {"c": self.worker("one")})
        daemon.wait_for_event("group_created")
        self.add()
        self.wait_settled()


class Identity(ReloadCase):
    HOLD = "record(by='%s')\ngate('go')\n"

    def test_the_old_is_drained_before_the_new_starts(self):
        old = self.consumer(self.python(self.HOLD % "old", "old"), {"handler.concurrency": 2})
        new = self.consumer(self.python("record(by='new')\n", "new"), {"stream": "t"})
        daemon = self.start_all({"c": old})
        self.add_many(2)
        self.wait_records(2)
        self.assertIn("1 replaced", self.reload(daemon, {"c": new})["message"])
        self.add("t")
        stays_true(lambda: not self.group("t"), 0.3, "the new one waiting")
        self.open_gate()
        self.wait_settled("s")
        self.wait_settled("t")
        self.assertEqual(self.by(), ["old", "old", "new"])
        daemon.stop()

    def test_another_name_for_the_same_waits_as_well(self):
        hold = self.consumer(self.python(self.HOLD % "a", "a"))
        daemon = self.start_all({"a": hold})
        self.add()
        self.wait_records(1)
        self.reload(daemon, {"b": self.consumer(self.python("record(by='b')\n", "b"))})
        self.add()
        stays_true(lambda: len(self.records()) == 1, 0.3, "b waiting for a")
        self.open_gate()
        self.wait_settled()
        self.assertEqual(self.by(), ["a", "b"])
        self.assertEqual(len(daemon.events("name_in_use")), 0)

    def test_what_was_not_begun_is_released(self):
        hold = self.worker("old", {"handler.window": 1}, "for entry in entries():\n    record(by='%s')\n    gate('go')\n    say('ok', entry['tag'])\n")
        daemon = self.start_all({"c": hold, "d": self.worker("other", {"stream": "t"})})
        self.add_many(10)
        self.wait_records(1)
        self.assertIn("1 removed", self.reload(daemon, {"d": self.worker("other", {"stream": "t"})})["message"])
        wait_until(lambda: sum(idle > 10**9 for _, idle, _ in self.pending().values()) == len(self.pending()) - 1,
                   15, "all but the run to be claimable")
        self.open_gate()
        wait_until(lambda: all(idle > 10**9 for _, idle, _ in self.pending().values()), 15, "the run to be over")
        self.add("t")
        self.wait_settled("t")

    def test_added(self):
        one = {"c": self.worker("one")}
        daemon = self.start_all(one)
        self.assertIn("1 added", self.reload(daemon, {**one, "d": self.worker("two", {"stream": "t"})})["message"])
        self.add("t")
        self.wait_settled("t")

    def test_back_and_forth_while_the_old_drains(self):
        hold = {"c": self.consumer(self.python(self.HOLD % "old", "old"))}
        daemon = self.start_all(hold)
        self.add()
        self.wait_records(1)
        for stream in ("t", "s", "t"):
            self.reload(daemon, {"c": self.worker("new", {"stream": stream})})
        self.open_gate()
        self.add("t")
        self.wait_settled("t")
        daemon.stop()


class Connection(ReloadCase):
    def test_another_server(self):
        directory = self.path("second")
        os.mkdir(directory)
        second = Redis(directory).start().wait_ready()
        self.addCleanup(second.kill)
        consumers = {"c": self.worker("w", {"handler.window": 10})}
        daemon = self.start_all(consumers)
        self.add_many(300)
        self.reload(daemon, consumers, redis={"url": second.unix_url})
        second.call("XADD", "s", "7-7", "n", 1)
        wait_until(lambda: any(r["id"] == "7-7" for r in self.records()), 15, "the other server's entry")
        wait_until(lambda: all(idle > 10**9 for _, idle, _ in self.pending().values()), 15,
                   "what was held at the first to be done or released")
        ids = [r["id"] for r in self.records()]
        self.assertEqual(len(ids), len(set(ids)))
        daemon.stop()

    def test_the_old_server_is_gone(self):
        directory = self.path("second")
        os.mkdir(directory)
        second = Redis(directory).start().wait_ready()
        self.addCleanup(second.kill)
        consumers = {"c": self.worker("w")}
        daemon = self.start_all(consumers)
        self.add()
        self.wait_settled()
        self.redis.kill()
        daemon.wait_for_event("disconnected")
        self.reload(daemon, consumers, redis={"url": second.unix_url})
        second.call("XADD", "s", "7-7", "n", 1)
        wait_until(lambda: any(r["id"] == "7-7" for r in self.records()), 15, "the other server's entry")
        daemon.stop()


class Refused(ReloadCase):
    def refused(self, daemon, consumers=None, **more):
        line = self.reload(daemon, consumers, "reload_refused", **more)["message"]
        self.add()
        self.wait_settled()
        self.assertEqual(daemon.events("reloaded"), [])
        return line

    def test_each_kind_of_refusal_leaves_everything_as_it_was(self):
        daemon = self.start_all({"c": self.worker("old")})
        wrong = {"c": self.worker("new", {"handler.windo": 3})}
        self.assertIn('unknown key "windo"', self.refused(daemon, wrong))
        self.assertIn("daemon.runtime_dir: takes a restart",
                      self.refused(daemon, {"c": self.worker("old")}, more={"runtime_dir": self.path("elsewhere")}))
        shutil.move(daemon.config_path, self.path("away"))
        self.assertIn("cannot be read", self.refused(daemon))
        self.assertEqual(set(self.by()), {"old"})
        self.assertEqual(len(daemon.events("worker_started")), 1)

    def test_all_errors_are_told(self):
        daemon = self.start_all({"c": self.worker("old")})
        self.reload(daemon, {"c": self.worker("old", {"handler.windo": 3, "red": {}})}, "reload_refused")
        daemon.wait_for_event("reload_refused", count=2)

    def test_while_it_stops(self):
        daemon = self.start_all({"c": self.consumer(self.python("record(by='x')\ngate('go')\n"))})
        self.add()
        self.wait_records(1)
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("draining")
        daemon.signal(signal.SIGHUP)
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(daemon.events("reloaded"), [])


class Log(Case):
    def test_follows_at_once(self):
        consumers = {"c": self.consumer(["/bin/true"])}
        daemon = self.start_all(consumers, daemon={"log.level": "notice"})
        self.assertEqual(daemon.events("connected"), [])
        with open(daemon.config_path, "w", encoding="utf-8") as f:
            f.write(self.config({**consumers, "d": self.consumer(["/bin/true"], {"stream": "t"})}, "one"))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_event("connected", consumer="d")


if __name__ == "__main__":
    main()
