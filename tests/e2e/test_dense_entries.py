#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Entries that come one by one, but several in a millisecond, are let gather, and what became of them is
acknowledged over the connection of the reader, ahead of its next read. What if that goes wrong?"""

import signal
import threading

from control import control_of
from fakeredis import CLOSED, FakeRedis
from harness import WorkerCase, main
from servers import stays_true, wait_until

OK = """
ran = open(os.path.join(HERE, "ran"), "ab", 0)
for entry in entries():
    ran.write(entry["id"].encode() + b"\\n")
    say("ok", entry["tag"])
"""
# Some entries are done at once, the others later than the next read.
SOME_LATER = """
import select
ran = open(os.path.join(HERE, "ran"), "ab", 0)
late, text = [], b""
while True:
    if select.select([0], [], [], 0.002)[0]:
        text += os.read(0, 65536) or sys.exit()
    *lines, text = text.split(b"\\n")
    for line in lines:
        entry = json.loads(line)
        ran.write(entry["id"].encode() + b"\\n")
        late.append((time.monotonic() + 0.02 * (entry["tag"] % 2), entry["tag"]))
    for due, tag in [one for one in late if one[0] <= time.monotonic()]:
        late.remove((due, tag))
        say("ok", tag)
"""
AT_ONCE, PAUSE_S = 8, 0.001
RIDING = {"beside": "XREADGROUP", "times": 1}  # an XACK over the connection of a reader


class DenseEntries(WorkerCase):
    def start_dense(self, body=OK):
        self.fake = FakeRedis(self.path("fake.sock"), self.redis.path)
        self.addCleanup(self.fake.close)
        daemon = self.start_worker(body, {"handler.window": 400, "claim.min_idle": "1s"}, redis={"url": self.fake.url})
        self.wait_group()
        return daemon

    def add_until(self, condition, what):
        """Some thousand a second; returns their ids."""
        over, ids, connection = threading.Event(), [], self.redis.connect()

        def run():
            while not over.wait(PAUSE_S):
                ids.extend(connection.pipeline([("XADD", "s", "*", "n", "1")] * AT_ONCE))
        thread = threading.Thread(target=run)
        thread.start()
        try:
            wait_until(condition, what=what)
        finally:
            over.set()
            thread.join()
            connection.close()
        return ids

    def ran(self):
        with open(self.path("ran"), "rb") as file:
            return file.read().split()

    def assert_each_ran_once(self, ids):
        self.wait_settled()
        self.assertEqual(sorted(self.ran()), sorted(ids))

    def kill_commands(self):
        """Ends the connection on which everything is told but what rides with a read."""
        for line in self.redis.call("CLIENT", "LIST").decode().splitlines():
            fields = dict(word.partition("=")[::2] for word in line.split())
            if fields["name"].startswith("sluiced.") and not fields["name"].endswith(".reader"):
                self.redis.call("CLIENT", "KILL", "ID", fields["id"])

    def test_answer_is_lost(self):
        daemon = self.start_dense()
        rule = self.fake.say("XACK", CLOSED, **RIDING)
        ids = self.add_until(lambda: rule.hits, "an acknowledgement with a read")
        self.assert_each_ran_once(ids)
        self.assertGreater(control_of(daemon).metrics().get("sluiced_ack_missing_total"), 0)

    def test_never_comes_to_the_server(self):
        daemon = self.start_dense()
        rule = self.fake.answer("XACK", lambda _answer: CLOSED, **RIDING)
        ids = self.add_until(lambda: rule.hits, "an acknowledgement with a read")
        self.assert_each_ran_once(ids)
        self.assertEqual(control_of(daemon).metrics().get("sluiced_ack_missing_total"), 0)

    def test_never_comes_to_the_server_while_more_is_done(self):
        daemon, over = self.start_dense(SOME_LATER), threading.Event()
        self.addCleanup(over.set)

        def late(_answer):
            over.wait(20)
            return CLOSED
        rule = self.fake.answer("XACK", late, **RIDING)
        ids = self.add_until(lambda: rule.hits, "an acknowledgement with a read")
        n_verdicts = len(daemon.events("verdict"))
        wait_until(lambda: len(daemon.events("verdict")) > n_verdicts, what="more to acknowledge")
        stays_true(lambda: True, 0.05)
        over.set()
        self.assert_each_ran_once(ids)

    def test_refused(self):
        daemon = self.start_dense()
        rule = self.fake.refuse("XACK", "ERR not now", **RIDING)
        ids = self.add_until(lambda: rule.hits and daemon.events("redis_error"), "a refusal")
        self.assert_each_ran_once(ids)

    def test_other_connection_is_lost_meanwhile(self):
        daemon, gone = self.start_dense(), threading.Event()
        self.addCleanup(gone.set)

        def late(answer):
            gone.wait(20)
            return answer
        rule = self.fake.translate("XACK", late, **RIDING)
        ids = self.add_until(lambda: rule.hits, "an acknowledgement with a read")
        before = len(daemon.events("connected"))
        self.kill_commands()
        daemon.wait_for_event("connected", count=before + 1)
        gone.set()
        self.assert_each_ran_once(ids)

    def test_drain_leaves_nothing_done_unacknowledged(self):
        daemon = self.start_dense()
        rule = self.fake.translate("XACK", lambda answer: answer, **RIDING)

        def has_ended():
            if rule.hits and not signalled:
                signalled.append(daemon.signal(signal.SIGTERM))
            return daemon.process.poll() is not None
        signalled = []
        self.add_until(has_ended, "the end of the daemon")
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(set(self.pending()) & {entry.decode() for entry in self.ran()}, set())


if __name__ == "__main__":
    main()
