#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a handler said last, and how it may end."""

import signal

from harness import WorkerCase, main, record_fields
from servers import wait_until


class Output(WorkerCase):
    def test_last_words_are_in_the_record(self):
        """The daemon may see the verdict before the output; it must look at the output first."""
        self.start_worker("for entry in entries():\n"
                          "    os.write(2, b'about %d\\n' % entry['tag'])\n"
                          "    say('dead', entry['tag'], 'told %d' % entry['tag'])\n",
                          {"breaker.streak": 0})
        for _ in range(100):
            self.add()
        self.wait_settled()
        self.assertEqual(len(self.dead()), 100)
        for pairs in self.dead():
            meta, _ = record_fields(pairs)
            self.assertEqual(meta["sluice.stderr"], meta["sluice.detail"].replace("told", "about") + "\\n")


class Ends(WorkerCase):
    def is_zombie(self, pid):
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"

    def test_verdict_and_end_at_once(self):
        """The daemon learns of both in one turn of its loop."""
        daemon = self.start_worker("for entry in entries():\n"
                                   "    record(pid=os.getpid()); gate('go'); say('ok', entry['tag']); os._exit(3)\n")
        self.add()
        pid = self.wait_records(1)[0]["pid"]
        daemon.signal(signal.SIGSTOP)
        self.open_gate()
        wait_until(lambda: self.is_zombie(pid), what="the worker's end")
        daemon.signal(signal.SIGCONT)
        self.wait_settled()
        self.assertEqual(len(self.records()), 1)

    def test_stopped_handler_may_clean_up(self):
        """It would not see SIGTERM before somebody continues it."""
        self.start(self.python("signal.signal(signal.SIGTERM, lambda *_: (record(cleaned=1), os._exit(1)))\n"
                               "os.kill(os.getpid(), signal.SIGSTOP)\ngate('never')\n"),
                   {"handler.timeout": "300ms", "handler.kill_grace": "5s"})
        self.add()
        self.assertEqual(self.wait_records(1, 3)[0], {"cleaned": 1})


if __name__ == "__main__":
    main()
