# SPDX-License-Identifier: MIT
"""tests/run counts cases, notices every way to fail, and leaves no process behind."""
import concurrent.futures
import os
import runpy
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

RUN = os.path.abspath("tests/run")

# What a program does, and the last line of the run.
PROGRAMS = [
    ("all pass", "echo 1..2; echo 'ok 1 - a'; echo 'ok 2 - b'", "2 passed, 0 failed"),
    ("one fails", "echo 1..2; echo 'ok 1 - a'; echo 'not ok 2 - b'; echo '# why'; exit 1", "1 passed, 1 failed"),
    ("a skip", "echo 1..2; echo 'ok 1 - a'; echo 'not ok 2 # SKIP b'", "1 passed, 0 failed, 1 skipped"),
    ("two groups", "echo 1..1; echo 'ok 1 - a'; echo 1..1; echo 'ok 1 - a'", "2 passed, 0 failed"),
    ("group setup fails", "echo 1..3; echo 'not ok 0 - g'; exit 1", "0 passed, 1 failed"),
    ("ends early", "echo 1..3; echo 'ok 1 - a'", "1 passed, 1 failed"),
    ("fails after the last case", "echo 1..1; echo 'ok 1 - a'; exit 1", "1 passed, 1 failed"),
    ("killed", "kill -SEGV $$", "0 passed, 1 failed"),
    ("plain success", "echo nothing; exit 0", "1 passed, 0 failed"),
    ("plain failure", "exit 3", "0 passed, 1 failed"),
    ("plain skip", "echo no such tool; exit 77", "0 passed, 0 failed, 1 skipped"),
    ("hangs", "echo 1..1; sleep 1000", "0 passed, 1 failed"),
    ("hangs after a case", "echo 1..2; echo 'ok 1 - a'; sleep 1000", "1 passed, 1 failed"),
    ("leaves a child", "echo 1..1; echo 'ok 1 - a'; sleep 1000 & exit 0", "1 passed, 1 failed"),
    ("leaves a detached child", "echo 1..1; echo 'ok 1 - a'; setsid sleep 1000 & exit 0", "1 passed, 1 failed"),
    ("its child ends in time", "echo 1..1; echo 'ok 1 - a'; sleep 0.2 & exit 0", "1 passed, 0 failed"),
]

CLASSES = [
    ("all pass", "def test_a(self): pass\ndef test_b(self): pass", "2 passed, 0 failed"),
    ("failure and error", "def test_a(self): self.fail('why')\ndef test_b(self): 1 / 0", "0 passed, 2 failed"),
    ("skip", "def test_a(self): self.skipTest('no tool')\ndef test_b(self): pass",
     "1 passed, 0 failed, 1 skipped"),
    ("subtests are one case",
     "def test_a(self):\n for i in range(3):\n  with self.subTest(i): self.assertEqual(i, 1)",
     "0 passed, 1 failed"),
    ("expected failure", "@unittest.expectedFailure\ndef test_a(self): self.fail()", "1 passed, 0 failed"),
    ("unexpected success", "@unittest.expectedFailure\ndef test_a(self): pass", "0 passed, 1 failed"),
    ("class setup fails", "@classmethod\ndef setUpClass(cls): 1 / 0\ndef test_a(self): pass",
     "0 passed, 1 failed"),
    ("class setup skips",
     "@classmethod\ndef setUpClass(cls): raise unittest.SkipTest('why')\n"
     "def test_a(self): pass\ndef test_b(self): pass", "0 passed, 0 failed, 2 skipped"),
    ("teardown fails", "def tearDown(self): 1 / 0\ndef test_a(self): pass", "0 passed, 1 failed"),
    ("dies", "def test_a(self): pass\ndef test_b(self): os._exit(0)", "1 passed, 1 failed"),
    ("hangs", "def test_a(self): pass\ndef test_b(self): time.sleep(1000)", "1 passed, 1 failed"),
    ("does not compile", "def test_a(self: pass", "0 passed, 1 failed"),
    ("no test in it", "def helper(self): pass", "0 passed, 0 failed"),
]


class RunnerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def write(self, path, text, mode=0o755):
        path = f"{self.root}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def add_program(self, kind, name, body):
        self.write(f"tests/{kind}/x/test_{name}.c", "")
        self.write(f"build/tests/{kind}/x/test_{name}", f"#!/bin/sh\n{body}\n")

    def add_class(self, kind, name, body):
        self.write(f"tests/{kind}/test_{name}.py",
                   "import os, time, unittest\nclass T(unittest.TestCase):\n" + textwrap.indent(body, " ") + "\n")

    def run_it(self, *args):
        command = [sys.executable, RUN, "--root", self.root, "--build", "build", "--timeout", "3", *args]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return result, result.stdout.splitlines()[-1]

    def check(self, kind, want):
        return self.assert_ran(self.run_it(kind), want)

    def assert_ran(self, ran, want):
        result, last = ran
        self.assertEqual(last, want, result.stdout)
        self.assertEqual(result.returncode, 0 if " 0 failed" in want and want[0] != "0" else 1)
        return result.stdout

    def check_each(self, kind, rows, add):
        """A run for each row, some at a time: most of them wait."""
        def run(number, body):
            one = RunnerTest()
            one.root = f"{self.root}/{number}"
            add(one, kind, f"t{number}", body)
            return one.run_it(kind)

        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            running = [threads.submit(run, number, body) for number, (_, body, _) in enumerate(rows)]
        for future, (what, _, want) in zip(running, rows):
            with self.subTest(what):
                self.assert_ran(future.result(), want)


class Programs(RunnerTest):
    def test_programs(self):
        self.check_each("unit", PROGRAMS, RunnerTest.add_program)


class Classes(RunnerTest):
    def test_classes(self):
        self.check_each("e2e", CLASSES, RunnerTest.add_class)


class Lanes(RunnerTest):
    def setUp(self):
        super().setUp()
        self.add_class("e2e", "reading", "def test_a(self): self.assertIn('/one/', os.environ['E2E_SERVER'])")
        self.write("build/servers/one/redis-server", "")

    def fetch(self, *says):
        self.write("tests/servers/fetch", "#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in says))
        return self.run_it("lanes")

    def test_core_for_each_server(self):
        self.write("build/servers/two/redis-server", "")
        result, last = self.fetch("one 8.0", "two 9.1", "three: skipped, no network")
        self.assertEqual(last, "1 passed, 1 failed, 1 skipped", result.stdout)
        self.assertIn("FAILED lanes two-9.1/e2e/test_reading T.test_a", result.stdout)
        self.assertIn("SKIPPED lanes three: no network", result.stdout)

    def test_library(self):
        self.add_class("e2e", "reading", "def test_a(self): self.assertIn('/lib-2/', os.environ['SLUICED'])")
        for built, want in ((False, "0 passed, 0 failed, 1 skipped"), (True, "1 passed, 0 failed")):
            result, last = self.fetch("lib-2 2.0")
            self.assertEqual(last, want, result.stdout)
            self.write("build/lib-2/sluiced", "")

    def test_nothing_to_fetch_with(self):
        self.assertEqual(self.run_it("lanes")[1], "0 passed, 0 failed")

    def test_core_is_there(self):
        sys.path.insert(0, os.path.dirname(RUN))
        for name in runpy.run_path(RUN)["CORE"]:
            self.assertTrue(os.path.exists(f"tests/e2e/test_{name}.py"), name)


class Runs(RunnerTest):
    def test_kinds_add_up(self):
        self.add_program("unit", "a", "echo 1..1; echo 'ok 1 - a'")
        self.add_program("component", "b", "echo 1..2; echo 'ok 1 - a'; echo 'not ok 2 - b'; exit 1")
        self.add_class("e2e", "c", "def test_a(self): self.skipTest('why')")
        result, last = self.run_it("unit", "component", "e2e")
        self.assertEqual(last, "2 passed, 1 failed, 1 skipped", result.stdout)

    def test_a_line_for_each_kind(self):
        self.add_program("unit", "a", "echo 1..1; echo 'ok 1 - a'")
        self.add_program("component", "b", "exit 77")
        lines = self.run_it("unit", "component", "docs")[0].stdout.splitlines()
        self.assertEqual(sorted(line.rpartition(" (")[0] for line in lines if line.endswith(" s)")),
                         ["component: 0 passed, 0 failed, 1 skipped", "unit: 1 passed, 0 failed"])

    def test_kinds_do_not_wait_for_each_other(self):
        wait = "n=0; until [ -e %s ]; do n=$((n + 1)); [ $n != 100 ] || exit 1; sleep 0.02; done; : >%s"
        a, b = f"{self.root}/a", f"{self.root}/b"
        self.add_program("unit", "a", f": >{a}; {wait % (b, a)}")
        self.add_program("component", "b", f": >{b}; {wait % (a, b)}")
        self.assertEqual(self.run_it("unit", "component")[1], "2 passed, 0 failed")
        os.unlink(a)
        os.unlink(b)
        self.assertEqual(self.run_it("--jobs", "1", "unit", "component")[1], "1 passed, 1 failed")

    def test_slowest(self):
        self.add_program("unit", "fast", "exit 0")
        self.add_program("unit", "slow", "sleep 0.3")
        output = self.run_it("--slowest", "1", "unit")[0].stdout
        self.assertRegex(output, r"(?m)^ +0\.\d s  unit unit/x/test_slow$")
        self.assertNotIn("fast", output)

    def test_a_detached_child_is_the_failure_of_its_test(self):
        self.add_program("unit", "a", "setsid sleep 1000 & exit 0")
        self.add_program("unit", "b", "sleep 0.2")
        output = self.check("unit", "2 passed, 1 failed")
        self.assertRegex(output, r"FAILED unit unit/x/test_a processes left behind\n    \d+ sleep 1000\n")

    def test_a_child_without_its_environment(self):
        self.add_program("unit", "a", "env -i setsid sleep 1000 & exit 0")
        output = self.check("unit", "1 passed, 1 failed")
        self.assertRegex(output, r"FAILED processes left behind\n    \d+ sleep 1000\n")

    def test_a_failure_shows_its_name_and_output(self):
        self.add_program("unit", "a", "echo 1..1; echo 'not ok 1 - b'; echo '# 1 != 2'; exit 1")
        output = self.check("unit", "0 passed, 1 failed")
        self.assertIn("FAILED unit unit/x/test_a b\n    1 != 2\n", output)

    def test_a_failure_shows_its_own_output(self):
        self.add_class("e2e", "a", "def test_a(self): print('of a')\n"
                                   "def test_b(self): print('of b'); self.fail('why')\n"
                                   "def test_c(self): print('of c')")
        output = self.run_it("e2e")[0].stdout
        self.assertIn("FAILED e2e e2e/test_a T.test_b\n", output)
        self.assertIn("    AssertionError: why\n", output)
        self.assertEqual([line for line in output.splitlines() if "    of" in line], ["    of b"])

    def test_a_skip_is_named(self):
        self.add_class("e2e", "a", "def test_b(self): self.skipTest('no such tool')")
        self.assertIn("SKIPPED e2e e2e/test_a T.test_b: no such tool", self.run_it("e2e")[0].stdout)

    def test_a_program_that_was_not_built(self):
        self.write("tests/unit/x/test_a.c", "")
        self.check("unit", "0 passed, 1 failed")

    def test_nothing_ran(self):
        self.check("unit", "0 passed, 0 failed")

    def test_only_what_holds_the_word(self):
        self.add_program("unit", "good", "echo 1..1; echo 'ok 1 - a'")
        self.add_program("unit", "bad", "exit 1")
        self.assertEqual(self.run_it("-k", "good", "unit")[1], "1 passed, 0 failed")

    def test_nothing_is_left_running(self):
        body = f"setsid sh -c 'echo $$ >{self.root}/pid; exec sleep 1000' & sleep 1000"
        self.add_program("unit", "a", body)
        self.check("unit", "0 passed, 1 failed")
        with open(f"{self.root}/pid") as f:
            pid = int(f.read())
        self.assertTrue(self.ends(pid))

    def test_interrupted(self):
        self.add_program("unit", "a", f"echo $$ >{self.root}/pid; sleep 1000")
        run = subprocess.Popen([sys.executable, RUN, "--root", self.root, "--build", "build", "unit"])
        pid = self.wait_for_pid()
        run.terminate()
        self.assertEqual(run.wait(10), 130)
        self.assertTrue(self.ends(pid))

    def wait_for_pid(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if os.path.exists(f"{self.root}/pid") and os.path.getsize(f"{self.root}/pid"):
                with open(f"{self.root}/pid") as f:
                    return int(f.read())
            time.sleep(0.02)
        self.fail("the program did not start")

    def ends(self, pid):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.02)
        return False


if __name__ == "__main__":
    unittest.main()
