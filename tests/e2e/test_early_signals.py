#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Signals that come before the daemon is ready for them."""

import os
import signal
import threading

from harness import Case, main


class EarlySignals(Case):
    def start_slowly(self, number):
        """A daemon that gets the signal in the middle of loading its file, which is a named pipe."""
        daemon = self.prepare({"c": self.consumer(["/bin/true"])})
        regular, path = self.path("regular.yaml"), daemon.config_path
        os.rename(path, regular)
        os.mkfifo(path)

        def feed():
            with open(regular, encoding="utf-8") as f:
                text = f.read()
            with open(path, "w", encoding="utf-8") as pipe:  # waits for the daemon to open it
                os.rename(regular, path)
                daemon.signal(number)
                pipe.write(text)
        daemon.start()
        feeder = threading.Thread(target=feed)
        feeder.start()
        self.addCleanup(feeder.join)
        return daemon

    def test_sigterm_is_a_clean_stop(self):
        self.assertEqual(self.start_slowly(signal.SIGTERM).wait_exit(), 0)

    def test_sighup_is_a_reload(self):
        daemon = self.start_slowly(signal.SIGHUP)
        daemon.wait_for_event("reloaded")
        daemon.wait_for_event("ready")
        self.add()
        self.wait_settled()


if __name__ == "__main__":
    main()
