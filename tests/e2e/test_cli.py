#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command line and the configuration file, as far as a user meets them there."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import Case, main
from servers import SLUICED, environ_without

GOOD = """\
consumers:
  mailer:
    stream: orders
    group: notifications
    handler:
      command: [/bin/true]
"""


class WithoutRedis(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="sluiced-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.file = os.path.join(self.dir, "sluiced.yaml")

    def run_sluiced(self, *args, **more):
        return subprocess.run([SLUICED, *args], capture_output=True, text=True, timeout=20,
                              stdin=subprocess.DEVNULL, env=environ_without(), check=False, **more)

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as f:
            f.write(text)

    def check(self, text):
        self.write(text)
        return self.run_sluiced("-c", self.file, "--check")

    def assert_refused(self, text, *wanted):
        """The file is refused, and each of `wanted` is in what is said about it."""
        result = self.check(text)
        said = result.stdout + result.stderr
        self.assertEqual(result.returncode, 78, said)
        for part in wanted:
            self.assertIn(part, said)


class Options(WithoutRedis):
    def test_version(self):
        result = self.run_sluiced("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"sluiced.* \d+\.\d+")

    def test_help_names_every_option(self):
        result = self.run_sluiced("--help")
        self.assertEqual(result.returncode, 0)
        for option in ("-c", "--instance", "--check", "--print-config", "--print-schema",
                       "--log-level", "--version", "--help"):
            self.assertIn(option, result.stdout)

    def test_unknown_option(self):
        result = self.run_sluiced("--frobnicate")
        self.assertEqual(result.returncode, 2)
        self.assertIn("frobnicate", result.stderr)

    def test_stray_argument(self):
        self.assertEqual(self.run_sluiced("start").returncode, 2)

    def test_unknown_log_level(self):
        self.write(GOOD)
        result = self.run_sluiced("-c", self.file, "--check", "--log-level", "shouting")
        self.assertEqual(result.returncode, 2)

    def test_option_without_its_argument(self):
        self.assertEqual(self.run_sluiced("-c").returncode, 2)

    def test_missing_file(self):
        result = self.run_sluiced("-c", self.file)
        self.assertEqual(result.returncode, 78)
        self.assertIn(self.file, result.stderr)

    def test_default_file(self):
        if os.path.exists("/etc/sluiced/sluiced.yaml"):
            self.skipTest("this machine has a configuration of its own")
        result = self.run_sluiced("--check")
        self.assertEqual(result.returncode, 78)
        self.assertIn("/etc/sluiced/sluiced.yaml", result.stderr)

    def test_schema_is_json(self):
        result = self.run_sluiced("--print-schema")
        self.assertEqual(result.returncode, 0)
        schema = json.loads(result.stdout)
        self.assertLessEqual({"redis", "daemon", "defaults", "consumers"}, set(schema["properties"]))


class Check(WithoutRedis):
    def test_good_file(self):
        result = self.check(GOOD)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_every_error_has_its_place(self):
        text = GOOD + "    retry:\n      max_delay: 5 parsecs\n      max_atempts: 3\n    read:\n      count: 0\n"
        self.assert_refused(
            text,
            self.file + ':8:18: consumers.mailer.retry.max_delay: expected a duration such as'
            ' "500ms" or "5m", got "5 parsecs"',
            self.file + ":9:7: ",
            'unknown key "max_atempts" (did you mean "max_attempts"?)',
            self.file + ":11:14: consumers.mailer.read.count: ")

    def test_missing_group(self):
        self.assert_refused(GOOD.replace("    group: notifications\n", ""), "consumers.mailer", "group")

    def test_empty_file(self):
        self.assert_refused("", self.file)

    def test_no_consumer(self):
        self.assert_refused("consumers: {}\n", self.file)

    def test_command_that_is_not_there(self):
        self.assert_refused(GOOD.replace("/bin/true", "/no/such/program"), ":6:", "/no/such/program")

    def test_command_is_looked_up_in_path(self):
        self.assertEqual(self.check(GOOD.replace("/bin/true", "true")).returncode, 0)

    def test_duplicate_key(self):
        self.assert_refused(GOOD + "    group: again\n", self.file + ":7:5: ")

    def test_second_document(self):
        self.assert_refused(GOOD + "---\n" + GOOD, self.file + ":")

    def test_file_that_is_too_large(self):
        self.assert_refused(GOOD + "#" + "x" * (1 << 20), self.file)

    def test_x_keys_anchors_and_merge_keys(self):
        text = ("x-base: &base { group: g, handler: { command: [/bin/true] } }\n"
                "consumers:\n  a: { <<: *base, stream: s }\n  b: { <<: *base, stream: t }\n")
        self.assertEqual(self.check(text).returncode, 0)

    def test_same_stream_group_and_name_twice(self):
        twin = "\n".join(GOOD.splitlines()[2:]) + "\n"
        text = ("consumers:\n  a:\n    consumer: me\n" + twin + "  b:\n    consumer: me\n" + twin)
        self.assert_refused(text, "consumers.b")

    def test_window_needs_worker_mode(self):
        self.assert_refused(GOOD + "      window: 2\n", self.file + ":7:15: ", "worker")

    def test_dead_letter_stream_that_the_group_reads(self):
        self.assert_refused(GOOD + "    dead_letter: { stream: orders }\n", self.file + ":7:")

    def test_short_lease_is_a_warning(self):
        result = self.check(GOOD + "    claim: { min_idle: 1s }\n    read: { block: 1s }\n")
        self.assertEqual(result.returncode, 0)
        self.assertIn("min_idle", result.stderr)

    def test_password_file_that_others_can_read(self):
        secret = os.path.join(self.dir, "secret")
        with open(secret, "w", encoding="ascii") as f:
            f.write("hunter2\n")
        text = "redis: { password_file: %s }\n" % secret + GOOD
        os.chmod(secret, 0o640)
        self.assert_refused(text, self.file + ":1:")
        os.chmod(secret, 0o600)
        self.assertEqual(self.check(text).returncode, 0)

    def test_password_and_password_file(self):
        self.assert_refused("redis: { password: a, password_credential: b }\n" + GOOD, self.file + ":1:")

    def test_running_with_a_bad_file(self):
        self.write(GOOD + "    bogus: 1\n")
        result = self.run_sluiced("-c", self.file)
        self.assertEqual(result.returncode, 78)
        self.assertIn(self.file + ":7:5: ", result.stderr)


class PrintConfig(WithoutRedis):
    def print_config(self, text):
        self.write(text)
        result = self.run_sluiced("-c", self.file, "--print-config")
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_loads_again_to_the_same(self):
        once = self.print_config(GOOD + "    start: end\n    retry: { multiplier: 1.5 }\n")
        self.assertEqual(self.print_config(once), once)

    def test_defaults_are_filled_in(self):
        printed = self.print_config("defaults: { retry: { max_attempts: 5 } }\n" + GOOD)
        for part in ("max_attempts: 5", "min_idle:", "concurrency: 1", "redis://127.0.0.1:6379/0"):
            self.assertIn(part, printed)

    def test_difficult_strings_survive(self):
        names = ["a: b", "# no comment", "true", "007", "tab\\there", "it's", "ünï"]
        text = GOOD.replace("[/bin/true]", "[/bin/true, %s]" % ", ".join('"%s"' % n for n in names))
        once = self.print_config(text)
        self.assertEqual(self.print_config(once), once)
        self.assertIn("007", once)

    def test_secrets_are_hidden(self):
        printed = self.print_config("redis: { username: u, password: hunter2 }\n" + GOOD)
        self.assertNotIn("hunter2", printed)
        self.assertIn("***", printed)

    def test_password_in_the_url_is_hidden_and_warned_of(self):
        self.write("redis: { url: 'redis://u:hunter2@127.0.0.1:6379/0' }\n" + GOOD)
        result = self.run_sluiced("-c", self.file, "--print-config")
        self.assertEqual(result.returncode, 0)
        self.assertNotIn("hunter2", result.stdout + result.stderr)
        check = self.run_sluiced("-c", self.file, "--check")
        self.assertEqual(check.returncode, 0)
        self.assertIn("password", check.stderr)


class SecondDaemon(Case):
    def test_same_instance_is_refused(self):
        first = self.start(["/bin/true"])
        second = self.prepare({"c": self.consumer(["/bin/true"], {"consumer": "you"})}, name="two",
                              daemon={"runtime_dir": self.path("run.one")}).start()
        self.assertEqual(second.wait_exit(), 1)
        self.add()
        self.wait_settled()
        first.stop()

    def test_lock_does_not_outlive_the_daemon(self):
        first = self.start(["/bin/true"])
        first.kill()
        first.restart().stop()

    def test_runtime_directory_of_the_environment(self):
        place = self.path("from-environment")
        os.mkdir(place, 0o700)
        env = {"RUNTIME_DIRECTORY": place}
        first = self.start(["/bin/true"], daemon={"runtime_dir": None}, env=env)
        second = self.prepare({"c": self.consumer(["/bin/true"])}, name="two",
                              daemon={"runtime_dir": None}, env=env).start()
        self.assertEqual(second.wait_exit(), 1)
        self.assertTrue(os.listdir(place))
        first.stop()


if __name__ == "__main__":
    main()
