# SPDX-License-Identifier: MIT
import pathlib
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from testing import ExampleTest


class OrdersTest(ExampleTest):
    def add_event(self, type, order="o-1", email="ada@example.org", total="49.90"):
        return self.add("orders", type=type, order_id=order, email=email, total=total)

    def letters(self):
        return sorted((self.folder / "outbox").iterdir())

    def totals(self):
        db = sqlite3.connect(self.folder / "totals.db")
        self.addCleanup(db.close)
        return {type: (events, cents) for type, events, cents in db.execute("SELECT * FROM totals")}

    def settle(self):
        self.wait_settled("orders", "notifications", "analytics")

    def test_both_groups_are_given_every_event(self):
        ids = [self.add_event(f"order.{what}") for what in ("placed", "paid", "shipped", "cancelled")]
        self.add_event("order.placed", order="o-2", email="grace@example.org", total="10")
        daemon = self.start_daemon()
        self.settle()

        self.assertEqual(len(self.letters()), 5)
        letter = self.folder / f"outbox/orders.notifications.{ids[2]}.eml"
        self.assertEqual(letter.read_text(), "To: ada@example.org\nSubject: Your order o-1 is on its way\n\n"
                                             "Your order o-1 is on its way.\n")
        self.assertEqual(self.totals(), {"order.placed": (2, 5990), "order.paid": (1, 4990),
                                         "order.shipped": (1, 4990), "order.cancelled": (1, 4990)})
        self.assertEqual(self.dead("orders"), [])
        self.stop_daemon(daemon)

    def test_what_cannot_work_is_buried_by_the_group_that_cannot_do_it(self):
        cases = [dict(email=""), dict(email="nobody"), dict(email="a@b.org\nBcc: all@example.org"),
                 dict(order="o 1"), dict(total="1O.50"), dict(total="")]
        ids = [self.add_event("order.placed", **case) for case in cases]
        self.start_daemon()
        self.settle()

        buried = {(r["sluice.id"], r["sluice.group"]): r for r in self.dead("orders")}
        self.assertEqual(set(buried), {(i, "notifications") for i in ids[:4]} | {(i, "analytics") for i in ids[4:]})
        self.assertEqual({r["sluice.reason"] for r in buried.values()}, {"rejected"})
        self.assertEqual({r["sluice.attempts"] for r in buried.values()}, {"1"})
        self.assertIn("no usable e-mail address", buried[ids[2], "notifications"]["sluice.stderr"])
        self.assertIn("1O.50", buried[ids[4], "analytics"]["sluice.detail"])
        self.assertEqual(len(self.letters()), 2)
        self.assertEqual(self.totals(), {"order.placed": (4, 4 * 4990)})

    def test_delivered_again_nothing_changes(self):
        for _ in range(3):
            self.add_event("order.paid")
        daemon = self.start_daemon()
        self.settle()
        before = self.letters(), self.totals()
        self.stop_daemon(daemon)

        for group in ("notifications", "analytics"):
            self.redis("XGROUP", "SETID", "orders", group, "0")
        self.start_daemon()
        self.settle()
        self.assertEqual((self.letters(), self.totals()), before)


if __name__ == "__main__":
    unittest.main()
