# SPDX-License-Identifier: MIT
"""A build without OpenSSL works, says so, and refuses what it cannot do."""
import os
import subprocess
import tempfile
import unittest

BUILD = "build/notls"
HINT = ("this build has no TLS: install libssl-dev (Debian, Ubuntu) or openssl-devel (Fedora), "
        "and build again")
CONSUMER = "consumers: {a: {stream: s, group: g, handler: {command: [/bin/true]}}}\n"


ENV = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


def run(*command):
    return subprocess.run(command, env=ENV, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class WithoutTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        built = run("make", "-s", "-j2", "TLS=no", "FLAVOUR=release", f"BUILD={BUILD}", "OPT_release=-O0",
                    "all", f"{BUILD}/headers/redis/tls.ok")
        if built.returncode:
            raise AssertionError(built.stdout)

    def check(self, redis):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(f"redis: {redis}\n{CONSUMER}")
            f.flush()
            result = run(f"{BUILD}/sluiced", "--check", "-c", f.name)
            return result.returncode, result.stdout.replace(os.path.dirname(f.name) + "/", "")

    def assert_refused(self, redis, place, key):
        status, said = self.check(redis)
        self.assertEqual(status, 78, said)
        self.assertRegex(said, rf"^\S+\.yaml:{place}: redis\.{key}: ")
        self.assertIn(HINT, said)

    def test_version(self):
        self.assertRegex(run(f"{BUILD}/sluiced", "--version").stdout, r"^sluiced .*, without TLS\)\n$")

    def test_is_linked_without_openssl(self):
        self.assertNotRegex(run("ldd", f"{BUILD}/sluiced").stdout, "libssl|libcrypto")

    def test_url(self):
        self.assert_refused('{url: "rediss://h"}', "1:14", "url")

    def test_sentinels(self):
        self.assert_refused('{sentinel: {master: m, nodes: ["h:1"], tls: {verify: true}}}', "1:52", "sentinel.tls")

    def test_plain(self):
        status, said = self.check('{url: "redis://h"}')
        self.assertEqual(status, 0, said)


if __name__ == "__main__":
    unittest.main()
