# SPDX-License-Identifier: MIT
"""A throw-away machine with a systemd of its own: this machine's files below a layer of memory.

All of it is within a mount namespace of this process, so that nothing stays mounted whatever becomes of
it; and what runs in it are descendants of this process.
"""
import ctypes
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
NEEDED = ("systemd-nspawn", "nsenter", "systemctl", "journalctl", "dbus-daemon", "mount")


class Unavailable(Exception):
    """There is no such machine here, and why."""


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("waited %g s for %s" % (seconds, what))


def mount(*args):
    said = subprocess.run(["mount", *args], stderr=subprocess.PIPE, text=True)
    if said.returncode:
        raise Unavailable("mount is not permitted: " + said.stderr.strip())


def own_mounts():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise Unavailable("no mount namespace: " + os.strerror(ctypes.get_errno()))
    if libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        raise Unavailable("mounts stay shared: " + os.strerror(ctypes.get_errno()))


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


class Container:
    """Booted when it is there. root is its file system, but for /run and /tmp."""

    def __init__(self):
        missing = [tool for tool in NEEDED if not shutil.which(tool)]
        if missing:
            raise Unavailable("there is no " + ", ".join(missing))
        if os.geteuid() != 0:
            raise Unavailable("it takes root")
        own_mounts()
        self.folder = tempfile.mkdtemp(prefix="machine.")
        self.nspawn = self.leader = None
        try:
            self._make_root()
            self._boot()
        except BaseException:
            self.stop()
            raise

    def _make_root(self):
        mount("-t", "tmpfs", "-o", "size=512m", "tmpfs", self.folder)
        upper, work, self.root = (os.path.join(self.folder, name) for name in ("upper", "work", "root"))
        for path in (upper, work, self.root):
            os.mkdir(path)
        mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", self.root)
        self.write("/etc/machine-id", "")
        self.remove("/usr/sbin/policy-rc.d")  # has packages start no service

    def _boot(self):
        self.cgroups = {path for name in ("payload", "supervisor") for path in glob.glob(f"/sys/fs/cgroup/*/{name}")}
        with open(os.path.join(self.folder, "log"), "w", encoding="utf-8") as log:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "-D", self.root, "--boot", "--register=no", "--keep-unit",
                 "--private-network", "--link-journal=no", "--console=pipe", "--", "systemd.unit=basic.target"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.leader = wait_until(self._find_leader, 10, "systemd to start")
            wait_until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip()
                       in ("running", "degraded"), 20, "systemd to be up")
        except AssertionError as why:
            raise Unavailable("%s: %s" % (why, read(os.path.join(self.folder, "log"))[-300:].strip())) from why

    def _find_leader(self):
        """The first process of the new pid namespace, once it is systemd and no passing helper."""
        if self.nspawn.poll() is not None:
            raise AssertionError("systemd-nspawn has ended")
        for child in read(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").split():
            pids = [line.split() for line in read(f"/proc/{child}/status").splitlines() if line.startswith("NSpid")]
            if pids and pids[0][-1] == "1" and read(f"/proc/{child}/comm").strip() == "systemd":
                return int(child)
        return None

    def run(self, *argv, check=True, seconds=120, **options):
        """In the container. The result has what it printed, errors too."""
        said = subprocess.run(["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "--", *argv],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=seconds, **options)
        if check and said.returncode:
            raise AssertionError("%s: exit status %d\n%s" % (" ".join(argv), said.returncode, said.stdout))
        return said

    def said(self, *argv):
        return self.run(*argv).stdout.strip()

    def write(self, path, text, mode=0o644):
        target = self.root + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(target, mode)

    def remove(self, path):
        if os.path.isdir(self.root + path):
            shutil.rmtree(self.root + path)
        elif os.path.lexists(self.root + path):
            os.unlink(self.root + path)

    def stop(self):
        if self.nspawn:
            for pid in filter(None, (self.leader, self.nspawn.pid)):  # systemd outlives a killed nspawn
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.nspawn.wait()
            self._remove_cgroups()
        subprocess.run(["umount", "--recursive", "--lazy", self.folder], stderr=subprocess.DEVNULL)
        os.rmdir(self.folder)

    def _remove_cgroups(self):
        """Nspawn leaves them, and they are busy until the last process is gone."""
        def gone():
            made = {path for name in ("payload", "supervisor") for path in glob.glob(f"/sys/fs/cgroup/*/{name}")}
            for top in made - self.cgroups:
                subprocess.run(["find", top, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"],
                               stderr=subprocess.DEVNULL)
            return made <= self.cgroups
        wait_until(gone, 5, "the cgroups of the container to be empty")
