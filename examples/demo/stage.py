# SPDX-License-Identifier: MIT
"""What the demo plays on: a Redis and daemons in a temporary directory, and what they know."""

import collections
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SLUICED = pathlib.Path(os.environ.get("SLUICED") or ROOT / "build/release/sluiced").resolve()
STREAM, DEAD = "orders", "orders:dead"

# A line of the handler's own record: begun, sent or failed.
Step = collections.namedtuple("Step", "what id attempt daemon")


class Failed(Exception):
    """The demo did not go as it must."""


def wait_until(what, condition, seconds=10):
    """The first true result of condition()."""
    give_up = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > give_up:
            raise Failed(f"waited {seconds} s in vain until {what}")
        time.sleep(0.02)


class Stage:
    def __init__(self):
        if not os.access(SLUICED, os.X_OK):
            raise Failed(f"{SLUICED} is not there: run make, or name the program in SLUICED")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sluice-demo-"))
        self.socket = self.dir / "redis.sock"
        self.server = None
        self.daemons = {}

    # Processes

    def start_redis(self):
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if not program or not shutil.which("redis-cli"):
            raise Failed("redis-server and redis-cli are needed; one of them is not in PATH")
        self.server = self._start("redis", [program, "--port", "0", "--unixsocket", self.socket, "--dir", self.dir,
                                            "--save", "", "--appendonly", "no"])
        wait_until("Redis answers", self._answers)

    def _answers(self):
        try:
            return self.redis("PING") == "PONG"
        except Failed:
            return False

    def write_configurations(self):
        """config/demo.yaml on our Redis for east; for west without its last consumer, analytics."""
        text = (ROOT / "config/demo.yaml").read_text()
        text = text.replace("url: redis://127.0.0.1:6379", f"url: unix://{self.socket}")
        text = text.replace("../examples/", f"{ROOT}/examples/")
        (self.dir / "east.yaml").write_text(text)
        (self.dir / "west.yaml").write_text(text[:text.index("\n  analytics:")] + "\n")

    def start_daemon(self, name):
        runtime_dir = self.dir / f"run.{name}"
        runtime_dir.mkdir(mode=0o700, exist_ok=True)
        environment = dict(os.environ, RUNTIME_DIRECTORY=str(runtime_dir), DEMO_DIR=str(self.dir),
                           DATABASE=str(self.dir / "totals.db"))
        argv = [SLUICED, "-c", self.dir / f"{name}.yaml", "--instance", name]
        self.daemons[name] = self._start(name, argv, env=environment)

    def _start(self, name, argv, **options):
        # A session of its own: Ctrl-C reaches the demo alone, which ends the others in order.
        with open(self.dir / f"{name}.log", "ab") as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    start_new_session=True, **options)

    def kill_daemon(self, name):
        kill(self.daemons.pop(name))

    def wait_for_readers(self, n):
        wait_until(f"{n} readers wait for entries", lambda: self._n_readers() >= n)

    def _n_readers(self):
        for name, daemon in self.daemons.items():
            if daemon.poll() is not None:
                raise Failed(f"{name} has ended, with status {daemon.returncode}")
        return int(self.info("clients")["blocked_clients"])

    def log_tails(self):
        for log in sorted(self.dir.glob("*.log")):
            yield log.name, log.read_text(errors="replace").splitlines()[-15:]

    def strike(self):
        """Ends every process and removes the directory."""
        for hangs in self.dir.glob("hangs.*"):
            hangs.unlink()
        for process in self.daemons.values():
            process.terminate()
        for process in [*self.daemons.values(), *([self.server] if self.server else [])]:
            process.terminate()
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                kill(process)
        shutil.rmtree(self.dir, ignore_errors=True)

    # What Redis knows

    def redis(self, *args):
        """One command; what it answered."""
        return json.loads(self._redis_cli("--json", *args))

    def info(self, section):
        lines = self._redis_cli("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _redis_cli(self, *args):
        done = subprocess.run(["redis-cli", "-s", self.socket, "-e", *map(str, args)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=10)
        if done.returncode:
            raise Failed(f"redis-cli {' '.join(map(str, args))}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def add(self, event):
        return self.redis("XADD", STREAM, "*", *(word for pair in event.items() for word in pair))

    def events(self):
        return {id: as_dict(pairs) for id, pairs in self.redis("XRANGE", STREAM, "-", "+")}

    def dead_records(self):
        return [as_dict(pairs) for _, pairs in self.redis("XRANGE", DEAD, "-", "+")]

    def dead_record_of(self, group):
        [record] = [record for record in self.dead_records() if record["sluice.group"] == group]
        return record

    def groups(self):
        return {group["name"]: group for group in self.redis("XINFO", "GROUPS", STREAM)}

    def pending_of(self, daemon):
        """Rows of id, owner, idle milliseconds, deliveries."""
        return self.redis("XPENDING", STREAM, "notifications", "-", "+", 100, daemon)

    def is_settled(self):
        """Both groups were given everything, and nothing is pending."""
        last = self.redis("XINFO", "STREAM", STREAM)["last-generated-id"]
        return all(g["pending"] == 0 and g["last-delivered-id"] == last for g in self.groups().values())

    # What the handlers know

    def steps(self, what):
        """What the handlers of notifications wrote down, in order."""
        path = self.dir / "notifications.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [step for step in (Step(*line.split()) for line in lines) if step.what == what]

    def totals(self, query):
        """What the handler of analytics has counted."""
        db = sqlite3.connect(self.dir / "totals.db")
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()


def as_dict(pairs):
    return dict(zip(pairs[::2], pairs[1::2]))


def kill(process):
    """SIGKILL to a process and to its children's groups, as a service manager does when a service
    dies. It is stopped first, so that it starts no further child in between."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    children = list(children_of(process.pid))
    process.kill()
    process.wait()
    for pid in children:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def children_of(parent):
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.parent.name, stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(rest[1]) == parent:
            yield int(pid)
