# SPDX-License-Identifier: MIT
"""What every measurement needs: a scratch server, processes and the CPU time that they used."""
import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """A candidate did not do what it is measured for."""


def wait_until(what, condition, seconds=20):
    """Returns the condition's first true value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise Failed(f"waited {seconds} s for {what}")


class Redis:
    """A client that is just enough for arranging and watching."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.replies = self.socket.makefile("rb")

    def __call__(self, *words):
        encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"*%d\r\n" % len(encoded)]
        parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded]
        self.socket.sendall(b"".join(parts))
        return self.reply()

    def reply(self):
        line = self.replies.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Failed(f"the server said {rest.decode()}")
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self.replies.read(int(rest) + 2)[:-2].decode() if rest != b"-1" else None
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        raise Failed("the server closed the connection")

    def info(self, section, key):
        for line in self("INFO", section).splitlines():
            if line.startswith(key + ":"):
                return line.split(":", 1)[1]
        raise Failed(f"INFO {section} has no {key}")


class Server:
    """A redis-server of our own, on a unix socket in a temporary directory, that keeps nothing."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "redis.sock")
        program = shutil.which("redis-server")
        if not program:
            raise Failed("there is no redis-server")
        self.process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", self.path, "--dir", folder, "--save", "",
             "--appendonly", "no", "--loglevel", "warning"], stdout=subprocess.DEVNULL)
        try:
            self.redis = wait_until("the server", self.connect)
        except BaseException:
            self.stop()
            raise

    def connect(self):
        try:
            return Redis(self.path)
        except OSError:
            return None

    def stop(self):
        stop(self.process)


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_ns(pid):
    """Time on a CPU of all threads of a process, from the scheduler's own account."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total


def reaped_cpu_ns(pid):
    """CPU time of the children that a process has reaped, to the kernel's clock tick."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) * 10**9 // os.sysconf("SC_CLK_TCK")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def cpu_s(pids, seconds):
    """CPU seconds that each takes in so many seconds."""
    before = [cpu_ns(pid) for pid in pids]
    time.sleep(seconds)
    return [(cpu_ns(pid) - cpu) / 1e9 for pid, cpu in zip(pids, before)]


def memory(pid):
    """What no other process has, and what of it was written, in millions of bytes.

    The rest are pages of programs and libraries that nobody else uses now. Those of a program that
    was just built count as written until they are on the disk.
    """
    os.sync()
    mb = Counter()
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for name, size, *_ in map(str.split, file):
            if name.startswith("Private_"):
                mb[name] += int(size) * 1024 / 1e6
    return {"private_mb": mb.total(), "written_mb": mb["Private_Dirty:"]}


def percentile(values, share):
    """Of sorted values."""
    return values[min(int(len(values) * share), len(values) - 1)]


class Pings:
    """How long PINGs take, in milliseconds."""

    def __init__(self, redis):
        self.redis, self.took_ms = redis, []

    def send(self):
        sent = time.perf_counter()
        self.redis("PING")
        self.took_ms.append((time.perf_counter() - sent) * 1000)

    def figures(self, prefix=""):
        if not self.took_ms:
            raise Failed("it was over before a PING was sent")
        took_ms = sorted(self.took_ms)
        return {f"{prefix}p50_ms": percentile(took_ms, 0.5), f"{prefix}p99_ms": percentile(took_ms, 0.99),
                f"{prefix}max_ms": took_ms[-1]}


def allow_descriptors():
    """A thousand streams are a thousand connections, at both ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Bench:
    """One run of the benchmarks: where things are, and how much of everything is wanted."""

    def __init__(self, build, quick):
        self.build = os.path.abspath(build)
        self.quick = quick
        allow_descriptors()
        self.folder = tempfile.mkdtemp(prefix="sluiced-bench-")
        try:
            self.server = Server(self.folder)
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        self.redis = self.server.redis
        self.python = sys.executable

    def close(self):
        self.server.stop()
        shutil.rmtree(self.folder)

    def program(self, name):
        return os.path.join(self.build, "bench", name)

    def script(self, name):
        return os.path.join(HERE, name)

    def amount(self, usual):
        """How many entries or processes to take for a figure."""
        return max(usual // 5, 1) if self.quick else usual

    def connect(self):
        return Redis(self.server.path)

    @contextlib.contextmanager
    def daemon(self, handler, **consumer):
        """Starts the daemon with one consumer, as its user would, and gives its process; stops it in the end.
        consumer: further keys."""
        if not {"stream", "streams"} & set(consumer):
            consumer["stream"] = "bench"
        log_path = os.path.join(self.folder, "daemon.log")
        with open(log_path, "w") as log:
            process = subprocess.Popen([os.path.join(self.build, "sluiced"), "-c", self.config(handler, consumer)],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield process
        except Failed:
            with open(log_path) as log:
                sys.stderr.write("".join(log.readlines()[-20:]))
            raise
        finally:
            stop(process)

    def config(self, handler, consumer):
        path = os.path.join(self.folder, "sluiced.yaml")
        whole = {
            "redis": {"url": "unix://" + self.server.path},
            "daemon": {"runtime_dir": os.path.join(self.folder, "run"), "log": {"level": "notice", "format": "text"}},
            "consumers": {"bench": {"group": "bench", "handler": handler, **consumer}},
        }
        with open(path, "w") as file:
            json.dump(whole, file, indent=1)  # JSON is YAML
        return path
