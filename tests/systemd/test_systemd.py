# SPDX-License-Identifier: MIT
"""The package in a real systemd: its units, the journal, and what is left when it is gone.

One container for all, because a boot and a build of the package take most of the time. What a test
changes, the setUp of the next one takes back.
"""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from container import Container, Unavailable, wait_until

CONTROL = "/run/sluiced/control.sock"
CONFIG = """\
redis: { url: "redis://127.0.0.1:6379", reconnect: { max: 200ms } }
daemon:
  drain_timeout: 30s
  listen: ["unix:%s?mode=0660&group=sluiced"]
consumers:
  mailer:
    stream: orders
    group: mail
    consumer: me
    read: { block: 100ms }
    handler: { command: [/usr/local/bin/handler], stdin: none, environment_fields: [do] }
    retry: { initial_delay: 100ms, max_delay: 100ms }
""" % CONTROL
# Waits for the gate where an entry asks for it. /srv, because /tmp is private.
HANDLER = """\
#!/bin/sh
echo "at $SLUICE_ID, attempt $SLUICE_ATTEMPT"
case $SLUICE_FIELD_DO in
wait) until [ -e /srv/gate ]; do sleep 0.05; done ;;
die) echo "no use" >&2; exit 65 ;;
esac
"""


def build_package(folder):
    """The path of the .deb, and what lintian says of it."""
    for tool in ("dpkg-buildpackage", "dh"):
        if not shutil.which(tool):
            raise unittest.SkipTest(f"no package can be built: there is no {tool}")
    said = subprocess.run(["scripts/deb", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    packages = [path for path in glob.glob(f"{folder}/*.deb") if "dbgsym" not in path]
    if not packages:
        raise AssertionError("scripts/deb has made no package:\n" + said.stdout)
    return packages[0], said.stdout


def server_program():
    """Debian has the server in redis-tools, too, as redis-check-rdb: it goes by the name it is called by."""
    found = shutil.which("redis-server") or shutil.which("redis-check-rdb") or shutil.which("valkey-server")
    if not found:
        raise unittest.SkipTest("there is no redis-server")
    return os.path.realpath(found)


class Systemd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.machine = Container()
        except Unavailable as why:
            raise unittest.SkipTest(f"no container: {why}") from why
        cls.addClassCleanup(cls.machine.stop)
        folder = tempfile.mkdtemp(prefix="deb.")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.package, cls.lintian = build_package(folder)
        shutil.copy(cls.package, cls.machine.root + "/srv/sluiced.deb")
        cls.start_redis()
        cls.before = cls.files()
        cls.installation = cls.machine.said("dpkg", "-i", "/srv/sluiced.deb")
        cls.packaged_config = cls.machine.said("cat", "/etc/sluiced/sluiced.yaml") + "\n"
        cls.machine.write("/usr/local/bin/handler", HANDLER, 0o755)

    @classmethod
    def start_redis(cls):
        os.symlink(server_program(), cls.machine.root + "/usr/local/bin/redis-server")
        cls.machine.said("systemd-run", "-q", "--unit=store", "/usr/local/bin/redis-server", "--save", "", "--dir", "/tmp")
        wait_until(lambda: cls.machine.run("redis-cli", "ping", check=False).stdout.strip() == "PONG", 10, "redis")

    @classmethod
    def files(cls):
        """What carries the name of the package, but for what man keeps of the pages it has shown."""
        found = cls.machine.run("find", "/etc", "/usr", "/var", "/run", "-xdev", "-name", "*sluice*", check=False).stdout
        return sorted(path for path in found.split() if not path.startswith("/var/cache/man/"))

    def setUp(self):
        self.machine.run("systemctl", "stop", "sluiced.socket", "sluiced.service", "sluiced@east.service", check=False)
        self.machine.run("systemctl", "reset-failed", check=False)
        for path in ("/etc/systemd/system/sluiced.service.d", "/etc/systemd/system/sluiced.socket", "/srv/gate",
                     "/etc/sluiced/secret", "/etc/sluiced/east.yaml"):
            self.machine.remove(path)
        self.machine.said("systemctl", "daemon-reload")
        self.redis("FLUSHALL")
        self.configure(CONFIG)
        self.cursor = self.machine.said("journalctl", "-n1", "-o", "cat", "--show-cursor").rpartition("cursor: ")[2]

    # What tests say and ask

    def configure(self, text):
        self.machine.write("/etc/sluiced/sluiced.yaml", text, 0o640)
        self.machine.said("chgrp", "sluiced", "/etc/sluiced/sluiced.yaml")

    def drop_in(self, text, name="test"):
        self.machine.write(f"/etc/systemd/system/sluiced.service.d/{name}.conf", text)
        self.machine.said("systemctl", "daemon-reload")

    def redis(self, *words):
        return self.machine.said("redis-cli", *words)

    def add(self, do="nothing", stream="orders"):
        return self.redis("XADD", stream, "*", "do", do)

    def pending(self):
        return int(self.redis("XPENDING", "orders", "mail").split()[0])

    def wait_done(self, entry_id):
        wait_until(lambda: self.pending() == 0 and self.redis("XINFO", "GROUPS", "orders").split()[7] >= entry_id, 10,
                   f"entry {entry_id} to be acknowledged")

    def journal(self, *matches):
        """What was logged in this test. journalctl 252 loses an entry when it is to begin behind a cursor
        and to look for fields, so these are looked for here."""
        self.machine.said("journalctl", "--sync")
        said = self.machine.said("journalctl", "-o", "json", "--after-cursor", self.cursor)
        events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return [e for e in events if all(e.get(name) == value for name, value in (m.split("=", 1) for m in matches))]

    def wait_journal(self, *matches):
        return wait_until(lambda: self.journal(*matches), 10, " ".join(matches))

    def show(self, what, unit="sluiced"):
        return self.machine.said("systemctl", "show", "-p", what, "--value", unit)

    def start(self, unit="sluiced"):
        said = self.machine.run("systemctl", "start", unit, check=False)
        if said.returncode:
            self.fail(said.stdout + self.machine.run("journalctl", "-u", unit, "-n", "30", "-o", "cat").stdout)

    def wait_restarted(self, old_pid):
        wait_until(lambda: self.show("MainPID") not in ("0", old_pid) and self.show("ActiveState") == "active", 15,
                   "systemd to start the daemon again")

    def get(self, path, socket=CONTROL, user="root"):
        return self.machine.run("runuser", "-u", user, "--", "curl", "-sS", "--max-time", "5", "--unix-socket", socket,
                                "http://localhost" + path, check=False).stdout

    def ctl(self, *words, user):
        return self.machine.run("runuser", "-u", user, "--", "sluicectl", *words, check=False).stdout

    # The package

    def test_lintian_says_nothing(self):
        if not shutil.which("lintian"):
            self.skipTest("there is no lintian")
        self.assertNotRegex(self.lintian, r"(?m)^[EW]: ")

    def test_installed_it_waits_to_be_configured(self):
        self.assertEqual(self.machine.run("systemctl", "is-enabled", "sluiced", check=False).stdout.strip(), "disabled")
        self.assertEqual(self.show("ActiveState"), "inactive")
        self.assertEqual(self.show("Result"), "success")
        self.assertEqual(self.machine.said("stat", "-c", "%a %U:%G", "/etc/sluiced", "/etc/sluiced/sluiced.yaml").split("\n"),
                         ["750 root:sluiced", "640 root:sluiced"])
        self.assertEqual(self.machine.said("getent", "passwd", "sluiced").split(":")[5:], ["/", "/usr/sbin/nologin"])

    def test_the_packaged_configuration_starts_and_lets_the_group_in(self):
        self.configure(self.packaged_config)
        self.machine.run("useradd", "-G", "sluiced", "ada", check=False)
        self.machine.run("useradd", "bob", check=False)
        self.start()
        self.assertIn('"consumers"', self.get("/v1/status", user="ada"))
        self.assertIn("curl:", self.get("/v1/status", user="bob"))
        self.assertIn("instance default", self.ctl("status", user="ada"))
        self.assertIn("it is for members of the group sluiced", self.ctl("status", user="bob"))

    def test_units_are_without_fault(self):
        units = ["/lib/systemd/system/sluiced.service", "/lib/systemd/system/sluiced@.service",
                 "/usr/share/sluiced/systemd/sluiced.socket"]
        man = ["--man=no"] if not shutil.which("man") else []
        self.assertEqual(self.machine.run("systemd-analyze", "verify", *man, *units).stdout, "")

    def test_exposure(self):
        self.machine.said("systemd-analyze", "security", "--offline=yes", "--threshold=50", "sluiced.service")
        self.drop_in_strict()
        self.machine.said("systemd-analyze", "security", "--offline=yes", "--threshold=20", "sluiced.service")

    def drop_in_strict(self):
        self.machine.said("install", "-D", "-m", "644", "/usr/share/sluiced/systemd/strict.conf",
                          "/etc/systemd/system/sluiced.service.d/strict.conf")
        self.machine.said("systemctl", "daemon-reload")

    def test_man_pages_are_found(self):
        if not shutil.which("man"):
            self.skipTest("there is no man")
        for page in ("sluiced", "sluicectl", "sluiced.yaml", "sluiced-handler", "sluiced.service"):
            with self.subTest(page):
                self.machine.said("man", "-w", page)

    def test_an_upgrade_restarts_what_runs_and_keeps_the_configuration(self):
        self.machine.said("systemctl", "enable", "--now", "sluiced")
        pid = self.show("MainPID")
        self.machine.said("dpkg", "-i", "/srv/sluiced.deb")
        self.assertEqual(self.show("ActiveState"), "active")
        self.assertNotEqual(self.show("MainPID"), pid)
        self.assertEqual(self.machine.said("cat", "/etc/sluiced/sluiced.yaml") + "\n", CONFIG)
        self.assertEqual(self.machine.said("systemctl", "is-enabled", "sluiced"), "enabled")
        self.machine.said("systemctl", "disable", "sluiced")

    def test_zz_a_purge_leaves_nothing_behind(self):
        self.start()
        self.machine.write("/etc/sluiced/east.yaml", CONFIG.replace(CONTROL, "/run/sluiced/east/control.sock"))
        self.start("sluiced@east")
        self.machine.remove("/etc/sluiced/east.yaml")
        self.machine.said("systemctl", "enable", "sluiced")
        said = self.machine.said("dpkg", "-P", "sluiced")
        self.assertNotIn("warning", said)
        self.assertEqual(self.machine.run("pgrep", "-x", "sluiced", check=False).stdout, "")
        self.assertEqual(self.files(), self.before)
        self.assertEqual(self.machine.run("journalctl", "--list-catalog", check=False).stdout.count("sluiced"), 0)
        self.assertEqual(self.machine.run("systemctl", "--failed", "--no-legend").stdout.count("sluiced"), 0)

    # The life of the unit

    def test_status_is_a_line_of_facts(self):
        self.start()
        wait_until(lambda: self.show("StatusText") == "1 consumers, 1 connected, 0 held, 0 dead", 5, "the facts")
        self.wait_done(self.add("die"))
        wait_until(lambda: self.show("StatusText").endswith("0 held, 1 dead"), 5, "the dead letter in the facts")

    def test_it_starts_while_redis_is_away(self):
        self.configure(CONFIG.replace("6379", "6380"))
        self.start()
        self.assertIn("0 connected", self.show("StatusText"))

    def test_a_bad_file_is_not_tried_again(self):
        self.configure(CONFIG.replace("max_delay", "max_dalay"))
        self.assertNotEqual(self.machine.run("systemctl", "start", "sluiced", check=False).returncode, 0)
        self.assertEqual((self.show("ActiveState"), self.show("ExecMainStatus"), self.show("NRestarts")), ("failed", "78", "0"))
        self.assertIn('did you mean "max_delay"?', self.machine.said("journalctl", "-u", "sluiced", "-n", "20", "-o", "cat"))

    def test_the_story_of_an_entry_is_in_the_journal(self):
        self.start()
        entry = self.add("die")
        self.wait_journal(f"SLUICE_ENTRY_ID={entry}", "SLUICE_EVENT=dead_lettered")
        said = self.machine.said("journalctl", "-o", "json", "-u", "sluiced", f"SLUICE_ENTRY_ID={entry}")
        story = [json.loads(line) for line in said.splitlines()]
        self.assertEqual([e["SLUICE_EVENT"] for e in story], ["output", "output", "verdict", "dead_lettered"])
        for event in story:
            self.assertEqual([event[name] for name in ("_SYSTEMD_UNIT", "SLUICE_INSTANCE", "SLUICE_CONSUMER", "SLUICE_STREAM",
                                                       "SLUICE_GROUP", "SLUICE_ATTEMPT", "SYSLOG_IDENTIFIER")],
                             ["sluiced.service", "default", "mailer", "orders", "mail", "1", "sluiced"])
        # Standard output and standard error are two pipes: which line came first is not known.
        self.assertEqual((sorted(e["PRIORITY"] for e in story[:2]), [e["PRIORITY"] for e in story[2:]]), (["4", "6"], ["4", "4"]))
        self.assertEqual((story[2]["SLUICE_OUTCOME"], story[2]["SLUICE_EXIT_STATUS"]), ("dead", "65"))
        self.assertEqual(len({e["MESSAGE_ID"] for e in story}), 3)

    def test_the_journal_explains_events(self):
        self.start()
        self.machine.said("journalctl", "--sync")
        said = self.machine.said("journalctl", "-u", "sluiced", "-x", "-n", "20")
        self.assertIn("Subject: sluiced is ready", said)
        self.assertIn("man:sluiced(8)", said)

    def test_a_good_reload(self):
        self.start()
        pid = self.show("MainPID")
        self.configure(CONFIG.replace("stream: orders", "stream: others"))
        self.machine.said("systemctl", "reload", "sluiced")
        self.wait_journal("SLUICE_EVENT=reloaded")
        entry = self.add(stream="others")
        self.wait_journal(f"SLUICE_ENTRY_ID={entry}", "SLUICE_EVENT=output")
        self.assertEqual((self.show("ActiveState"), self.show("SubState"), self.show("MainPID")), ("active", "running", pid))

    def test_a_bad_reload_is_refused_and_said_everywhere(self):
        self.start()
        pid = self.show("MainPID")
        self.configure(CONFIG.replace("max_delay", "max_dalay"))
        said = self.machine.run("systemctl", "reload", "sluiced", check=False)
        self.assertNotEqual(said.returncode, 0)
        self.wait_journal("SLUICE_EVENT=reload_refused")
        wait_until(lambda: "max_dalay" in self.show("StatusText"), 5, "the reason in the status")
        self.assertEqual((self.show("ActiveState"), self.show("SubState"), self.show("MainPID")), ("active", "running", pid))
        self.assertTrue([e for e in self.journal("SYSLOG_IDENTIFIER=sh") if "max_dalay" in e["MESSAGE"]])
        self.wait_done(self.add())
        self.configure(CONFIG)
        self.machine.said("systemctl", "reload", "sluiced")
        wait_until(lambda: "max_dalay" not in self.show("StatusText"), 5, "the reason to go")

    def test_a_reload_that_takes_a_restart_fails(self):
        self.start()
        self.configure(CONFIG.replace("?mode=0660&group=sluiced", "?mode=0600"))
        self.assertNotEqual(self.machine.run("systemctl", "reload", "sluiced", check=False).returncode, 0)
        self.assertIn("takes a restart", self.wait_journal("SLUICE_EVENT=reload_refused")[0]["MESSAGE"])
        self.assertEqual(self.show("ActiveState"), "active")

    def test_a_reload_without_a_control_socket_is_a_signal(self):
        self.configure(CONFIG.replace(f"unix:{CONTROL}?mode=0660&group=sluiced", "127.0.0.1:9200"))
        self.start()
        self.machine.said("systemctl", "reload", "sluiced")
        self.wait_journal("SLUICE_EVENT=reloaded")

    def test_killed_it_comes_back_and_takes_up_what_it_held(self):
        self.start()
        entry, pid = self.add("wait"), self.show("MainPID")
        self.wait_journal(f"SLUICE_ENTRY_ID={entry}", "SLUICE_EVENT=output")
        self.machine.said("systemctl", "kill", "-s", "KILL", "--kill-whom=main", "sluiced")
        self.wait_restarted(pid)
        self.machine.write("/srv/gate", "")
        self.wait_done(entry)
        self.assertEqual(len(self.journal(f"SLUICE_ENTRY_ID={entry}", "SLUICE_EVENT=recovered")), 1)
        said = [e["MESSAGE"] for e in self.journal(f"SLUICE_ENTRY_ID={entry}", "SLUICE_EVENT=output")]
        self.assertEqual(said, [f"at {entry}, attempt 1", f"at {entry}, attempt 2"])

    def test_one_that_hangs_is_replaced_by_the_watchdog(self):
        self.drop_in("[Service]\nWatchdogSec=2s\n")
        self.start()
        pid = self.show("MainPID")
        self.machine.said("systemctl", "kill", "-s", "STOP", "--kill-whom=main", "sluiced")
        self.wait_restarted(pid)
        self.assertTrue([e for e in self.journal("UNIT=sluiced.service") if "Watchdog timeout" in e["MESSAGE"]])
        self.wait_done(self.add())

    def test_a_stop_waits_for_the_handler_for_longer_than_the_unit_says(self):
        self.drop_in("[Service]\nTimeoutStopSec=1s\n")
        self.start()
        entry = self.add("wait")
        self.wait_journal(f"SLUICE_ENTRY_ID={entry}", "SLUICE_EVENT=output")
        self.machine.said("systemctl", "stop", "--no-block", "sluiced")
        wait_until(lambda: self.show("SubState") == "stop-sigterm" and "draining" in self.show("StatusText"), 5, "the drain")
        began = time.monotonic()
        wait_until(lambda: time.monotonic() > began + 3, 5, "the time of the unit to be over three times")
        self.assertEqual(self.show("SubState"), "stop-sigterm")
        self.machine.write("/srv/gate", "")
        wait_until(lambda: self.show("ActiveState") == "inactive", 10, "the end")
        self.assertEqual((self.show("Result"), self.pending()), ("success", 0))

    def test_a_password_from_a_credential(self):
        self.redis("ACL", "SETUSER", "worker", "on", ">very secret", "~*", "&*", "+@all")
        self.machine.write("/etc/sluiced/secret", "very secret\n", 0o600)
        self.configure(CONFIG.replace('6379",', '6379", username: worker, password_credential: redis,'))
        self.drop_in("[Service]\nLoadCredential=redis:/etc/sluiced/secret\n")
        self.start()
        self.wait_done(self.add())
        self.machine.said("systemctl", "reload", "sluiced")
        self.assertEqual(self.journal("SLUICE_EVENT=reload_refused"), [])

    def test_instances_stand_beside_each_other(self):
        east = "/run/sluiced/east/control.sock"
        self.machine.write("/etc/sluiced/east.yaml", CONFIG.replace(f'  listen: ["unix:{CONTROL}?mode=0660&group=sluiced"]\n', "")
                           .replace("consumer: me", 'consumer: "%i"').replace("orders", "eastern"), 0o644)
        self.start("sluiced@east")
        self.start()
        entry = self.add(stream="eastern")
        found = self.wait_journal(f"SLUICE_ENTRY_ID={entry}")[0]
        self.assertEqual((found["SLUICE_INSTANCE"], found["_SYSTEMD_UNIT"]), ("east", "sluiced@east.service"))
        self.assertIn("east", self.redis("XINFO", "CONSUMERS", "eastern", "mail").split())
        self.machine.said("systemctl", "stop", "sluiced")
        self.assertIn('"consumers"', self.get("/v1/status", east))
        self.machine.said("systemctl", "reload", "sluiced@east")
        self.machine.said("systemctl", "stop", "sluiced@east")

    def test_systemd_opens_the_control_socket(self):
        self.machine.said("cp", "/usr/share/sluiced/systemd/sluiced.socket", "/etc/systemd/system/")
        self.machine.said("systemctl", "daemon-reload")
        self.machine.said("systemctl", "start", "sluiced.socket")
        self.assertEqual(self.show("ActiveState"), "inactive")
        self.assertIn('"consumers"', self.get("/v1/status"))
        wait_until(lambda: self.show("ActiveState") == "active", 5, "the end of the start")
        self.machine.said("systemctl", "restart", "sluiced")
        self.assertIn('"consumers"', self.get("/v1/status"))

    # What handlers can do

    def test_the_strict_drop_in_bears_a_simple_handler(self):
        self.drop_in_strict()
        self.start()
        self.wait_done(self.add())
        self.assertIn('"consumers"', self.get("/v1/status"))
        self.machine.said("systemctl", "reload", "sluiced")

    def test_a_just_in_time_compiler_works_in_the_unit_and_not_in_the_strict_one(self):
        node = shutil.which("node")
        if not node:
            self.skipTest("there is no node")
        self.configure(CONFIG.replace("[/usr/local/bin/handler]", f"[{os.path.realpath(node)}, -e, 'console.log(\"ran\")']"))
        self.start()
        entry = self.add()
        self.wait_done(entry)
        self.assertEqual([e["MESSAGE"] for e in self.journal(f"SLUICE_ENTRY_ID={entry}")], ["ran"])
        self.drop_in_strict()
        self.machine.said("systemctl", "restart", "sluiced")
        self.wait_journal(f"SLUICE_ENTRY_ID={self.add()}", "SLUICE_EVENT=retry")
