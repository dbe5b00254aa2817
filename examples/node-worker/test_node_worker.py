# SPDX-License-Identifier: MIT
import gzip
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from testing import ExampleTest


@unittest.skipUnless(shutil.which("node"), "node is not installed")
class NodeWorkerTest(ExampleTest):
    def setUp(self):
        super().setUp()
        self.inbox, self.outbox = self.folder / "inbox", self.folder / "outbox"
        self.inbox.mkdir()

    def result(self, name):
        return gzip.decompress((self.outbox / f"{name}.gz").read_bytes())

    def is_only_pending(self, id):
        return (self.is_delivered("files", "compress")
                and [row[0] for row in self.pending("files", "compress")] == [id])

    def test_a_file_that_takes_long_holds_up_no_other(self):
        os.mkfifo(self.inbox / "slow")
        slow = self.add("files", name="slow")
        for n in range(20):
            (self.inbox / f"{n}.txt").write_text(f"file {n}\n" * 1000)
            self.add("files", name=f"{n}.txt")
        daemon = self.start_daemon()
        self.wait_until("all but the slow one are done", lambda: self.is_only_pending(slow))
        self.assertFalse((self.outbox / "slow.gz").exists())

        pipe = os.open(self.inbox / "slow", os.O_WRONLY | os.O_NONBLOCK)  # fails where nobody reads
        os.write(pipe, b"at last\n")
        os.close(pipe)
        self.wait_settled("files", "compress")
        self.assertEqual(self.result("slow"), b"at last\n")
        for n in range(20):
            self.assertEqual(self.result(f"{n}.txt"), f"file {n}\n".encode() * 1000)
        self.stop_daemon(daemon)
        self.assertEqual(len(list(self.outbox.iterdir())), 21)

    def test_names_that_will_never_work_are_buried(self):
        (self.folder / "secret").write_text("not for the outbox")
        names = ["absent", "two\nlines", "../secret", "..", ""]
        for name in names:
            self.add("files", name=name)
        self.start_daemon()
        self.wait_settled("files", "compress")
        buried = {r["name"]: r for r in self.dead("files")}
        self.assertEqual(set(buried), set(names))
        self.assertEqual({r["sluice.reason"] for r in buried.values()}, {"rejected"})
        for name in names[:2]:
            self.assertEqual(buried[name]["sluice.detail"], f"{name} is not in the inbox")
        self.assertEqual(list(self.outbox.iterdir()), [])

    def test_a_disk_that_refuses_means_again(self):
        (self.inbox / "a").write_text("a")
        (self.outbox / "a.gz").mkdir(parents=True)
        self.add("files", name="a")
        self.start_daemon()
        self.wait_until("the rename was refused", lambda: self.events("retry"))
        (self.outbox / "a.gz").rmdir()
        self.wait_settled("files", "compress")
        self.assertEqual(self.result("a"), b"a")


if __name__ == "__main__":
    unittest.main()
