#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The script that trims a stream, by itself: what goes, what stays, and who it asks."""

import random

import resp
from harness import main
from test_scripts import HUGE, ScriptCase, key

LOCK_MS = 60000
NODE = 10


class TrimCase(ScriptCase):
    def setUp(self):
        super().setUp()
        self.redis.call("CONFIG", "SET", "stream-node-max-entries", NODE)

    def step(self, what, amount="", exact="", keys=("s",)):
        return self.eval("trim", LOCK_MS, what, amount, exact, keys=keys)

    def trim(self, what, amount="", exact=""):
        """Steps until nothing is left to do; (how many have gone, groups that lost some of it)."""
        total, lost = 0, set()
        while True:
            word, removed, group = self.step(what, amount, exact)
            self.assertEqual(word, "removed")
            if not removed:
                return total, lost - {""}
            total += removed
            lost.add(group)

    def put(self, ids):
        ids = list(ids)
        self.redis.connection.pipeline([("XADD", "s", entry_id, "k", "v") for entry_id in ids])
        return ids

    def ids(self):
        return [entry[0].decode() for entry in self.redis.call("XRANGE", "s", "-", "+")]

    def read(self, group, count, ack=None):
        """Reads so many in the group, and acknowledges all, or the first so many of them."""
        reply = self.redis.call("XREADGROUP", "GROUP", group, "x", "COUNT", count, "STREAMS", "s", ">")
        ids = [entry[0].decode() for entry in reply[0][1]]
        if ids[:ack]:
            self.redis.call("XACK", "s", group, *ids[:ack])
        return ids

    def group_at(self, group, entry_id):
        self.redis.call("XGROUP", "CREATE", "s", group, entry_id)


class Acknowledged(TrimCase):
    def test_stops_at_the_group_that_lags(self):
        ids = self.put("%d-1" % n for n in range(1, 101))
        self.group_at("slow", 0)
        self.group_at("new", "$")
        self.read("g", 100)
        self.read("slow", 30)
        self.assertEqual(self.trim("acknowledged", exact="1"), (30, set()))
        self.assertEqual(self.ids(), ids[30:])
        self.read("slow", 70)
        self.assertEqual(self.trim("acknowledged", exact="1"), (70, set()))
        self.assertEqual(self.ids(), [])

    def test_stops_at_the_oldest_pending_of_any_group(self):
        ids = self.put("%d-1" % n for n in range(1, 101))
        self.group_at("old", 0)
        self.read("g", 100)
        self.redis.call("XACK", "s", "old", *[i for i in self.read("old", 100, ack=1) if i != ids[40]])
        self.assertEqual(self.trim("acknowledged", exact="1"), (40, set()))
        self.assertEqual(self.ids(), ids[40:])
        self.redis.call("XACK", "s", "old", ids[40])
        self.assertEqual(self.trim("acknowledged", exact="1"), (60, set()))

    def test_without_a_group_nobody_has_acknowledged(self):
        ids = self.put(["1-1", "2-1"])
        self.redis.call("XGROUP", "DESTROY", "s", "g")
        self.assertEqual(self.trim("acknowledged", exact="1"), (0, set()))
        self.assertEqual(self.ids(), ids)

    def test_a_group_that_has_read_nothing(self):
        self.put(["1-1", "2-1"])
        self.group_at("done", "$")
        self.assertEqual(self.trim("acknowledged", exact="1"), (0, set()))

    def test_a_group_that_was_set_back(self):
        ids = self.put("%d-1" % n for n in range(1, 21))
        self.read("g", 20, ack=10)
        self.redis.call("XGROUP", "SETID", "s", "g", "5-1")
        self.assertEqual(self.trim("acknowledged", exact="1"), (5, set()))
        self.assertEqual(self.ids(), ids[5:])

    def test_not_beyond_the_limit(self):
        ids = self.put("%d-1" % n for n in range(1, 21))
        self.read("g", 20)
        self.assertEqual(self.trim("acknowledged", "8-0", exact="1"), (7, set()))
        self.assertEqual(self.ids(), ids[7:])
        self.assertEqual(self.trim("acknowledged", "99-0", exact="1"), (13, set()))

    def test_roughly_leaves_the_last_node(self):
        self.put("%d-1" % n for n in range(1, 101))
        self.read("g", 55)
        self.assertEqual(self.trim("acknowledged"), (50, set()))

    def test_large_ids(self):
        ids = self.put(["9-9", "9-99", "9-%d" % HUGE, "10-0", "99-%d" % HUGE, "100-1", "%d-0" % (HUGE - 1),
                        "%d-%d" % (HUGE - 1, HUGE), "%d-0" % HUGE, "%d-%d" % (HUGE, HUGE)])
        for n in range(1, len(ids)):
            self.read("g", 1)
            self.assertEqual(self.trim("acknowledged", exact="1"), (1, set()), ids[n - 1])
            self.assertEqual(self.ids(), ids[n:])
        self.read("g", 1)
        self.assertEqual(self.trim("acknowledged", exact="1"), (0, set()))

    def needed(self, groups):
        """The ids, there or not, that a group has to read or to acknowledge, by XINFO and XPENDING."""
        floors = []
        for group in groups:
            last = self.group(group=group)["last-delivered-id"].decode()
            floors += [i for i in self.ids() if key(i) > key(last)][:1]
            rows = self.redis.call("XPENDING", "s", group, "-", "+", 1)
            floors += [row[0].decode() for row in rows]
        return min(floors, key=key) if floors else None

    def some_life(self, rng, groups):
        for _ in range(rng.randrange(1, 8)):
            group = rng.choice(groups)
            what = rng.randrange(5)
            if what < 3 and self.group(group=group)["last-delivered-id"].decode() != self.ids()[-1]:
                self.read(group, rng.randrange(1, 60), rng.choice((None, None, rng.randrange(1, 40))))
            elif what == 3:
                self.redis.call("XDEL", "s", *rng.sample(self.ids()[:-1], 3))
            else:
                self.redis.call("XGROUP", "SETID", "s", group, rng.choice(self.ids()))

    def test_at_random(self):
        rng = random.Random(4)
        for _ in range(40):
            self.redis.call("DEL", "s")
            self.put("%d-%d" % (n // 3 + 8, n % 3 + 9) for n in range(80))
            groups = ["a", "b", "c"][:rng.randrange(1, 4)]
            for group in groups:
                self.group_at(group, rng.choice(("0", "0", "$", "20-10")))
            self.some_life(rng, groups)
            before, needed, exact = self.ids(), self.needed(groups), rng.choice(("", "1"))
            removed, lost = self.trim("acknowledged", exact=exact)
            kept = [i for i in before if needed and key(i) >= key(needed)]
            self.assertEqual(lost, set())
            self.assertEqual(self.ids(), before[removed:])
            self.assertEqual(self.ids()[-len(kept) or len(before):], kept)
            self.assertLess(len(self.ids()) - len(kept), 1 if exact else NODE)


class LengthAndAge(TrimCase):
    def test_maxlen(self):
        ids = self.put("%d-1" % n for n in range(1, 101))
        self.read("g", 100)
        self.assertEqual(self.trim("maxlen", 45), (50, set()))
        self.assertEqual(self.trim("maxlen", 45, exact="1"), (5, set()))
        self.assertEqual(self.ids(), ids[55:])
        self.assertEqual(self.trim("maxlen", 45, exact="1"), (0, set()))
        self.assertEqual(self.trim("maxlen", 0, exact="1"), (45, set()))

    def test_minid(self):
        ids = self.put("%d-1" % n for n in range(1, 101))
        self.read("g", 100)
        self.assertEqual(self.trim("minid", "46-1", exact="1"), (45, set()))
        self.assertEqual(self.ids(), ids[45:])

    def test_age_is_that_of_the_id_by_the_servers_clock(self):
        seconds = int(self.redis.call("TIME")[0])
        ids = self.put("%d000-1" % (seconds - ago) for ago in (1000, 301, 299, 10))
        self.assertEqual(self.trim("age", 300 * 1000, exact="1")[0], 2)
        self.assertEqual(self.ids(), ids[2:])
        self.assertEqual(self.trim("age", 10 ** 14, exact="1")[0], 0)

    def test_who_had_still_to_read_or_to_acknowledge(self):
        self.put("%d-1" % n for n in range(1, 101))
        self.group_at("slow", 0)
        self.read("g", 100)
        self.read("slow", 30)
        self.assertEqual(self.trim("minid", "31-1", exact="1"), (30, set()))
        self.assertEqual(self.trim("minid", "32-1", exact="1"), (1, {"slow"}))
        self.read("slow", 18, ack=10)
        self.assertEqual(self.trim("minid", "42-1", exact="1"), (10, set()))
        self.assertEqual(self.trim("minid", "43-1", exact="1"), (1, {"slow"}))
        self.redis.call("XACK", "s", "slow", *["%d-1" % n for n in range(43, 50)])
        self.assertEqual(self.trim("minid", "50-1", exact="1"), (7, set()))
        self.assertEqual(self.trim("maxlen", 0, exact="1"), (51, {"slow"}))

    def test_what_was_lost_before_is_not_lost_again(self):
        self.put("%d-1" % n for n in range(1, 21))
        self.read("g", 5, ack=0)
        self.redis.call("XTRIM", "s", "MINID", "6-1")
        self.redis.call("XGROUP", "SETID", "s", "g", "20-1")
        self.assertEqual(self.trim("minid", "11-1", exact="1"), (5, set()))


class Steps(TrimCase):
    def test_no_step_is_larger_than_a_thousand(self):
        self.put("%d-1" % n for n in range(1, 4001))
        steps = [self.step("maxlen", 100)[1] for _ in range(5)]
        self.assertEqual(sum(steps), 3900)
        self.assertLessEqual(max(steps), 1000)

    def test_nodes_larger_than_a_step(self):
        self.redis.call("CONFIG", "SET", "stream-node-max-entries", 1500, "stream-node-max-bytes", 0)
        self.put("%d-1" % n for n in range(1, 4001))
        self.assertEqual(self.trim("maxlen", 900)[0], 3000)
        self.assertEqual(self.trim("maxlen", 900, exact="1")[0], 100)


class Turns(TrimCase):
    def test_the_lock_lets_one_in(self):
        self.put("%d-1" % n for n in range(1, 101))
        both = ("s", "s:trim:g")
        self.assertEqual(self.step("maxlen", 50, keys=both)[:2], ["removed", 50])
        self.assertEqual(self.redis.call("GET", "s:trim:g"), b"me")
        self.assertTrue(LOCK_MS - 5000 < self.redis.call("PTTL", "s:trim:g") <= LOCK_MS)
        self.assertEqual(self.step("maxlen", 10, keys=both), ["other"])
        self.assertEqual(self.step("maxlen", 10)[:2], ["removed", 40])
        self.redis.call("DEL", "s:trim:g")
        self.assertEqual(self.step("maxlen", 0, keys=both)[:2], ["removed", 10])

    def test_short_of_memory_is_when_it_is_needed(self):
        self.put("%d-1" % n for n in range(1, 101))
        self.out_of_memory()
        self.assertEqual(self.step("maxlen", 50, keys=("s", "s:trim:g"))[:2], ["removed", 50])

    def test_errors_are_told(self):
        self.redis.call("XADD", "lock", "*", "k", "v")
        self.assertEqual(self.step("maxlen", 50, keys=("s", "lock")), ["other"])
        self.redis.call("ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "-set")
        other = self.redis.connect()
        self.addCleanup(other.close)
        other.call("AUTH", "limited", "pw")
        with self.assertRaises(resp.ReplyError):
            self.redis, before = other, self.redis
            try:
                self.step("maxlen", 50, keys=("s", "s:trim:g"))
            finally:
                self.redis = before
        self.redis.call("DEL", "s")
        self.assert_error("no such key", "trim", LOCK_MS, "maxlen", 1, "")
        self.redis.call("SET", "s", "no stream")
        self.assert_error("WRONGTYPE", "trim", LOCK_MS, "acknowledged", "", "")


if __name__ == "__main__":
    main()
