#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sluicectl doctor: each thing that it is to find, and a machine where all is well."""

import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import time

import resp
from cluster import Cluster
from ctl import SLUICECTL, CtlCase
from fakeredis import FakeRedis
from harness import main
from servers import ROOT
from settings import yaml


def documented(pattern):
    with open(os.path.join(ROOT, "docs", "connecting.md"), encoding="utf-8") as f:
        return re.search(pattern, f.read(), re.M)[1].split()


def documented_rule():
    """What the page lets the user of the stream "orders" do."""
    return {w for w in documented(r"^ACL SETUSER worker (.*)$") if w[0] in "+~"}


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


class Doctor(CtlCase):
    def configure(self, consumer=None, redis=None, daemon=None, streams=None):
        c = self.consumer([self.path("handler")], {"stream": "s", **(consumer or {})})
        if streams:
            del c["stream"]
            c["streams"] = streams
        self.write_config(self.config({"c": c}, "doctor", redis, {"log.format": "auto", **(daemon or {})}))

    def setUp(self):
        super().setUp()
        self.script("#!/bin/sh\n")
        self.configure()

    def doctor(self, *args, status=0, **env):
        return self.ctl("doctor", "--json", *args, status=status, **env).json()

    def found(self, check, *args, status=0, **env):
        """(health, text, advice) of a check that was made once."""
        rows = [f for f in self.doctor(*args, status=status, **env)["findings"] if f["check"] == check]
        self.assertEqual(len(rows), 1, rows)
        return rows[0]["health"], rows[0]["text"], rows[0]["advice"]

    def assert_found(self, check, health, text, advice=None, **env):
        found = self.found(check, status=health == "error" and 1 or 0, **env)
        self.assertEqual(found[0], health, found)
        self.assertRegex(found[1], text)
        if advice:
            self.assertRegex(found[2], advice)

    def fake(self):
        fake = FakeRedis(self.path("fake.sock"), self.redis.path)
        self.addCleanup(fake.close)
        self.configure(redis={"url": fake.url})
        return fake


class AllIsWell(Doctor):
    redis_options = ("--appendonly", "yes")

    def test_of_everything(self):
        self.add()
        self.abandon(consumer="me")
        self.redis.call("XACK", "s", "g", *self.pending())
        said = self.doctor("c")
        self.assertEqual({f["health"] for f in said["findings"]}, {"ok"}, said)
        self.assertEqual((said["errors"], said["warnings"], said["unknown"]), (0, 0, 0))
        with open(os.path.join(ROOT, "man", "sluicectl.1"), encoding="utf-8") as f:
            page = f.read()
        for finding in said["findings"]:
            self.assertIn("\n.It %s\n" % finding["check"], page)

    def test_nothing_is_changed(self):
        def state():
            return sorted(self.redis.call("KEYS", "*")), self.redis.call("XINFO", "STREAM", "s", "FULL")
        self.add()
        self.abandon()
        before = state()
        self.redis.call("ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", "-acl")
        for redis in (None, {"username": "worker", "password": "pw"}):
            self.configure({"trim.maxlen": 10}, redis=redis)
            self.doctor()
        idle = re.compile(r"\d{2,}")
        self.assertEqual(idle.sub("", repr(state())), idle.sub("", repr(before)))
        self.assertEqual(self.redis.call("EXISTS", "s:dead", "s:trim:g"), 0)

    def test_many_streams_take_a_line(self):
        self.configure(streams="q:{0..9}")
        out = self.ctl("doctor").out
        self.assertRegex(out, r"(?m)^  ok +stream +q:0: not there yet \(and 9 more streams\)$")
        self.assertNotIn("q:1", out)
        self.assertTrue(out.endswith("0 errors, 0 warnings, 0 could not be checked\n"))

    def test_of_no_consumer(self):
        said = self.doctor("--stream", "s", "--group", "g")
        self.assertIn("group g of s", {f["section"] for f in said["findings"]})
        self.assertIn('no consumer "x"', self.ctl("doctor", "x", status=3).err)


class Servers(Doctor):
    def test_that_is_away(self):
        self.redis.kill()
        self.assert_found("connection", "error", "cannot be reached")

    def test_too_old(self):
        self.fake().say("INFO server", bulk(b"# Server\r\nredis_version:6.0.16\r\n"))
        self.assert_found("version", "error", r"Redis 6\.0\.16 is too old", r"Redis 6\.2")

    def test_too_old_without_info(self):
        fake = self.fake()
        fake.refuse("INFO", "NOPERM this user has no permissions to run the 'info' command")
        self.assert_found("version", "ok", "6.2 or later")
        fake.refuse("XAUTOCLAIM", "ERR unknown command `XAUTOCLAIM`, with args beginning with: ")
        self.assert_found("version", "error", "too old")

    def test_valkey(self):
        self.fake().say("INFO server", bulk(b"redis_version:7.2.4\r\nvalkey_version:8.1.1\r\n"))
        self.assert_found("version", "ok", r"Valkey 8\.1\.1")

    def test_eviction(self):
        self.redis.call("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
        self.assert_found("eviction", "error", "allkeys-lru: whole streams are removed", "noeviction")
        self.redis.call("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        self.assert_found("eviction", "warning", "volatile-ttl")
        self.redis.call("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "allkeys-random")
        self.assert_found("eviction", "warning", "would be removed")

    def test_persistence(self):
        self.assert_found("persistence", "warning", "loses every stream", "appendonly yes")
        self.redis.call("CONFIG", "SET", "save", "3600 1")
        self.assert_found("persistence", "ok", "snapshots alone")

    def test_disk_that_is_full(self):
        self.fake().say("INFO persistence", bulk(b"rdb_last_bgsave_status:err\r\naof_enabled:0\r\n"))
        self.assert_found("persistence", "error", "snapshot failed", "disk full")

    def test_clock(self):
        late = b"*2\r\n" + bulk(b"%d" % (time.time() - 100)) + bulk(b"0")
        self.fake().say("TIME", late)
        self.assert_found("clock", "warning", r"^(99|100|101)\.\d s behind ours", "NTP")

    def test_rights_for_the_checks_themselves(self):
        self.redis.call("ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", "-info", "-config", "-time", "-xinfo|consumers")
        self.configure(redis={"username": "worker", "password": "pw"})
        self.add()
        self.abandon()
        unknown = {f["check"]: f["text"] for f in self.doctor(status=0)["findings"] if f["health"] == "unknown"}
        self.assertEqual(unknown, {
            "eviction": "could not be checked: it takes the right +info",
            "persistence": "could not be checked: it takes the right +info",
            "clock": "could not be checked: it takes the right +time",
            "name": "could not be checked: it takes the right +xinfo|consumers"})


class Rights(Doctor):
    def login(self, *rules):
        self.redis.call("ACL", "SETUSER", "worker", "reset", "on", ">pw", *rules)
        redis = {"username": "worker", "password": "pw"}
        self.configure({"stream": "orders"}, redis=redis)

    def advised(self, status):
        """The rules that are to be added, all together."""
        rows = [f for f in self.doctor(status=status)["findings"] if f["check"] == "rights" and f["advice"]]
        for row in rows:
            self.assertTrue(row["advice"].startswith("ACL SETUSER worker "), row)
        return [f["advice"].split()[3:] for f in rows]

    def test_table_is_the_documented_rule(self):
        for more in ((), ("+acl|dryrun",)):
            self.login("+ping", *more)
            self.assertEqual({w for rule in self.advised(1) for w in rule} | {"+ping"}, documented_rule())

    def test_rights_for_trim(self):
        self.login("~orders", "~orders:dead", *(w for w in documented_rule() if w[0] == "+"))
        self.configure({"stream": "orders", "trim.maxlen": 5}, redis={"username": "worker", "password": "pw"})
        wanted = documented(r"With `trim` add `([^`]*)`")
        self.assertEqual({w for rule in self.advised(1) for w in rule},
                         {w.replace("trim:*", "trim:g") for w in wanted})

    def test_rights_for_once(self):
        self.login("~orders", "~orders:dead", *(w for w in documented_rule() if w[0] == "+"))
        self.configure({"stream": "orders", "once.ttl": "1h"}, redis={"username": "worker", "password": "pw"})
        wanted = set(documented(r"with `once` add `([^`]*)`"))
        self.assertEqual({w for rule in self.advised(1) for w in rule},
                         {w.replace("once:*", "once:g:*") for w in wanted})
        self.redis.call("ACL", "SETUSER", "worker", *wanted)
        self.assert_found("rights", "ok", "may do all")

    def test_what_is_missing_is_named_and_enough(self):
        for more in ((), ("+acl|dryrun",)):
            rule = documented_rule() - {"+xack", "~orders:dead"}
            self.login(*rule, *more)
            advised = self.advised(1)
            self.assertEqual(advised, [["~orders:dead", "+xack"]])
            self.redis.call("ACL", "SETUSER", "worker", *advised[0])
            self.assertEqual(self.advised(0), [])

    def test_services(self):
        self.login(*(documented_rule() - {"+eval", "+evalsha", "+client|setname"}))
        self.assertEqual(self.advised(0), [["+eval", "+evalsha"], ["+client|setname"]])

    def test_keys_of_every_stream(self):
        self.login("~q:0*", "~q:1", "+@all")
        self.configure(redis={"username": "worker", "password": "pw"}, streams="q:{0..2}")
        self.assertEqual(self.advised(1), [["~q:1:dead", "~q:2", "~q:2:dead"]])

    def test_keys_are_no_patterns(self):
        self.login("+@all")
        self.configure({"stream": "a*[b]"}, redis={"username": "worker", "password": "pw"})
        self.assertEqual(self.advised(1), [["~a\\*\\[b\\]", "~a\\*\\[b\\]:dead"]])


class Streams(Doctor):
    def test_key_of_another_type(self):
        self.redis.call("SET", "s", "x")
        self.assert_found("stream", "error", "is no stream", "TYPE s")

    def test_dead_letter_key_of_another_type(self):
        self.redis.call("SET", "s:dead", "x")
        self.assert_found("dead letters", "error", "s:dead is no stream", "RENAME")

    def test_group_that_is_waited_for(self):
        for policy, health in (("create", "ok"), ("wait", "warning"), ("fail", "error")):
            self.configure({"on_missing_group": policy})
            self.assert_found("group", health, "g is not there")

    def test_trimmed_past_the_group(self):
        for n in range(6):
            self.add(n=n)
        self.abandon(2)
        self.redis.call("XACK", "s", "g", *self.pending())
        self.redis.call("XTRIM", "s", "MAXLEN", 2)
        self.assert_found("trimming", "error", "^2 entries were trimmed or deleted before the group", "acknowledged")
        self.redis.call("DEL", "s")
        self.add()
        self.redis.call("XGROUP", "CREATE", "s", "g", "0")
        self.assert_found("trimming", "ok", "nothing")

    def test_deleted_before_it_was_read(self):
        self.abandon_first()
        self.redis.call("XDEL", "s", self.add())
        self.add()
        self.assert_found("trimming", "error", "^at least 1 entry was")

    def abandon_first(self):
        self.add()
        self.abandon(1)

    def test_pending_without_data(self):
        self.abandon_first()
        self.add()
        self.abandon()
        self.redis.call("XTRIM", "s", "MAXLEN", 1)
        self.assert_found("trimming", "warning", "^1 pending entry has no data")

    def test_name_that_is_at_work_elsewhere(self):
        self.start(["/bin/true"])
        self.wait_group()
        self.assert_found("name", "error", "another daemon is at work as me", "%H")

    def test_name_of_the_daemon_here(self):
        self.start(["/bin/true"])
        self.wait_group()
        self.configure(daemon={"runtime_dir": self.path("run.one")})
        self.assert_found("name", "ok", "me is the daemon here")

    def test_name_that_was_at_work_just_now(self):
        self.add()
        self.abandon(consumer="me")
        self.assert_found("name", "ok", "nobody else is me; it has no %H")


class Handlers(Doctor):
    def test_that_is_missing(self):
        os.remove(self.path("handler"))
        self.assert_found("handler", "error", "cannot be run: .*handler: No such file")
        self.configure({"handler.command": ["no-such-program"]})
        self.assert_found("handler", "error", "no no-such-program in PATH")

    def test_that_is_not_executable(self):
        os.chmod(self.path("handler"), 0o644)
        self.assert_found("handler", "error", "handler is not executable")

    def test_without_its_interpreter(self):
        self.script("#!/no/such/shell\n")
        self.assert_found("handler", "error", "interpreter of the script: /no: No such file", "#!")
        self.script("#!/usr/bin/env no-such-python\n")
        self.assert_found("handler", "error", "no-such-python, is not in", "PATH")
        self.script("#!/bin/sh -e\r\n")
        self.assert_found("handler", "error", "carriage return", "sed")
        self.script("echo\n")
        self.assert_found("handler", "warning", "neither a program nor a script")

    def test_path_of_the_handler(self):
        self.script("#!/usr/bin/env mine\n")
        os.mkdir(self.path("bin"))
        self.script("#!/bin/sh\n", "bin/mine")
        self.configure({"handler.environment": {"PATH": self.path("bin")}})
        self.assert_found("handler", "ok", "run by")

    def test_working_directory(self):
        self.configure({"handler.working_directory": self.path("none")})
        self.assert_found("handler", "error", "handler.working_directory: .*none: No such file")


class Machine(Doctor):
    def start_daemon(self, **daemon):
        started = self.start(["/bin/true"], daemon=daemon)
        self.configure({"handler.concurrency": 20}, daemon={"runtime_dir": self.path("run.one")})
        return started.process.pid

    def test_daemon(self):
        self.assert_found("daemon", "ok", "none with the runtime directory")
        pid = self.start_daemon()
        self.assert_found("daemon", "ok", "^process %d$" % pid)

    def test_daemon_that_listens_nowhere(self):
        pid = self.start_daemon(listen=[])
        self.assert_found("daemon", "ok", "^process %d$" % pid)

    def test_daemon_that_may_not_be_seen(self):
        folders = pathlib.Path(SLUICECTL).resolve().parents
        if os.geteuid() or not all(folder.stat().st_mode & 0o001 for folder in folders):
            self.skipTest("it takes root, and a place where another user can run it")
        shared = tempfile.mkdtemp(prefix="sluiced-", dir="/tmp")  # that of the tests is for us alone
        self.addCleanup(shutil.rmtree, shared)
        os.chmod(shared, 0o755)
        self.config_path = shared + "/ctl.yaml"
        fake = FakeRedis(shared + "/redis.sock", self.redis.path)
        self.addCleanup(fake.close)
        os.chmod(fake.path, 0o777)
        self.add()
        self.abandon(consumer="me")
        self.configure(redis={"url": fake.url}, daemon={"runtime_dir": self.path("run")})
        done = subprocess.run(self.argv("doctor", "--json"), capture_output=True, check=False,
                              user=65534, group=65534, extra_groups=[], env=self.ctl_env())
        said = {f["check"]: f["health"] for f in json.loads(done.stdout)["findings"]}
        self.assertEqual((said["daemon"], said["name"], said["handler"]), ("unknown", "unknown", "error"))

    def test_descriptors_of_the_daemon(self):
        pid = self.start_daemon()
        self.assert_found("descriptors", "ok", "the daemon may have")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (100, 100))
        self.assert_found("descriptors", "error", r"^114 are needed .* the daemon may have 100$", "LimitNOFILE=228")

    def test_descriptors_without_a_daemon(self):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.configure({"handler.concurrency": 25})
        resource.setrlimit(resource.RLIMIT_NOFILE, (120, limit[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        self.assert_found("descriptors", "warning", "that of the daemon is not known")

    def test_journal(self):
        nowhere = {"SLUICED_JOURNAL_SOCKET": self.path("no.socket")}
        self.assert_found("journal", "ok", "the log is text", **nowhere)
        self.configure(daemon={"log.format": "journal"})
        self.assert_found("journal", "warning", "takes no records", "journald", **nowhere)
        self.configure(daemon={"log.format": "json"})
        self.assert_found("journal", "ok", "log.format is json")


class OfACluster(Doctor):
    def start_servers(self):
        self.cluster = Cluster(self.dir, 3, 0)
        self.addCleanup(self.cluster.stop_all)
        self.cluster.start().ready()

    def setUp(self):
        super(CtlCase, self).setUp()
        self.config_path = self.path("ctl.yaml")
        self.script("#!/bin/sh\n")
        self.configure(redis={"url": "redis://" + self.cluster.seeds[0], "cluster": True},
                       consumer={"dead_letter.stream": "all:dead"}, streams="q:{0..11}")

    def test_every_node_that_serves_a_stream(self):
        try:
            self.cluster.call("all:dead", "SET", "all:dead", "x")
        except resp.ReplyError as why:
            self.fail(why)
        said = self.doctor(status=1)
        servers = {f["section"] for f in said["findings"] if f["check"] == "version"}
        self.assertEqual(len(servers), 3, said)
        dead = [f for f in said["findings"] if f["check"] == "dead letters"]
        self.assertEqual([f["health"] for f in dead], ["error"] * 12)
        self.assertEqual([f["health"] for f in said["findings"] if f["check"] == "rights"], ["ok"])


if __name__ == "__main__":
    main()
