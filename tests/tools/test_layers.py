# SPDX-License-Identifier: MIT
"""scripts/layers finds every kind of fault, and none where there is none."""
import os
import subprocess
import tempfile
import unittest

LAYERS = os.path.abspath("scripts/layers")

FAULTS = [
    ("core/a.c", '#include "loop/loop.h"', "one floor"),
    ("base/a.c", '#include "core/entry.h"', "higher floor"),
    ("redis/a.h", '#  include "handler/pool.h"', "one floor"),
    ("handler/a.c", '#include "consumer/consumer.h"', "higher floor"),
    ("config/a.c", "#include <yaml.h>", "its one place"),
    ("consumer/a.c", "#include <hiredis/async.h>", "its one place"),
    ("daemon/a.c", "#include <systemd/sd-daemon.h>", "its one place"),
    ("control/a.c", "#include <microhttpd.h>", "its one place"),
    ("config/a.c", "#include <ev.h>", "banned"),
    ("base/a.h", "#include <ev.h>", "banned"),
    ("daemon/notify.c", "#include <systemd/sd-daemon.h>", "elsewhere"),
    ("ctl/top.c", "#include <ncurses.h>", "elsewhere"),
    ("daemon/a.c", '#include "ctl/ctl.h"', "one floor"),
    ("core/a.c", '#include "nowhere/a.h"', "no folder"),
    ("attic/a.c", '#include "base/list.h"', "no floor"),
]
FINE = [
    ("consumer/a.c", '#include "redis/conn.h"'),
    ("consumer/a.c", '#include "config/config.h"'),
    ("core/a.c", '#include "base/list.h"'),
    ("core/a.c", '#include "core/entry.h"'),
    ("config/yamltree.c", "#include <yaml.h>"),
    ("redis/conn.c", "#include <hiredis/async.h>"),
    ("loop/loop.c", "#include <ev.h>"),
    ("ctl/screen.c", "#include <ncurses.h>"),
    ("ctl/status.c", "#include <jansson.h>"),
    ("base/a.c", "#include <sys/types.h>"),
    ("core/a.c", 'const char *s = "#include \\"loop/loop.h\\"";'),
]


def layers(path, line):
    with tempfile.TemporaryDirectory() as src:
        os.makedirs(os.path.dirname(f"{src}/{path}"))
        with open(f"{src}/{path}", "w") as f:
            f.write("/* comment */\n" + line + "\n")
        return subprocess.run([LAYERS, src], capture_output=True, text=True)


class Layers(unittest.TestCase):
    def test_finds_faults(self):
        for path, line, why in FAULTS:
            with self.subTest(path=path, line=line):
                result = layers(path, line)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(f"{path}:2: ", result.stdout)
                self.assertIn(why, result.stdout)

    def test_leaves_the_rest_alone(self):
        for path, line in FINE:
            with self.subTest(path=path, line=line):
                result = layers(path, line)
                self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_the_source_itself(self):
        result = subprocess.run([LAYERS], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main()
