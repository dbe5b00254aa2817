# SPDX-License-Identifier: MIT
"""A fixed set of entries that say themselves what becomes of them, a handler that obeys, and an oracle.

The first field of an entry is "do:ACTS:REASON:NUMBER;": what to do at the first attempt, the second and so
on (the last one from then on), the reason in hexadecimal as it is written on descriptor 3, and which entry
of the set it is. What follows is cargo. So the handler needs no table, and nothing else does either:
expected() tells an entry's end from the entry alone, whatever way it went.
"""

import base64
import collections
import itertools
import json
import random
import sys

MAX_ATTEMPTS = 3
SALT = [("what", b"do:ok::;")]  # succeeds; of no number

# Arguments: where to write what it saw; and how to say what it did: "each" by itself, in "batches" with all
# successes in one line, or "exec" (no tag).
HANDLER = """\
#!%s -ISE
import os, sys
pid, mode = os.getpid(), sys.argv[2]
runs = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
stdin = b"pipe" if os.fstat(0).st_mode & 0o170000 == 0o010000 else b"file"
said, done, proven = [], [], mode == "exec"

def flush():
    os.write(3, b"".join(said) + (b"ok" + b"".join(done) + b"\\n" if done else b""))
    said.clear()
    done.clear()

for line in sys.stdin.buffer:
    at = line.index(b'do:')
    deed, head = line[at + 3 : line.index(b';', at)].decode(), line[:at]
    acts, reason, _ = (deed + ':').split(':', 2)
    acts = acts.split(',')
    attempt = int(head[head.index(b'"attempt":') + 10 :].split(b',')[0])
    act = acts[min(attempt, len(acts)) - 1]
    if act in ('kill', 'exit') and not proven:
        act = 'release'  # the death of a worker that has done nothing yet would charge nobody
    os.write(runs, b'%%d %%s %%s %%s' %% (pid, stdin, act.encode(), line))
    if act in ('kill', 'exit'):
        flush()
        os.kill(pid, 9) if act == 'kill' else os._exit(3)
    tag = b'' if mode == 'exec' else b' ' + head[head.index(b':') + 1 : head.index(b',')]
    why = b' ' + bytes.fromhex(reason) if reason and act not in ('ok', 'release') else b''
    if act == 'ok' and mode == 'batches':
        done.append(tag)
    else:
        said.append(act.encode() + tag + why + b'\\n')
    if mode != 'batches' or b'"more":false' in head:
        flush()
        proven = proven or act in ('ok', 'drop')
""" % sys.executable

# (as it is written, what the dead-letter record tells)
REASONS = [
    (b"", b""),
    (b"no such order", b"no such order"),
    ("für später \u2028 😀".encode(), "für später \u2028 😀".encode()),
    (b"\xff\xfe caf\xe9", b"\xff\xfe caf\xe9"),
    (b'"a \\"quoted\\" \\\\ one"', b'a "quoted" \\ one'),
    (b'"two\\nlines\\tand \\u001b[2J"', b"two\nlines\tand \x1b[2J"),
    (b'"\\u00fc \\ud83d\\ude00"', "ü 😀".encode()),
    (b'"nothing \\u0000 less"', rb"nothing \x00 less"),
    (b"nothing \x00 less", rb"nothing \x00 less"),
    (b'"that never ends', b'"that never ends'),
    (b'"lone \\ud800"', b'"lone \\ud800"'),
    (b"blanks behind \t ", b"blanks behind"),
    (b"ok 1 2 3", b"ok 1 2 3"),
    (b"delayed=1h is no delay", b"delayed=1h is no delay"),
    (b"r" * 5000, b"r" * 5000),
]
# Those of a retry only.
DELAYS = [(b"delay=20ms later", b"later"), (b"delay=soon", b"delay=soon"), (b"delay=0s", b"")]

CONTROL = bytes(range(32)) + b"\"\\/\x7f"
CARGO = {
    "none": [],
    "plain": [("type", "order.placed"), ("order_id", "o-1234"), ("total", "17")],
    "empty": [("", "name"), ("value", ""), ("both", "")],
    "only_empty": [("", "")],
    "utf8": [("größe", "日本語"), ("\U0001f600", "\u2028\ufeff\uffff\x7f\x80")],
    "value_not_utf8": [("a", b"\xff"), ("b", b"caf\xe9 \xed\xa0\x80"), ("c", b"\xe2\x82"), ("d", b"\x00")],
    "name_not_utf8": [("a", "1"), (b"\xffname", b"\xfe"), ("a", "2"), (b"\xffname", "")],
    "control": [("v", CONTROL), (CONTROL, "v")],
    "duplicates": [("a", "1"), ("b", "x"), ("a", b"\xff"), ("a", ""), ("", "1"), ("", "2")],
    "resp": [("*1\r\n*2\r\n$3\r\n", "$-1\r\n"), ("\r\n", "\r\n\r\n"), ("nil", "*-1\r\n+OK\r\n:1\r\n")],
    "json": [("v", '{"a": [1, 2]}'), ("w", '"more":true,"attempt":9,'), ("x", "do:dead::;"), ("fields", "pairs")],
    "many": [("name%d" % (n % 97), str(n)) for n in range(110)],
    "base64": [("v%d" % n, b"\xff" * n) for n in range(1, 9)],
    "more_than_a_line_of_log": [("v", "x" * 9000), ("w", b"\x80" * 5000)],
}
# A pipe takes 65536 bytes; a line is some 250 longer than such an entry's value.
LARGE = [65000, 65250, 65536, 100 * 1024]


class Deed(collections.namedtuple("Deed", "number acts reason pairs")):
    @classmethod
    def of(cls, number, acts, reason, cargo):
        text = "do:%s:%s:%d;" % (",".join(acts), reason[0].hex(), number)
        cargo = [tuple(part if isinstance(part, bytes) else part.encode() for part in pair) for pair in cargo]
        return cls(number, acts, reason, [(b"what", text.encode())] + cargo)

    def act(self, attempt):
        return self.acts[min(attempt, len(self.acts)) - 1]

    @property
    def kills(self):
        return "kill" in self.acts or "exit" in self.acts


def kinds():
    """(acts, reason, cargo) of all deeds, those that kill excepted."""
    silent = REASONS[0]
    for cargo in CARGO.values():
        yield from [(("ok",), silent, cargo)] * 5
        yield from ((acts, ("because".encode(),) * 2, cargo)
                    for acts in (("drop",), ("retry", "ok"), ("retry", "retry", "drop"), ("retry",), ("dead",)))
    for size in LARGE:
        for acts in (("ok",), ("retry", "retry", "ok"), ("retry",), ("dead",)):
            yield acts, silent, [("large", "x" * size), ("after", "y")]
    for reason in REASONS:
        yield from ((acts, reason, []) for acts in (("retry", "dead"), ("retry",), ("dead",)))
    yield from ((("retry",), reason, []) for reason in DELAYS)


# Few: a worker that dies is replaced after 100 ms, the next one after 200 ms, and so on.
KILLERS = [("kill", "ok"), ("retry", "retry", "kill"), ("retry", "retry", "exit"), ("retry", "kill", "ok")]


def deeds():
    """The set: always the same, in the same order. The first ones succeed: a worker is proven by then."""
    rows = list(kinds())
    rng = random.Random(20)
    rng.shuffle(rows)
    for acts in KILLERS:
        rows.insert(rng.randrange(40, len(rows)), (acts, REASONS[0], CARGO["utf8"]))
    rows = [row for row in rows if row[0] == ("ok",)][:1] + rows
    return [Deed.of(number, *row) for number, row in enumerate(rows)]


# --- the oracle ----------------------------------------------------------------------------------

# end: "acknowledged", "rejected" or "attempts". runs: the number of each attempt, in order. record: what the
# dead-letter record says of the failure, and the entry's own pairs.
End = collections.namedtuple("End", "end runs record")
Record = collections.namedtuple("Record", "failure detail attempts pairs")

FAILURES = {"kill": ("signal", b"SIGKILL"), "exit": ("exit", b"exit status 3")}


def expected(deed, first=1):
    """What becomes of an entry whose first run here is attempt number `first`."""
    runs = []
    for attempt in itertools.count(first):
        act = deed.act(attempt)
        runs.append(attempt)
        if act in ("ok", "drop"):
            return End("acknowledged", runs, None)
        record = Record(*FAILURES.get(act, ("retry", deed.reason[1])), attempt, deed.pairs)
        if act == "dead":
            return End("rejected", runs, record)
        if attempt >= MAX_ATTEMPTS:
            return End("attempts", runs, record)


def expected_counts(ends):
    """{(metric, label, word): how often}, of [(deed, End)]. What a worker's death interrupts is a verdict
    `retry` too, uncharged: those are not counted here, but failures are, which are all charged."""
    counts = collections.Counter()
    for deed, end in ends:
        for act in map(deed.act, end.runs):
            if act in ("ok", "drop"):
                counts["sluiced_verdicts_total", "verdict", act] += 1
            else:
                counts["sluiced_failures_total", "failure", FAILURES.get(act, ("retry",))[0]] += 1
        if end.record:
            counts["sluiced_verdicts_total", "verdict", "dead"] += 1
            counts["sluiced_dead_lettered_total", "reason", end.end] += 1
    return counts


def as_json(raw):
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Object([("base64", base64.b64encode(raw).decode())])


class Object(list):
    """A JSON object: its keys in order, and as often as they come."""


def parse_line(line):
    return json.loads(line, object_pairs_hook=Object)


def expected_payload(pairs):
    """The last member of an entry's line, by the rules of the handler protocol."""
    names = [name for name, _ in pairs]
    if any(isinstance(as_json(name), Object) for name in names):
        return "pairs", [[as_json(name), as_json(value)] for name, value in pairs]
    values = {name: [as_json(v) for n, v in pairs if n == name] for name in names}
    return "fields", Object((as_json(name), found if len(found) > 1 else found[0]) for name, found in values.items())
