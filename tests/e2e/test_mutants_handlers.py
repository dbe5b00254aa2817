#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a handler printed before its verdict is known when the verdict counts."""

from harness import WorkerCase, main, record_fields


class Output(WorkerCase):
    def test_last_words_are_in_the_record(self):
        """The daemon may see the verdict before the output; it must look at the output first."""
        self.start_worker("for entry in entries():\n"
                          "    os.write(2, b'about %d\\n' % entry['tag']); say('dead', entry['tag'], 'told %d' % entry['tag'])\n",
                          {"breaker.streak": 0})
        for _ in range(100):
            self.add()
        self.wait_settled()
        self.assertEqual(len(self.dead()), 100)
        for pairs in self.dead():
            meta, _ = record_fields(pairs)
            self.assertEqual(meta["sluice.stderr"], meta["sluice.detail"].replace("told", "about") + "\\n")


if __name__ == "__main__":
    main()
