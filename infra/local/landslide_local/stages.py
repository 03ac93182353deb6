"""Progress: one line a stage, with its seconds, on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Failure(Exception):
    """Ends a verb: its text says what is wrong and what to do about it."""


def say(text: str) -> None:
    """Prints a line of progress. Standard output is left to results that a shell may read."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Names what goes on, and says how long it took."""
    say(f"==> {name}")
    began = time.monotonic()
    yield
    say(f"    {name}: {time.monotonic() - began:.1f} s")
