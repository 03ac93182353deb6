"""Runs the suites that need a cloud on one cloud after the other, and compares their results."""

import re
from dataclasses import dataclass

from landslide_local import clouds, integration, paths
from landslide_local.stages import Failure, say, stage

SUITES = ("test-it", "test-api")
"""The make verbs."""


@dataclass(frozen=True)
class Outcome:
    """A suite's result on a cloud: the runner's own last word, and the tests that this cloud lacks something for."""

    cloud: str
    suite: str
    result: str
    skipped: list[str]


def run(names: list[str]) -> None:
    """Runs them on each cloud, the one that is up first. One of several that was not up before is down afterwards. The first
    failure ends it."""
    outcomes = []
    for name in _in_order(names):
        was_up = _is_up(name)
        if not was_up:
            clouds.stop()  # one cloud at a time
        outcomes += [_run(name, suite) for suite in SUITES]
        if not was_up and len(names) > 1:
            clouds.stop()
    _show(outcomes)


def _in_order(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: not _is_up(name))


def _is_up(name: str) -> bool:
    now = clouds.running()
    return now is not None and now.cloud == name


def _run(cloud: str, suite: str) -> Outcome:
    log = paths.STATE / "logs" / f"{suite}-{cloud}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with stage(f"{suite} on {cloud}"):
        command = ["make", "--no-print-directory", suite, f"CLOUD={cloud}"]
        failed = integration.run_and_keep(command, log)
    if failed:
        raise Failure(f"{suite} failed on {cloud}. The same again: make {suite} CLOUD={cloud}")
    text = log.read_text()
    skipped = re.findall(r"^test (.*) \.\.\. SKIPPED \(\d+ so far\): (.*)$", text, re.MULTILINE)
    return Outcome(cloud, suite, _last_word(text), [f"{test}: {reason}" for test, reason in skipped])


def _last_word(text: str) -> str:
    """Of cargo: how many tests passed. Of schemathesis: how many cases each caller tried."""
    passed = re.findall(r"^test result: (.*?); \d+ measured", text, re.MULTILINE)
    cases = [int(number) for number in re.findall(r"^Test cases:\n\s+(\d+) generated", text, re.MULTILINE)]
    return "; ".join(passed) or f"{sum(cases)} cases as {len(cases)} callers"


def _show(outcomes: list[Outcome]) -> None:
    say("")
    for outcome in outcomes:
        print(f"{outcome.cloud:<11} {outcome.suite:<9} {outcome.result}; {len(outcome.skipped)} skipped")
        for test in outcome.skipped:
            print(f"{'':<21} skipped {test}")
