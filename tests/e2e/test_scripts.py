#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Lua scripts, one by one, against a real server: every answer, and what they leave behind."""

import os
import random
import re

import resp
from harness import Case, main
from servers import ROOT

SCRIPTS = os.path.join(ROOT, "src", "redis")
META = [part for n in range(14) for part in ("sluice.%d" % n, "value %d" % n)]
ID_AT, REASON_AT, ATTEMPTS_AT = 10, 12, 18  # from 1, as the scripts count
HUGE = 2 ** 64 - 1


def read(name):
    with open(os.path.join(SCRIPTS, name + ".lua"), encoding="utf-8") as f:
        return f.read()


def text(answer):
    """The answer of a script with its bytes as text."""
    if isinstance(answer, list):
        return [text(item) for item in answer]
    return answer.decode() if isinstance(answer, bytes) else answer


def key(entry_id):
    return tuple(int(half) for half in entry_id.split("-"))


class ScriptCase(Case):
    """The stream "s" with the group "g", in which we are "me"."""

    def setUp(self):
        super().setUp()
        self.redis.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")

    def eval(self, name, *args, keys=("s",)):
        return text(self.redis.call("EVAL", read("prelude") + read(name), len(keys), *keys,
                                    "g", "me", *args))

    def fill(self, ids, consumer="me"):
        """Entries with these ids, pending for the consumer."""
        ids = list(ids)
        for entry_id in ids:
            self.redis.call("XADD", "s", entry_id, "k", entry_id, "k", b"\0\r\n")
        self.deliver(consumer)
        return ids

    def deliver(self, consumer="me"):
        self.redis.call("XREADGROUP", "GROUP", "g", consumer, "STREAMS", "s", ">")

    def give(self, entry_id, consumer, idle=0, count=1):
        self.redis.call("XCLAIM", "s", "g", consumer, 0, entry_id, "IDLE", idle,
                        "RETRYCOUNT", count, "JUSTID")

    def assert_pending(self, entry_id, owner, count, idle_below=5000, idle_from=0):
        row = self.pending().get(entry_id)
        self.assertIsNotNone(row, entry_id)
        self.assertEqual((row[0], row[2]), (owner, count), entry_id)
        self.assertTrue(idle_from <= row[1] < idle_below, (entry_id, row))

    def assert_error(self, part, name, *args, **more):
        with self.assertRaisesRegex(resp.ReplyError, part):
            self.eval(name, *args, **more)

    def refuse_records(self):
        self.redis.call("SET", "dead", "no stream")

    def out_of_memory(self):
        self.redis.call("CONFIG", "SET", "maxmemory", "1")
        self.addCleanup(self.redis.call, "CONFIG", "SET", "maxmemory", "0")


class Prelude(ScriptCase):
    def less(self, a, b):
        code = read("prelude") + "return less(ARGV[3], ARGV[4]) and 1 or 0"
        return bool(self.redis.call("EVAL", code, 1, "s", "g", "me", a, b))

    def test_ids_are_compared_in_full(self):
        rng = random.Random(1)
        some = [0, 1, 9, 10, 2 ** 53, 2 ** 53 + 1, 10 ** 19, 10 ** 19 + 1, HUGE - 1, HUGE]
        halves = some + [rng.randrange(HUGE) for _ in range(10)]
        ids = ["%d-%d" % (rng.choice(halves), rng.choice(halves)) for _ in range(40)]
        for a in ids:
            for b in rng.sample(ids, 12) + [a]:
                self.assertEqual(self.less(a, b), key(a) < key(b), (a, b))

    def gone(self, entry_id):
        code = read("prelude") + "return gone(ARGV[3]) and 1 or 0"
        return bool(self.redis.call("EVAL", code, 1, "s", "g", "me", entry_id))

    def check_gone(self, ids):
        for entry_id in ids:
            there = bool(self.redis.call("XRANGE", "s", entry_id, entry_id))
            self.assertEqual(self.gone(entry_id), not there, entry_id)

    def test_gone_is_what_xrange_does_not_find(self):
        rng = random.Random(2)
        for _ in range(12):
            self.redis.call("DEL", "s")
            self.redis.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
            ids = self.fill("%d-%d" % (n // 3 + 1, n % 3 + 1) for n in range(40))
            for step in range(4):
                if rng.random() < 0.5:
                    self.redis.call("XDEL", "s", *rng.sample(ids, 3))
                else:
                    self.redis.call("XTRIM", "s", "MAXLEN", rng.randrange(41))
                ids += self.fill(["%d-1" % (100 + step)])
                self.check_gone(ids)

    def test_gone_from_an_empty_stream_and_a_missing_one(self):
        ids = self.fill(["1-1", "2-1"])
        self.redis.call("XDEL", "s", *ids)
        self.check_gone(ids)
        self.redis.call("DEL", "s")
        self.assertTrue(self.gone("1-1"))


    def all_ours(self, first, last):
        code = read("prelude") + "return all_ours(ARGV[3], ARGV[4]) and 1 or 0"
        return bool(self.redis.call("EVAL", code, 1, "s", "g", "me", first, last))

    def test_all_ours_means_nothing_of_others_between(self):
        self.assertTrue(self.all_ours("1-1", "9-1"))
        self.fill("%d-1" % n for n in range(1, 10))
        self.assertTrue(self.all_ours("1-1", "9-1"))
        self.give("2-1", "other")
        self.give("8-1", "another")
        self.give("5-1", "a third")
        self.redis.call("XACK", "s", "g", "5-1")
        for first in range(1, 10):
            for last in range(first, 10):
                expected = not (first <= 2 <= last or first <= 8 <= last)
                self.assertEqual(self.all_ours("%d-1" % first, "%d-1" % last), expected, (first, last))

    def test_all_ours_asks_few_consumers(self):
        ids = self.fill("%d-1" % n for n in range(1, 20))
        for n in range(8):
            self.give(ids[n], "c%d" % n)
            self.assertEqual(self.all_ours(ids[10], ids[12]), n < 7, n)
            self.assertFalse(self.all_ours(ids[0], ids[12]))


class Ack(ScriptCase):
    def ack(self, ids, guards):
        return self.eval("ack", 60000, *ids, keys=("s", *guards))

    def test_guards_are_set(self):
        ids = self.fill(["1-1", "2-1", "3-1"])
        self.assertEqual(self.ack(ids[:2], ["{s}:1", "{s}:2"]), 2)
        self.assertEqual(list(self.pending()), ["3-1"])
        self.assertEqual(self.redis.call("MGET", "{s}:1", "{s}:2"), [b"1", b"1"])
        self.assertTrue(50000 < self.redis.call("PTTL", "{s}:2") <= 60000)

    def test_again(self):
        ids = self.fill(["1-1"])
        self.ack(ids, ["{s}:1"])
        self.redis.call("PEXPIRE", "{s}:1", 30000)
        self.assertEqual(self.ack(ids, ["{s}:1"]), 0)
        self.assertLessEqual(self.redis.call("PTTL", "{s}:1"), 30000)

    def test_what_is_there_stays(self):
        ids = self.fill(["1-1"])
        self.redis.call("RPUSH", "{s}:1", "mine")
        self.assertEqual(self.ack(ids, ["{s}:1"]), 1)
        self.assertEqual(self.redis.call("TYPE", "{s}:1"), b"list")

    def test_refused_guard_acknowledges_nothing(self):
        ids = self.fill(["1-1"])
        self.out_of_memory()
        self.assert_error("OOM", "ack", 60000, *ids, keys=("s", "{s}:1"))
        self.assertEqual(list(self.pending()), ids)

    def test_a_full_batch(self):
        ids = self.fill("%d-1" % n for n in range(1, 1001))
        self.assertEqual(self.ack(ids, ["{s}:" + i for i in ids]), 1000)
        self.assertEqual(self.redis.call("DBSIZE"), 1001)


class Begin(ScriptCase):
    def begin(self, *ids_and_runs, bytes_max=1 << 20):
        return self.eval("begin", bytes_max, *ids_and_runs)

    def test_every_answer(self):
        ids = self.fill(["1-1", "2-1", "3-1", "4-1", "5-1", "6-1"])
        self.give("2-1", "other", 77, 4)
        self.redis.call("XACK", "s", "g", "3-1")
        self.redis.call("XDEL", "s", "4-1")
        self.redis.call("XTRIM", "s", "MINID", "2-1")
        self.give("5-1", "me", 5000, 3)
        args = [part for entry_id in ids + ["9-9"] for part in (entry_id, 4)]
        answers = self.begin(*args)
        self.assertEqual(answers, [
            "gone", "other", "none", "gone",
            ["k", "5-1", "k", "\0\r\n"], ["k", "6-1", "k", "\0\r\n"], "none"])
        self.assert_pending("1-1", "me", 1)
        self.assert_pending("2-1", "other", 4, idle_from=77)
        self.assert_pending("4-1", "me", 1)
        self.assert_pending("5-1", "me", 4, idle_below=3000)
        self.assert_pending("6-1", "me", 4)

    def test_the_run_is_written_as_given(self):
        self.fill(["1-1"])
        for run in (1, 2, 7, 3, 2 ** 31):
            self.begin("1-1", run)
            self.assert_pending("1-1", "me", run)

    def test_large_ids(self):
        ids = self.fill(["%d-0" % (HUGE - 1), "%d-%d" % (HUGE - 1, HUGE), "%d-%d" % (HUGE, HUGE)])
        self.redis.call("XDEL", "s", ids[1])
        self.assertEqual([a[1] for a in self.begin(ids[0], 2, ids[1], 2, ids[2], 2)],
                         [ids[0], "o", ids[2]])

    def test_no_group_and_no_stream(self):
        self.fill(["1-1"])
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        self.assert_error("^NOGROUP", "begin", 1000, "1-1", 1)
        self.redis.call("DEL", "s")
        self.assert_error("^NOGROUP", "begin", 1000, "1-1", 1)
        self.redis.call("SET", "s", "no stream")
        self.assert_error("^WRONGTYPE", "begin", 1000, "1-1", 1)

    def test_a_wide_entry(self):
        fields = ["f%d" % n for n in range(20000)]
        entry_id = self.redis.call("XADD", "s", "*", *fields).decode()
        self.deliver()
        self.assertEqual(self.begin(entry_id, 2), [fields])

    def test_what_is_too_large_is_not_begun(self):
        ids = [self.redis.call("XADD", "s", "*", "k", "v" * size, "", "l").decode() for size in (7, 8, 9)]
        self.deliver()
        answers = self.begin(ids[0], 5, ids[1], 5, ids[2], 5, bytes_max=10)
        self.assertEqual(answers, [["k", "v" * 7, "", "l"], ["k", "v" * 8, "", "l"], 11])
        self.assert_pending(ids[1], "me", 5)
        self.assert_pending(ids[2], "me", 1)

    def calls(self, command):
        found = re.search(rb"cmdstat_%s:calls=(\d+)" % command, self.redis.call("INFO", "commandstats"))
        return int(found[1]) if found else 0

    def test_a_batch_costs_few_commands(self):
        ids = self.fill("%d-1" % n for n in range(1, 301))
        self.redis.call("CONFIG", "RESETSTAT")
        answers = self.begin(*(part for n in range(100, 200) for part in (ids[n], 2 + n % 3)))
        self.assertEqual(answers, [["k", ids[n], "k", "\0\r\n"] for n in range(100, 200)])
        self.assertEqual(self.calls(b"xclaim"), 3)
        self.assertLess(self.calls(b"xrange") + self.calls(b"xpending"), 6)
        for n, entry_id in enumerate(ids):
            self.assert_pending(entry_id, "me", 2 + n % 3 if 100 <= n < 200 else 1)

    def test_ids_apart(self):
        ids = self.fill("%d-1" % n for n in range(1, 500))
        asked = ids[:10:3] + ids[20:80] + ids[90:450:30]
        answers = self.begin(*(part for entry_id in asked for part in (entry_id, 2)))
        self.assertEqual(answers, [["k", i, "k", "\0\r\n"] for i in asked])
        self.assertEqual({i for i, row in self.pending().items() if row[2] == 2}, set(asked))

    def test_pending_for_nobody_while_all_else_is_ours(self):
        ids = self.fill("%d-1" % n for n in range(1, 6))
        self.redis.call("XACK", "s", "g", ids[1], ids[4])
        self.redis.call("XDEL", "s", ids[2], ids[4])
        answers = self.begin(*(part for entry_id in ids for part in (entry_id, 3)))
        self.assertEqual([a if isinstance(a, str) else a[1] for a in answers],
                         [ids[0], "none", "gone", ids[3], "none"])
        self.assertEqual({i: row[2] for i, row in self.pending().items()}, {ids[0]: 3, ids[2]: 1, ids[3]: 3})

    def answer(self, fate, entry_id):
        words = {"g": "gone", "o": "other", "n": "none"}
        return words.get(fate) or (len("k" + entry_id + "large") + 100 if fate == "b" else ["k", entry_id])

    def fates(self, rng, ids, some):
        """What happens to each: m: ours still, b: and large, g: and deleted, o: another's, n: nobody's."""
        fate = {entry_id: rng.choice(some) for entry_id in ids}
        for entry_id, what in fate.items():
            large = ["large", "v" * 100] if what == "b" else []
            self.redis.call("XADD", "s", entry_id, "k", entry_id, *large)
        self.deliver()
        for entry_id, what in fate.items():
            if what == "n":
                self.redis.call("XACK", "s", "g", entry_id)
            else:
                self.give(entry_id, "other" if what == "o" else "me", 60000, 9)
        self.redis.call("XDEL", "s", *(i for i in ids if fate[i] == "g"))
        if rng.random() < 0.5:
            self.redis.call("XTRIM", "s", "MINID", ids[9])
            fate.update((i, "g") for i in ids[:9] if fate[i] in "mb")
        return fate

    def test_at_random(self):
        rng = random.Random(5)
        for round_ in range(30):
            self.redis.call("DEL", "s")
            self.redis.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
            ids = ["%d-%d" % (HUGE - 20 + n // 12, n) for n in range(1, 220)]
            fate = self.fates(rng, ids, "mmmmmbgon" if round_ % 2 else "mmmmmmbgn")
            first, n = rng.randrange(100), rng.choice((1, 2, 10, 50, 100))
            asked = sorted(rng.sample(ids[first:first + rng.choice((100, 120))], n), key=key)
            runs = {entry_id: rng.choice((10, 10, 11, 12)) for entry_id in asked}
            answers = self.begin(*(part for i in asked for part in (i, runs[i])), bytes_max=100)
            self.assertEqual(answers, [self.answer(fate[i], i) for i in asked])
            self.check_begun(fate, {i: run for i, run in runs.items() if fate[i] == "m"})

    def check_begun(self, fate, runs):
        pending = self.pending()
        self.assertEqual(set(pending), {i for i, what in fate.items() if what != "n"})
        for entry_id, row in pending.items():
            self.assertEqual((row[0], row[2]), ("other" if fate[entry_id] == "o" else "me",
                                                runs.get(entry_id, 9)), entry_id)
            self.assertEqual(row[1] < 60000, entry_id in runs, entry_id)


class Renew(ScriptCase):
    def test_every_answer(self):
        self.fill(["1-1", "2-1", "3-1", "4-1", "5-1", "6-1"])
        for entry_id in ("1-1", "2-1", "4-1", "5-1"):
            self.give(entry_id, "me", 60000, 3)
        self.give("3-1", "other", 60000, 2)
        self.give("6-1", "other", 60000, 2)
        self.redis.call("XACK", "s", "g", "2-1")
        self.redis.call("XDEL", "s", "4-1")
        self.redis.call("XTRIM", "s", "MINID", "2-1")
        answers = self.eval("renew", "1-1", "2-1", "3-1", "4-1", "5-1", "6-1")
        self.assertEqual(answers, [["3-1", "6-1"], ["2-1"], ["1-1", "4-1"]])
        self.assert_pending("5-1", "me", 3)
        for entry_id in ("1-1", "4-1"):
            self.assert_pending(entry_id, "me", 3, 99999, 60000)
        for entry_id in ("3-1", "6-1"):
            self.assert_pending(entry_id, "other", 2, 99999, 60000)

    def test_more_of_our_own_between_than_are_asked_for(self):
        ids = self.fill("%d-1" % n for n in range(1, 200))
        for entry_id in ids:
            self.give(entry_id, "me", 60000, 2)
        self.assertEqual(self.eval("renew", "1-1", "100-1", "199-1"), [[], [], []])
        for entry_id in ids:
            if entry_id in ("1-1", "100-1", "199-1"):
                self.assert_pending(entry_id, "me", 2)
            else:
                self.assert_pending(entry_id, "me", 2, 99999, 60000)

    def test_the_stream_and_the_group_do_not_exist(self):
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        self.assert_error("^NOGROUP", "renew", "1-1")
        self.redis.call("DEL", "s")
        self.assert_error("^NOGROUP", "renew", "1-1")

    def test_nothing_is_pending_for_us(self):
        self.fill(["1-1"], "other")
        self.assertEqual(self.eval("renew", "1-1", "2-1"), [["1-1"], ["2-1"], []])

    def test_at_random(self):
        rng = random.Random(3)
        for some in 12 * ["mmmogn"] + 4 * ["mmmgn"] + 8 * ["mmmmmmn"] + 2 * ["m"]:
            self.redis.call("DEL", "s")
            self.redis.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
            ids = self.fill("%d-%d" % (HUGE - 9 + n // 12, n) for n in range(1, 100))
            fate = {entry_id: rng.choice(some) for entry_id in ids}
            for entry_id, what in fate.items():
                self.give(entry_id, "other" if what == "o" else "me", 60000, 5)
                if what == "g":
                    self.redis.call("XDEL", "s", entry_id)
                if what == "n":
                    self.redis.call("XACK", "s", "g", entry_id)
            asked = sorted(rng.sample(ids, rng.choice((1, 2, 10, 50))), key=key)
            answers = self.eval("renew", *asked)
            self.assertEqual(answers, [[i for i in asked if fate[i] == f] for f in "ong"])
            pending = self.pending()
            renewed = {i for i in asked if fate[i] == "m"}
            self.assertEqual({i for i, row in pending.items() if row[1] < 60000}, renewed)
            self.assertEqual(set(pending), {i for i in ids if fate[i] != "n"})
            self.assertEqual({row[2] for row in pending.values()}, {5})


class Release(ScriptCase):
    def test_what_is_ours_is_given_back(self):
        self.fill(["1-1", "2-1", "3-1"])
        self.give("3-1", "me", 10, 8)
        released = self.eval("release", "1-1", 0, "", "2-1", 4, 1500, "3-1", 7, 0)
        self.assertEqual(released, 3)
        self.assert_pending("1-1", "me", 0, 10 ** 15, 10 ** 12)
        self.assert_pending("2-1", "me", 4, 3000, 1500)
        self.assert_pending("3-1", "me", 7)
        claimed = self.redis.call("XAUTOCLAIM", "s", "g", "other", 86400000, "0", "JUSTID")
        self.assertEqual(text(claimed[1]), ["1-1"])

    def test_what_is_not_ours_to_give(self):
        self.fill(["1-1", "2-1", "3-1", "4-1"])
        self.give("2-1", "other", 77, 5)
        self.redis.call("XACK", "s", "g", "3-1")
        self.redis.call("XDEL", "s", "4-1")
        self.redis.call("XTRIM", "s", "MINID", "2-1")
        ids = ("1-1", "2-1", "3-1", "4-1", "9-9")
        args = [part for entry_id in ids for part in (entry_id, 0, "")]
        self.assertEqual(self.eval("release", *args), 0)
        self.assert_pending("1-1", "me", 1)
        self.assert_pending("2-1", "other", 5, idle_from=77)
        self.assert_pending("4-1", "me", 1)
        self.assertEqual(set(self.pending()), {"1-1", "2-1", "4-1"})


class Bury(ScriptCase):
    def bury(self, entry_id, maxlen=0, with_fields=1, keys=("s", "dead"), meta=None):
        return self.eval("bury", entry_id, maxlen, REASON_AT, with_fields, *(meta or META), keys=keys)

    def assert_untouched(self, entry_id):
        self.assert_pending(entry_id, "me", 1)

    def test_moved_once(self):
        self.fill(["1-1"])
        self.assertEqual(self.bury("1-1"), ["moved", "value 5"])
        self.assertEqual(self.bury("1-1"), ["none"])
        self.assertEqual(self.pending(), {})
        records = self.dead("dead")
        self.assertEqual(len(records), 1)
        flat = [part for pair in records[0] for part in pair]
        self.assertEqual(flat, [m.encode() for m in META] + [b"k", b"1-1", b"k", b"\0\r\n"])

    def test_of_another_and_of_nobody(self):
        self.fill(["1-1", "2-1"])
        self.give("1-1", "other", 55, 9)
        self.redis.call("XACK", "s", "g", "2-1")
        self.assertEqual(self.bury("1-1"), ["other"])
        self.assertEqual(self.bury("2-1"), ["none"])
        self.assertEqual(self.bury("3-1"), ["none"])
        self.assert_pending("1-1", "other", 9, idle_from=55)
        self.assertEqual(self.redis.call("EXISTS", "dead"), 0)

    def test_without_data(self):
        self.fill(["1-1", "2-1", "3-1"])
        self.redis.call("XTRIM", "s", "MINID", "2-1")
        self.redis.call("XDEL", "s", "2-1")
        expected = META[:REASON_AT - 1] + ["trimmed"] + META[REASON_AT:]
        for entry_id in ("1-1", "2-1"):
            self.assertEqual(self.bury(entry_id), ["moved", "trimmed"])
        for record in self.dead("dead"):
            self.assertEqual([part.decode() for pair in record for part in pair], expected)
        self.assertEqual(set(self.pending()), {"3-1"})

    def test_without_fields_on_request(self):
        self.fill(["1-1"])
        self.assertEqual(self.bury("1-1", with_fields=0), ["moved", "value 5"])
        self.assertEqual(len(self.dead("dead")[0]), 14)

    def test_without_a_dead_letter_stream(self):
        self.fill(["1-1", "2-1"])
        self.redis.call("XDEL", "s", "1-1")
        self.assertEqual(self.bury("1-1", keys=("s",)), ["moved", "trimmed"])
        self.assertEqual(self.bury("2-1", keys=("s",)), ["moved", "value 5"])
        self.assertEqual(self.pending(), {})
        self.assertEqual(text(self.redis.call("KEYS", "*")), ["s"])

    def test_wrong_type_acknowledges_nothing(self):
        self.fill(["1-1", "2-1"])
        self.redis.call("XDEL", "s", "2-1")
        self.refuse_records()
        for entry_id in ("1-1", "2-1"):
            word, error = self.bury(entry_id)
            self.assertEqual(word, "refused")
            self.assertRegex(error, "^WRONGTYPE ")
            self.assert_untouched(entry_id)

    def test_out_of_memory_acknowledges_nothing(self):
        self.fill(["1-1"])
        self.out_of_memory()
        word, error = self.bury("1-1")
        self.assertEqual(word, "refused")
        self.assertRegex(error, "^OOM ")
        self.assert_untouched("1-1")

    def test_no_more_ids_acknowledges_nothing(self):
        self.fill(["1-1"])
        self.redis.call("XADD", "dead", "%d-%d" % (HUGE, HUGE), "k", "v")
        self.assertEqual(self.bury("1-1")[0], "refused")
        self.assert_untouched("1-1")

    def test_no_permission_acknowledges_nothing(self):
        self.fill(["1-1"])
        self.redis.call("ACL", "SETUSER", "limited", "on", ">pw", "~s", "+@all")
        other = self.redis.connect()
        self.addCleanup(other.close)
        other.call("AUTH", "limited", "pw")
        with self.assertRaisesRegex(resp.ReplyError, "^NOPERM"):
            other.call("EVAL", read("prelude") + read("bury"), 2, "s", "dead", "g", "me", "1-1", 0,
                       REASON_AT, 1, *META)
        self.redis.call("ACL", "SETUSER", "limited", "~*", "-xadd")
        answer = other.call("EVAL", read("prelude") + read("bury"), 2, "s", "dead", "g", "me", "1-1",
                            0, REASON_AT, 1, *META)
        self.assertEqual(answer[0], b"refused")
        self.assert_untouched("1-1")

    def wide(self, values):
        entry_id = self.redis.call("XADD", "s", "*", *range(values)).decode()
        self.deliver()
        return entry_id

    def test_wide_entries(self):
        fits, wide = self.wide(7000 - len(META)), self.wide(7002 - len(META))
        self.assertEqual(self.bury(fits), ["moved", "value 5"])
        self.assertEqual(self.bury(wide), ["wide"])
        self.assert_untouched(wide)
        self.assertEqual(len(self.dead("dead")[0]), 3500)
        self.assertEqual(self.bury(wide, with_fields=0), ["moved", "value 5"])

    def test_wide_with_a_maxlen(self):
        self.assertEqual(self.bury(self.wide(7000 - len(META)), maxlen=10), ["moved", "value 5"])

    def test_maxlen_is_kept_roughly(self):
        ids = self.fill("%d-1" % n for n in range(1, 500))
        for entry_id in ids:
            self.assertEqual(self.bury(entry_id, maxlen=20)[0], "moved")
        self.assertTrue(20 <= self.redis.call("XLEN", "dead") < 250)
        self.assertEqual(self.pending(), {})

    def test_large_ids(self):
        ids = self.fill(["%d-0" % HUGE, "%d-%d" % (HUGE, HUGE)])
        self.redis.call("XDEL", "s", ids[0])
        self.assertEqual([self.bury(entry_id)[1] for entry_id in ids], ["trimmed", "value 5"])


class Claim(ScriptCase):
    LEASE = 30000

    def stale(self, ids, owner="ghost", count=3):
        for entry_id in ids:
            self.give(entry_id, owner, self.LEASE + 5000, count)

    def page(self, skip=()):
        """What the sweeper would ask for: stale ids in order, and which of them stand apart."""
        wanted, apart = [], True
        for row in self.redis.call("XPENDING", "s", "g", "-", "+", 10000):
            entry_id = row[0].decode()
            if row[2] < self.LEASE or entry_id in skip:
                apart = True
                continue
            wanted += [entry_id, row[3], int(apart)]
            apart = False
        return wanted

    def claim(self, page, maxlen=0, keys=("s", "dead")):
        return self.eval("claim", self.LEASE, maxlen, len(META), ID_AT, ATTEMPTS_AT, *META, *page,
                         keys=keys)

    def test_a_run(self):
        ids = self.fill("%d-1" % n for n in range(1, 20))
        self.stale(ids)
        self.assertEqual(self.claim(self.page()), [ids, [], "", []])
        for entry_id in ids:
            self.assert_pending(entry_id, "me", 3)

    def test_runs_apart(self):
        ids = self.fill("%d-1" % n for n in range(1, 40))
        stale = ids[2:5] + ids[9:10] + ids[20:30] + ids[-1:]
        self.stale(stale)
        self.assertEqual(self.claim(self.page()), [stale, [], "", []])
        for entry_id in ids:
            self.assert_pending(entry_id, "me", 3 if entry_id in stale else 1)

    def test_our_own_between_are_left_alone(self):
        ids = self.fill("%d-1" % n for n in range(1, 10))
        self.stale(ids)
        held = ids[4]
        self.give(held, "me", self.LEASE + 9000, 2)
        claimed = self.claim(self.page(skip=[held]))[0]
        self.assertEqual(claimed, ids[:4] + ids[5:])
        self.assert_pending(held, "me", 2, 99999, self.LEASE + 9000)

    def test_changed_since_the_page(self):
        ids = self.fill("%d-1" % n for n in range(1, 10))
        self.stale(ids)
        page = self.page()
        self.redis.call("XACK", "s", "g", ids[0], ids[3])
        self.give(ids[5], "other", 0, 4)
        self.give(ids[8], "ghost", 0, 4)
        claimed = [ids[1], ids[2], ids[4], ids[6], ids[7]]
        self.assertEqual(self.claim(page), [claimed, [], "", []])
        self.assert_pending(ids[5], "other", 4)
        self.assert_pending(ids[8], "ghost", 4)

    def test_renewed_since_the_page(self):
        """Its data is gone as well: that is for its owner to find."""
        ids = self.fill("%d-1" % n for n in range(1, 5))
        self.stale(ids)
        page = self.page()
        self.give(ids[1], "ghost", 0, 3)
        self.redis.call("XDEL", "s", ids[1])
        self.assertEqual(self.claim(page), [[ids[0], *ids[2:]], [], "", []])
        self.assert_pending(ids[1], "ghost", 3)
        self.assertEqual(self.dead("dead"), [])

    def test_run_and_left_again_since_the_page(self):
        """The count that came with the page would be written back, below runs already begun."""
        ids = self.fill("%d-1" % n for n in range(1, 5))
        self.stale(ids)
        page = self.page()
        self.stale(ids[1:2], "other", 4)
        self.assertEqual(self.claim(page), [[ids[0], *ids[2:]], [], "", []])
        self.assert_pending(ids[1], "other", 4, 99999, self.LEASE)

    def test_most_of_a_run_changed(self):
        """XAUTOCLAIM gives up after ten rows for each that it is asked for."""
        ids = self.fill("%d-1" % n for n in range(1, 60))
        self.stale(ids)
        page = self.page()
        for entry_id in ids[1:-1]:
            self.give(entry_id, "ghost")
        self.assertEqual(self.claim(page), [[ids[0], ids[-1]], [], "", []])

    def check_record(self, record, entry_id, attempts):
        flat = [part.decode() for pair in record for part in pair]
        expected = list(META)
        expected[ID_AT - 1], expected[ATTEMPTS_AT - 1] = entry_id, str(attempts)
        self.assertEqual(flat, expected)

    def test_without_data(self):
        ids = self.fill("%d-1" % n for n in range(1, 10))
        self.stale(ids, count=6)
        self.redis.call("XTRIM", "s", "MINID", "3-1")
        self.redis.call("XDEL", "s", ids[4], ids[5], ids[8])
        gone = [ids[0], ids[1], ids[4], ids[5], ids[8]]
        there = [ids[2], ids[3], ids[6], ids[7]]
        self.assertEqual(self.claim(self.page()), [there, gone, "", []])
        for record, entry_id in zip(self.dead("dead"), gone):
            self.check_record(record, entry_id, 6)
        self.assertEqual(set(self.pending()), set(there))

    def test_all_without_data(self):
        ids = self.fill(["1-1", "2-1", "%d-%d" % (HUGE, HUGE)])
        self.stale(ids)
        self.redis.call("XDEL", "s", *ids)
        self.assertEqual(self.claim(self.page()), [[], ids, "", []])
        self.assertEqual(len(self.dead("dead")), 3)

    def test_refused_records_stay_pending(self):
        ids = self.fill("%d-1" % n for n in range(1, 6))
        self.stale(ids)
        self.redis.call("XDEL", "s", ids[0], ids[2])
        self.refuse_records()
        claimed, trimmed, refused, _ = self.claim(self.page())
        self.assertEqual((claimed, trimmed), ([ids[1], ids[3], ids[4]], []))
        self.assertRegex(refused, "^WRONGTYPE ")
        for entry_id in (ids[0], ids[2]):
            self.assert_pending(entry_id, "ghost", 3, 99999, self.LEASE)

    def test_out_of_memory(self):
        ids = self.fill("%d-1" % n for n in range(1, 6))
        self.stale(ids)
        self.redis.call("XDEL", "s", ids[0])
        self.out_of_memory()
        claimed, trimmed, refused, _ = self.claim(self.page())
        self.assertEqual((claimed, trimmed), (ids[1:], []))
        self.assertRegex(refused, "^OOM ")
        self.assert_pending(ids[0], "ghost", 3, 99999, self.LEASE)

    def test_without_data_to_be_recorded_elsewhere(self):
        """The dead-letter stream is in another slot: what is gone is told and stays as it is."""
        ids = self.fill(["1-1", "2-1"])
        self.stale(ids)
        self.redis.call("XDEL", "s", ids[0])
        answer = self.eval("claim", self.LEASE, 0, 0, ID_AT, ATTEMPTS_AT, *self.page(), keys=("s",))
        self.assertEqual(answer, [[ids[1]], [], "", [ids[0]]])
        self.assert_pending(ids[0], "ghost", 3, 99999)

    def test_without_a_dead_letter_stream(self):
        ids = self.fill(["1-1", "2-1"])
        self.stale(ids)
        self.redis.call("XDEL", "s", "1-1")
        self.assertEqual(self.claim(self.page(), keys=("s",)), [["2-1"], ["1-1"], "", []])
        self.assertEqual(set(self.pending()), {"2-1"})
        self.assertEqual(text(self.redis.call("KEYS", "*")), ["s"])

    def test_maxlen(self):
        ids = self.fill("%d-1" % n for n in range(1, 400))
        self.stale(ids)
        self.redis.call("XDEL", "s", *ids)
        self.assertEqual(self.claim(self.page(), maxlen=20), [[], ids, "", []])
        self.assertTrue(20 <= self.redis.call("XLEN", "dead") < 250)

    def test_no_group(self):
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        self.assert_error("^NOGROUP", "claim", self.LEASE, 0, len(META), ID_AT, ATTEMPTS_AT, *META,
                          "1-1", 1, 1, keys=("s", "dead"))

    # s: stale, f: fresh, h: stale and held by us; then, after the page: a: acknowledged, r: renewed,
    # t: taken by another, d: deleted
    def test_at_random(self):
        rng = random.Random(4)
        for _ in range(40):
            self.redis.call("DEL", "s", "dead")
            self.redis.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
            ids = self.fill(["%d-%d" % (HUGE - 5 + n // 10, n) for n in range(1, 60)], "ghost")
            before = {entry_id: rng.choice("sssfh") for entry_id in ids}
            after = {entry_id: rng.choice("......artd") for entry_id in ids}
            self.stale([i for i in ids if before[i] == "s"])
            self.stale([i for i in ids if before[i] == "h"], "me", 2)
            page = self.page(skip=[i for i in ids if before[i] == "h"])
            self.change(after)
            if rng.random() < 0.5:
                self.redis.call("XTRIM", "s", "MAXLEN", 45)
            self.check_at_random(before, after, ids, page)

    def change(self, after):
        for entry_id, what in after.items():
            if what == "a":
                self.redis.call("XACK", "s", "g", entry_id)
            elif what in "rt":
                self.give(entry_id, "ghost" if what == "r" else "other", 0, 7)
            elif what == "d":
                self.redis.call("XDEL", "s", entry_id)

    def check_at_random(self, before, after, ids, page):
        there = {row[0].decode() for row in self.redis.call("XRANGE", "s", "-", "+")}
        pending = self.pending()
        takeable = [i for i in ids if before[i] == "s" and after[i] in ".d"]
        claimed = [i for i in takeable if i in there]
        trimmed = [i for i in takeable if i not in there]
        self.assertEqual(self.claim(page), [claimed, trimmed, "", []])
        now = self.pending()
        self.assertEqual(set(now), set(pending) - set(trimmed))
        for entry_id in claimed:
            self.assertEqual((now[entry_id][0], now[entry_id][2]), ("me", 3))
        for entry_id in set(now) - set(claimed):
            self.assertEqual((now[entry_id][0], now[entry_id][2]),
                             (pending[entry_id][0], pending[entry_id][2]))
            self.assertTrue(now[entry_id][1] >= pending[entry_id][1])
        recorded = [record[4][1].decode() for record in self.dead("dead")]
        self.assertEqual(recorded, trimmed)


if __name__ == "__main__":
    main()
