#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl dead: records looked at, given back, added as new entries, removed."""

import unittest

from clustercase import SharedClusterCase
from ctl import CtlCase
from deadrecords import ODD, DeadMixin, record_values
from harness import main
from servers import wait_until

LONG_AGO = 10 ** 12  # ms of idle time: claimable by anybody
RECORD_RUN = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"


class DeadCase(DeadMixin, CtlCase):
    def redis_call(self, _key, *command):
        return self.redis.call(*command)

    def dead_lines(self, *args, **more):
        return self.ctl("--json", "dead", *args, **more).lines()

    def assert_given_back(self, entry, owner="me"):
        self.assertEqual(self.pending_of()[entry][0::2], (owner, 0))
        self.assertGreater(self.pending_of()[entry][1], LONG_AGO)


class Looking(DeadCase):
    def test_list(self):
        record = self.bury("5-1", reason="rejected", detail="no \x1b[1m such\ncustomer")
        said = self.ctl("dead", "list", "c")
        self.assertRegex(said.out, r"RECORD +AGE +ENTRY +REASON +FAILURE +ATTEMPTS +DETAIL\n")
        self.assertRegex(said.out, r"%s +\d+\w+ +5-1 +rejected +exit +8 +no \\x1b\[1m such\\ncustomer\n" % record)
        self.assertEqual(said.err, "")

    def test_list_in_json(self):
        record = self.bury("5-1", last_ms="1717200000009")
        line, = self.dead_lines("list", "c")
        self.assertLess(line.pop("age_ms"), 60000)
        self.assertEqual(line, {
            "record": record, "stream": "s", "group": "g", "consumer": "host-7", "id": "5-1", "reason": "attempts",
            "failure": "exit", "detail": "exit status 3", "attempts": 8, "handler": "c", "host": "web7",
            "first_ms": 1717200000001, "last_ms": 1717200000009})

    def test_nothing_is_no_failure(self):
        self.assertEqual(self.ctl("dead", "list", "c").out.split()[0], "RECORD")
        self.assertEqual(self.ctl("--json", "dead", "list", "c").out, "")
        for command in ("redrive", "purge"):
            self.assertIn("There is no such record", self.ctl("dead", command, "c").err)
        self.assertEqual(self.ctl("--json", "dead", "purge", "c").json(), {"found": 0, "purged": 0, "dry_run": False})

    def test_detail_is_cut_at_the_end_of_the_line(self):
        self.bury("5-1", detail="é" * 300)
        terminal = self.terminal("dead", "list", "c", NO_COLOR="1")
        self.assertEqual(terminal.wait_exit(), 0)
        row = terminal.shown().splitlines()[1]
        self.assertEqual((len(row), row[-2:]), (80, "é…"))

    def test_show(self):
        self.bury("5-1", ODD)
        out = self.ctl("dead", "show", "c").out
        for line in ("id        5-1\n", "stderr    one\n          two\n", "type         \\xff\\x00\\n\n",
                     "first_ms  1717200000001 ("):
            self.assertIn(line, out)
        self.assertNotIn("last_ms", out)
        self.assertLess(out.index("stderr"), out.index("FIELD"))

    def test_show_in_json_loses_nothing(self):
        self.bury("5-1", ODD)
        line, = self.dead_lines("show", "c", "5-1")
        self.assertEqual(line["stderr"], "one\\ntwo")
        self.assertEqual(line["pairs"], [["type", "x"], ["", ""], ["type", {"base64": "/wAK"}],
                                         ["sluice.meta", "99"], [{"base64": "/g=="}, "ü"]])

    def test_trimmed_has_no_fields(self):
        self.bury("5-1", (), reason="trimmed")
        self.assertIn("no fields", self.ctl("dead", "show", "c").out)
        self.assertEqual(self.dead_lines("show", "c")[0]["fields"], {})

    def test_what_is_not_ours_is_left_out(self):
        self.bury("5-1", group="x")
        self.bury("5-1", stream="t")
        self.redis.call("XADD", "s:dead", "*", "f", "v")
        self.redis.call("XADD", "s:dead", "*", "sluice.meta", "9", "sluice.id", "1-1")
        mine = self.bury("5-1")
        said = self.ctl("dead", "list", "c")
        self.assertEqual([row.split()[0] for row in said.out.splitlines()[1:]], [mine])
        self.assertIn("4 records of other streams or groups left out", said.err)

    def test_choices(self):
        a, b = self.bury("5-1"), self.bury("5-2", reason="rejected")
        c = self.bury("5-3")

        def chosen(*args):
            return [line["record"] for line in self.dead_lines("list", "c", *args)]
        self.assertEqual(chosen("--reason", "attempts"), [a, c])
        self.assertEqual(chosen("--count", "2"), [a, b])
        self.assertEqual(chosen("--count", "1", "--reason", "rejected"), [b])
        self.assertEqual(chosen("--since", "1h"), [a, b, c])
        self.assertEqual(chosen("5-2", a), [a, b])
        self.assertIn("rejected, attempts, trimmed, oversize",
                      self.ctl("dead", "list", "c", "--reason", "nope", status=2).err)

    def test_since_goes_by_the_servers_clock(self):
        old, new = self.redis.call("TIME")[0].decode(), "3-3"
        self.redis.call("XADD", "s:dead", "%d-0" % ((int(old) - 3600) * 1000), *record_values("5-1"))
        self.bury(new)
        self.assertEqual([line["id"] for line in self.dead_lines("list", "c", "--since", "10m")], [new])

    def test_ids(self):
        record = self.bury("5-1")
        self.bury("5-1", group="x")
        said = self.ctl("dead", "list", "c", "5-1", "7-7", status=3)
        self.assertIn(record, said.out)
        self.assertIn("7-7: no record", said.err)
        self.assertIn("no id such as", self.ctl("dead", "list", "c", "x", status=2).err)

    def test_id_of_a_record_and_of_another_entry(self):
        for record, entry in (("7-0", "5-0"), ("8-0", "7-0"), ("9-0", "9-0"), ("9-1", "9-0")):
            self.redis.call("XADD", "s:dead", record, *record_values(entry))
        self.assertEqual([line["record"] for line in self.dead_lines("list", "c", "7-0")], ["7-0", "8-0"])
        for command in ("redrive", "purge"):
            self.assertIn("7-0 is the id of a record, and of an entry",
                          self.ctl("dead", command, "c", "7-0", status=1).err)
        self.ctl("dead", "purge", "c", "5-0", "9-0", "9-0")
        self.assertEqual(self.records_left(), ["8-0"])

    def test_wrong_type(self):
        self.redis.call("SET", "s:dead", "x")
        for command in ("list", "purge", "redrive"):
            self.assertRegex(self.ctl("dead", command, "c", status=1).err, "s:dead: .*WRONGTYPE")

    def test_dead_letters_are_off(self):
        with open(self.config_path, "a", encoding="utf-8") as f:
            f.write("    dead_letter: { stream: off }\n")
        self.assertIn("is off", self.ctl("dead", "list", "c", status=3).err)

    def test_several_streams_share_one(self):
        self.write_config("redis: { url: '%s' }\nconsumers:\n  c:\n    streams: [s, t]\n    group: g\n    consumer: me\n"
                          "    dead_letter: { stream: d }\n    handler: { command: [/bin/true] }\n" % self.redis.unix_url)
        self.bury("5-1", key="d")
        self.bury("5-2", key="d", stream="t")
        self.bury("5-3", key="d", stream="u")
        said = self.ctl("dead", "list", "c")
        self.assertIn("STREAM", said.out)
        self.assertIn("1 record of other", said.err)
        self.assertEqual([line["stream"] for line in self.dead_lines("list", "c")], ["s", "t"])
        self.assertEqual([line["id"] for line in self.dead_lines("list", "c", "--stream", "t")], ["5-2"])

    def test_a_thousand_in_pages(self):
        self.redis.connection.pipeline([("XADD", "s:dead", "*", *record_values("5-%d" % n)) for n in range(1000)])
        self.assertEqual([line["id"] for line in self.dead_lines("list", "c")], ["5-%d" % n for n in range(1000)])


class Redrive(DeadCase):
    def test_back_to_its_own_group(self):
        entry = self.add_done(groups=("g", "x"))
        self.bury(entry)
        said = self.ctl("dead", "redrive", "c")
        self.assertIn("1 record of s:dead will be given back to the group", said.err)
        self.assertEqual(said.out, "1 record redriven, 0 kept.\n")
        self.assert_given_back(entry)
        self.assertEqual(self.pending_of(group="x"), {})
        self.assertEqual(self.records_left(), [])
        self.assertEqual(list(self.entries()), [entry])

    def test_only_what_was_named(self):
        first, second = self.add_done(), self.add_done()
        one, other = self.bury(first), self.bury(second)
        self.ctl("dead", "redrive", "c", second)
        self.assertEqual((list(self.pending_of()), self.records_left()), ([second], [one]))
        self.ctl("dead", "redrive", "c", other, status=3)
        self.ctl("dead", "redrive", "c", one)
        self.assertEqual(self.records_left(), [])

    def test_dry_run(self):
        entry = self.add_done()
        record, lost = self.bury(entry), self.bury("1-1")
        said = self.ctl("dead", "redrive", "c", "--dry-run", status=1)
        self.assertEqual(said.out, "1 record would be redriven, 1 would be kept.\n")
        results = self.dead_lines("redrive", "c", "--dry-run", status=1)
        self.assertEqual([(r["record"], r["result"], r["dry_run"]) for r in results],
                         [(record, "done", True), (lost, "gone", True)])
        self.assertEqual((self.pending_of(), self.records_left()), ({}, [record, lost]))
        self.assertIn("1 record of s:dead will be removed", self.ctl("dead", "purge", "c", "1-1", "--dry-run").err)
        self.assertEqual(self.dead_lines("purge", "c", "--dry-run"), [{"found": 2, "purged": 0, "dry_run": True}])
        self.assertEqual(self.records_left(), [record, lost])

    def test_what_cannot_be_given_back_is_kept(self):
        self.ensure_group()
        gone, trimmed = self.bury("1-1"), self.bury(self.add_done(), (), reason="trimmed")
        waiting = self.redis.call("XADD", "s", "2000-0", "n", "1").decode()
        self.abandon()
        busy = self.bury(waiting)
        said = self.ctl("dead", "redrive", "c", gone, trimmed, busy, status=1)
        for record, why in ((gone, "--as-new"), (trimmed, "no fields"), (busy, "pending again")):
            self.assertRegex(said.err, r"%s \(.*%s" % (record, why))
        self.assertEqual(self.records_left(), [gone, trimmed, busy])
        self.assertEqual(self.pending_of()[waiting][0::2], ("ghost", 1))
        said = self.ctl("dead", "redrive", "c", status=1)
        self.assertIn("1 record: the entry is no longer in its stream", said.err)

    def test_two_records_of_one_entry_give_it_back_once(self):
        entry = self.add_done()
        self.bury(entry)
        self.bury(entry)
        self.ctl("dead", "redrive", "c", entry)
        self.assert_given_back(entry)
        self.assertEqual(self.records_left(), [])

    def test_a_running_daemon_runs_it_anew(self):
        self.start(self.python(RECORD_RUN + "if not is_open('heal'): sys.exit(65)\n"), {"claim.min_idle": "2s"})
        entry = self.add()
        self.wait_dead()
        self.wait_settled()
        self.open_gate("heal")
        self.ctl("dead", "redrive", "c")
        wait_until(lambda: len(self.records()) == 2, 15, "the second run")
        self.assertEqual(self.records(), [{"id": entry, "attempt": 1}] * 2)
        self.wait_settled()
        self.assertEqual(self.records_left(), [])

    def test_what_dies_again_meanwhile_is_not_redriven_for_ever(self):
        self.start(["/bin/sh", "-c", "exit 65"], {"claim.min_idle": "1s", "breaker.streak": 1000})
        self.add_many(20)
        self.wait_dead(20)
        self.wait_settled()
        said = self.ctl("dead", "redrive", "c", "--rate", "10/s")
        self.assertEqual(said.out, "20 records redriven, 0 kept.\n")
        self.wait_dead(20)
        self.wait_settled()

    def test_without_a_name_for_the_receiver(self):
        entry = self.add_done()
        self.bury(entry)
        by_group = ("--stream", "s", "--group", "g")
        self.assertIn("--consumer", self.ctl("dead", "redrive", *by_group, status=2).err)
        self.ctl("dead", "redrive", *by_group, "--consumer", "you")
        self.assert_given_back(entry, "you")

    def test_group_that_is_not_there(self):
        self.add()
        self.bury("1-1")
        self.assertIn("the stream s has no group g", self.ctl("dead", "redrive", "c", status=3).err)
        self.assertEqual(len(self.records_left()), 1)

    def test_a_thousand_with_others_between(self):
        self.ensure_group()
        ids = self.add_many(1000)
        self.abandon(1000)
        self.redis.call("XACK", "s", "g", *ids)
        for n, entry in enumerate(ids):
            self.bury(entry, group="x" if n % 10 == 0 else "g")
        self.ctl("dead", "redrive", "c")
        self.assertEqual(sorted(self.pending_of()), sorted(i for n, i in enumerate(ids) if n % 10))
        self.assertEqual(len(self.records_left()), 100)

    def test_interrupted(self):
        self.ensure_group()
        ids = self.add_many(200)
        self.abandon(200)
        self.redis.call("XACK", "s", "g", *ids)
        for entry in ids:
            self.bury(entry)
        terminal = self.terminal("dead", "redrive", "c", "--yes", "--rate", "20/s", NO_COLOR="1")
        terminal.wait_for("left")
        terminal.interrupt()
        self.assertEqual(terminal.wait_exit(), 1)
        n_left = len(self.records_left())
        shown = terminal.shown()
        self.assertIn("%d records redriven" % (200 - n_left), shown)
        self.assertIn("interrupted: the other %d records were not looked at" % n_left, shown)
        self.assertEqual(len(self.pending_of()), 200 - n_left)
        self.assertTrue(0 < n_left < 200)

    def test_removed_by_somebody_else_meanwhile(self):
        records = [self.bury(self.add_done()) for _ in range(20)]
        redrive = self.start_ctl("dead", "redrive", "c", "--rate", "20/s")
        wait_until(lambda: len(self.records_left()) < 20, 15, "the first one redriven")
        self.redis.call("XDEL", "s:dead", *records[-4:])
        out, err = redrive.communicate(timeout=30)
        self.assertEqual((redrive.returncode, out), (0, b"16 records redriven, 0 kept.\n"))
        self.assertIn(b"4 records: the record has been removed meanwhile", err)

    def test_asked_on_a_terminal(self):
        entry = self.add_done()
        self.bury(entry)
        terminal = self.terminal("dead", "redrive", "c")
        terminal.wait_for("[y/N]")
        terminal.type("n\n")
        self.assertEqual(terminal.wait_exit(), 1)
        self.assertEqual(self.pending_of(), {})

    def test_no_scripts(self):
        self.bury(self.add_done())
        self.redis.call("ACL", "SETUSER", "looker", "on", ">secret", "~*", "+@all", "-eval")
        self.write_config("redis: { url: '%s', username: looker, password: secret }\nconsumers:\n  c: { stream: s, "
                          "group: g, consumer: me, handler: { command: [/bin/true] } }\n" % self.redis.unix_url)
        self.assertRegex(self.ctl("dead", "redrive", "c", status=1).err, "NOPERM.*eval")
        self.assertEqual(len(self.records_left()), 1)

    def test_right_to_remove_is_missing(self):
        entry = self.add_done()
        self.bury(entry)
        self.redis.call("ACL", "SETUSER", "looker", "on", ">secret", "~*", "+@all", "-xdel")
        self.write_config("redis: { url: '%s', username: looker, password: secret }\nconsumers:\n  c: { stream: s, "
                          "group: g, consumer: me, handler: { command: [/bin/true] } }\n" % self.redis.unix_url)
        before = self.entries()
        for more in ((), ("--as-new",)):
            self.assertRegex(self.ctl("dead", "redrive", "c", *more, status=1).err, "s:dead: .*NOPERM.*xdel")
            self.assertEqual((self.pending_of(), self.entries(), len(self.records_left())), ({}, before, 1))


class AsNew(DeadCase):
    def redriven(self):
        """The pairs of the only entry."""
        entry, = self.entries().values()
        return entry

    def test_exactly_as_it_was(self):
        record = self.bury("1-1", ODD)
        result, = self.dead_lines("redrive", "c", "--as-new")
        self.assertEqual(self.redriven(), ODD + [(b"sluice.redriven", b"1")])
        self.assertEqual(result, {"record": record, "stream": "s", "id": "1-1", "result": "done",
                                  "new_id": list(self.entries())[0]})
        self.assertEqual(self.records_left(), [])

    def test_count_is_raised(self):
        self.bury("1-1", [*ODD, (b"sluice.redriven", b"3")])
        self.ctl("dead", "redrive", "c", "--as-new")
        self.assertEqual(self.redriven(), ODD + [(b"sluice.redriven", b"4")])

    def test_only_the_last_pair_is_the_count(self):
        pairs = [(b"sluice.redriven", b"3"), (b"a", b"b"), (b"sluice.redriven", b"x")]
        self.bury("1-1", pairs)
        self.ctl("dead", "redrive", "c", "--as-new")
        self.assertEqual(self.redriven(), pairs + [(b"sluice.redriven", b"1")])

    def test_ten_times_is_enough(self):
        record = self.bury("1-1", [(b"a", b"b"), (b"sluice.redriven", b"10")])
        self.assertIn("--force", self.ctl("dead", "redrive", "c", "--as-new", status=1).err)
        self.assertEqual(self.records_left(), [record])
        self.ctl("dead", "redrive", "c", "--as-new", "--force")
        self.assertEqual(self.redriven(), [(b"a", b"b"), (b"sluice.redriven", b"11")])

    def test_trimmed_is_kept(self):
        record = self.bury("1-1", (), reason="trimmed")
        self.assertIn("no fields", self.ctl("dead", "redrive", "c", "--as-new", status=1).err)
        self.assertEqual((self.records_left(), self.entries()), ([record], {}))

    def test_five_thousand_fields(self):
        wide = [(b"f%d" % (n // 2), b"\xff%d" % n) for n in range(5000)]
        small = [(b"a", b"b")]
        for pairs in (small, wide, small):
            self.bury("1-1", pairs)
        self.assertIn("3 records would be", self.ctl("dead", "redrive", "c", "--as-new", "--dry-run").out)
        self.ctl("dead", "redrive", "c", "--as-new")
        self.assertEqual(list(self.entries().values()),
                         [pairs + [(b"sluice.redriven", b"1")] for pairs in (small, wide, small)])
        self.assertEqual(self.records_left(), [])

    def test_as_many_as_fit_into_a_script(self):
        for n in range(3495, 3500):
            self.redis.call("DEL", "s")
            pairs = [(b"f", b"%d" % i) for i in range(n)]
            self.bury("1-1", pairs)
            self.ctl("dead", "redrive", "c", "--as-new")
            self.assertEqual(self.redriven(), pairs + [(b"sluice.redriven", b"1")])

    def test_every_group_sees_it(self):
        self.ensure_group(group="g")
        self.ensure_group(group="x")
        self.bury("1-1")
        self.ctl("dead", "redrive", "c", "--as-new")
        for group in ("g", "x"):
            self.assertTrue(self.redis.call("XREADGROUP", "GROUP", group, "me", "STREAMS", "s", ">"))

    def test_round_through_a_daemon(self):
        self.start(self.python("json.load(sys.stdin)\nsys.exit(65)\n"))
        self.add_pairs(ODD)
        for turn in range(1, 3):
            self.wait_dead()
            self.wait_settled()
            self.ctl("dead", "redrive", "c", "--as-new")
            self.wait_dead()
            count = int(self.dead()[0][0][1])
            self.assertEqual(self.dead()[0][count:], ODD + [(b"sluice.redriven", b"%d" % turn)])

    def test_out_of_memory_keeps_what_is_left(self):
        for n in range(5):
            self.bury("1-%d" % (n + 1))
        self.redis.call("CONFIG", "SET", "maxmemory", 1)
        said = self.ctl("dead", "redrive", "c", "--as-new", status=1)
        self.assertIn("OOM", said.err)
        self.assertIn("of the other 4 records no result is known", said.err)
        self.redis.call("CONFIG", "SET", "maxmemory", 0)
        self.assertEqual((len(self.records_left()), self.entries()), (5, {}))

    def test_wrong_type(self):
        record = self.bury("1-1")
        self.redis.call("SET", "s", "x")
        self.assertIn("WRONGTYPE", self.ctl("dead", "redrive", "c", "--as-new", status=1).err)
        self.assertIn("WRONGTYPE", self.ctl("dead", "redrive", "c", status=1).err)
        self.assertEqual(self.records_left(), [record])


class Purge(DeadCase):
    def test_only_ours(self):
        self.bury("5-1")
        other = self.bury("5-1", group="x")
        said = self.ctl("dead", "purge", "c")
        self.assertEqual(said.out, "1 record removed.\n")
        self.assertEqual(self.records_left(), [other])

    def test_by_reason_and_id(self):
        a, b = self.bury("5-1"), self.bury("5-2", (), reason="trimmed")
        self.ctl("dead", "purge", "c", "--reason", "trimmed")
        self.assertEqual(self.records_left(), [a])
        self.assertEqual(self.dead_lines("purge", "c", "5-1"), [{"found": 1, "purged": 1, "dry_run": False}])
        self.ctl("dead", "purge", "c", b, status=3)

    def test_a_thousand(self):
        for n in range(1, 1001):
            self.bury("5-%d" % n)
        self.assertEqual(self.ctl("dead", "purge", "c", "--count", "900").out, "900 records removed.\n")
        self.assertEqual(len(self.records_left()), 100)

    def test_replica_is_no_place_to_write(self):
        record = self.bury("5-1")
        self.redis.call("REPLICAOF", "127.0.0.1", 1)
        said = self.ctl("dead", "purge", "c", status=1, seconds=40)
        self.assertRegex(said.err, "READONLY|no primary")
        self.redis.call("REPLICAOF", "NO", "ONE")
        self.assertEqual(self.records_left(), [record])


class InACluster(DeadMixin, SharedClusterCase, CtlCase):
    def redis_call(self, key, *command):
        return self.cluster.call(key, *command)

    def setUp(self):
        super(CtlCase, self).setUp()
        self.config_path = self.path("ctl.yaml")
        self.stream = self.name("s")

    def configure(self, dead):
        self.dead_key = dead
        self.write_config("redis: { url: 'redis://%s', cluster: true }\nconsumers:\n  c:\n    stream: %s\n    group: g\n"
                          "    consumer: me\n    dead_letter: { stream: '%s' }\n    handler: { command: [/bin/true] }\n"
                          % (self.cluster.seeds[0], self.stream, dead))

    def elsewhere(self):
        """A key of another node than the stream's."""
        home = self.cluster.node_of(self.stream)
        return self.cluster.name_in(next(n for n in self.cluster.primaries() if n.id != home.id), self._testMethodName)

    def two_dead(self):
        """A record whose entry is there, and one that has lost it."""
        entry = self.add_done(key=self.stream)
        self.bury(entry, ODD, key=self.dead_key, stream=self.stream)
        return entry, self.bury("1-1", ODD, key=self.dead_key, stream=self.stream)

    def check_redrive(self):
        entry, lost = self.two_dead()
        said = self.ctl("dead", "redrive", "c", "--dry-run", status=1)
        self.assertIn("1 record would be redriven, 1 would be kept", said.out)
        self.ctl("dead", "redrive", "c", status=1)
        self.assertEqual(self.pending_of(self.stream)[entry][0::2], ("me", 0))
        self.assertEqual(self.records_left(self.dead_key), [lost])
        self.ctl("dead", "redrive", "c", "--as-new")
        self.assertEqual(list(self.entries(self.stream).values())[1], ODD + [(b"sluice.redriven", b"1")])
        self.assertEqual(self.records_left(self.dead_key), [])

    def test_in_one_slot(self):
        self.configure("{%s}:dead" % self.stream)
        self.check_redrive()

    def test_in_two_steps(self):
        self.configure(self.elsewhere())
        self.check_redrive()

    def test_streams_of_all_nodes(self):
        streams = [self.cluster.name_in(node, self._testMethodName) for node in self.cluster.primaries()]
        self.write_config("redis: { url: 'redis://%s', cluster: true }\nconsumers:\n  c:\n    streams: [%s]\n    group: g\n"
                          "    consumer: me\n    handler: { command: [/bin/true] }\n"
                          % (self.cluster.seeds[0], ", ".join(streams)))
        entries = [self.add_done(key=s) for s in streams]
        for stream, entry in zip(streams, entries):
            self.bury(entry, key="{%s}:dead" % stream, stream=stream)
        self.assertIn("3 records of all dead-letter streams of c", self.ctl("dead", "redrive", "c").err)
        for stream, entry in zip(streams, entries):
            self.assertEqual(list(self.pending_of(stream)), [entry])


if __name__ == "__main__":
    unittest.TestCase.maxDiff = None
    main()
