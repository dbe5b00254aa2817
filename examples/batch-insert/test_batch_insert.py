# SPDX-License-Identifier: MIT
import pathlib
import re
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from testing import ExampleTest

ADD_MANY = """
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    redis.call('XADD', KEYS[1], '*', 'sensor', 's' .. n % 7, 'celsius', n / 10)
end"""


def expected(first, last):
    return sorted((f"s{n % 7}", n / 10) for n in range(first, last + 1))


class BatchInsertTest(ExampleTest):
    def setUp(self):
        super().setUp()
        self.db = sqlite3.connect(self.folder / "readings.db", isolation_level=None)
        self.addCleanup(self.db.close)

    def add_readings(self, first, last):
        self.redis("EVAL", ADD_MANY, 1, "readings", first, last)

    def rows(self):
        return self.db.execute("SELECT sensor, celsius FROM readings ORDER BY 1, 2").fetchall()

    def batches(self):
        return [int(n) for n in re.findall(r"inserted (\d+) readings", "\n".join(self.output()))]

    def attempts(self):
        return [deliveries for _, _, _, deliveries in self.pending("readings", "archive")]

    def test_readings_are_inserted_in_batches_and_none_is_lost_or_doubled(self):
        self.add_readings(1, 3000)
        daemon = self.start_daemon()
        self.wait_settled("readings", "archive")
        self.stop_daemon(daemon)
        self.assertEqual(self.rows(), expected(1, 3000))
        self.assertEqual(sum(self.batches()), 3000)
        self.assertGreater(max(self.batches()), 1)
        self.assertLess(len(self.batches()), 300)

    def test_delivered_again_nothing_changes(self):
        self.add_readings(1, 50)
        daemon = self.start_daemon()
        self.wait_settled("readings", "archive")
        self.stop_daemon(daemon)

        self.redis("XGROUP", "SETID", "readings", "archive", "0")
        self.start_daemon()
        self.wait_until("all are run again", lambda: sum(self.batches()) == 100)
        self.wait_settled("readings", "archive")
        self.assertEqual(self.rows(), expected(1, 50))

    def test_a_bad_reading_is_buried_alone(self):
        bad = [dict(sensor="s1"), dict(sensor="s1", celsius="warm"), dict(sensor="s1", celsius="-400"),
               dict(sensor="s1", celsius="nan")]
        self.add_readings(1, 20)
        for fields in bad:
            self.add("readings", **fields)
        self.add_readings(21, 40)
        self.start_daemon()
        self.wait_settled("readings", "archive")
        self.assertEqual(self.rows(), expected(1, 40))
        self.assertEqual([r["sluice.reason"] for r in self.dead("readings")], ["rejected"] * len(bad))

    def test_while_the_database_is_locked_batches_come_back_and_later_go_in_once(self):
        self.add_readings(1, 10)
        self.start_daemon()
        self.wait_settled("readings", "archive")

        self.db.execute("BEGIN EXCLUSIVE")
        self.add_readings(11, 60)
        self.wait_until("every reading was refused and begun again",
                        lambda: [n > 1 for n in self.attempts()] == [True] * 50)
        self.db.execute("ROLLBACK")
        self.wait_settled("readings", "archive")
        self.assertEqual(self.rows(), expected(1, 60))
        self.assertEqual(self.dead("readings"), [])


if __name__ == "__main__":
    unittest.main()
