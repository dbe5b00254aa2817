#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guard against doing an entry twice: what is skipped, what sets a key, and what goes wrong on the way."""

import signal
import threading

from control import control_of
from errorcase import RECORD, SCRIPTS, ErrorCase
from fakeredis import CLOSED
from harness import main
from servers import stays_true, wait_until

GUARD = {"once.ttl": "1h"}
BY_FIELD = {"once.ttl": "1h", "once.key": "{%s}:once:%f{order}"}
HOW = RECORD + "sys.exit({'dead': 65, 'fail': 1}.get(entry['fields'].get('how'), 0))\n"
DROP = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\nsay('drop')\n"
WORKER = "for entry in entries():\n    record(id=entry['id'], attempt=entry['attempt'])\n    say('ok', entry['tag'])\n"
TRYAGAIN = "TRYAGAIN later"


class OnceCase(ErrorCase):
    """One consumer, with the guard; the fake stands between."""

    def start_once(self, dotted=None, body=RECORD, **more):
        more.setdefault("redis", {"url": self.fake.url})
        settings = {**GUARD, **(dotted or {})}
        daemon = self.start(self.python(body), settings, **more)
        self.wait_group(settings.get("stream", "s"))
        return daemon

    def key(self, entry):
        return "{s}:once:g:" + entry

    def get(self, key):
        return self.redis.call("GET", key)

    def counts(self, daemon):
        metrics = control_of(daemon).metrics()
        return [metrics.get(name, **labels) for name, labels in (
            ("sluiced_entries_read_total", {"source": "new"}), ("sluiced_acked_total", {}),
            ("sluiced_once_skipped_total", {}), ("sluiced_verdicts_total", {"verdict": "ok"}))]

    def hold_lookups(self):
        """MGETs are refused until the rule that comes back is lifted."""
        return self.fake.refuse("MGET", TRYAGAIN)

    def state(self, daemon):
        metrics = control_of(daemon).metrics()
        return metrics.get("sluiced_held", state="ready"), metrics.get("sluiced_held_bytes")

    def wait_ready_entries(self, daemon, count):
        wait_until(lambda: self.state(daemon)[0] == count, 15, "%d entries to wait" % count)


class Skipped(OnceCase):
    def check_duplicate(self, dotted=None, body=RECORD):
        daemon = self.start_once({**BY_FIELD, **(dotted or {})}, body)
        first = self.add(order="A-17")
        self.wait_settled()
        second = self.add(order="A-17")
        self.wait_settled()
        self.assertEqual([r["id"] for r in self.records()], [first])
        self.assertEqual(self.counts(daemon), [2, 2, 1, 1])
        self.assertEqual(self.get("{s}:once:A-17"), b"1")
        line = daemon.wait_for_event("verdict", entry_id=second)
        self.assertEqual((line["level"], "outcome" in line), ("debug", False))
        daemon.stop()

    def test_duplicate(self):
        self.check_duplicate()

    def test_duplicate_with_workers(self):
        self.check_duplicate({"handler.mode": "worker", "handler.window": 10, "handler.concurrency": 2}, WORKER)

    def test_key_that_was_set_by_hand(self):
        self.redis.call("SET", self.key("5-1"), "done elsewhere")
        daemon = self.start_once()
        self.redis.call("XADD", "s", "5-1", "n", "1")
        self.wait_settled()
        self.assertEqual(self.records(), [])
        self.assertEqual(self.counts(daemon), [1, 1, 1, 0])
        self.assertEqual(self.get(self.key("5-1")), b"done elsewhere")

    def test_a_skip_is_no_success(self):
        """The key goes while the acknowledgement is on its way: it is not set anew."""
        rules = [self.fake.refuse(word, TRYAGAIN, key="5-1") for word in (*SCRIPTS, "XACK")]
        self.redis.call("SET", self.key("5-1"), "1")
        self.start_once()
        self.redis.call("XADD", "s", "5-1", "n", "1")
        self.wait_hits(rules, 1)
        self.redis.call("DEL", self.key("5-1"))
        self.fake.lift(*rules)
        self.wait_settled()
        self.assertEqual((self.records(), self.get(self.key("5-1"))), ([], None))

    def test_what_is_taken_over_and_what_is_found(self):
        entry = self.add()
        self.abandon()
        other = self.add()
        self.abandon(consumer="me")
        third = self.add()
        for skipped in (entry, other):
            self.redis.call("SET", self.key(skipped), "1")
        self.start_once({"claim.min_idle": "1s"})
        self.wait_settled()
        self.assertEqual([r["id"] for r in self.records()], [third])

    def test_retried_after_a_duplicate_was_done(self):
        daemon = self.start_once({**BY_FIELD, "retry.initial_delay": "300ms", "retry.max_delay": "300ms"}, HOW)
        first = self.add(order="A", how="fail")
        self.wait_records(1)
        second = self.add(order="A", how="ok")
        self.wait_settled()
        self.assertEqual([r["id"] for r in self.records()], [first, second])
        self.assertEqual(self.counts(daemon), [2, 2, 1, 1])


class NotSkipped(OnceCase):
    def test_no_field_no_guard(self):
        self.start_once(BY_FIELD)
        for fields in ({"n": "1"}, {"n": "1"}, {"order": ""}, {"order": ""}, {"order": "x" * 1100}, {"order": "x" * 1100}):
            self.add(**fields)
        self.wait_settled()
        self.assertEqual(len(self.records()), 6)
        self.assertEqual(self.redis.call("KEYS", "*once*"), [])
        self.assertEqual(self.fake.count("MGET"), 0)

    def test_the_key_has_expired(self):
        self.start_once({**BY_FIELD, "once.ttl": "200ms"})
        self.add(order="A")
        self.wait_settled()
        wait_until(lambda: self.get("{s}:once:A") is None, 15, "the key to expire")
        self.add(order="A")
        self.wait_settled()
        self.assertEqual(len(self.records()), 2)

    def test_groups_do_not_share_keys(self):
        command = self.python(RECORD)
        consumers = {name: self.consumer(command, {**GUARD, "group": name}) for name in ("g", "h")}
        self.start_all(consumers)
        entry = self.add()
        self.wait_records(2)
        wait_until(lambda: self.is_settled(group="g") and self.is_settled(group="h"), 15, "both groups")
        self.assertEqual([r["id"] for r in self.records()], [entry, entry])

    def test_without_the_option_nothing_is_asked(self):
        self.start(self.python(RECORD), redis={"url": self.fake.url})
        self.wait_group()
        self.add()
        self.wait_settled()
        self.assertEqual([self.fake.count(c) for c in ("MGET", "SET")], [0, 0])
        self.assertEqual(self.fake.count("XACK"), 1)


class Sets(OnceCase):
    def test_success(self):
        self.start_once()
        entry = self.add()
        self.wait_settled()
        self.assertEqual(self.get(self.key(entry)), b"1")
        self.assertTrue(3500000 < self.redis.call("PTTL", self.key(entry)) <= 3600000)

    def test_drop(self):
        self.start_once(body=DROP)
        entry = self.add()
        self.wait_settled()
        self.assertEqual(self.get(self.key(entry)), b"1")

    def test_failure_does_not_and_the_success_after_it_does(self):
        self.start_once({"retry.initial_delay": "500ms", "retry.max_delay": "500ms"},
                        RECORD + "sys.exit(entry['attempt'] == 1)\n")
        entry = self.add()
        self.wait_records(1)
        wait_until(lambda: self.deliveries(entry) == 1, 15, "the first run")
        self.assertIsNone(self.get(self.key(entry)))
        self.wait_settled()
        self.assertEqual([r["attempt"] for r in self.records()], [1, 2])
        self.assertEqual(self.get(self.key(entry)), b"1")

    def test_dead_does_not(self):
        self.start_once(body=HOW)
        self.add(how="dead")
        self.wait_dead()
        self.wait_settled()
        self.assertEqual(self.redis.call("KEYS", "*once*"), [])

    def test_what_else_has_that_name_stays(self):
        self.redis.call("RPUSH", self.key("5-1"), "mine")
        self.start_once()
        self.redis.call("XADD", "s", "5-1", "n", "1")
        self.wait_settled()
        self.assertEqual(len(self.records()), 1)
        self.assertEqual(self.redis.call("LRANGE", self.key("5-1"), 0, -1), [b"mine"])

    def test_stream_with_a_tag(self):
        self.start_once({"stream": "{eu}s"})
        entry = self.add("{eu}s")
        self.wait_settled("{eu}s")
        self.assertEqual(self.get("{eu}s:once:g:" + entry), b"1")


class AckLost(OnceCase):
    """The handler is done, and then something ends before anybody knows."""

    def acks(self, answer, **which):
        """The scripts with a guard key among their keys."""
        return [self.fake.translate(word, lambda _old: answer, key=("s", which["guard"]), times=1)
                for word in SCRIPTS]

    def test_connection(self):
        daemon = self.start_once()
        guard = self.key("5-1")
        self.acks(CLOSED, guard=guard)
        self.redis.call("XADD", "s", "5-1", "n", "1")
        self.wait_settled()
        wait_until(lambda: control_of(daemon).metrics().get("sluiced_ack_missing_total") == 1, 15, "it is sent again")
        self.assertEqual((len(self.records()), self.get(guard)), (1, b"1"))

    def test_daemon_without_scripts(self):
        """The key is set and the entry still pending: the next daemon sees to it."""
        self.redis.call("ACL", "SETUSER", "default", "-@scripting")
        rule = self.fake.refuse("XACK", TRYAGAIN)
        daemon = self.start_once()
        entry = self.add()
        wait_until(lambda: rule.hits, 15, "an XACK")
        daemon.kill()
        self.fake.lift(rule)
        self.assertEqual((list(self.pending()), self.get(self.key(entry))), ([entry], b"1"))
        daemon.restart()
        self.wait_settled()
        self.assertEqual(len(self.records()), 1)
        self.assertEqual(control_of(daemon).metrics().get("sluiced_once_skipped_total"), 1)


class Batched(OnceCase):
    def test_one_question_for_many(self):
        self.add_many(300)
        self.start_once({"handler.mode": "worker", "handler.window": 200}, WORKER)
        self.wait_settled()
        self.assertEqual(len(self.records()), 300)
        self.assertEqual(len(self.redis.call("KEYS", "*once*")), 300)
        self.assertLess(self.fake.count("MGET"), 60)
        self.assertLess(sum(self.fake.count(word, "g") for word in SCRIPTS), 120)

    def test_what_waits_is_within_bounds(self):
        rule = self.hold_lookups()
        daemon = self.start_once({"handler.mode": "worker", "handler.window": 10}, WORKER)
        for _ in range(60):
            self.add(text="x" * 1000)
        wait_until(lambda: self.state(daemon)[0] >= 15, 15, "entries to wait")
        stays_true(lambda: self.state(daemon)[0] <= 21, 0.5, "no more is read")
        self.assertGreaterEqual(self.state(daemon)[1], 15000)
        self.assertEqual(self.records(), [])
        self.fake.lift(rule)
        self.wait_settled()
        self.assertEqual(len(self.records()), 60)
        self.assertEqual(self.state(daemon), (0, 0))


class NoAnswer(OnceCase):
    """The look-up fails: nothing runs unguarded."""

    def test_refused(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-mget")
        daemon = self.start_once(redis={"url": self.fake.url, "username": "worker", "password": "secret"})
        entry = self.add()
        line = daemon.wait_for_event("redis_error")
        self.assertIn("looking up guard keys: NOPERM", line["message"])
        self.assertEqual(line["level"], "error")
        self.assertEqual(self.fake.count("MGET") > 0, True)
        count = self.fake.count("MGET")
        stays_true(lambda: self.records() == [] and self.fake.count("MGET") < count + 10, 0.6, "few tries, and no run")
        self.redis.call("ACL", "SETUSER", "worker", "+mget")
        self.wait_settled(seconds=30)
        self.assertEqual([r["id"] for r in self.records()], [entry])

    def test_keys_refused(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~s", "~s:dead", "+@all")
        daemon = self.start_once(redis={"url": self.fake.url, "username": "worker", "password": "secret"})
        self.add()
        line = daemon.wait_for_event("redis_error")
        self.assertIn("guard keys: {%s}:once:%g:%i", line["message"])
        self.redis.call("ACL", "SETUSER", "worker", "~{s}:once:*")
        self.wait_settled(seconds=30)
        self.assertEqual(len(self.records()), 1)

    def test_connection_lost(self):
        rule = self.fake.translate("MGET", lambda _old: CLOSED, times=1)
        self.start_once()
        self.add()
        self.wait_settled()
        self.assertEqual((len(rule.hits), len(self.records())), (1, 1))

    def test_nonsense(self):
        rule = self.fake.say("MGET", b"*0\r\n", times=1)
        self.start_once()
        self.add()
        self.wait_settled()
        self.assertEqual((len(rule.hits), len(self.records())), (1, 1))

    def test_ask_does_not_lead_away(self):
        rule = self.fake.refuse("MGET", "ASK 15891 127.0.0.1:7001", times=2)
        self.start_once()
        self.add()
        self.wait_settled()
        self.assertEqual((len(rule.hits), len(self.records())), (2, 1))

    def test_lease_is_kept_and_nobody_takes_it(self):
        rule = self.hold_lookups()
        daemon = self.start_once({"claim.min_idle": "1s"})
        entry = self.add()
        wait_until(lambda: self.fake.count("EVALSHA", entry) >= 3, 15, "renewals")
        self.assertEqual(self.records(), [])
        self.fake.lift(rule)
        self.wait_settled()
        self.assertEqual(self.counts(daemon), [1, 1, 0, 1])

    def test_taken_by_another_while_it_waits(self):
        rule = self.hold_lookups()
        daemon = self.start_once({"claim.min_idle": "1s"})
        entry = self.add()
        self.wait_ready_entries(daemon, 1)
        self.redis.call("XCLAIM", "s", "g", "rival", 0, entry, "JUSTID")
        daemon.wait_for_event("lease_lost", entry_id=entry)
        self.redis.call("XACK", "s", "g", entry)
        self.fake.lift(rule)
        self.wait_ready_entries(daemon, 0)
        self.assertEqual(self.records(), [])


class Restart(OnceCase):
    redis_options = ("--appendonly", "yes", "--appendfsync", "always")

    def test_server_goes_while_it_is_asked(self):
        go = threading.Event()
        self.addCleanup(go.set)

        def held(_old):
            go.wait(20)
            return CLOSED

        rule = self.fake.translate("MGET", held, times=1)
        self.start_once()
        entry = self.add()
        wait_until(lambda: rule.hits, 15, "a look-up")
        self.redis.kill()
        go.set()
        self.redis.start().wait_ready()
        self.wait_settled()
        self.assertEqual([r["id"] for r in self.records()], [entry])
        self.assertEqual(self.get(self.key(entry)), b"1")


class Leaving(OnceCase):
    def check_release(self, leave):
        rule = self.hold_lookups()
        daemon = self.start_once()
        entry = self.add()
        self.wait_ready_entries(daemon, 1)
        leave(daemon)
        wait_until(lambda: self.deliveries(entry) == 0, 15, "it is given back")
        self.assertEqual(self.records(), [])
        self.fake.lift(rule)
        return daemon, entry

    def test_drain(self):
        self.check_release(lambda daemon: daemon.stop())

    def test_pause(self):
        daemon, entry = self.check_release(lambda daemon: control_of(daemon).act("pause"))
        control_of(daemon).act("resume")
        self.wait_settled()
        self.assertEqual([r["id"] for r in self.records()], [entry])


class Reload(OnceCase):
    def reload(self, daemon, dotted):
        consumer = self.consumer(self.python(RECORD), dotted)
        with open(daemon.config_path, "w", encoding="utf-8") as f:
            f.write(self.config({"c": consumer}, daemon.name, {"url": self.fake.url}))
        seen = len(daemon.events("reloaded"))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_event("reloaded", count=seen + 1)

    def test_on_and_off(self):
        daemon = self.start(self.python(RECORD), redis={"url": self.fake.url})
        self.add()
        self.wait_settled()
        self.assertEqual(self.redis.call("KEYS", "*once*"), [])
        self.reload(daemon, GUARD)
        entry = self.add()
        self.wait_settled()
        self.assertEqual(self.redis.call("KEYS", "*once*"), [self.key(entry).encode()])
        self.reload(daemon, {})
        self.add()
        self.wait_settled()
        self.assertEqual(len(self.redis.call("KEYS", "*once*")), 1)
        self.assertEqual(len(daemon.events("disconnected")), 0)

    def test_taken_away_while_one_waits_for_it(self):
        self.hold_lookups()
        daemon = self.start_once()
        self.add()
        self.wait_ready_entries(daemon, 1)
        self.reload(daemon, {})
        self.wait_settled()
        self.assertEqual(len(self.records()), 1)

    def test_another_key_while_one_waits(self):
        rule = self.hold_lookups()
        daemon = self.start_once()
        self.add(order="A")
        self.wait_ready_entries(daemon, 1)
        self.redis.call("SET", "{s}:once:A", "1")
        self.reload(daemon, BY_FIELD)
        self.fake.lift(rule)
        self.wait_settled()
        self.assertEqual(self.records(), [])


class NotSet(OnceCase):
    """The key cannot be set: nothing is acknowledged, and nothing runs again."""

    def test_script_is_refused(self):
        daemon = self.start_once()
        rules = [self.fake.refuse(word, "OOM command not allowed when used memory > 'maxmemory'.",
                                  key=self.key("5-1")) for word in SCRIPTS]
        self.redis.call("XADD", "s", "5-1", "n", "1")
        self.wait_hits(rules)
        self.assertIn("XACK: OOM", daemon.wait_for_event("redis_error")["message"])
        self.assertEqual(list(self.pending()), ["5-1"])
        self.fake.lift(*rules)
        self.wait_settled()
        self.assertEqual((len(self.records()), self.get(self.key("5-1"))), (1, b"1"))

    def without_scripts(self, **more):
        self.redis.call("ACL", "SETUSER", "default", "-@scripting")
        return self.start_once(**more)

    def test_without_scripts(self):
        daemon = self.without_scripts(dotted={"handler.mode": "worker", "handler.window": 50}, body=WORKER)
        ids = [i.decode() for i in self.redis.connection.pipeline([("XADD", "s", "*", "n", n) for n in range(200)])]
        self.wait_settled()
        self.assertEqual(sorted(r["id"] for r in self.records()), sorted(ids))
        self.assertEqual(len(self.redis.call("KEYS", "*once*")), 200)
        self.assertEqual(self.counts(daemon), [200, 200, 0, 200])

    def test_refused_without_scripts(self):
        rule = self.fake.refuse("SET", "NOPERM this user has no permissions to run the 'set' command")
        daemon = self.without_scripts()
        entry = self.add()
        self.wait_hits([rule])
        daemon.wait_for_event("redis_error", level="error")
        self.assertEqual((list(self.pending()), self.fake.count("XACK")), ([entry], 0))
        self.fake.lift(rule)
        self.wait_settled()
        self.assertEqual((len(self.records()), self.get(self.key(entry))), (1, b"1"))

    def test_connection_lost_without_scripts(self):
        rule = self.fake.translate("SET", lambda _old: CLOSED, times=1)
        self.without_scripts()
        self.add()
        self.wait_settled()
        self.assertEqual((len(rule.hits), len(self.records())), (1, 1))

    def test_scripts_are_forgotten(self):
        self.start_once()
        self.redis.call("SCRIPT", "FLUSH")
        entry = self.add()
        self.wait_settled()
        self.assertEqual((len(self.records()), self.get(self.key(entry))), (1, b"1"))


class Breaker(OnceCase):
    def test_the_last_failure_was_done_by_another(self):
        """The one entry to try is gone: the breaker does not wait for it."""
        daemon = self.start_once({"breaker.failures": 1, "handler.concurrency": 1},
                                 RECORD + "sys.exit(0 if is_open('mended') else 64)\n")
        entry = self.add()
        daemon.wait_for_event("breaker_open")
        self.redis.call("SET", self.key(entry), "1")
        self.open_gate("mended")
        other = self.add()
        self.wait_settled(seconds=30)
        daemon.wait_for_event("breaker_closed")
        self.assertEqual(self.records()[-1]["id"], other)


if __name__ == "__main__":
    main()
