#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each error that Redis may answer a command with: held back, told, tried again, and then over.

Nothing is acknowledged or lost by an error, nothing is run twice because of one, and the consumer
that met it is the only one that notices.
"""

from errorcase import FAILS_ONCE, NEEDS_PERSON, NO_PRIMARY, RECORD, TEMPORARY, ErrorCase, for_each
from harness import main, record_fields
from servers import wait_until

UNBLOCKED = {
    "unblocked": "UNBLOCKED the stream key no longer exists",
    "nogroup": "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option",
}


@for_each({**TEMPORARY, **NO_PRIMARY, **UNBLOCKED})
class Read(ErrorCase):
    def check(self, text):
        daemon = self.start_idle_pair()
        rule = self.fake.refuse("XREADGROUP", text, key="s")
        self.wait_hits([rule], 1)
        entry = self.add()
        self.assert_is_refused(daemon, [rule], text)
        self.assertEqual((self.runs(entry), self.pending()), ([], {}))
        self.fake.lift(rule)
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1])
        daemon.stop()


@for_each(NEEDS_PERSON)
class ReadNeedsPerson(ErrorCase):
    def check(self, text):
        daemon = self.start_idle_pair()
        rule = self.fake.refuse("XREADGROUP", text, key="s")
        self.wait_hits([rule], 1)
        entry = self.add()
        self.assertEqual(self.assert_told(daemon, "XREADGROUP", text)["level"], "error")
        self.assert_patient([rule], seconds=2, most=1)
        self.assert_good_goes_on()
        self.fake.lift(rule)
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1])


@for_each({**TEMPORARY, **NO_PRIMARY, **NEEDS_PERSON})
class Acknowledge(ErrorCase):
    def check(self, text):
        daemon = self.start_idle_pair()
        rule = self.fake.refuse("XACK", text, key="s")
        entry = self.add()
        self.assert_is_refused(daemon, [rule], "XACK", text)
        self.assertEqual(self.pending()[entry][0], "me")
        self.fake.lift(rule)
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1])
        daemon.stop()


@for_each({**TEMPORARY, **NEEDS_PERSON})
class Begin(ErrorCase):
    def check(self, text):
        daemon = self.start_idle_pair(FAILS_ONCE.replace("sys.exit(", "sys.exit('bad' in entry['fields'] and "))
        rules = self.refuse_scripts(text)
        entry = self.add(bad="1")
        self.assert_is_refused(daemon, rules, "beginning runs", text)
        self.assertEqual(self.runs(entry), [1])
        self.assertIn(entry, self.pending())
        self.fake.lift(*rules)
        self.wait_settled(seconds=30)
        self.assertEqual(self.runs(entry), [1, 2])


@for_each({**TEMPORARY, **NEEDS_PERSON})
class Bury(ErrorCase):
    def check(self, text):
        daemon = self.start_idle_pair(RECORD + "sys.exit(65 * ('bad' in entry['fields']))\n")
        rules = self.refuse_scripts(text)
        entry = self.add(bad="1")
        self.assert_is_refused(daemon, rules, text)
        self.assertEqual((self.dead(), list(self.pending())), ([], [entry]))
        self.fake.lift(*rules)
        self.wait_settled(seconds=30)
        self.assertEqual([record_fields(pairs)[0]["sluice.id"] for pairs in self.dead()], [entry])
        self.assertEqual(self.runs(entry), [1])


@for_each({**TEMPORARY, **NEEDS_PERSON})
class Claim(ErrorCase):
    def check(self, text):
        entry = self.add()
        self.abandon()
        rules = self.refuse_scripts(text)
        daemon = self.start_pair(dotted={"claim.min_idle": "1s"})
        self.assert_is_refused(daemon, rules, "claiming entries", text)
        self.assertEqual(self.runs(entry), [])
        self.fake.lift(*rules)
        self.wait_settled()
        self.assertEqual(self.runs(entry), [2])


@for_each({name: TEMPORARY[name] for name in ("busy", "noreplicas", "unknown_command")})
class Renew(ErrorCase):
    def check(self, text):
        daemon = self.start_idle_pair(RECORD + "if 'bad' in entry['fields']: gate('go')\n",
                                      {"claim.min_idle": "1s"})
        rules = self.refuse_scripts(text)
        entry = self.add(bad="1")
        self.assert_is_refused(daemon, rules, "renewing leases", text)
        self.fake.lift(*rules)
        wait_until(lambda: self.pending()[entry][1] > 300, 5, "an old lease")
        wait_until(lambda: self.pending()[entry][1] < 200, 5, "a new lease")
        self.open_gate()
        self.wait_settled()
        self.assertEqual(self.runs(entry), [1])


@for_each({name: TEMPORARY[name] for name in ("busy", "noreplicas", "unknown_command")})
class Release(ErrorCase):
    """The daemon leaves in its time, and what could not be given back stays pending."""

    def check(self, text):
        daemon = self.start_idle_pair(RECORD + "if 'bad' in entry['fields']: gate('go')\n",
                                      daemon={"drain_timeout": "1s"})
        entry = self.add(bad="1")
        self.wait_run(entry)
        rules = self.refuse_scripts(text)
        daemon.signal(15)
        self.assertIn(daemon.wait_exit(10), (0, 1))
        self.assertTrue(rules[0].hits or rules[1].hits)
        self.assertLess(self.n_hits(rules), 60)
        self.assertEqual(self.pending()[entry][0], "me")


if __name__ == "__main__":
    main()
