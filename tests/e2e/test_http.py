#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The control interface over HTTP: what it answers, on which sockets, and to whom it is deaf."""

import contextlib
import grp
import os
import socket
import stat
import subprocess
import threading
import time

from control import Connection, Control, control_of, plain
from harness import Case, main
from servers import free_port, wait_until

HOLD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'])\ngate('go')\n"
PAGES = ("/metrics", "/healthz", "/readyz", "/v1/status")


def raw(address, data):
    """All that is answered to these bytes until the daemon closes, or is silent for a moment."""
    with plain(address, timeout=1) as sock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        sock.sendall(data)
        answer = b""
        with contextlib.suppress(socket.timeout):
            while piece := sock.recv(65536):
                answer += piece
        return answer
    return b""


class Routes(Case):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        listen = ["unix:" + self.path("run.one/control.sock"), "127.0.0.1:%d" % self.port]
        self.daemon = self.start(["/bin/true"], daemon={"listen": listen})
        self.control = control_of(self.daemon)

    def assert_error(self, answer, status):
        self.assertEqual(answer.status, status, answer.text)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(list(answer.json()), ["error"])

    def test_pages_on_every_listener(self):
        for address in (self.control.address, self.port):
            for page in PAGES:
                with self.subTest(address=address, page=page):
                    self.assertEqual(Control(address).get(page).status, 200)

    def test_types(self):
        types = [self.control.get(page).headers["Content-Type"] for page in PAGES]
        self.assertEqual(types, ["text/plain; version=0.0.4; charset=utf-8", "text/plain; charset=utf-8",
                                 "application/json", "application/json"])

    def test_what_is_not_there(self):
        for path in ("/", "/metrics/", "/v1", "/v1/consumers/c", "/v1/consumers/c/", "/v1/consumers//pause",
                     "/v1/consumers/c/stop", "/v1/reload/x", "/etc/passwd", "/%00", "/../metrics"):
            with self.subTest(path=path):
                self.assert_error(self.control.get(path), 404)
        for action in ("pause", "resume", "concurrency?n=2"):
            self.assert_error(self.control.post("/v1/consumers/nobody/" + action), 404)

    def test_wrong_methods(self):
        for method, path, allowed in (("POST", "/metrics", "GET, HEAD"), ("DELETE", "/v1/status", "GET, HEAD"),
                                      ("GET", "/v1/drain", "POST"), ("PUT", "/v1/consumers/c/pause", "POST"),
                                      ("OPTIONS", "/readyz", "GET, HEAD")):
            with self.subTest(method=method, path=path):
                answer = self.control.ask(method, path)
                self.assert_error(answer, 405)
                self.assertEqual(answer.headers["Allow"], allowed)

    def test_nothing_is_changed_over_tcp(self):
        over_tcp = Control(self.port)
        for path in ("/v1/drain", "/v1/reload", "/v1/consumers/c/pause", "/v1/consumers/c/concurrency?n=3",
                     "/v1/consumers/nobody/pause", "/metrics", "/nowhere"):
            with self.subTest(path=path):
                self.assert_error(over_tcp.post(path), 403)
        self.assertEqual(self.control.consumer()["state"], "running")
        self.assertEqual(self.control.status()["state"], "running")

    def test_bad_arguments(self):
        for query in ("", "?n=", "?n=0", "?n=-1", "?n=1.5", "?n=03", "?n=x", "?n=10001", "?m=2",
                      "?n=99999999999999999999999"):
            with self.subTest(query=query):
                self.assert_error(self.control.post("/v1/consumers/c/concurrency" + query), 400)
        self.assertEqual(self.control.consumer()["handler"]["concurrency"], 1)

    def test_head(self):
        answer = self.control.ask("HEAD", "/metrics")
        self.assertEqual((answer.status, answer.text), (200, ""))
        self.assertGreater(int(answer.headers["Content-Length"]), 1000)

    def test_connection_is_kept(self):
        with contextlib.closing(Connection(self.control.address)) as connection:
            for page in PAGES * 3:
                connection.request("GET", page)
                response = connection.getresponse()
                self.assertEqual(response.status, 200)
                response.read()

    def test_requests_in_a_row_without_waiting(self):
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        self.assertEqual(raw(self.control.address, request * 5).count(b"200 OK"), 5)

    def test_argument_may_stand_among_others(self):
        self.assertEqual(self.control.act("concurrency?x=1&n=2"), {"consumer": "c", "concurrency": 2})

    def test_garbage(self):
        for data in (b"\r\n\r\n", b"\0" * 1000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", os.urandom(3000),
                     b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"*1\r\n$4\r\nPING\r\n", b"\x16\x03\x01" * 100,
                     b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"A" * 100000):
            with self.subTest(data=data[:20]):
                self.assertNotIn(b"200 OK", raw(self.control.address, data))
        self.assertEqual(self.control.get("/healthz").status, 200)

    def test_headers_without_end(self):
        for header in (b"X-%d: " + b"y" * 200 + b"\r\n", b"X: y\r\n"):
            request = b"GET /healthz HTTP/1.1\r\n" + header * 5000 + b"\r\n"
            self.assertNotIn(b"200 OK", raw(self.control.address, request))
        answer = raw(self.control.address, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n")
        self.assertNotIn(b"200 OK", answer)
        self.assertEqual(self.control.get("/healthz").status, 200)

    def test_what_the_library_refuses_itself(self):
        """Such pages are its own: HTML, and the status is what counts."""
        long_uri = b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"
        long_header = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n"
        no_number = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n"
        for status, request in ((b"414", long_uri), (b"431", long_header), (b"400", no_number)):
            # The page is lost where the connection is closed before all of the request was taken.
            said = wait_until(lambda r=request: raw(self.control.address, r), 15, "an answer that arrives")
            self.assertEqual(said.split(b" ")[1], status)

    def test_bodies(self):
        self.assertEqual(self.control.ask("POST", "/v1/consumers/c/pause", b"x" * 60000).status, 200)
        self.control.act("resume")
        length = b"POST /v1/consumers/c/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
        self.assertNotIn(b"200 OK", raw(self.control.address, length + b"x" * 500000))
        self.assertFalse(self.control.consumer()["paused"])

    def test_drain(self):
        answer = self.control.post("/v1/drain")
        self.assertEqual((answer.status, answer.json()), (200, {"state": "draining"}))
        self.assertEqual(self.daemon.wait_exit(), 0)
        self.assertFalse(os.path.exists(self.control.address))

    def test_reload(self):
        self.assertEqual(self.control.post("/v1/reload").json(), {"reloaded": True, "warnings": []})
        self.daemon.wait_for_event("reloaded")
        with open(self.daemon.config_path, "a", encoding="utf-8") as f:
            f.write("nonsense: 1\n")
        answer = self.control.post("/v1/reload")
        self.assertEqual(answer.status, 422)
        self.assertEqual(sorted(answer.json()), ["error", "errors"])
        self.assertIn("nonsense", answer.json()["errors"][0])
        self.daemon.wait_for_event("reload_refused")


class Drained(Case):
    def test_drain_lets_runs_finish_and_tells_so(self):
        daemon = self.start(self.python(HOLD), daemon={"drain_timeout": "20s"})
        control = control_of(daemon)
        self.add()
        self.wait_records(1)
        control.post("/v1/drain")
        ready = control.get("/readyz")
        self.assertEqual(ready.status, 503)
        self.assertEqual(ready.json()["obstacles"][0], {"consumer": None, "obstacle": "draining"})
        self.assertEqual(control.get("/healthz").status, 200)
        self.assertEqual(control.post("/v1/reload").status, 409)
        self.assertEqual(control.consumer()["state"], "draining")
        self.open_gate()
        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(self.pending(), {})

    def test_second_drain_ends_runs(self):
        daemon = self.start(self.python(HOLD), daemon={"drain_timeout": "60s"})
        control = control_of(daemon)
        self.add()
        self.wait_records(1)
        control.post("/v1/drain")
        self.assertEqual(control.post("/v1/drain").json(), {"state": "hurrying"})
        self.assertEqual(daemon.wait_exit(), 0)


class Readiness(Case):
    def assert_obstacle(self, control, words):
        def told():
            answer = control.get("/readyz")
            found = [o["obstacle"] for o in answer.json()["obstacles"] if o["consumer"] == "c"]
            return answer.status == 503 and any(words in o for o in found)
        wait_until(told, 15, "an obstacle: " + words)
        self.assertFalse(control.get("/readyz").json()["ready"])
        self.assertTrue(any(words in o for o in control.consumer()["obstacles"]))

    def assert_ready(self, control):
        wait_until(lambda: control.get("/readyz").status == 200, 15, "readiness")
        self.assertEqual(control.get("/readyz").json(), {"ready": True, "obstacles": []})

    def test_server_is_down(self):
        control = control_of(self.start(["/bin/true"]))
        self.assert_ready(control)
        self.redis.kill()
        self.assert_obstacle(control, "stream s: not connected")
        self.assertEqual(control.get("/healthz").status, 200)
        stream = control.consumer()["streams"][0]
        self.assertEqual(stream["connected"], {"reader": False, "command": False})
        self.assertTrue(stream["fault"])
        self.redis.start().wait_ready()
        self.assert_ready(control)

    def test_breaker(self):
        command = self.shell("cat >/dev/null; test -e $HERE/gate.all || exit 127")
        control = control_of(self.start(command, {"breaker.failures": 1, "handler.exit_codes": {127: "broken"}}))
        self.add()
        self.assert_obstacle(control, "breaker")
        self.assertNotEqual(control.consumer()["breaker"]["state"], "closed")
        control.wait_metric(1, "sluiced_breaker_open", consumer="c")
        self.open_gate("all")
        self.assert_ready(control)
        control.wait_metric(0, "sluiced_breaker_open", consumer="c")

    def test_missing_group(self):
        self.add()
        control = control_of(self.start(["/bin/true"], {"on_missing_group": "fail"}))
        self.assert_obstacle(control, "group does not exist")
        self.assertEqual(control.consumer()["streams"][0]["group_state"], "stopped")

    def test_name_in_use(self):
        first = self.start(["/bin/true"], name="first")
        self.trickle()
        wait_until(lambda: self.group() and self.group()["consumers"], 15, "the name to be in the group")
        second = self.prepare({"c": self.consumer(["/bin/true"])}, name="second").start()
        wait_until(lambda: os.path.exists(control_of(second).address), 15, "the socket of the second")
        self.assert_obstacle(control_of(second), "name is in use")
        self.assert_ready(control_of(first))

    def test_bound(self):
        control = control_of(self.start(self.python(HOLD), {"read.max_held": 3, "handler.concurrency": 3}))
        self.add_many(5)
        self.wait_records(3)
        self.assert_obstacle(control, "bound")
        self.open_gate()
        self.assert_ready(control)


class Sockets(Case):
    def start_listening(self, listen, **more):
        return self.start(["/bin/true"], daemon={"listen": listen}, **more)

    def fails_to_start(self, listen, words):
        daemon = self.prepare({"c": self.consumer(["/bin/true"])}, daemon={"listen": listen}).start()
        self.assertEqual(daemon.wait_exit(), 1)
        said = " ".join(e["message"] for e in daemon.events("stopped"))
        self.assertIn(words, said)
        self.assertEqual(daemon.events("ready"), [])

    def mode(self, path):
        return stat.S_IMODE(os.stat(path).st_mode)

    def test_default(self):
        daemon = self.start(["/bin/true"])
        path = control_of(daemon).address
        self.assertEqual(self.mode(path), 0o600)
        daemon.stop()
        self.assertFalse(os.path.exists(path))

    def test_mode_and_group(self):
        group = grp.getgrgid(next(g for g in (1, 2, 3) if g != os.getgid()))
        before = os.umask(0o077)
        self.addCleanup(os.umask, before)
        path = self.path("shared.sock")
        self.start_listening(["unix:%s?mode=0660&group=%s" % (path, group.gr_name)])
        self.assertEqual(self.mode(path), 0o660)
        self.assertEqual(os.stat(path).st_gid, group.gr_gid)
        self.assertEqual(Control(path).get("/healthz").status, 200)

    def test_mode_alone(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        paths = {self.path("a.sock"): "", self.path("b.sock"): "?mode=0666", self.path("c.sock"): "?mode=600"}
        self.start_listening(["unix:" + path + settings for path, settings in paths.items()])
        self.assertEqual([self.mode(path) for path in paths], [0o600, 0o666, 0o600])

    def test_unknown_group(self):
        self.fails_to_start(["unix:%s?group=no-such-group" % self.path("x.sock")], "no group no-such-group")

    def test_stale_socket_is_replaced(self):
        daemon = self.start(["/bin/true"])
        path = control_of(daemon).address
        daemon.kill()
        self.assertTrue(os.path.exists(path))
        daemon.restart()
        self.assertEqual(Control(path).get("/healthz").status, 200)

    def test_living_socket_is_left_alone(self):
        path = self.path("taken.sock")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen(1)
            self.fails_to_start(["unix:" + path], "a living process listens on it")
            plain(path).close()

    def test_file_is_left_alone(self):
        path = self.path("file")
        with open(path, "w", encoding="ascii") as f:
            f.write("precious")
        self.fails_to_start(["unix:" + path], "no socket")
        with open(path, encoding="ascii") as f:
            self.assertEqual(f.read(), "precious")

    def test_directory_is_missing(self):
        self.fails_to_start(["unix:" + self.path("nowhere/x.sock")], "No such file or directory")

    def test_port_is_taken(self):
        port = free_port()
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen(1)
            self.fails_to_start(["127.0.0.1:%d" % port], "Address already in use")

    def test_first_socket_goes_when_the_second_fails(self):
        path = self.path("first.sock")
        self.fails_to_start(["unix:" + path, "unix:" + self.path("nowhere/x.sock")], "nowhere")
        self.assertFalse(os.path.exists(path))

    def test_foreign_socket_in_our_place_stays(self):
        daemon = self.start(["/bin/true"])
        path = control_of(daemon).address
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            daemon.stop()
            self.assertTrue(os.path.exists(path))

    def test_localhost_is_every_loopback_address(self):
        port = free_port()
        self.start_listening(["localhost:%d" % port])
        for family, address in {(info[0], info[4]) for info in socket.getaddrinfo("localhost", port)}:
            with self.subTest(address=address), socket.socket(family) as sock:
                sock.connect(address)

    def test_handlers_inherit_nothing(self):
        command = self.shell("cat >/dev/null; ls -l /proc/self/fd >$HERE/fds.new; mv $HERE/fds.new $HERE/fds")
        daemon = self.start_listening(["unix:" + self.path("x.sock"), "127.0.0.1:%d" % free_port()])
        daemon.stop()
        daemon = self.start(command, name="two")
        with plain(control_of(daemon).address):
            self.add()
            wait_until(lambda: os.path.exists(self.path("fds")), 15, "what a handler has open")
        with open(self.path("fds"), encoding="ascii") as f:
            self.assertNotIn("socket", f.read())


class Crowd(Case):
    """Clients that do nothing, or next to nothing, and entries that flow."""

    def setUp(self):
        super().setUp()
        self.daemon = self.start(self.python("for e in entries():\n    say('ok', e['tag'])\n"),
                                 {"handler.mode": "worker"})
        self.control = control_of(self.daemon)
        self.sockets = []
        self.addCleanup(lambda: [s.close() for s in self.sockets])

    def crowd(self, count, data=b""):
        for _ in range(count):
            self.sockets.append(plain(self.control.address))
            self.sockets[-1].sendall(data)

    def latency(self, count=30):
        """Seconds from XADD to the acknowledgement, the longest of so many."""
        worst = 0
        for _ in range(count):
            started = time.monotonic()
            self.add()
            self.wait_settled()
            worst = max(worst, time.monotonic() - started)
        return worst

    def drip(self, stop):
        while not stop.wait(0.05):
            for sock in self.sockets:
                with contextlib.suppress(OSError):
                    sock.send(b"a")

    @contextlib.contextmanager
    def dripping(self):
        stop = threading.Event()
        thread = threading.Thread(target=self.drip, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def test_idle_and_dripping_clients_delay_nothing(self):
        self.latency(3)
        self.crowd(100)
        self.crowd(100, b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        with self.dripping():
            self.assertLess(self.latency(), 0.25)
            self.assertEqual(self.control.get("/metrics").status, 200)
            self.assertEqual(self.control.get("/readyz").status, 200)

    def test_more_clients_than_there_may_be(self):
        self.crowd(700, b"GET /metrics HTTP/1.1\r\n")
        self.assertEqual(self.control.get("/healthz").status, 200)
        self.assertLess(len(os.listdir("/proc/%d/fd" % self.daemon.process.pid)), 400)
        self.assertLess(self.latency(5), 0.5)

    def test_slow_readers_of_large_answers(self):
        request = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
        self.crowd(50)
        for sock in self.sockets:
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.send(request * 200)
        self.assertLess(self.latency(10), 0.5)
        self.assertEqual(self.control.get("/healthz").status, 200)
        self.assertLess(self.daemon.memory_kib(), 200000)

    def test_whoever_is_too_slow_is_dropped(self):
        self.crowd(3)
        self.crowd(3, b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        with self.dripping():
            for sock in self.sockets:
                sock.settimeout(45)
                with contextlib.suppress(ConnectionResetError):
                    while sock.recv(65536):
                        pass
        self.assertEqual(self.control.get("/healthz").status, 200)


class Starved(Case):
    def test_without_descriptors(self):
        """Nobody is accepted then, and the loop does not spin."""
        daemon = self.start(["/bin/true"])
        control = control_of(daemon)
        pid = daemon.process.pid
        used = max(int(fd) for fd in os.listdir("/proc/%d/fd" % pid)) + 1
        subprocess.run(["prlimit", "--pid", str(pid), "--nofile=%d:20000" % used], check=True)
        with plain(control.address, timeout=1), plain(control.address, timeout=1):
            with contextlib.suppress(OSError):
                control.get("/healthz")
            before = os.times()
            cpu = self.cpu_ticks(pid)
            wait_until(lambda: os.times().elapsed - before.elapsed > 1.5, 5, "some time")
            self.assertLess(self.cpu_ticks(pid) - cpu, 30)
        subprocess.run(["prlimit", "--pid", str(pid), "--nofile=20000:20000"], check=True)
        self.assertEqual(control.get("/healthz").status, 200)

    def cpu_ticks(self, pid):
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        return int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    main()
