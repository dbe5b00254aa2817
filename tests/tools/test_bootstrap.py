# SPDX-License-Identifier: MIT
"""bootstrap asks a package manager for what is missing, and for nothing else."""
import os
import subprocess
import tempfile
import unittest

BOOTSTRAP = os.path.abspath("bootstrap")
# Programs that bootstrap itself calls, and those that it looks for.
BASE = ("cat dirname find grep id nproc sed sort tr sh env mkdir touch").split()
FOUND = ("redis-server redis-cli openssl python3 jq curl node clang bash clang-format clang-tidy "
         "cppcheck shellcheck dh dpkg-buildpackage lintian systemd-nspawn dbus-daemon pgrep").split()
PACKAGES = {
    "apt-get": "libhiredis-dev libyaml-dev",
    "dnf": "hiredis-devel libyaml-devel",
    "apk": "hiredis-dev yaml-dev",
    "pacman": "hiredis libyaml",
}


class Machine:
    """A PATH of stand-ins that write down how they were called."""

    def __init__(self, folder, manager="apt-get", lacks=(), root=True):
        self.folder, self.log = folder, f"{folder}/log"
        for name in BASE:
            os.symlink(self.real(name), f"{folder}/{name}")
        for name in FOUND:
            if name not in lacks:
                self.add(name, "exit 0")
        self.add("make", f'echo "make $*" >>{self.log}')
        self.add("cc", "cat >/dev/null")
        self.add("sudo", f'echo sudo >>{self.log}; exec "$@"')
        self.add(manager, f'echo "{manager} $*" >>{self.log}; case $* in *install*|*add*|*-S*) '
                          f'touch {folder}/installed;; esac')
        lacking = "|".join(n for n in lacks if n not in FOUND) or "nothing"
        self.add("pkg-config", f'case $2 in {lacking}) test -e {folder}/installed;; esac')
        if not root:
            os.unlink(f"{folder}/id")
            self.add("id", "echo 1000")

    @staticmethod
    def real(name):
        return next(p for p in (f"{d}/{name}" for d in ("/bin", "/usr/bin")) if os.path.exists(p))

    def add(self, name, body):
        with open(f"{self.folder}/{name}", "w") as f:
            f.write(f"#!/bin/sh\n{body}\n")
        os.chmod(f"{self.folder}/{name}", 0o755)

    def bootstrap(self, *args):
        env = {"PATH": self.folder, "HOME": "/"}
        result = subprocess.run(["/bin/sh", BOOTSTRAP, *args], env=env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return result, self.calls()

    def calls(self):
        if not os.path.exists(self.log):
            return []
        with open(self.log) as f:
            return f.read().splitlines()


class Bootstrap(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_nothing_missing_calls_no_package_manager(self):
        for i, goal in enumerate(("build", "check", "demo", "lint", "fuzz")):
            with self.subTest(goal), tempfile.TemporaryDirectory() as folder:
                result, calls = Machine(folder).bootstrap(goal)
                self.assertEqual(result.returncode, 0, result.stdout)
                self.assertEqual(len(calls), 1, calls)
                self.assertRegex(calls[0], f"^make -j[0-9]+ {'all' if i == 0 else goal}$")
                self.assertEqual(result.stdout, "")

    def test_installs_what_is_missing_and_says_so_first(self):
        for manager, packages in PACKAGES.items():
            with self.subTest(manager), tempfile.TemporaryDirectory() as folder:
                result, calls = Machine(folder, manager, lacks=("hiredis", "yaml-0.1")).bootstrap()
                installs = [c for c in calls if c.endswith(packages)]
                self.assertEqual(len(installs), 1, calls)
                self.assertIn(f"missing: hiredis libyaml\nbootstrap: installing with {manager}: "
                              f"{packages}\n", result.stdout)
                self.assertTrue(calls[-1].startswith("make "), calls)

    def test_a_target_asks_only_for_its_own(self):
        machine = Machine(self.folder, lacks=("redis-server", "redis-cli", "jq", "shellcheck"))
        _, calls = machine.bootstrap("build")
        self.assertEqual(len(calls), 1, calls)
        result, calls = machine.bootstrap("lint")
        self.assertIn("install -y --no-install-recommends shellcheck", " ".join(calls))
        self.assertIn("still missing, going on without: shellcheck", result.stdout)

    def test_a_package_takes_the_tools_for_it(self):
        machine = Machine(self.folder, lacks=("dh", "lintian", "systemd-nspawn"))
        _, calls = machine.bootstrap("build")
        self.assertEqual(len(calls), 1, calls)
        _, calls = machine.bootstrap("deb")
        self.assertIn("install -y --no-install-recommends debhelper lintian", " ".join(calls))

    def test_what_is_measured_against_is_installed_too(self):
        result, calls = Machine(self.folder).bootstrap("bench")
        self.assertRegex(" ".join(calls), "install .*php-cli php-redis")
        self.assertRegex(result.stdout, "still missing, going on without: .*phpredis")

    def test_elsewhere_than_on_debian_no_package_is_built(self):
        result, calls = Machine(self.folder, "dnf", lacks=("dh", "systemd-nspawn")).bootstrap("check")
        self.assertEqual((len(calls), result.stdout), (1, ""))

    def test_without_tls_asks_for_no_openssl(self):
        machine = Machine(self.folder, lacks=("libssl",))
        _, calls = machine.bootstrap("build", "TLS=no")
        self.assertEqual(len(calls), 1, calls)
        _, calls = machine.bootstrap("build")
        self.assertTrue(any(c.endswith("--no-install-recommends libssl-dev") for c in calls), calls)

    def test_redis_comes_without_a_service(self):
        _, calls = Machine(self.folder, lacks=("redis-server", "redis-cli")).bootstrap("demo")
        self.assertTrue(any(c.endswith("--no-install-recommends redis-tools") for c in calls), calls)

    def test_sudo_when_not_root(self):
        _, calls = Machine(self.folder, lacks=("hiredis",), root=False).bootstrap()
        self.assertIn("sudo", calls)

    def test_no_manager_is_said(self):
        machine = Machine(self.folder, manager="brew", lacks=("hiredis",))
        result, calls = machine.bootstrap()
        self.assertEqual(result.returncode, 1)
        self.assertIn("missing: hiredis; and no apt, dnf, apk or pacman", result.stdout)
        self.assertEqual(calls, [])


if __name__ == "__main__":
    unittest.main()
