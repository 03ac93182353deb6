"""Runs the integration suite, and once more those of its tests that failed where that is wished."""

import re
import subprocess
import sys
from pathlib import Path

from landslide_local import build, paths
from landslide_local.stages import Failure, say

COMMAND = ["cargo", "test", "--profile", build.PROFILE, "--workspace", "--test", "it", "--"]
"""The whole workspace, so that its dependencies are those that `make test-unit` has built."""


def run(arguments: list[str], again: bool) -> None:
    """Runs it with the test runner's arguments. With `again`, tests that fail are run once more, alone, and those that pass
    then are named: on a busy machine a slow cloud can make a test late that has only seconds."""
    log = paths.STATE / "logs" / "test-it.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if not run_and_keep([*COMMAND, *arguments], log):
        return
    failed = failures(log.read_text())
    if not again or not failed:
        raise Failure(f"tests failed: {', '.join(failed) or 'it was not built'}")
    say(f"    {len(failed)} failed; once more: {', '.join(failed)}")
    if run_and_keep([*COMMAND, "--exact", *failed], log):
        raise Failure(f"tests failed twice: {', '.join(failures(log.read_text()))}")
    say(f"    {len(failed)} failed at first and passed when run again: {', '.join(failed)}")


def failures(output: str) -> list[str]:
    """The names of the tests that failed, as the runner lists them at its end."""
    _, _, listed = output.rpartition("\nfailures:\n")
    return re.findall(r"^    (\S+)$", listed, re.MULTILINE)


def run_and_keep(command: list[str], log: Path) -> bool:
    """Shows all that a command says, and keeps it; whether it failed."""
    with (
        log.open("w") as kept,
        subprocess.Popen(
            command, cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as running,
    ):
        for line in running.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            kept.write(line)
    return running.returncode != 0
