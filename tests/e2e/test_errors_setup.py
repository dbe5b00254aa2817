#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Errors before a stream is read: while its group, the name and our own pending list are looked at."""

from errorcase import FAILS_ONCE, NEEDS_PERSON, RECORD, TEMPORARY, ErrorCase, for_each
from fakeredis import error
from harness import main
from servers import stays_true, wait_until

NO_EVAL = "NOPERM this user has no permissions to run the 'eval' command"


class SetupCase(ErrorCase):
    def check_refused_at_start(self, command, told, text, group=False):
        entry = self.add()
        if group:
            self.redis.call("XGROUP", "CREATE", "s", "g", 0)
        rule = self.fake.refuse(command, text, key="s")
        daemon = self.start_pair()
        self.assert_is_refused(daemon, [rule], told, text)
        self.assertEqual(self.runs(entry), [])
        self.fake.lift(rule)
        self.wait_settled(seconds=30)
        self.assertEqual(self.runs(entry), [1])
        return daemon


@for_each({**TEMPORARY, **NEEDS_PERSON})
class LookForGroup(SetupCase):
    def check(self, text):
        daemon = self.check_refused_at_start("XPENDING", "XPENDING", text, group=True)
        self.assertEqual(daemon.events("group_created", stream="s"), [])


@for_each({**TEMPORARY, **NEEDS_PERSON})
class CreateGroup(SetupCase):
    def check(self, text):
        daemon = self.check_refused_at_start("XGROUP CREATE", "XGROUP CREATE", text)
        self.assertEqual(len(daemon.events("group_created", stream="s")), 1)


class BusyGroup(ErrorCase):
    def test_made_by_another_in_the_same_moment(self):
        entry = self.add()
        self.fake.say("XGROUP CREATE", error("BUSYGROUP Consumer Group name already exists"), key="s")
        self.start_pair()
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1])


NO_STREAM_INFO = {"unknown_command": TEMPORARY["unknown_command"],
                  "noperm": "NOPERM this user has no permissions to run the 'xinfo|stream' command"}


@for_each({name: text for name, text in TEMPORARY.items() if not text.startswith("ERR")})
class Recreate(ErrorCase):
    """While it is not known whether the stream is a new one, nothing is made that would repeat it."""

    def check(self, text):
        daemon = self.start_idle_pair()
        before = self.add()
        self.wait_settled()
        rule = self.fake.refuse("XINFO STREAM", text, key="s")
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        self.assert_is_refused(daemon, [rule], "XINFO STREAM", text)
        self.assertIsNone(self.group())
        after = self.add()
        self.fake.lift(rule)
        daemon.wait_for_event("group_recreated", stream="s", seconds=30)
        self.wait_settled()
        self.assertEqual((self.runs(before), self.runs(after)), ([1], [1]))


@for_each(NO_STREAM_INFO)
class RecreateUnseen(ErrorCase):
    """Who will never be told repeats everything rather than lose something."""

    def check(self, text):
        daemon = self.start_idle_pair()
        ids = self.add_many(2)
        self.wait_settled()
        self.fake.refuse("XINFO STREAM", text, key="s")
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        self.assert_told(daemon, "XINFO STREAM", text)
        daemon.wait_for_event("group_recreated", stream="s")
        self.wait_settled()
        self.assertEqual([self.runs(entry) for entry in ids], [[1, 1], [1, 1]])


@for_each({name: TEMPORARY[name] for name in ("busy", "clusterdown", "masterdown", "oom")})
class NameCheck(ErrorCase):
    """An error is no proof that nobody else works under the name."""

    def check(self, text):
        self.start(self.shell("echo '{}' >>$HERE/records"), name="first")
        self.trickle()
        self.wait_records(3)
        rule = self.fake.refuse("XINFO CONSUMERS", text, times=3, key="s")
        second = self.start_pair(name="second")
        self.wait_hits([rule], 3)
        second.wait_for_event("name_in_use", stream="s")


@for_each({name: TEMPORARY[name] for name in ("unknown_command", "unheard_of")})
class NameUnseen(ErrorCase):
    """Where the server will never say who else works under the name, the stream is read."""

    def check(self, text):
        self.fake.refuse("XINFO CONSUMERS", text, key="s")
        daemon = self.start_pair()
        self.assert_told(daemon, "XINFO CONSUMERS", text)
        self.add()
        self.wait_settled()


@for_each({name: TEMPORARY[name] for name in ("busy", "clusterdown", "noreplicas", "unheard_of")})
class OwnPending(ErrorCase):
    """Our own entries are still found."""

    def check(self, text):
        entry = self.add()
        self.abandon(consumer="me")
        later = self.add()
        rule = self.fake.refuse("XPENDING", text, key=("s", "me"), times=2)
        daemon = self.start_pair()
        self.wait_hits([rule], 2)
        self.assert_told(daemon, "XPENDING", text)
        self.wait_settled()
        self.assertEqual((self.runs(entry), self.runs(later)), ([2], [1]))


class WithoutScripts(ErrorCase):
    """An ACL without scripts: the plain commands that stand in for them are refused as well."""

    def start_without_scripts(self, body, **more):
        self.refuse_scripts(NO_EVAL, key="s")
        return self.start_idle_pair(body, **more)

    def test_begin(self):
        daemon = self.start_without_scripts(FAILS_ONCE.replace("sys.exit(", "sys.exit('bad' in entry['fields'] and "))
        rule = self.fake.refuse("XRANGE", TEMPORARY["busy"], key="s")
        entry = self.add(bad="1")
        self.assert_is_refused(daemon, [rule], "XRANGE", TEMPORARY["busy"])
        self.assertEqual(self.runs(entry), [1])
        self.fake.lift(rule)
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1, 2])

    def check_bury(self, command, text, dead):
        daemon = self.start_without_scripts(RECORD + "sys.exit(65 * ('bad' in entry['fields']))\n")
        rule = self.fake.refuse(command, text, key="s")
        entry = self.add(bad="1")
        self.assert_is_refused(daemon, [rule], text)
        self.assertIn(entry, self.pending())
        self.fake.lift(rule)
        self.wait_settled()
        self.assertGreaterEqual(len(self.dead()), dead)
        self.assertEqual(self.runs(entry), [1])

    def test_bury_look(self):
        self.check_bury("XRANGE", TEMPORARY["busy"], 1)

    def test_bury_acknowledgement(self):
        self.check_bury("XACK", TEMPORARY["noreplicas"], 1)

    def test_claim(self):
        entry = self.add()
        self.abandon()
        self.refuse_scripts(NO_EVAL, key="s")
        rule = self.fake.refuse("XCLAIM", "NOPERM this user has no permissions to run the 'xclaim' command", key="s")
        daemon = self.start_pair(dotted={"claim.min_idle": "1s"})
        self.assert_is_refused(daemon, [rule], "XCLAIM", "NOPERM")
        self.fake.lift(rule)
        self.wait_settled()
        self.assertEqual(self.runs(entry), [2])

    def test_release(self):
        daemon = self.start_without_scripts(RECORD + "if 'bad' in entry['fields']: gate('go')\n",
                                            daemon={"drain_timeout": "1s"})
        entry = self.add(bad="1")
        self.wait_run(entry)
        rule = self.fake.refuse("XRANGE", TEMPORARY["busy"], key="s")
        daemon.signal(15)
        self.assertIn(daemon.wait_exit(10), (0, 1))
        self.assertLess(len(rule.hits), 60)
        self.assertEqual(self.pending()[entry][0], "me")


class ScriptsForgotten(ErrorCase):
    def test_flushed_scripts(self):
        daemon = self.start_idle_pair(FAILS_ONCE)
        wait_until(lambda: self.fake.count("SCRIPT"), what="the scripts loaded")
        self.redis.call("SCRIPT", "FLUSH")
        entry = self.add()
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1, 2])
        self.assertEqual(daemon.events("redis_error"), [])

    def test_digest_that_is_never_known(self):
        """As behind a proxy that sends SCRIPT LOAD to one server and EVALSHA to another."""
        self.start_idle_pair(FAILS_ONCE)
        rule = self.fake.refuse("EVALSHA", "NOSCRIPT No matching script. Please use EVAL.")
        entry = self.add()
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1, 2])
        stays_true(lambda: len(rule.hits) < 20, 0.5, "few tries")


if __name__ == "__main__":
    main()
