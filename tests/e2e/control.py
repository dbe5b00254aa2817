# SPDX-License-Identifier: MIT
"""The daemon's control interface as its clients see it, and a strict reader of its metrics."""

import contextlib
import http.client
import json
import os
import re
import socket

from servers import wait_until


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket (a path) or TCP (a port of 127.0.0.1)."""

    def __init__(self, address, timeout=10):
        super().__init__("daemon", timeout=timeout)
        self.address = address

    def connect(self):
        self.sock = plain(self.address, self.timeout)


def plain(address, timeout=10):
    """A connected socket, for what is no proper HTTP."""
    is_path = isinstance(address, str)
    sock = socket.socket(socket.AF_UNIX if is_path else socket.AF_INET)
    sock.connect(address if is_path else ("127.0.0.1", address))
    sock.settimeout(timeout)
    return sock


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode()

    def json(self):
        return json.loads(self.text)


class Control:
    def __init__(self, address):
        self.address = address

    def ask(self, method, path, body=None):
        with contextlib.closing(Connection(self.address)) as connection:
            connection.request(method, path, body)
            return Answer(connection.getresponse())

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path):
        return self.ask("POST", path)

    def status(self):
        return self.get("/v1/status").json()

    def consumer(self, name="c"):
        return next(c for c in self.status()["consumers"] if c["name"] == name)

    def metrics(self):
        return Metrics(self.get("/metrics").text)

    def act(self, action, name="c"):
        answer = self.post("/v1/consumers/%s/%s" % (name, action))
        if answer.status != 200:
            raise AssertionError("%s: %s %s" % (action, answer.status, answer.text))
        return answer.json()

    def wait_metric(self, value, name, **labels):
        wait_until(lambda: self.metrics().get(name, **labels) == value, 15,
                   "%s%r to be %r" % (name, labels, value))


def control_of(daemon):
    """Through the socket in the runtime directory that a Case gives it."""
    directory = os.path.dirname(daemon.config_path)
    return Control(os.path.join(directory, "run." + daemon.name, "control.sock"))


# --- the text format 0.0.4 -----------------------------------------------------------------------

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|(?=\}))')
VALUE = re.compile(r"\+Inf|-?[0-9]+(\.[0-9]+)?")
UNESCAPED = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}


class Metrics:
    """A page of metrics. Reading it checks whatever the format asks for."""

    def __init__(self, text):
        self.types, self.helps = {}, {}
        self.samples = {}  # (name, frozenset of labels): value
        self.family = None
        if not text.endswith("\n"):
            raise AssertionError("the last line has no end")
        for line in text[:-1].split("\n"):
            self._read_line(line)
        for name in self.types:
            if self.types[name] == "histogram":
                self._check_histogram(name)

    def _read_line(self, line):
        if line.startswith("# HELP "):
            name, text = line[7:].split(" ", 1)
            assert name not in self.helps and text and NAME.fullmatch(name), line
            self.helps[name] = text
            self.family = name
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == self.family and name not in self.types, line
            assert kind in ("counter", "gauge", "histogram"), line
            self.types[name] = kind
        else:
            self._read_sample(line)

    def _read_sample(self, line):
        name = NAME.match(line).group()
        rest, labels = line[len(name):], []
        if rest.startswith("{"):
            labels, rest = self._read_labels(rest[1:])
        assert rest.startswith(" ") and VALUE.fullmatch(rest[1:]), line
        assert name in self._names_of_family(), "%s in the family %s" % (name, self.family)
        assert len({n for n, _ in labels}) == len(labels), line
        key = (name, frozenset(labels))
        assert key not in self.samples, "twice: " + line
        self.samples[key] = float(rest[1:])

    def _read_labels(self, text):
        labels, at = [], 0
        while text[at] != "}":
            found = LABEL.match(text, at)
            assert found, text
            labels.append((found[1], re.sub(r"\\.", lambda m: UNESCAPED[m[0]], found[2])))
            at = found.end()
        return labels, text[at + 1:]

    def _names_of_family(self):
        if self.types.get(self.family) != "histogram":
            return [self.family] if self.family in self.types else []
        return [self.family + suffix for suffix in ("_bucket", "_sum", "_count")]

    def _check_histogram(self, name):
        counts = {labels: value for (n, labels), value in self.samples.items() if n == name + "_count"}
        for labels, count in counts.items():
            buckets = self.buckets(name, labels)
            assert buckets and buckets[-1] == (float("inf"), count), name
            assert [n for _, n in buckets] == sorted(n for _, n in buckets), name
            assert (name + "_sum", labels) in self.samples, name

    def buckets(self, name, labels):
        """[(upper bound, entries up to it)] of the histogram with these labels."""
        found = []
        for (n, sample_labels), value in self.samples.items():
            bound = dict(sample_labels).get("le")
            if n == name + "_bucket" and sample_labels - {("le", bound)} == labels:
                found.append((float(bound), value))
        return sorted(found)

    def get(self, name, **labels):
        """The one sample that has these labels among its own; None where there is none."""
        found = [value for (n, has), value in self.samples.items() if n == name and has >= set(labels.items())]
        assert len(found) <= 1, "%s%r is ambiguous" % (name, labels)
        return found[0] if found else None

    def labels_of(self, name):
        """The names of labels that samples of the family have."""
        return {tuple(sorted(n for n, _ in has)) for (n, has) in self.samples if n == name}
