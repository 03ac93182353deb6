"""Processes that end with LocalStack, however it ends."""

import functools
import os
import shutil

RUN_UNLESS_ORPHANED = '[ "$PPID" -eq "$0" ] && exec "$@"'
"""What sh is to do with the process id of LocalStack and a command."""


@functools.cache
def _setpriv() -> str | None:
    return shutil.which("setpriv")  # of util-linux: on every Linux, nowhere else


def bound(command: list[str]) -> list[str]:
    """The command, for this process to start, killed by the kernel when the thread that starts it ends. So start it from a
    thread that lives as long as LocalStack does. Where there is no such service (macOS), `make down` ends what is left.
    """
    setpriv = _setpriv()
    if setpriv is None:
        return command
    # The kernel tells of a death after setpriv's call only; if the parent died before, sh sees that it has another one.
    return [setpriv, "--pdeathsig", "KILL", "--", "sh", "-c", RUN_UNLESS_ORPHANED, str(os.getpid()), *command]
