#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Permissions that are missing: the log names the command, and what can be done without is done so."""

from errorcase import FAILS_ONCE, RECORD, ErrorCase
from harness import main
from servers import stays_true, wait_until


class PermissionCase(ErrorCase):
    def allow(self, *rules):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", *rules)

    def start_as(self, body=RECORD, dotted=None, rules=(), **more):
        self.allow("~*", "+@all", *rules)
        return self.start_pair(body, dotted, redis={
            "url": self.fake.url, "username": "worker", "password": "secret"}, **more)

    def assert_error_told(self, daemon, *words):
        line = self.assert_told(daemon, *words)
        self.assertEqual((line["level"], line["stream"], line["event"]), ("error", "s", "redis_error"))

    def assert_seldom(self, command):
        count = self.fake.count(command, "s")
        stays_true(lambda: self.fake.count(command, "s") <= count + 15, 0.6, "few tries")


class CommandForbidden(PermissionCase):
    def test_acknowledging(self):
        daemon = self.start_as()
        self.wait_group()
        self.allow("-xack")
        entry = self.add()
        self.assert_error_told(daemon, "XACK", "NOPERM", "'xack'")
        self.assert_seldom("XACK")
        self.assertEqual((self.runs(entry), list(self.pending())), ([1], [entry]))
        self.allow("+xack")
        self.wait_settled(seconds=30)
        self.assertEqual(self.runs(entry), [1])

    def test_looking(self):
        daemon = self.start_as(rules=["-xpending"])
        self.assert_error_told(daemon, "XPENDING", "NOPERM", "'xpending'")
        self.assert_seldom("XPENDING")
        self.allow("+xpending")
        self.add()
        self.wait_settled(seconds=30)

    def test_making_the_group(self):
        daemon = self.start_as(rules=["-xgroup"])
        self.assert_error_told(daemon, "XGROUP CREATE", "NOPERM", "'xgroup|create'")
        self.allow("+xgroup")
        self.add()
        self.wait_settled(seconds=30)

    def check_within_script(self, rule, told):
        daemon = self.start_as(FAILS_ONCE)
        self.wait_group()
        self.allow("-" + rule)
        entry = self.add()
        words = "ACL failure in script" if self.redis.version() >= (7, 2) else "can't run this command"
        self.assert_error_told(daemon, told, words)
        self.assertEqual(self.runs(entry), [1])
        self.assert_seldom("EVALSHA")
        self.allow("+" + rule)
        self.wait_settled(seconds=30)
        self.assertEqual(self.runs(entry), [1, 2])

    def test_claiming_within_a_script(self):
        self.check_within_script("xclaim", "beginning runs")

    def test_fetching_within_a_script(self):
        self.check_within_script("xrange", "beginning runs")

    def test_optional_ones(self):
        rules = ["-ping", "-client", "-script", "-xinfo", "-xlen", "-info", "-role"]
        daemon = self.start_as(FAILS_ONCE, rules=rules)
        entry = self.add()
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1, 2])
        daemon.stop()


class KeyForbidden(PermissionCase):
    def test_stream(self):
        daemon = self.start_as(rules=["resetkeys", "~t"])
        self.assert_error_told(daemon, "XPENDING", "NOPERM")
        self.assert_good_goes_on()
        self.allow("~s")
        self.add()
        self.wait_settled(seconds=30)

    def test_dead_letters_when_entries_are_claimed(self):
        entry = self.add()
        self.abandon()
        daemon = self.start_as(dotted={"claim.min_idle": "1s"}, rules=["resetkeys", "~s", "~t", "~t:dead"])
        self.assert_error_told(daemon, "claiming entries", "NOPERM", "s:dead")
        self.assertEqual(self.runs(entry), [])
        self.allow("~s:dead")
        self.wait_settled()
        self.assertEqual(self.runs(entry), [2])


class NotAuthenticated(ErrorCase):
    def test_password_is_asked_for(self):
        self.redis.call("CONFIG", "SET", "requirepass", "secret")
        daemon = self.start_pair(redis={"url": self.fake.url, "reconnect": {"initial": "50ms", "max": "2s"}})
        self.assertEqual(self.assert_told(daemon, "NOAUTH")["level"], "error")
        count = self.fake.count("PING")
        stays_true(lambda: self.fake.count("PING") <= count + 6, 1, "few attempts")
        self.redis.call("CONFIG", "SET", "requirepass", "")
        wait_until(lambda: self.group(), 15, "the group")
        self.add()
        self.wait_settled()


if __name__ == "__main__":
    main()
