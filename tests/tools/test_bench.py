#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table of the benchmarks says what was measured, and the plots draw it."""
import os
import sys
import tempfile
import unittest
from xml.etree import ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
import report
import shapes
import svg
from rows import CANDIDATES, CURVES, FASTEST, ROWS, SHARES, Row

RATE = {"rate": 200.0, "client_us": 2.0}
SAMPLES = {"a": [{"rate": 90.0, "us": 5}, {"rate": 100.0, "us": 7}, {"rate": 120.0, "us": 6}], "b": [RATE]}
OF_A, OF_B = ("a", "rate"), ("b", "rate")

# A row, and its figure, baseline, value, goal and whether it was met.
CASES = [
    (Row("1", "", OF_A, "/s", OF_B, True, 0.5), ("100 [90-120] /s", "200 [200-200]", "50.0 %", "≥ 50 %", "yes")),
    (Row("1", "", OF_A, "/s", OF_B, True, 0.51), ("100 [90-120] /s", "200 [200-200]", "50.0 %", "≥ 51 %", "NO")),
    (Row("1", "", OF_B, "/s", OF_A, True, 55), ("200 [200-200] /s", "100 [90-120]", "2.0 ×", "≥ 55 ×", "NO")),
    (Row("1", "", OF_A, "/s", OF_B, False, 1 / 2), ("100 [90-120] /s", "200 [200-200]", "50.0 %", "≤ 50 %", "yes")),
    (Row("1", "", ("a", "us"), "µs", None, False, 6), ("6 [5-7] µs", "", "", "≤ 6 µs", "yes")),
    (Row("1", "", ("a", "us"), "µs", None, False, 5.9), ("6 [5-7] µs", "", "", "≤ 5.9 µs", "NO")),
    (Row("1", "", OF_B, "µs", OF_A, False, 99, "difference"),
     ("200 [200-200] µs", "100 [90-120]", "+100 µs", "≤ +99 µs", "NO")),
    (Row("1", "", OF_A, "µs", OF_B, False, -99, "difference"),
     ("100 [90-120] µs", "200 [200-200]", "-100 µs", "≤ +-99 µs", "yes")),
    (Row("1", "", OF_A, "/s", OF_B), ("100 [90-120] /s", "200 [200-200]", "50.0 %", "", "")),
    (Row("1", "", ("c", "rate"), "/s", OF_B, True, 2), ("no c: not here", "", "", "≥ 2 ×", "?")),
    (Row("1", "", OF_A, "/s", ("c", "rate"), True, 2), ("no c: not here", "", "", "≥ 2 ×", "?")),
]


class Table(unittest.TestCase):
    def test_cells(self):
        for row, expected in CASES:
            with self.subTest(expected):
                self.assertEqual(tuple(report.cells(row, SAMPLES, {"c": "not here"}))[2:], expected)

    def test_lines_up(self):
        text = report.table([row for row, _ in CASES], SAMPLES, {"c": "not here"})
        self.assertEqual(len({len(line) for line in text.splitlines()}), 1)

    def test_details_have_every_figure(self):
        text = report.details({"a": [{"rate": 5.0, "p99_us": 7.0}], "b": [{"private_mb": 1.0}]})
        self.assertRegex(text, r"\| a +\| 5 \[5-5\] .* p99_us 7 \[7-7\]")
        self.assertRegex(text, r"\| b +\| +\| .* private_mb 1 \[1-1\]")

    def test_a_sample_in_a_line(self):
        self.assertEqual(report.sample_text(RATE), "      200/s  client 2.000 µs/entry")
        self.assertEqual(report.sample_text({"private_mb": 1.5}), "private_mb 1.5")


class Derived(unittest.TestCase):
    def test_fastest(self):
        samples, reasons = dict(SAMPLES), {"c": "not here"}
        report.add_fastest(samples, reasons, {"best": ["a", "b", "c"]})
        self.assertIs(samples["best"], samples["b"])
        row = Row("1", "", OF_A, "/s", ("best", "rate"), True, 0.5)
        self.assertEqual(report.cells(row, samples, reasons)[3], "200 [200-200] (b)")

    def test_fastest_of_none(self):
        samples, reasons = {}, {"c": "not here", "d": "nor here"}
        report.add_fastest(samples, reasons, {"best": ["c", "d"]})
        self.assertEqual(reasons["best"], "c: not here; d: nor here")
        self.assertEqual(samples, {})

    def test_shares_are_of_the_same_round(self):
        samples = {"a": [{"rate": 10.0}, {"rate": 30.0}], "b": [{"rate": 20.0}, {"rate": 40.0}]}
        report.add_shares(samples, {}, {"share": ("a", "b")})
        self.assertEqual(samples["share"], [{"share": 0.5}, {"share": 0.75}])

    def test_share_of_what_is_missing(self):
        samples, reasons = dict(SAMPLES), {"c": "not here"}
        report.add_shares(samples, reasons, {"share": ("a", "c"), "unasked": ("d", "e")})
        self.assertEqual(reasons["share"], "not here")
        self.assertFalse({"share", "unasked"} & set(samples) or "unasked" in reasons)


class Kept(unittest.TestCase):
    def test_page_and_data(self):
        run = {"rounds": 3, "load": ["0.1", "1.5"], "machine": ["two cores"], "samples": SAMPLES}
        with tempfile.TemporaryDirectory() as folder:
            report.save(folder, "THE TABLE", run)
            with open(f"{folder}/results.md") as page:
                text = page.read()
            with open(f"{folder}/results.json") as file:
                self.assertEqual(report.json.load(file), run)
        for words in ("3 rounds", "THE TABLE", "* two cores", "before: 0.1; after: 1.5", "| a "):
            self.assertIn(words, text)


class Rows(unittest.TestCase):
    def test_every_name_is_a_candidate(self):
        derived = set(FASTEST) | set(SHARES)
        for row in ROWS:
            for name, _ in filter(None, (row.figure, row.baseline)):
                self.assertIn(name, derived | set(CANDIDATES), row.what)
        for parts in [*FASTEST.values(), *SHARES.values()]:
            self.assertLessEqual(set(parts), set(CANDIDATES))
        for curve in CURVES:
            for _, points, _ in curve.lines:
                self.assertLessEqual(set(points.values()), set(CANDIDATES))

    def test_shapes_are_arguments(self):
        for name, words in shapes.SHAPES.items():
            with self.subTest(name):
                self.assertEqual(len(words) % 2, 0)
                for word in map(shapes.encoded, words):
                    self.assertNotIn(0, word)
                    self.assertLess(len(word), 128 * 1024)
        self.assertEqual(shapes.size("small"), 100)
        with self.assertRaises(UnicodeDecodeError):
            shapes.BINARY.decode()


class Plots(unittest.TestCase):
    LINES = [("a & b", [(1, 90, 100, 120), (10, 900, 1000, 1500)]), ("c", [(1, 5, 5, 5)])]

    def drawn(self, lines):
        return ElementTree.fromstring(svg.plot("A < B", "x", "y", lines))

    def test_everything_is_inside(self):
        for shape in self.drawn(self.LINES).iter("{http://www.w3.org/2000/svg}circle"):
            self.assertTrue(0 < float(shape.get("cx")) < svg.WIDTH and 0 < float(shape.get("cy")) < svg.HEIGHT)

    def test_labels(self):
        texts = [text.text for text in self.drawn(self.LINES).iter("{http://www.w3.org/2000/svg}text")]
        for words in ("A < B", "a & b", "c", "x", "y", "1", "10", "1k"):
            self.assertIn(words, texts)

    def test_one_point(self):
        self.drawn([("only", [(5, 7, 7, 7)])])

    def test_axis(self):
        axis = svg.Axis([1, 100], (0, 200))
        self.assertEqual([axis.at(value) for value in (1, 10, 100)], [0, 100, 200])
        self.assertEqual(axis.ticks(), [1, 2, 5, 10, 20, 50, 100])
        self.assertEqual(svg.Axis([3, 40_000], (0, 1)).ticks(), [10, 100, 1000, 10_000])
        self.assertEqual([svg.figure(value) for value in (3, 20_000, 1_500_000)], ["3", "20k", "1.5M"])


if __name__ == "__main__":
    unittest.main()
