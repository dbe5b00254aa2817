# SPDX-License-Identifier: MIT
"""run_unittest.py --list FILE...: prints a line of JSON for each, with the names of the test classes in it,
or with the error for which they are not known.
run_unittest.py FILE CLASS: runs that class and writes a line of JSON to the file $RUN_REPORT at the
start and at the end of each test, so that nothing a test prints is taken for a result.
"""
import json
import os
import sys
import traceback
import unittest

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class Reporter(unittest.TestResult):
    """Writes a line at the start and at the end of each test."""

    def __init__(self, stream):
        super().__init__()
        self.stream, self.unreported, self.bad = stream, [], ""

    def write(self, **event):
        sys.stdout.flush()
        event["at"] = os.fstat(1).st_size  # how much is printed so far
        self.stream.write(json.dumps(event) + "\n")
        self.stream.flush()

    def startTest(self, test):
        super().startTest(test)
        self.verdict, self.bad = (PASSED, ""), ""
        self.write(start=short_name(test))

    def stopTest(self, test):
        super().stopTest(test)
        status, detail = (FAILED, self.bad) if self.bad else self.verdict
        if test.id() in self.unreported:
            self.unreported.remove(test.id())
        self.write(status=status, name=short_name(test), detail=detail)

    def fail(self, test, err):
        text = self._exc_info_to_string(err, test)
        if hasattr(test, "_testMethodName"):
            self.bad += text
        else:  # setUpClass, tearDownClass: not inside any test
            self.unreported = []
            self.write(status=FAILED, name=str(test), detail=text)

    addFailure = addError = fail

    def addSubTest(self, test, subtest, err):
        if err:
            self.bad += f"{subtest._subDescription()}\n{self._exc_info_to_string(err, test)}"

    def addSkip(self, test, reason):
        if hasattr(test, "_testMethodName"):
            self.verdict = (SKIPPED, reason)
            return
        for name in self.unreported:
            self.write(status=SKIPPED, name=name.split(".", 1)[-1], detail=reason)
        self.unreported = []

    def addUnexpectedSuccess(self, test):
        self.bad += "succeeded, and is marked as an expected failure\n"


def short_name(test):
    return test.id().split(".", 1)[-1]


def load_classes(path):
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    module = __import__(os.path.basename(path)[: -len(".py")])
    suites = unittest.defaultTestLoader.loadTestsFromModule(module)
    classes = {}
    for suite in suites:
        for test in suite:
            classes.setdefault(type(test).__name__, unittest.TestSuite()).addTest(test)
    return classes


def run_class(path, name):
    with open(os.environ["RUN_REPORT"], "w", encoding="utf-8") as stream:
        suite = load_classes(path)[name]
        result = Reporter(stream)
        result.unreported = [test.id() for test in suite]
        suite.run(result)


def list_classes(path):
    try:
        found = {"classes": list(load_classes(path))}
    except BaseException:  # SystemExit, too
        found = {"error": traceback.format_exc()}
    print(json.dumps({"path": path, **found}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        for one in sys.argv[2:]:
            list_classes(one)
    else:
        run_class(*sys.argv[1:])
