#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl replay: entries through the handler once more, with the group as it was."""

import os
import signal
import sys

from ctl import CtlCase
from harness import PYTHON_PRELUDE, main
from servers import processes_marked, wait_until

CONFIG = """\
redis: { url: "%s" }
consumers:
  c:
    stream: s
    group: g
    consumer: me
    handler: { command: ["%s"], kill_grace: 500ms, %s }
"""
EXEC = """
entry = json.load(sys.stdin)
record(id=entry['id'], attempt=entry['attempt'], replay=os.environ.get('SLUICE_REPLAY'), entry=entry)
how = entry['fields'].get('how')
if how == 'hold': gate('go')
if how == 'slow': gate('never')
if how == 'said': say('drop')
if how == 'print': print('to the user'); sys.exit('what is wrong')
sys.exit({'dead': 65, 'fail': 3, 'broken': 78}.get(how, 0))
"""
WORKER = """
for entry in entries():
    record(id=entry['id'], attempt=entry['attempt'])
    how = entry['fields'].get('how')
    if how == 'crash': os._exit(9)
    if how == 'hold': gate('go')
    say('ok', entry['tag'])
"""


class Replay(CtlCase):
    def ctl_env(self, **more):
        return super().ctl_env(E2E_MARK=self.dir, **more)

    def handler(self, body=EXEC, settings="concurrency: 1"):
        self.script("#!%s -uSE\n%s%s" % (sys.executable, PYTHON_PRELUDE, body))
        self.write_config(CONFIG % (self.redis.unix_url, self.path("handler"), settings))

    def replay(self, *args, **more):
        return self.ctl("replay", "c", "--yes", *args, **more)

    def ran(self):
        return [r["id"] for r in self.records()]


class Range(Replay):
    def setUp(self):
        super().setUp()
        self.handler()
        self.ids = [self.redis.call("XADD", "s", "%d-0" % ms, "n", ms).decode() for ms in (1000, 2000, 3000)]

    def test_everything_in_order_and_marked(self):
        said = self.replay()
        self.assertIn("3 entries of s will be run by %s as " % self.path("handler"), said.err)
        self.assertEqual(said.out, "3 entries of s run: 3 ok.\n")
        self.assertEqual(self.ran(), self.ids)
        self.assertEqual({(r["attempt"], r["replay"]) for r in self.records()}, {(1, "1")})
        self.assertEqual(self.records()[0]["entry"]["consumer"], "me")

    def test_part_of_it(self):
        said = self.replay("--from", self.ids[1], "--to", self.ids[1])
        self.assertIn("from %s to %s, 3 at most" % (self.ids[1], self.ids[1]), said.err)
        self.replay("--from", "(" + self.ids[1])
        self.replay("--from", self.ids[2].split("-")[0], "--to", "99999")
        self.assertEqual(self.ran(), [self.ids[1], self.ids[2], self.ids[2]])

    def test_nothing_there(self):
        self.assertEqual(self.replay("--from", "5", "--to", "6").out, "0 entries of s run.\n")
        self.redis.call("DEL", "s")
        self.assertIn('no stream "s"', self.replay(status=3).err)
        self.assertIn("no id", self.replay("--from", "x", status=2).err)

    def test_group_is_not_touched(self):
        self.abandon(2)
        before = self.redis.call("XINFO", "GROUPS", "s"), list(self.pending())
        self.replay()
        self.assertEqual((self.redis.call("XINFO", "GROUPS", "s"), list(self.pending())), before)
        self.assertEqual(self.redis.call("EXISTS", "s:dead"), 0)

    def test_entries_that_the_handler_adds_are_not_run(self):
        self.replay("--", "redis-cli", "-s", self.redis.path, "XADD", "s", "*", "more", "1")
        self.assertEqual(self.redis.call("XLEN", "s"), 6)

    def test_many_pages(self):
        self.handler(WORKER, "mode: worker, window: 50, concurrency: 2")
        ids = self.ids + self.add_many(2500)
        self.assertEqual(self.replay().out, "2503 entries of s run: 2503 ok.\n")
        self.assertEqual(sorted(self.ran()), sorted(ids))

    def test_rate(self):
        self.add_many(7)
        process = self.start_ctl("replay", "c", "--yes", "--rate", "20/s", "--", "date", "+%s.%N")
        times = [float(line.split()[1]) for line in process.communicate()[1].decode().splitlines()[1:]]
        self.assertEqual(len(times), 10)
        self.assertGreater(max(times) - min(times), 0.3)


class Consent(Replay):
    def setUp(self):
        super().setUp()
        self.handler()
        self.add()

    def test_dry_run(self):
        self.assertIn("1 entry of s will be run", self.ctl("replay", "c", "--dry-run").err)
        self.assertEqual(self.records(), [])

    def test_no(self):
        terminal = self.terminal("replay", "c")
        terminal.wait_for("Go on?")
        terminal.type("n\n")
        self.assertEqual(terminal.wait_exit(), 1)
        self.assertEqual(self.records(), [])


class Verdicts(Replay):
    def test_failures_are_listed(self):
        self.handler()
        ids = {how: self.add(how=how) for how in ("ok", "fail", "dead", "said", "broken")}
        said = self.replay("--json", status=1)
        *failed, totals = said.lines()
        self.assertEqual([(f["id"], f["verdict"], f["failure"], f["reason"], f["exit_status"]) for f in failed],
                         [(ids["fail"], "retry", "exit", "exit status 3", 3),
                          (ids["dead"], "dead", "exit", "exit status 65", 65),
                          (ids["broken"], "broken", "broken", "exit status 78", 78)])
        self.assertEqual({k: totals[k] for k in ("entries", "ok", "drop", "retry", "dead", "broken", "complete")},
                         {"entries": 5, "ok": 1, "drop": 1, "retry": 1, "dead": 1, "broken": 1, "complete": True})
        self.assertEqual(totals["last_id"], ids["broken"])

    def test_failures_in_a_table(self):
        self.handler()
        bad = self.add(how="fail")
        said = self.replay(status=1)
        self.assertEqual(said.rows()[0], {"ID": bad, "VERDICT": "retry", "REASON": "exit status 3"})
        self.assertTrue(said.out.endswith("1 entry of s run: 1 retry.\n"))

    def test_timeout(self):
        self.handler(settings="concurrency: 1, timeout: 300ms")
        self.add(how="slow")
        self.assertIn("timed out after 300 ms", self.replay(status=1).out)

    def test_output_carries_the_id(self):
        self.handler()
        entry = self.add(how="print")
        err = self.replay(status=1).err
        self.assertIn("\n%s: to the user\n" % entry, err)
        self.assertIn("\n%s: what is wrong\n" % entry, err)

    def test_broken_handler_ends_it(self):
        self.handler("sys.exit(127)")
        ids = self.add_many(30)
        said = self.replay(status=1)
        self.assertIn("the handler cannot work: exit status 127", said.err)
        self.assertIn("stopped behind %s; to go on: --from '(%s'" % (ids[4], ids[4]), said.err)
        self.assertIn("5 entries of s run: 5 broken.", said.out)

    def test_worker_that_never_starts(self):
        self.handler("sys.exit(127)", "mode: worker, concurrency: 1, ready: true")
        self.add()
        self.assertIn("the handler cannot work: exit status 127", self.replay(status=1).err)

    def test_neighbours_of_a_crash_are_run_again(self):
        self.handler(WORKER, "mode: worker, window: 10, concurrency: 1")
        good = [self.add() for _ in range(3)]
        bad = self.add(how="crash")
        good += [self.add() for _ in range(3)]
        said = self.replay("--json", status=1)
        self.assertEqual([(f["id"], f["reason"]) for f in said.lines()[:-1]], [(bad, "exit status 9")])
        self.assertEqual(said.lines()[-1]["ok"], 6)
        self.assertEqual(sorted(set(self.ran())), sorted(good + [bad]))


class Command(Replay):
    def setUp(self):
        super().setUp()
        self.handler(settings="concurrency: 1, mode: worker")
        self.entry = self.add(f="v")

    def test_instead_of_the_handler(self):
        err = self.replay("--", "cat", "--", "-").err
        self.assertRegex(err, r'\n%s: \{"tag":1,"stream":"s",.*"attempt":1,.*"fields":\{"f":"v"\}\}\n' % self.entry)

    def test_runs_where_the_user_is(self):
        self.assertIn(": %s\n" % os.getcwd(), self.replay("--", "pwd").err)

    def test_of_no_consumer(self):
        said = self.ctl("replay", "--stream", "s", "--group", "g", "--", "sh", "-c", "exit $SLUICE_REPLAY", status=1)
        self.assertIn("exit status 1", said.out)
        self.assertIn("-- COMMAND", self.ctl("replay", "--stream", "s", "--group", "g", status=2).err)

    def test_that_is_not_there(self):
        self.assertIn("./none is no program", self.replay("--", "./none", status=1).err)
        os.remove(self.path("handler"))
        self.assertIn("handler %s cannot be run" % self.path("handler"), self.replay(status=1).err)


class Interrupt(Replay):
    def start_held(self, **more):
        self.handler()
        self.held = self.add(how="hold")
        self.add_many(20)
        process = self.start_ctl("replay", "c", "--yes", **more)
        self.wait_records(1)
        process.send_signal(signal.SIGINT)
        return process

    def test_first_one_lets_runs_finish(self):
        process = self.start_held()
        self.open_gate()
        out, err = process.communicate()
        self.assertEqual((process.returncode, out), (1, b"1 entry of s run: 1 ok.\n"))
        self.assertIn("interrupted behind %s" % self.held, err.decode())
        self.assertEqual(len(self.records()), 1)

    def test_second_one_ends_them(self):
        process = self.start_held()
        self.assertIn(b"waiting for what runs", next(line for line in process.stderr if b"will be run" not in line))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
        self.assertEqual(process.returncode, 1)
        self.assertIn("1 entry of s run: 1 not finished.", out.decode())
        wait_until(lambda: not processes_marked(self.dir), 5, "no handler left")

    def test_progress_on_a_terminal(self):
        self.handler()
        self.add_many(30)
        terminal = self.terminal("replay", "c", "--yes", "--rate", "100/s")
        terminal.wait_for("] ")
        terminal.wait_for("entries, ")
        self.assertEqual(terminal.wait_exit(), 0)


if __name__ == "__main__":
    main()
