#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl: its command line, its configuration, its way to Redis."""

import os
import subprocess

from ctl import SLUICECTL, CtlCase
from harness import main


class CommandLine(CtlCase):
    def test_help_names_every_command(self):
        self.assertIn("  info NAME ", self.ctl("--help").out)
        self.assertIn("--stream S", self.ctl("info", "--help").out)
    def test_usage_errors(self):
        for args in ((), ("nope",), ("info",), ("info", "c", "more"), ("info", "c", "--rate", "3"),
                     ("info", "c", "--nope"), ("info", "--group", "g")):
            said = self.ctl(*args, status=2)
            self.assertIn("Try 'sluicectl --help'", said.err)
            self.assertEqual(said.out, "")

    def test_first_word_of_two(self):
        for words in (("dead",), ("dead", "lst", "c")):
            self.assertIn('no command "dead", but dead list, dead show, dead redrive, dead purge',
                          self.ctl(*words, status=2).err)

    def test_options_stand_anywhere(self):
        for args in (("info", "c"), ("info", "--stream", "s", "c"), ("--stream=s", "info", "c"),
                     ("info", "--group", "g", "--stream", "s")):
            self.assertEqual(self.ctl(*args).rows()[0]["STREAM"], "s")

    def test_names_that_are_not_there(self):
        self.assertIn('no consumer "x"', self.ctl("info", "x", status=3).err)
        self.assertIn('"t"', self.ctl("info", "c", "--stream", "t", status=3).err)

    def test_configuration_that_is_wrong(self):
        self.write_config("redis: 3\n")
        self.assertIn("ctl.yaml:1:8", self.ctl("info", "c", status=1).err)

    def test_handlers_may_be_elsewhere(self):
        with open(self.config_path, encoding="utf-8") as f:
            self.write_config(f.read().replace("/bin/true", "/not/there"))
        self.assertEqual(self.ctl("info", "c").err, "")

    def test_disk_that_is_full(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(self.argv("info", "c"), stdout=full, check=False)
        self.assertEqual(done.returncode, 1)


class Redis(CtlCase):
    def test_url_instead_of_a_file(self):
        self.redis.call("XADD", "s", "*", "f", "v")
        done = subprocess.run([SLUICECTL, "--url", self.redis.unix_url, "--stream", "s", "--group", "g", "info"],
                              capture_output=True, check=True, env=self.ctl_env())
        self.assertRegex(done.stdout.decode(), r"(?m)^s +1 ")

    def test_server_that_is_away(self):
        self.redis.kill()
        self.assertIn("no connection to unix:", self.ctl("info", "c", status=1).err)

    def test_password_that_is_wrong(self):
        self.redis.call("CONFIG", "SET", "requirepass", "secret")
        self.assertRegex(self.ctl("info", "c", status=1).err, "no connection to unix.*NOAUTH|WRONGPASS|password")
        os.remove(self.config_path)
        self.assertIn("cannot be read", self.ctl("info", "c", status=1).err)


if __name__ == "__main__":
    main()
