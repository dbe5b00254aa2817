# SPDX-License-Identifier: MIT
"""The alerting rules and the dashboard ask for metrics that the daemon has, and the alerts go off when
they should, and else do not."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

SLUICED = os.environ.get("SLUICED") or "build/release/sluiced"
ALERTS = "config/prometheus/alerts.yaml"
DASHBOARD = "config/grafana/sluiced.json"
CONFIG = """\
daemon: { runtime_dir: HERE, listen: ["unix:HERE/socket"] }
redis: { url: "unix://HERE/no-redis" }
consumers: { c: { stream: s, group: g, handler: { command: [/bin/true] } } }
"""
OF_PROMETHEUS = {"up"}
NAMES = r"\b(?:sluiced|process|up)(?:_\w+)?\b(?=[{\[)\s]|$)"
# Alert: a series and its samples, a minute apart, for which it goes off after 40 minutes; and one for which not.
CASES = {
    "SluicedDown": ('up{job="sluiced"}', "1 0x50", "0 1x50"),
    "SluicedDisconnected": ('sluiced_connected{consumer="c",stream="s",connection="reader"}', "1 0x50", "0 1x50"),
    "SluicedBreakerOpen": ('sluiced_breaker_open{consumer="c"}', "1x50", "0x50"),
    "SluicedLag": ('sluiced_group_lag{consumer="c",stream="s",group="g"}', "2000+10x50", "4000-10x50"),
    "SluicedPending": ('sluiced_group_pending{consumer="c",stream="s",group="g"}', "20001x50", "20000x50"),
    "SluicedOldestPending": ('sluiced_group_oldest_pending_seconds{consumer="c",stream="s",group="g"}', "4000x50", "3600x50"),
    "SluicedDeadLetters": ('sluiced_dead_lettered_total{consumer="c",reason="attempts"}', "0x35 1x15", "0 1x50"),
    "SluicedDeadLetterStream": ('sluiced_dead_letter_length{consumer="c",stream="s"}', "10001x50", "10000x50"),
    "SluicedLeasesLost": ('sluiced_leases_lost_total{consumer="c"}', "0x35 1x15", "0 1x50"),
    "SluicedPaused": ('sluiced_paused{consumer="c"}', "1x120", "1x10 0x110"),
    "SluicedStalls": ("sluiced_loop_stall_seconds", "2x50", "0.5x50"),
    "SluicedLogDropped": ("sluiced_log_dropped_total", "0x35 1x15", "0 1x50"),
}


def scrape():
    """What /metrics of a daemon holds that has no Redis: every family is there, if without samples."""
    with tempfile.TemporaryDirectory(prefix="sluiced-") as here:
        with open(f"{here}/sluiced.yaml", "w", encoding="utf-8") as f:
            f.write(CONFIG.replace("HERE", here))
        with subprocess.Popen([SLUICED, "-c", f"{here}/sluiced.yaml"], stderr=subprocess.DEVNULL) as daemon:
            try:
                return wait_for_metrics(f"{here}/socket")
            finally:
                daemon.kill()


def wait_for_metrics(socket):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        said = subprocess.run(["curl", "-sS", "--max-time", "5", "--unix-socket", socket, "http://localhost/metrics"],
                              capture_output=True, text=True)
        if said.returncode == 0:
            return said.stdout
        time.sleep(0.02)
    raise AssertionError("no metrics: " + said.stderr)


def names_of(page):
    """Of the samples that the families of a page can have."""
    for name, kind in re.findall(r"(?m)^# TYPE (\w+) (\w+)$", page):
        yield from ([f"{name}_{end}" for end in ("bucket", "sum", "count")] if kind == "histogram" else [name])


def alerts():
    """Name and expression of each; the file has them on lines of their own."""
    with open(ALERTS, encoding="utf-8") as f:
        return re.findall(r"- alert: (\w+)\n +expr: (.*)", f.read())


def queries(node):
    """Every expression of a dashboard, and of its variables."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "definition") and isinstance(value, str):
                yield value
            else:
                yield from queries(value)
    elif isinstance(node, list):
        for item in node:
            yield from queries(item)


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("curl"):
            raise unittest.SkipTest("there is no curl")
        cls.page = scrape()
        cls.there = set(names_of(cls.page)) | OF_PROMETHEUS

    def assert_there(self, expressions):
        asked = {name for expression in expressions for name in re.findall(NAMES, expression)}
        self.assertGreater(len(asked), 5)
        self.assertEqual(asked - self.there, set())

    def test_of_the_alerts_exist(self):
        self.assert_there(expression for _, expression in alerts())

    def test_of_the_dashboard_exist(self):
        with open(DASHBOARD, encoding="utf-8") as f:
            self.assert_there(queries(json.load(f)))

    def test_the_dashboard_leaves_no_metric_out(self):
        with open(DASHBOARD, encoding="utf-8") as f:
            text = f.read()
        families = re.findall(r"(?m)^# TYPE (sluiced_\w+) ", self.page)
        self.assertEqual([name for name in families if name not in text], [])

    def test_labels_of_both_exist(self):
        with open(DASHBOARD, encoding="utf-8") as f:
            expressions = list(queries(json.load(f))) + [expression for _, expression in alerts()]
        used = {label.strip() for e in expressions for group in re.findall(r"by \(([^)]*)\)", e) for label in group.split(",")}
        there = set(re.findall(r'[{,](\w+)="', self.page)) | {"job", "instance", "stream", "group", "connection"}
        self.assertEqual(used - there, set())


@unittest.skipUnless(shutil.which("promtool"), "there is no promtool (Debian: prometheus)")
class Alerts(unittest.TestCase):
    def promtool(self, *args):
        said = subprocess.run(["promtool", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(said.returncode, 0, said.stdout)
        return said.stdout

    def test_form(self):
        self.assertIn(f"{len(CASES)} rules found", self.promtool("check", "rules", ALERTS))

    def test_each_goes_off_when_it_should_and_else_does_not(self):
        self.assertEqual([name for name, _ in alerts()], list(CASES))
        for name, (series, bad, good) in CASES.items():
            for samples, n_expected in ((bad, 1), (good, 0)):
                with self.subTest(name, samples=samples):
                    self.assert_number(name, series, samples, n_expected)

    def assert_number(self, name, series, samples, n_expected):
        """promtool compares alerts with all their texts; their number is compared by a query."""
        test = {
            "rule_files": [os.path.abspath(ALERTS)], "evaluation_interval": "1m",
            "tests": [{
                "interval": "1m", "input_series": [{"series": series, "values": samples}],
                "promql_expr_test": [{
                    "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)',
                    "eval_time": "100m" if name == "SluicedPaused" else "40m",
                    "exp_samples": [{"labels": "{}", "value": n_expected}],
                }],
            }],
        }
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            json.dump(test, f)
            f.flush()
            self.promtool("test", "rules", f.name)
