# SPDX-License-Identifier: MIT
import pathlib
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from testing import ExampleTest


class ProjectionTest(ExampleTest):
    def add_event(self, order, what, id="*"):
        return self.redis("XADD", "orders", id, "type", f"order.{what}", "order_id", order)

    def orders(self):
        db = sqlite3.connect(self.folder / "orders.db")
        self.addCleanup(db.close)
        return {order: (status, events) for order, status, events
                in db.execute("SELECT order_id, status, events FROM orders")}

    def test_the_stream_becomes_a_table_and_delivering_it_again_changes_nothing(self):
        for order in ("o-1", "o-2", "o-3"):
            self.add_event(order, "placed")
        self.add_event("o-1", "paid")
        self.add_event("o-1", "shipped")
        self.add_event("o-2", "cancelled")
        self.start_daemon()
        self.wait_settled("orders", "projection")
        expected = {"o-1": ("shipped", 3), "o-2": ("cancelled", 2), "o-3": ("placed", 1)}
        self.assertEqual(self.orders(), expected)

        self.redis("XGROUP", "SETID", "orders", "projection", "0")
        self.wait_until("all six were run again", lambda: "".join(self.output()).count("applied before:") == 6)
        self.wait_settled("orders", "projection")
        self.assertEqual(self.orders(), expected)
        self.assertEqual(self.dead("orders"), [])

    def test_an_event_that_comes_late_does_not_turn_an_order_back(self):
        # The ids as text would sort the other way round: 9 > 10.
        late = self.add_event("o-1", "paid", id="5-9")
        self.add_event("o-1", "shipped", id="5-10")
        self.redis("XGROUP", "CREATE", "orders", "projection", late)
        daemon = self.start_daemon()
        self.wait_settled("orders", "projection")
        self.assertEqual(self.orders(), {"o-1": ("shipped", 1)})
        self.stop_daemon(daemon)

        self.redis("XGROUP", "SETID", "orders", "projection", "0")
        self.start_daemon()
        self.wait_settled("orders", "projection")
        self.assertEqual(self.orders(), {"o-1": ("shipped", 2)})

    def test_an_event_without_an_order_is_buried(self):
        self.redis("XADD", "orders", "*", "type", "order.placed")
        self.add_event("o-1", "eaten")
        self.add_event("o-1", "placed")
        self.start_daemon()
        self.wait_settled("orders", "projection")
        self.assertEqual([(r["sluice.reason"], r["sluice.detail"]) for r in self.dead("orders")],
                         [("rejected", "field order_id: expected one value of text"),
                          ("rejected", "unknown type of event 'order.eaten'")])
        self.assertEqual(self.orders(), {"o-1": ("placed", 1)})


if __name__ == "__main__":
    unittest.main()
