# SPDX-License-Identifier: MIT
"""The page on delivery: its consumer runs, its commands work, its table is the record."""
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)

sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
import harness
from servers import Daemon, wait_until


def read():
    with open(os.path.join(ROOT, "docs/delivery.md"), encoding="utf-8") as f:
        return f.read()


def blocks(language):
    return [text for its_language, text in FENCE.findall(read()) if its_language == language]


def commands():
    """Every redis-cli line of the page, blocks of several lines as one."""
    return [text for text in blocks("sh") if not text.startswith("#!")]


class Delivery(harness.Case):
    def start_as_shown(self):
        handler = next(text for text in blocks("sh") if text.startswith("#!"))
        with open(self.path("work.sh"), "w", encoding="utf-8") as f:
            f.write(handler)
        os.chmod(self.path("work.sh"), 0o700)
        config = blocks("yaml")[0] + (f"redis: {{ url: 'unix://{self.redis.path}' }}\n"
                                      f"daemon: {{ runtime_dir: {self.path('run')}, log: {{ format: json }} }}\n")
        daemon = Daemon("page", self.dir, config)
        self.daemons.append(daemon)
        daemon.start().wait_for_event("ready")
        return daemon

    def shell(self, text):
        """Runs it with this test's Redis."""
        with_socket = f"redis-cli() {{ command redis-cli -s {shlex.quote(self.redis.path)} \"$@\"; }}\n"
        return subprocess.run(["bash", "-ec", with_socket + text], capture_output=True, text=True, timeout=60)

    @unittest.skipUnless(shutil.which("redis-cli") and shutil.which("bash"), "redis-cli or bash is not installed")
    def test_commands_work(self):
        daemon = self.start_as_shown()
        found = commands()
        self.assertGreaterEqual(len(found), 5)
        for text in found:
            done = self.shell(text)
            self.assertEqual((done.returncode, done.stderr), (0, ""), text)
            self.assertNotRegex(done.stdout, r"(?m)^(ERR|WRONGTYPE|NOGROUP)", text)
        daemon.wait_for_event("breaker_open")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("draining")
        daemon.stop()  # hurries: `slow` still runs

    def test_the_table_is_the_record(self):
        self.start_as_shown()
        self.redis.call("XADD", "jobs", "*", "do", "never")
        wait_until(lambda: self.dead("jobs:dead"), 10, "a dead letter")
        names = [name.decode() for name, _ in self.dead("jobs:dead")[0]]
        told = re.findall(r"^\| `(sluice\.\w+)` \|", read(), re.M)
        self.assertEqual(names, told + ["do"])


if __name__ == "__main__":
    unittest.main()
