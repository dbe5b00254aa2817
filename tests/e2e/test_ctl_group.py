#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl claim, release, consumers: what is pending changes hands, and nothing is lost."""

import resp
from clustercase import SharedClusterCase
from ctl import CtlCase
from harness import main, record_fields

LONG_AGO = 10 ** 12  # ms of idle time: claimable by anybody
RUN = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"


class GroupCase(CtlCase):
    def left_by(self, consumer, count=3, idle=120000):
        """Entries that a consumer holds, idle for so long; their ids."""
        self.add_many(count)
        ids = self.abandon(consumer=consumer)
        for first in range(0, len(ids), 1000):
            self.redis.call("XCLAIM", "s", "g", consumer, 0, *ids[first:first + 1000], "IDLE", idle, "JUSTID")
        return ids

    def owners(self, *ids):
        pending = self.pending()
        return [pending[i][0] for i in ids or pending]

    def remove_data(self, *ids):
        self.redis.call("XDEL", "s", *ids)

    def names(self):
        try:
            rows = self.redis.call("XINFO", "CONSUMERS", "s", "g")
        except resp.ReplyError:
            return []
        return [resp.table(row)["name"].decode() for row in rows]


class Claim(GroupCase):
    def test_what_one_consumer_left(self):
        mine, theirs = self.left_by("host-7"), self.left_by("host-8")
        said = self.ctl("claim", "c", "--from", "host-7")
        self.assertIn("3 entries of host-7, idle for 1m 0s or longer, will be claimed for me.", said.err)
        self.assertEqual(said.out, "3 entries of s claimed for me.\n")
        self.assertEqual(self.owners(*mine, *theirs), ["me"] * 3 + ["host-8"] * 3)
        self.assertEqual({row[2] for row in self.pending().values()}, {1})
        self.assertGreater(min(self.pending()[i][1] for i in mine), LONG_AGO)

    def test_of_all_others_as_idle_as_said(self):
        old, young = self.left_by("host-7"), self.left_by("host-8", idle=5000)
        self.ctl("claim", "c")
        self.assertEqual(self.owners(*old, *young), ["me"] * 3 + ["host-8"] * 3)
        self.assertIn("run twice", self.ctl("claim", "c", "--min-idle", "1s").err)
        self.assertEqual(self.owners(*young), ["me"] * 3)

    def test_nothing_to_claim(self):
        self.left_by("host-8", idle=0)
        self.left_by("me")
        said = self.ctl("claim", "c")
        self.assertEqual((said.out, said.err), ("0 entries of s claimed for me.\n", ""))
        self.assertIn('no consumer "host-7"', self.ctl("claim", "c", "--from", "host-7", status=3).err)
        self.assertIn("already", self.ctl("claim", "c", "--from", "me", status=2).err)

    def test_what_has_lost_its_data_is_told_and_left(self):
        ids = self.left_by("host-7")
        self.remove_data(ids[1])
        said = self.ctl("claim", "c")
        self.assertIn("the data of 1 entries, %s the first, is gone" % ids[1], said.err)
        self.assertEqual(self.owners(*ids), ["me", "host-7", "me"])

    def test_many_pages(self):
        ids = self.left_by("host-7", 1000)
        self.assertEqual(self.ctl("--json", "claim", "c").lines(), [
            {"stream": "s", "group": "g", "consumer": "me", "claimed": 1000, "gone": 0, "dry_run": False}])
        self.assertEqual(set(self.owners(*ids)), {"me"})

    def test_dry_run(self):
        ids = self.left_by("host-7")
        self.assertIn("3 entries", self.ctl("claim", "c", "--dry-run").err)
        self.assertEqual(set(self.owners(*ids)), {"host-7"})

    def test_by_group(self):
        ids = self.left_by("host-7")
        group = ("claim", "--stream", "s", "--group", "g")
        self.assertIn("--consumer", self.ctl(*group, status=2).err)
        self.assertIn("--min-idle", self.ctl(*group, "--consumer", "you", status=2).err)
        self.ctl(*group, "--consumer", "you", "--min-idle", "1m")
        self.assertEqual(set(self.owners(*ids)), {"you"})

    def test_no_group(self):
        self.add()
        self.assertIn("no group g", self.ctl("claim", "c", status=3).err)
        self.redis.call("DEL", "s")
        self.assertIn("no group g", self.ctl("claim", "c", status=3).err)
        self.redis.call("SET", "s", "x")
        self.assertIn("s: Redis says: WRONGTYPE", self.ctl("claim", "c", status=1).err)

    def test_a_running_daemon_takes_it_up_at_once(self):
        self.add()
        self.start(self.python(RUN), {"claim.min_idle": "2s"})
        self.wait_records(1)
        self.redis.call("XGROUP", "CREATECONSUMER", "s", "g", "host-7")
        entry = self.records()[0]["id"]
        self.wait_settled()
        self.redis.call("XCLAIM", "s", "g", "host-7", 0, entry, "FORCE", "RETRYCOUNT", 3, "JUSTID")
        self.ctl("claim", "c", "--from", "host-7", "--min-idle", "1ms")
        self.wait_records(2)
        self.assertEqual(self.records()[1], {"id": entry, "attempt": 4})
        self.wait_settled()


class Release(GroupCase):
    def test_claimable_at_once_and_with_its_count(self):
        first, second, third = self.left_by("me", idle=0)
        said = self.ctl("release", "c", first, second)
        self.assertIn("2 of 2 entries of s will be given back to the group g.", said.err)
        self.assertIn("2 may be running just now", said.err)
        self.assertEqual(said.out, "2 entries given back.\n")
        pending = self.pending()
        self.assertEqual([pending[i][0::2] for i in (first, second, third)], [("me", 1)] * 3)
        self.assertEqual([pending[i][1] > LONG_AGO for i in (first, second, third)], [True, True, False])
        taken = self.redis.call("XAUTOCLAIM", "s", "g", "other", 3600000, "0", "JUSTID")[1]
        self.assertEqual([i.decode() for i in taken], [first, second])

    def test_what_a_terminal_obeys_is_not_sent_to_it(self):
        entry, = self.left_by("\x1b[2Jhost-7", 1)
        self.assertIn("One of them is \\x1b[2Jhost-7's.", self.ctl("release", "c", entry, "--dry-run").err)
        self.assertIn("\\x1b[2J", self.ctl("release", "c", "1\x1b[2J", status=2).err)

    def test_scripts_are_not_named(self):
        self.redis.call("SET", "s", "x")
        self.assertRegex(self.ctl("release", "c", "1-1", status=1).err, "WRONGTYPE .* kind of value\n")

    def test_of_another_consumer_is_said(self):
        mine, theirs = self.left_by("me", 1), self.left_by("host-7", 2)
        said = self.ctl("release", "c", *mine, *theirs)
        self.assertIn("2 of them are another consumer's (host-7)", said.err)
        self.assertEqual(self.owners(*theirs), ["host-7"] * 2)

    def test_what_is_not_pending(self):
        entry, = self.left_by("me", 1)
        said = self.ctl("release", "c", "1-1", entry, "2", status=3)
        self.assertIn("1-1 is not pending", said.err)
        self.assertIn("2-0 is not pending", said.err)
        self.assertGreater(self.pending()[entry][1], LONG_AGO)
        self.ctl("release", "c", "1-1", status=3)
        self.ctl("release", "c", "x", status=2)

    def test_data_that_is_gone(self):
        entry, other = self.left_by("me", 2)
        self.remove_data(entry)
        said = self.ctl("--json", "release", "c", entry, other, status=1)
        self.assertEqual(said.lines(), [{"stream": "s", "id": entry, "result": "gone", "owner": "me"},
                                        {"stream": "s", "id": other, "result": "released", "owner": "me"}])
        self.assertIn(entry, self.pending())

    def test_many(self):
        ids = self.left_by("me", 1000)
        self.ctl("release", "c", *ids)
        self.assertGreater(min(row[1] for row in self.pending().values()), LONG_AGO)

    def test_dry_run(self):
        entry, = self.left_by("me", 1)
        self.assertIn("1 of 1", self.ctl("release", "c", entry, "--dry-run").err)
        self.assertLess(self.pending()[entry][1], LONG_AGO)

    def test_one_stream_must_be_chosen(self):
        self.write_config("redis: { url: '%s' }\nconsumers:\n  c: { streams: [s, t], group: g, consumer: me, "
                          "handler: { command: [/bin/true] } }\n" % self.redis.unix_url)
        self.assertIn("--stream", self.ctl("release", "c", "1-1", status=2).err)


class Consumers(GroupCase):
    def test_list(self):
        self.left_by("host-7", 2)
        self.left_by("me", 1)
        rows = self.ctl("--json", "consumers", "c").lines()
        self.assertEqual([(r["consumer"], r["pending"], r["configured"]) for r in rows],
                         [("host-7", 2, False), ("me", 1, True)])
        self.assertEqual(set(rows[0]), {"stream", "group", "consumer", "pending", "idle_ms", "inactive_ms",
                                        "configured"})
        self.assertRegex(self.ctl("consumers", "c").out, r"(?m)^s +me +1 +\S+.* configured$")

    def test_nobody(self):
        self.redis.call("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM")
        self.assertEqual(self.ctl("--json", "consumers", "c").out, "")
        self.redis.call("DEL", "s")
        self.ctl("consumers", "c", status=3)

    def test_names_that_are_no_utf8(self):
        self.add()
        self.abandon(consumer=b"\xff\n")
        self.assertIn("\\xff\\n", self.ctl("consumers", "c").out)

    def test_rm_with_nothing_pending(self):
        self.redis.call("XACK", "s", "g", *self.left_by("host-7"))
        said = self.ctl("consumers", "rm", "c", "host-7")
        self.assertIn("host-7 will be removed from the group g of s.", said.err)
        self.assertEqual(said.out, "host-7 removed from s.\n")
        self.assertEqual(self.names(), [])
        self.assertIn('no consumer "host-7"', self.ctl("consumers", "rm", "c", "host-7", status=3).err)

    def test_rm_with_pending_entries(self):
        self.left_by("host-7")
        said = self.ctl("consumers", "rm", "c", "host-7", status=1)
        self.assertIn("host-7 has 3 pending entries", said.err)
        self.assertEqual(self.owners(), ["host-7"] * 3)

    def test_one_at_work_is_warned_of(self):
        self.redis.call("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM")
        self.redis.call("XGROUP", "CREATECONSUMER", "s", "g", "me")
        self.assertIn("if a daemon is at work under that name", self.ctl("consumers", "rm", "c", "me", "--dry-run").err)
        self.assertEqual(self.names(), ["me"])

    def test_handover(self):
        ids = self.left_by("host-7", 250)
        said = self.ctl("consumers", "rm", "c", "host-7", "--handover")
        self.assertIn("after 250 pending entries have been given to me", said.err)
        self.assertEqual(said.out, "250 entries of s handed over to me.\nhost-7 removed from s.\n")
        self.assertEqual((self.owners(*ids), self.names()), (["me"] * 250, ["me"]))
        self.assertEqual({row[2] for row in self.pending().values()}, {1})
        self.assertTrue(all(100000 < row[1] < LONG_AGO for row in self.pending().values()))

    def test_handover_keeps_what_was_released_claimable(self):
        ids = self.left_by("host-7")
        self.ctl("release", "c", ids[0])
        self.ctl("consumers", "rm", "c", "host-7", "--handover")
        self.assertGreater(self.pending()[ids[0]][1], LONG_AGO)

    def test_handover_records_what_has_lost_its_data(self):
        ids = self.left_by("host-7")
        self.remove_data(ids[0], ids[2])
        said = self.ctl("--json", "consumers", "rm", "c", "host-7", "--handover")
        self.assertEqual(said.lines(), [{"stream": "s", "group": "g", "consumer": "host-7", "removed": True,
                                         "handed_over": 1, "recorded": 2, "pending": 0, "dry_run": False}])
        self.assertEqual(list(self.pending()), [ids[1]])
        found = [record_fields(pairs)[0] for pairs in self.dead()]
        self.assertEqual([(m["sluice.id"], m["sluice.reason"], m["sluice.consumer"], m["sluice.attempts"])
                          for m in found], [(i, "trimmed", "host-7", "1") for i in (ids[0], ids[2])])
        self.assertEqual(len(self.ctl("--json", "dead", "list", "c").lines()), 2)

    def test_dead_letters_that_refuse(self):
        ids = self.left_by("host-7")
        self.remove_data(ids[0])
        self.redis.call("SET", "s:dead", "x")
        said = self.ctl("consumers", "rm", "c", "host-7", "--handover", status=1)
        self.assertIn("s:dead: Redis says: WRONGTYPE", said.err)
        self.assertEqual(self.owners(*ids), ["host-7", "me", "me"])

    def test_without_a_configuration_nothing_is_recorded(self):
        ids = self.left_by("host-7")
        self.remove_data(ids[0])
        said = self.ctl("consumers", "rm", "--stream", "s", "--group", "g", "host-7", "--handover",
                        "--consumer", "you", status=1)
        self.assertIn("host-7 stays: the data of 1 of its entries is gone", said.err)
        self.assertEqual(self.owners(*ids), ["host-7", "you", "you"])

    def test_handover_to_itself(self):
        self.left_by("me")
        self.assertIn("--consumer names another", self.ctl("consumers", "rm", "c", "me", "--handover", status=2).err)
        self.ctl("consumers", "rm", "c", "me", "--handover", "--consumer", "you")
        self.assertEqual(self.owners(), ["you"] * 3)

    def test_dry_run(self):
        self.left_by("host-7")
        said = self.ctl("--json", "consumers", "rm", "c", "host-7", "--handover", "--dry-run")
        self.assertEqual(said.lines(), [{"stream": "s", "group": "g", "consumer": "host-7", "removed": False,
                                         "handed_over": 0, "recorded": 0, "pending": 3, "dry_run": True}])
        self.assertEqual(self.owners(), ["host-7"] * 3)

    def test_daemon_goes_on_with_what_was_handed_over(self):
        entry, = self.left_by("host-7", 1)
        self.ctl("consumers", "rm", "c", "host-7", "--handover")
        self.start(self.python(RUN), {"claim.min_idle": "1h"})
        self.assertEqual(self.wait_records(1), [{"id": entry, "attempt": 2}])


class InACluster(SharedClusterCase, CtlCase):
    def setUp(self):
        super(CtlCase, self).setUp()
        self.config_path = self.path("ctl.yaml")

    def configure(self, streams, dead=""):
        self.write_config("redis: { url: 'redis://%s', cluster: true }\nconsumers:\n  c:\n    streams: [%s]\n    group: g\n"
                          "    consumer: me\n%s    handler: { command: [/bin/true] }\n"
                          % (self.cluster.seeds[0], ", ".join(streams), dead))

    def leave(self, stream):
        entry, = self.add_to(stream, 1)
        self.call(stream, "XGROUP", "CREATE", stream, "g", 0)
        self.call(stream, "XREADGROUP", "GROUP", "g", "host-7", "STREAMS", stream, ">")
        return entry

    def owner(self, stream):
        return self.call(stream, "XPENDING", stream, "g", "-", "+", 1)[0][1]

    def streams(self):
        return [self.cluster.name_in(node, self._testMethodName) for node in self.cluster.primaries()]

    def test_claim_and_handover_on_all_nodes(self):
        streams = self.streams()
        self.configure(streams)
        for stream in streams:
            self.leave(stream)
        self.ctl("consumers", "rm", "c", "host-7", status=1)
        self.ctl("claim", "c", "--min-idle", "1ms", "--consumer", "you")
        self.assertEqual([self.owner(s) for s in streams], [b"you"] * 3)
        self.ctl("consumers", "rm", "c", "you", "--handover")
        self.assertEqual([self.owner(s) for s in streams], [b"me"] * 3)
        self.ctl("consumers", "rm", "c", "host-7")
        self.assertEqual([r["consumer"] for r in self.ctl("--json", "consumers", "c").lines()], ["me"] * 3)

    def test_dead_letters_in_another_slot(self):
        here, there, _ = self.streams()
        self.configure([here], "    dead_letter: { stream: '%s' }\n" % there)
        entry = self.leave(here)
        self.call(here, "XDEL", here, entry)
        said = self.ctl("consumers", "rm", "c", "host-7", "--handover", status=1)
        self.assertIn("a daemon records them", said.err)
        self.assertEqual(self.owner(here), b"host-7")


if __name__ == "__main__":
    main()
