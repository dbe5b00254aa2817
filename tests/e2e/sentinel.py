# SPDX-License-Identifier: MIT
"""A primary, its replicas and the sentinels that watch over them.

    servers = SentinelSet(directory)        # also: replicas=, sentinels=, quorum=, name=, tls=, options=
                                            # login=Login(user, password), sentinel_login=Login(...)
    servers.start().ready()                 # about 2.5 s
    servers.name, servers.nodes             # for sentinel.master and sentinel.nodes
    servers.primary().call("XADD", ...)     # the servers.Redis that the sentinels name now
    servers.replicas()                      # the other living ones
    old = servers.kill_primary()            # kill -9; or stop_primary(): SIGSTOP
    new = servers.wait_new_primary(old)     # 1 to 2 s; all sentinels agree, and it takes writes
    old.start().wait_ready()                # after a SIGSTOP: old.thaw()
    servers.wait_replica(old)               # the sentinels made it a replica: up to 12 s
    new = servers.failover()                # asked for: 1 s
    servers.sentinels[0].kill()             # a servers.Redis too: call, freeze, thaw, kill, start
    servers.stop_all()

The sentinels disagree for up to a second after a failover. A second one within 10 s of the first may
make them go back and forth. A login without a user is requirepass; one with a user turns the default
user off. With tls= nothing listens without TLS but the unix sockets.
"""

import collections
import os

import resp
from servers import Redis, wait_until

Login = collections.namedtuple("Login", "user password")


def login_settings(login):
    """For the server that one signs in to."""
    if not login:
        return []
    if not login.user:
        return [("requirepass", login.password)]
    return [("user", "%s on >%s ~* &* +@all" % login), ("user", "default off")]


def account_settings(login, user_setting, password_setting):
    """For the server that signs in elsewhere."""
    if not login:
        return []
    user = [(user_setting, login.user)] if login.user else []
    return user + [(password_setting, login.password)]


class ConfiguredServer(Redis):
    """A server with a folder and a file of its own, which it may rewrite."""

    def __init__(self, directory, settings, tls=None, login=None):
        os.mkdir(directory)
        super().__init__(directory, tcp=not tls, tls=tls)
        self.settings = settings + login_settings(login)
        if tls:
            self.settings.append(("tls-replication", "yes"))
        self.auth = tuple(word for word in login or () if word)

    def write_settings(self, settings):
        path = os.path.join(self.directory, "redis.conf")
        if not os.path.exists(path):
            with open(path, "w", encoding="ascii") as f:
                f.writelines("%s %s\n" % setting for setting in settings)
        return path

    def arguments(self):
        return [self.write_settings(self.settings), *super().arguments()]

    def call(self, *args):
        """By a new connection when the old one was cut: the sentinels do it to the clients of a
        server whose role they change."""
        if self.connection.is_cut():
            self.connection.close()
            self.connection = self.connect()
        return super().call(*args)

    def replication(self):
        """INFO replication; empty when it does not answer, or cuts the connection just now."""
        try:
            lines = self.call("INFO", "replication").decode().splitlines()
        except (OSError, resp.ReplyError):
            return {}
        return dict(line.split(":", 1) for line in lines if ":" in line)


class Sentinel(ConfiguredServer):
    """It has no unix socket: the connections of the test are a remote client's."""

    def arguments(self):
        listening = [("port", self.port), ("bind", "127.0.0.1"), ("dir", self.directory),
                     ("logfile", self.log_path)]
        if self.tls:
            listening += self.tls.settings(self.tls_port)
        return [self.write_settings(listening + self.settings), "--sentinel"]

    def connect(self):
        return self.dial()

    def named_primary(self, name):
        """The port of the primary by this sentinel; None when it does not say."""
        try:
            return int(self.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)[1])
        except (OSError, resp.ReplyError, TypeError):
            return None


class SentinelSet:
    def __init__(self, directory, name="m", *, replicas=2, sentinels=3, quorum=2, login=None,
                 sentinel_login=None, tls=None, options=(), down_after_ms=500):
        self.name = name
        self.tls, self.login, self.options = tls, login, list(options)
        first = self._server(os.path.join(directory, "redis0"), None)
        self.servers = [first] + [self._server(os.path.join(directory, "redis%d" % n), first)
                                  for n in range(1, replicas + 1)]
        watched = self._watched(first, quorum, down_after_ms)
        watched += account_settings(sentinel_login, "sentinel sentinel-user", "sentinel sentinel-pass")
        self.sentinels = [Sentinel(os.path.join(directory, "sentinel%d" % n), watched, tls, sentinel_login)
                          for n in range(sentinels)]

    def _server(self, directory, primary):
        settings = [("repl-diskless-sync-delay", 0)]
        settings += account_settings(self.login, "masteruser", "masterauth")
        if primary:  # in the file, because the sentinels have it rewritten
            settings.append(("replicaof", "%s %d" % primary.address))
        made = ConfiguredServer(directory, settings, self.tls, self.login)
        made.options += self.options
        return made

    def _watched(self, first, quorum, down_after_ms):
        name = self.name
        return [("sentinel monitor", "%s %s %d %d" % (name, *first.address, quorum)),
                ("sentinel down-after-milliseconds", "%s %d" % (name, down_after_ms)),
                ("sentinel failover-timeout", name + " 3000"),
                ("sentinel parallel-syncs", name + " 2"),
                *account_settings(self.login, "sentinel auth-user " + name, "sentinel auth-pass " + name)]

    def start(self):
        for server in self.servers:
            server.start()
        for server in self.servers:
            server.wait_ready()
        # A sentinel looks for replicas when it starts, and then every 10 s only.
        wait_until(lambda: self._online() == len(self.servers) - 1, 20, "the replicas to be online")
        for sentinel in self.sentinels:
            sentinel.start()
        return self

    def ready(self):
        for sentinel in self.sentinels:
            sentinel.wait_ready()
        wait_until(self._all_known, 20, "the sentinels to know each other and the replicas")
        return self

    def _online(self):
        state = self.servers[0].replication()
        return sum("state=online" in value for value in state.values())

    def _all_known(self):
        for sentinel in self.sentinels:
            state = resp.table(sentinel.call("SENTINEL", "MASTER", self.name))
            if (state["num-other-sentinels"] != b"%d" % (len(self.sentinels) - 1)
                    or state["num-slaves"] != b"%d" % (len(self.servers) - 1)
                    or state["flags"] != b"master"):
                return False
            if any(resp.table(replica)["flags"] != b"slave"
                   for replica in sentinel.call("SENTINEL", "REPLICAS", self.name)):
                return False
        try:
            return all(s.call("SENTINEL", "CKQUORUM", self.name) for s in self.sentinels)
        except resp.ReplyError:
            return False

    @property
    def nodes(self):
        return ["%s:%d" % sentinel.address for sentinel in self.sentinels]

    def server_at(self, port):
        return next(server for server in self.servers if server.address[1] == port)

    def _named(self):
        """What the living sentinels say."""
        living = [sentinel for sentinel in self.sentinels if sentinel.is_answering()]
        return [sentinel.named_primary(self.name) for sentinel in living]

    def primary(self):
        """The primary that most of the living sentinels name."""
        named = collections.Counter(port for port in self._named() if port)
        if not named:
            raise AssertionError("no sentinel answers")
        return self.server_at(named.most_common(1)[0][0])

    def replicas(self):
        primary = self.primary()
        return [server for server in self.servers if server is not primary and server.is_answering()]

    def kill_primary(self):
        old = self.primary()
        old.kill()
        return old

    def stop_primary(self):
        old = self.primary()
        old.freeze()
        return old

    def wait_new_primary(self, old, seconds=30):
        """Until all sentinels name another one, which takes writes."""
        def agreed():
            named = set(self._named())
            if len(named) != 1 or None in named:
                return None
            server = self.server_at(named.pop())
            is_new = server is not old and server.replication().get("role") == "master"
            return server if is_new else None
        return wait_until(agreed, seconds, "a new primary")

    def wait_replica(self, server, seconds=30):
        """Until the sentinels have made a replica of it, and it is in step."""
        def in_step():
            state = server.replication()
            return state.get("role") == "slave" and state.get("master_link_status") == "up"
        wait_until(in_step, seconds, "the old primary to be a replica")

    def failover(self):
        """Asks for another primary and waits for it."""
        old = self.primary()
        wait_until(self._accepts_failover, 30, "a sentinel to accept SENTINEL FAILOVER")
        return self.wait_new_primary(old)

    def _accepts_failover(self):
        """It refuses while another one goes on, or before it knows a replica that could take over."""
        try:
            return self.sentinels[0].call("SENTINEL", "FAILOVER", self.name)
        except resp.ReplyError:
            return False

    def stop_all(self):
        for server in self.sentinels + self.servers:
            server.kill()
