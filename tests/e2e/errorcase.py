# SPDX-License-Identifier: MIT
"""What the tests of Redis' error replies share: a consumer in trouble and one that must not notice.

"bad" reads stream s, "good" reads stream t. Between them and Redis stands a FakeRedis.
"""

from fakeredis import FakeRedis
from harness import Case
from servers import stays_true, wait_until

RECORD = "entry = json.load(sys.stdin)\nrecord(id=entry['id'], attempt=entry['attempt'])\n"
FAILS_ONCE = RECORD + "sys.exit(entry['attempt'] == 1)\n"
SCRIPTS = ("EVAL", "EVALSHA")

# Pauses grow from 100 ms; a connection that is made anew takes 50 ms and more.
WATCHED_SECONDS = 0.6
MOST_TRIES = 20

TEMPORARY = {
    "loading": "LOADING Redis is loading the dataset in memory",
    "busy": "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "masterdown": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "tryagain": "TRYAGAIN Multiple keys request during rehashing of slot",
    "clusterdown": "CLUSTERDOWN The cluster is down",
    "noreplicas": "NOREPLICAS Not enough good replicas to write.",
    "misconf": "MISCONF Errors writing to the AOF file: No space left on device",
    "oom": "OOM command not allowed when used memory > 'maxmemory'.",
    "execabort": "EXECABORT Transaction discarded because of previous errors.",
    "moved": "MOVED 15891 127.0.0.1:7001",
    "ask": "ASK 15891 127.0.0.1:7001",
    "crossslot": "CROSSSLOT Keys in request don't hash to the same slot",
    "unknown_command": "ERR unknown command 'SOMETHING', with args beginning with: 's' 'g' ",
    "syntax_error": "ERR syntax error",
    "unheard_of": "FROBNICATED by a server of the future",
}
NO_PRIMARY = {"readonly": "READONLY You can't write against a read only replica."}
NEEDS_PERSON = {
    "noauth": "NOAUTH Authentication required.",
    "wrongtype": "WRONGTYPE Operation against a key holding the wrong kind of value",
}


def for_each(rows):
    """Gives a class a test for each row of a table of error texts: check(text)."""
    def decorate(cls):
        for name, text in rows.items():
            setattr(cls, "test_" + name, lambda self, text=text: self.check(text))
        return cls
    return decorate


class ErrorCase(Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRedis(self.path("fake.sock"), self.redis.path)
        self.addCleanup(self.fake.close)

    def start_pair(self, body=RECORD, dotted=None, **more):
        more.setdefault("redis", {"url": self.fake.url})
        command = self.python(body)
        return self.start_all({"bad": self.consumer(command, dotted),
                               "good": self.consumer(command, {"stream": "t"})}, **more)

    def start_idle_pair(self, *args, **more):
        """A pair whose streams have been read to their ends."""
        daemon = self.start_pair(*args, **more)
        self.wait_group("s")
        self.assert_good_goes_on()
        return daemon

    def runs(self, entry):
        return [r["attempt"] for r in self.records() if r["id"] == entry]

    def wait_run(self, entry, seconds=15):
        wait_until(lambda: self.runs(entry), seconds, "a run of " + entry)

    def assert_good_goes_on(self):
        entry = self.add("t")
        self.wait_run(entry)
        self.wait_settled("t")

    def refuse_scripts(self, text, key="s"):
        return [self.fake.refuse(word, text, key=key) for word in SCRIPTS]

    @staticmethod
    def n_hits(rules):
        return sum(len(rule.hits) for rule in rules)

    def wait_hits(self, rules, count=2):
        wait_until(lambda: self.n_hits(rules) >= count, 15, "%d refusals" % count)

    def assert_patient(self, rules, seconds=WATCHED_SECONDS, most=MOST_TRIES):
        """What is refused is not tried over and over again."""
        before = self.n_hits(rules)
        stays_true(lambda: self.n_hits(rules) - before <= most, seconds, "few tries")

    def assert_told(self, daemon, *words):
        """The log of the consumer in trouble has a line with these words."""
        def told():
            lines = [line for line in daemon.events(consumer="bad") if line["level"] in ("warning", "error")]
            return next((line for line in lines if all(word in line["message"] for word in words)), None)
        return wait_until(told, 15, "a line of log with %s" % (words,))

    def assert_is_refused(self, daemon, rules, *words, count=2):
        """It is tried again, patiently, and told, and the other consumer does not notice."""
        self.wait_hits(rules, count)
        self.assert_told(daemon, *words)
        self.assert_patient(rules)
        self.assert_good_goes_on()
