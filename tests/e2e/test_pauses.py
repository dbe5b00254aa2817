#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""However long a server could not serve, work goes on soon after."""

from errorcase import ErrorCase
from harness import main
from servers import wait_until

PASSING = ("CLUSTERDOWN The cluster is down", "NOREPLICAS Not enough good replicas to write.")
TRIES = 8  # pauses that double would be at 3.2 to 6.4 s by now
LONGEST_SECONDS = 2.5


class Pauses(ErrorCase):
    def gaps_of(self, rule):
        wait_until(lambda: len(rule.hits) >= TRIES, 40, "%d tries" % TRIES)
        return [after - before for before, after in zip(rule.hits, rule.hits[1:])]

    def assert_reads_soon(self, text):
        self.start_idle_pair()
        refused = self.fake.refuse("XREADGROUP", text, key="s")
        gaps = self.gaps_of(refused)
        self.assertLess(gaps[-1], LONGEST_SECONDS)
        self.assertGreater(gaps[-1], 0.7)
        self.fake.lift(refused)
        entry = self.add()
        self.wait_run(entry, LONGEST_SECONDS)

    def test_clusterdown(self):
        self.assert_reads_soon(PASSING[0])

    def test_noreplicas(self):
        self.assert_reads_soon(PASSING[1])

    def test_acknowledgements(self):
        self.start_idle_pair()
        refused = self.fake.refuse("XACK", PASSING[1], key="s")
        self.add()
        self.assertLess(self.gaps_of(refused)[-1], LONGEST_SECONDS)
        self.fake.lift(refused)
        self.wait_settled("s", LONGEST_SECONDS)


if __name__ == "__main__":
    main()
