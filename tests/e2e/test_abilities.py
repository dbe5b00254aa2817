#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a server can do is found out from its answers, and the log and the status page tell it."""

import re

from control import control_of
from fakeredis import FakeRedis
from harness import Case, main
from servers import stays_true, wait_until

OK = ["/bin/true"]
COMMANDS = ("xautoclaim", "xackdel", "xnack")
TOLD = ("scripts", "max_deleted_entry_id", "lag", "inactive", "xreadgroup_claim")


class AbilityCase(Case):
    def stream_status(self, daemon):
        return control_of(daemon).consumer()["streams"][0]

    def wait_abilities(self, daemon, **expected):
        def found():
            abilities = self.stream_status(daemon)["abilities"]
            return {word: abilities[word] for word in expected} == expected
        wait_until(found, 15, "abilities %r" % expected)

    def said(self, daemon):
        """{word: (yes or no, path)}, as the log has said it last."""
        lines = [e["message"] for e in daemon.events("connected") if ": " in e["message"] and "(" in e["message"]]
        return {word: (state, path) for line in lines
                for word, state, path in re.findall(r"(\w+) (yes|no) \(([^)]*)\)", line)}


class Real(AbilityCase):
    """Whatever server this is: what is found out agrees with what it answers a test."""

    def knows(self, command):
        return bool(self.redis.call("COMMAND", "INFO", command)[0])

    def words_of(self, rows):
        return [word.decode() for word in rows[0][::2]]

    def documented(self, reply):
        return reply == b"CLAIM" or isinstance(reply, list) and any(map(self.documented, reply))

    def expected(self):
        stream = [word.decode() for word in self.redis.call("XINFO", "STREAM", "s")[::2]]
        found = {word: self.knows(word) for word in COMMANDS}
        found.update(scripts=True, max_deleted_entry_id="max-deleted-entry-id" in stream,
                     lag="lag" in self.words_of(self.redis.call("XINFO", "GROUPS", "s")),
                     inactive="inactive" in self.words_of(self.redis.call("XINFO", "CONSUMERS", "s", "g")),
                     xreadgroup_claim=self.documented(self.redis.call("COMMAND", "DOCS", "XREADGROUP")))
        return found

    def test_found_out(self):
        self.add()
        self.abandon()
        daemon = self.start(OK)
        expected = self.expected()
        self.wait_abilities(daemon, **expected)
        status = self.stream_status(daemon)
        self.assertEqual(list(status["abilities"]), list(status["paths"]))
        self.assertRegex(status["server_version"], r"^(redis|valkey) \d+\.\d+\.\d+$")
        wait_until(lambda: set(self.said(daemon)) == set(expected), 15, "all of it in the log")
        self.assertEqual({word: state == "yes" for word, (state, _) in self.said(daemon).items()}, expected)
        self.assertEqual({word: path for word, (_, path) in self.said(daemon).items()}, status["paths"])

    def test_consumers_are_known_once_there_is_one(self):
        daemon = self.start(OK)
        self.add()
        self.wait_settled()
        self.wait_abilities(daemon, inactive=self.expected()["inactive"])

    def test_said_once(self):
        self.add()
        self.abandon()
        daemon = self.start(OK)
        wait_until(lambda: "lag" in self.said(daemon), 15, "what is known to be said")
        connected = len(daemon.events("connected"))
        self.redis.call("CLIENT", "KILL", "TYPE", "normal")
        daemon.wait_for_event("connected", count=connected + 2)
        self.wait_abilities(daemon, lag=self.expected()["lag"])
        stays_true(lambda: len(daemon.events("connected")) == connected + 2, 0.5, "nothing said twice")


class Other(AbilityCase):
    """Servers of other versions, by what they answer."""

    def start_servers(self):
        super().start_servers()
        self.fake = FakeRedis(self.path("fake.sock"), self.redis.path)
        self.addCleanup(self.fake.close)

    def start_with_fake(self, dotted=None):
        return self.start(OK, dotted, redis={"url": self.fake.url})

    def say_probed(self, *groups):
        """The probe script answers these lists of words."""
        def bulk(word):
            return b"$%d\r\n%s\r\n" % (len(word), word.encode())

        def listed(words):
            return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))
        answer = b"*%d\r\n" % len(groups) + b"".join(map(listed, groups))
        self.fake.refuse("SCRIPT LOAD", "NOPERM not for you")
        self.fake.say("EVAL", answer, times=1)  # nothing else is asked before the first read

    def works(self):
        entry = self.add()
        self.wait_settled()
        return entry

    def test_commands_of_a_later_version(self):
        self.fake.say("COMMAND INFO", b"*3\r\n*1\r\n$10\r\nxautoclaim\r\n*1\r\n$7\r\nxackdel\r\n*1\r\n$5\r\nxnack\r\n")
        daemon = self.start_with_fake()
        self.wait_abilities(daemon, xautoclaim=True, xackdel=True, xnack=True)
        self.works()
        self.assertEqual(self.fake.count("XNACK") + self.fake.count("XACKDEL") + self.fake.count("XAUTOCLAIM"), 0)

    def test_commands_of_an_earlier_version(self):
        self.fake.say("COMMAND INFO", b"*3\r\n*1\r\n$10\r\nxautoclaim\r\n*-1\r\n$-1\r\n")
        daemon = self.start_with_fake()
        self.wait_abilities(daemon, xautoclaim=True, xackdel=False, xnack=False)
        self.assertEqual(self.said(daemon)["xnack"], ("no", self.stream_status(daemon)["paths"]["xnack"]))
        self.works()

    def test_answers_of_6_2(self):
        """XINFO without lag, inactive and the highest deleted id, and no COMMAND DOCS."""
        self.say_probed(["length", "last-generated-id", "groups", "first-entry", "last-entry"],
                        ["name", "consumers", "pending", "last-delivered-id"], ["name", "pending", "idle"], [])
        daemon = self.start_with_fake()
        self.wait_abilities(daemon, scripts=True, max_deleted_entry_id=False, lag=False, xreadgroup_claim=None)
        self.works()

    def test_questions_refused(self):
        """An ACL of before: nothing is known of commands, no error is counted, work goes on."""
        for command in ("HELLO", "COMMAND INFO"):
            self.fake.refuse(command, "NOPERM this user has no permissions to run the '%s' command" % command.lower())
        daemon = self.start_with_fake()
        self.works()
        self.wait_abilities(daemon, scripts=True, xautoclaim=None, xackdel=None, xnack=None)
        status = self.stream_status(daemon)
        self.assertEqual((status["server_version"], status["last_error"], status["paths"]["xnack"]), (None, None, None))
        self.assertFalse(daemon.events("redis_error"))

    def test_nonsense(self):
        for command in ("HELLO", "COMMAND INFO"):
            self.fake.say(command, b"*2\r\n+what\r\n:1\r\n")
        daemon = self.start_with_fake()
        self.works()
        self.wait_abilities(daemon, scripts=True)
        self.assertIsNone(self.stream_status(daemon)["server_version"])

    def test_unknown_commands(self):
        for command in ("HELLO", "COMMAND INFO"):
            self.fake.refuse(command, "ERR unknown command '%s'" % command)
        daemon = self.start_with_fake()
        self.works()
        self.wait_abilities(daemon, scripts=True, xnack=None)
        self.assertFalse(daemon.events("redis_error"))


class Refused(AbilityCase):
    """By the ACL of a real server."""

    def start_as(self, *rules):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all", *rules)
        return self.start(OK, redis={"username": "worker", "password": "secret"})

    def test_scripts_refused(self):
        self.add()
        self.abandon()
        daemon = self.start_as("-@scripting")
        self.wait_abilities(daemon, scripts=False, max_deleted_entry_id=None, lag=True)
        self.assertIn("plain commands", self.said(daemon)["scripts"][1])
        self.assertIn("scripts", daemon.wait_for_event("redis_error")["message"])

    def test_command_refused(self):
        self.add()
        self.abandon()
        daemon = self.start_as("-command")
        self.wait_abilities(daemon, scripts=True, lag=True, xnack=None, xreadgroup_claim=None)
        self.assertFalse(daemon.events("redis_error"))


if __name__ == "__main__":
    main()
