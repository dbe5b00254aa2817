# SPDX-License-Identifier: MIT
"""handler.py RECORDS DAEMON MODE: does what an entry's field "do" says and keeps an account of it.

The account has a line for the start of a run, one every 50 ms while it lasts, and one for its end,
written before the verdict is given: so that what is known of a run is never longer than the run.
"""

import json
import os
import random
import signal
import sys
import threading
import time

BEAT_S = 0.05
HANG_S = 6
RECORDS, DAEMON, MODE = sys.argv[1:4]
FD = os.open(RECORDS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
PARENT = os.getppid()
PID = os.getpid()


def say(text):
    """A verdict. A daemon that is gone needs none, and this process is not needed either."""
    try:
        os.write(3, (text + "\n").encode())
    except OSError:
        os._exit(0)


class Run:
    """One entry handed to us."""

    def __init__(self, entry):
        self.id, self.stream, self.tag = entry["id"], entry["stream"], entry["tag"]
        self.attempt = entry["attempt"]
        steps = entry["fields"]["do"].split(", ")
        self.step = steps[min(self.attempt, len(steps)) - 1].split()
        UNDER_WAY.add(self)
        self.record("start", attempt=self.attempt, step=" ".join(self.step), daemon=DAEMON, parent=PARENT,
                    mode=MODE)

    def record(self, what, **more):
        line = {"what": what, "id": self.id, "stream": self.stream, "pid": PID, "tag": self.tag,
                "ns": time.monotonic_ns(), **more}
        with WRITING:
            os.write(FD, (json.dumps(line) + "\n").encode())

    def end(self, verdict):
        UNDER_WAY.discard(self)
        self.record("end", verdict=verdict)

    def wait_beating(self, seconds, beat=lambda: None):
        """Works for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, BEAT_S))
            self.record("beat")
            beat()

    def give(self, verb, rest=""):
        """The end of a worker's run, or of a process's that ends with status 0."""
        self.end(verb)
        if MODE != "exec":
            say(("%s %d %s" % (verb, self.tag, rest)).strip())
        elif verb != "ok":
            say(("%s %s" % (verb, rest)).strip())

    def die(self, status):
        self.end("exit %d" % status)
        os._exit(status)

    def die_by_signal(self):
        self.end("kill")
        os.kill(PID, signal.SIGKILL)

    def act(self):
        """Does the step. A method for each first word; what it is given is the rest."""
        word, *rest = self.step
        getattr(self, "do_" + word)(*rest)

    # The steps

    def do_ok(self, how="0", *_):
        if how == "then":
            return self.ok_then_die()
        self.wait_beating(int(how) / 1000)
        return self.give("ok")

    def ok_then_die(self):
        """To a worker's run that is a success; a process that dies after its word has failed."""
        if MODE == "exec" and self.attempt == 1:
            say("ok")
            self.die(1)
        self.give("ok")
        if MODE != "exec":
            os._exit(1)

    def do_fail(self, ms):
        self.wait_beating(int(ms) / 1000)
        self.do_retry()

    def do_exit(self, status):
        self.die(int(status))

    def do_kill(self):
        self.die_by_signal()

    def do_hang(self):
        self.wait_beating(HANG_S)
        self.die(1)

    def do_deaf(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.do_hang()

    def do_retry(self, delay=""):
        self.give("retry", "delay=%s later" % delay if delay else "not now")

    def do_dead(self):
        if MODE == "exec" and self.tag % 2:
            self.die_dead()
        self.give("dead", json.dumps("never\nok %d" % self.tag))

    def die_dead(self):
        self.end("dead")
        os._exit(65)

    def do_drop(self):
        self.give("drop", "unwanted")

    def do_release(self):
        self.give(random.choice(("release", "ok")))

    def do_broken(self):
        if random.random() < 0.5:
            self.give("ok")
        elif MODE == "exec":
            self.die(78)
        else:
            self.give_up()

    def give_up(self):
        """Broken means that nothing is being done here any more, by no thread."""
        for run in list(UNDER_WAY):
            run.end("broken")
        WRITING.acquire()
        say("broken no database")
        os._exit(1)

    def do_flood(self):
        os.write(1, b"a line of a flood that is of no interest to anybody\n" * 3000)
        os.write(2, b"x" * 30000)
        self.give("ok")

    def do_garbage(self, how=""):
        for i in range(14 if how else 2):
            say("okay %d?" % i)
        self.give("ok")

    def do_lie(self):
        """Speaks for entries that others hold: all lower tags that never came here."""
        for tag in range(max(1, self.tag - random.randint(3, 12)), self.tag):
            if tag not in SEEN:
                say("%s %d" % (random.choice(("ok", "dead", "retry")), tag))
        self.give("retry", "lied")

    def do_flip(self):
        self.give("retry", "first")
        say("ok %d" % self.tag)

    def do_working(self):
        last = [time.monotonic()]

        def say_working():
            if time.monotonic() - last[0] > 0.7:
                last[0] = time.monotonic()
                say("working %d" % self.tag)
        self.wait_beating(4, say_working)
        self.give("ok")

    def do_retire(self):
        say("retire")
        self.give("ok")

    def do_pause(self):
        say("pause 50ms")
        self.give("ok")

    def do_oversize(self):
        self.give("ok")


SEEN = set()
UNDER_WAY = set()
WRITING = threading.Lock()


def main():
    for line in sys.stdin.buffer:
        if not line.endswith(b"\n"):
            break  # a line that was never finished: its daemon died
        entry = json.loads(line)
        SEEN.add(entry["tag"])
        run = Run(entry)
        if MODE == "side":
            threading.Thread(target=run.act).start()
        else:
            run.act()


main()
