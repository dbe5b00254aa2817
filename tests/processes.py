# SPDX-License-Identifier: MIT
"""The programs that tests/run starts, and whatever these start: none outlives its test."""
import ctypes
import os
import signal
import subprocess
import threading
import time

LINGER_SECONDS = 2  # what a test's processes get to end after it
PR_SET_CHILD_SUBREAPER = 36


class Processes:
    """Starts programs and sees to it that neither they nor their descendants are left behind.

    The runner adopts orphans, so a daemon that detached itself is still found. Adopted zombies are
    reaped at once: a test may be waiting for that process to be gone.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.own = set()
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        threading.Thread(target=self.wait_for_orphans, daemon=True).start()

    def wait_for_orphans(self):
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
                with self.lock:  # or a program just started could be reaped before it is known
                    if ended.si_pid not in self.own:
                        os.waitpid(ended.si_pid, os.WNOHANG)
            except ChildProcessError:
                pass
            time.sleep(0.02)

    def start(self, argv, **options):
        with self.lock:
            program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **options)
            self.own.add(program.pid)
        return program

    def forget(self, program):
        with self.lock:
            self.own.discard(program.pid)

    def run(self, argv, output, seconds, env):
        """Exit status, or None for out of time; and the names of the processes left behind."""
        program = self.start(argv, stdout=output, stderr=subprocess.STDOUT, env=env, start_new_session=True)
        mark = f"RUN_REPORT={env['RUN_REPORT']}"
        try:
            status = program.wait(seconds)
            left = wait_for_end(lambda: processes_of(program.pid, mark))
        except subprocess.TimeoutExpired:
            status, left = None, []
        finally:
            kill(processes_of(program.pid, mark))
            program.wait()
            self.forget(program)
        return status, left

    def output_of(self, argv, seconds=None):
        """Exit status, and what it wrote to standard output and to standard error."""
        program = self.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            said, errors = program.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            program.kill()
            said, errors = program.communicate()
        self.forget(program)
        return program.returncode, said, errors

    def end_orphans(self):
        """Nothing runs now, so every child is an orphan. Returns their names."""
        left = wait_for_end(lambda: children(os.getpid()))
        wait_until_killed(lambda: children(os.getpid()))
        return left


def wait_until_killed(find):
    while find():
        kill_all()
        time.sleep(0.02)


def wait_for_end(find):
    """What find() still finds when LINGER_SECONDS are over."""
    deadline = time.monotonic() + LINGER_SECONDS
    while find() and time.monotonic() < deadline:
        time.sleep(0.02)
    return [name_of(pid) for pid in find()]


def process_table():
    """pid: (state, parent, session) of every process that is not a zombie."""
    table = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields and fields[0] not in "ZX":
            table[int(pid)] = (fields[0], int(fields[1]), int(fields[3]))
    return table


def children(parent, table=None):
    return [pid for pid, (_, its_parent, _) in (table or process_table()).items() if its_parent == parent]


def processes_of(leader, mark):
    """Those of its session, its descendants, and orphans of it, known by their environment."""
    table = process_table()
    session = [pid for pid, (_, _, sid) in table.items() if sid == leader]
    orphans = [pid for pid in children(os.getpid(), table) if pid != leader and has_in_environment(pid, mark)]
    return sorted({*session, *orphans, *descendants(table, leader, *orphans)})


def has_in_environment(pid, mark):
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return mark.encode() in f.read().split(b"\0")
    except OSError:
        return False


def descendants(table, *roots):
    found, todo = [], list(roots)
    while todo:
        kids = children(todo.pop(), table)
        found += kids
        todo += kids
    return found


def name_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as f:
            return f"{pid} {f.read().replace(chr(0), ' ').strip()[:80]}"
    except OSError:
        return f"{pid} (ended)"


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def kill_all():
    """Whatever this process or others below it have started."""
    kill(descendants(process_table(), os.getpid()))
