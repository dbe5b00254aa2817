#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Figures over a limit are said in the log, once, and once when they are well below."""

import signal

from harness import WorkerCase, main
from servers import stays_true

HOLD = "for entry in entries():\n    record(id=entry['id'])\n    gate('go')\n    say('ok', entry['tag'])\n"


class Alerts(WorkerCase):
    def test_lag_up_and_down(self):
        daemon = self.start_worker(HOLD, {"alerts.lag": 10})
        self.add_many(30)
        line = daemon.wait_for_event("alert", consumer="c", stream="s", group="g")
        self.assertRegex(line["message"], r"2\d entries wait to be read \(alerts.lag is 10\)")
        self.assertEqual(line["level"], "warning")
        self.open_gate()
        line = daemon.wait_for_event("alert_over", seconds=30)
        self.assertEqual(line["level"], "notice")
        self.assertEqual(len(daemon.events("alert")), 1)

    def test_pending_and_its_age(self):
        daemon = self.start_worker(HOLD, {"alerts.pending": 1, "alerts.oldest": "1ms", "handler.window": 5})
        self.add_many(5)
        self.wait_records(1)
        daemon.wait_for_event("alert", count=2, seconds=30)
        messages = " ".join(line["message"] for line in daemon.events("alert"))
        self.assertIn("entries are pending (alerts.pending is 1)", messages)
        self.assertIn("the oldest pending entry is", messages)
        self.open_gate()
        daemon.wait_for_event("alert_over", count=2, seconds=30)

    def test_below_the_limits_nothing_is_said(self):
        daemon = self.start_worker(HOLD, {"alerts.lag": 1000, "alerts.oldest": "1h"})
        self.add_many(30)
        self.wait_records(1)
        stays_true(lambda: not daemon.events("alert"), 2, "silence")
        self.open_gate()

    def test_set_and_taken_away_by_a_reload(self):
        command = self.python(HOLD)
        mode = {"handler.mode": "worker"}
        daemon = self.start(command, mode)
        self.add_many(30)
        self.wait_records(1)
        for alerts, event in (({"alerts.lag": 10}, "alert"), ({"alerts.pending": 1000}, "alert_over")):
            with open(daemon.config_path, "w", encoding="utf-8") as f:
                f.write(self.config({"c": self.consumer(command, {**mode, **alerts})}))
            daemon.signal(signal.SIGHUP)
            daemon.wait_for_event(event, seconds=30)
        self.open_gate()


if __name__ == "__main__":
    main()
