# SPDX-License-Identifier: MIT
import collections
import http.server
import pathlib
import shutil
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from testing import ExampleTest

Request = collections.namedtuple("Request", "at key body")


class Receiver(http.server.ThreadingHTTPServer):
    """Answers a body's deliveries one after the other as scripted, and 200 after that."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.script = {}
        self.requests = collections.defaultdict(list)
        self.lock = threading.Lock()
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def next_answer(self, request):
        with self.lock:
            self.requests[request.body].append(request)
            answers = self.script.get(request.body, [])
            return answers.pop(0) if answers else (200, None)

    def stop(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request(time.monotonic(), self.headers["Idempotency-Key"], body)
        status, retry_after = self.server.next_answer(request)
        if status is None:
            self.server.over.wait(30)
            return
        self.send_response(status)
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@unittest.skipUnless(shutil.which("curl"), "curl is not installed")
class WebhookTest(ExampleTest):
    def setUp(self):
        super().setUp()
        self.receiver = Receiver()
        self.addCleanup(self.receiver.stop)
        self.edit_config("127.0.0.1:8080", f"127.0.0.1:{self.receiver.server_port}")
        self.edit_config('WEBHOOK_TIMEOUT: "10"', 'WEBHOOK_TIMEOUT: "1"')

    def post(self, body, *answers):
        self.receiver.script[body] = list(answers)
        return self.redis("XADD", "webhooks", "*", "payload", stdin=body)

    def deliver(self):
        self.start_daemon()
        self.wait_settled("webhooks", "delivery")

    def test_bodies_arrive_as_they_are(self):
        bodies = [b'{"order": 1}', b'two\nlines\n', b"nul \0 and \xff", b'"; $(exit 1) \'', b"@/etc/passwd",
                  b"x" * 300_000]
        ids = {body: self.post(body) for body in bodies}
        self.deliver()
        self.assertEqual({body: [r.key for r in made] for body, made in self.receiver.requests.items()},
                         {body: [f"webhooks/delivery/{id}"] for body, id in ids.items()})
        self.assertEqual(self.dead("webhooks"), [])

    def test_4xx_is_dead_at_once(self):
        for status in (400, 404, 422):
            self.post(b"%d" % status, (status, None))
        self.deliver()
        self.assertEqual(sorted((r["sluice.detail"], r["sluice.reason"], r["sluice.attempts"], r["payload"])
                                for r in self.dead("webhooks")),
                         [(f"HTTP {status}", "rejected", "1", str(status)) for status in (400, 404, 422)])
        self.assertEqual([len(made) for made in self.receiver.requests.values()], [1, 1, 1])

    def test_5xx_and_silence_are_tried_again_under_the_same_key(self):
        id = self.post(b"down", (500, None))
        self.post(b"silent", (None, None))
        self.deliver()
        self.assertEqual([r.key for r in self.receiver.requests[b"down"]], [f"webhooks/delivery/{id}"] * 2)
        self.assertEqual(len(self.receiver.requests[b"silent"]), 2)
        self.assertEqual(self.dead("webhooks"), [])

    def test_retry_after_is_obeyed(self):
        self.post(b"busy", (429, "3"))
        self.post(b"closed", (503, "3"))
        self.post(b"dated", (429, "Wed, 21 Oct 2065 07:28:00 GMT"))
        self.deliver()
        gap = {body: made[1].at - made[0].at for body, made in self.receiver.requests.items()}
        self.assertGreaterEqual(gap[b"busy"], 2.9)
        self.assertGreaterEqual(gap[b"closed"], 2.9)
        self.assertLess(gap[b"dated"], 2.9)

    def test_an_address_that_is_none_charges_no_entry(self):
        self.edit_config(f"http://127.0.0.1:{self.receiver.server_port}/hook", "'http://['")
        ids = [self.post(b"%d" % n) for n in range(5)]
        self.start_daemon()
        self.wait_until("every entry was tried", lambda: {e["entry_id"] for e in self.events("released")} == set(ids))
        self.wait_until("none is charged", lambda: self.deliveries() == dict.fromkeys(ids, 0))
        self.assertEqual(self.dead("webhooks"), [])

    def deliveries(self):
        return {id: deliveries for id, _, _, deliveries in self.pending("webhooks", "delivery")}


if __name__ == "__main__":
    unittest.main()
