# SPDX-License-Identifier: MIT
"""The page on operations, and the daemon's man page, leave out nothing that the daemon can say or be asked."""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


PAGE = read("docs/operations.md")
MAN = re.sub(r"\\&", "", read("man/sluiced.8"))


def rows_of(section):
    """First cells of the tables of a section."""
    text = re.search(r"^## %s\n(.*?)(?=^## |\Z)" % re.escape(section), PAGE, re.M | re.S).group(1)
    return [name for cell in re.findall(r"^\| ([^|]*) \|", text, re.M) for name in re.findall(r"`([^`]+)`", cell)]


class Operations(unittest.TestCase):
    def test_every_event_has_its_row(self):
        events = re.findall(r'X\(\w+, "(\w+)", "\w+"\)', read("src/base/log.h"))
        self.assertGreater(len(events), 30)
        self.assertEqual(sorted(rows_of("Events")), sorted(events))

    def test_every_metric_has_its_row(self):
        metrics = re.findall(r'(?:COUNTER|GAUGE|HISTOGRAM)\("(\w+)"', read("src/daemon/metrics.c"))
        self.assertGreater(len(metrics), 30)
        named = [name for name in rows_of("Metrics") if name.startswith(("sluiced_", "process_"))]
        self.assertEqual(sorted(named), sorted(metrics))
        for name in metrics:
            self.assertRegex(MAN, r"(?<!\w)%s(?!\w)" % name)

    def test_every_field_of_the_journal_is_named(self):
        for name in re.findall(r'\{ \.name = "(\w+)"', read("src/base/log.c")):
            self.assertIn("`SLUICE_%s`" % name.upper(), PAGE)

    def test_every_route_is_named(self):
        routes = re.findall(r'\{ \.(?:path|action) = "([/\w]+)"', read("src/daemon/api.c"))
        self.assertGreater(len(routes), 8)
        for route in routes:
            self.assertIn(route, PAGE)
            self.assertIn(route, MAN)

    def test_every_obstacle_is_explained(self):
        told = re.findall(r'(?:tell\(context, |return )"([a-z ]{8,})"', read("src/consumer/status.c"))
        told += re.findall(r'tell_obstacle\(o, "([^"]+)"', read("src/daemon/status.c"))
        self.assertGreater(len(told), 4)
        for obstacle in told:
            self.assertRegex(PAGE, r"\| `(?:stream orders: )?%s`" % re.escape(obstacle))


if __name__ == "__main__":
    unittest.main()
