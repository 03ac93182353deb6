"""Processes that end with LocalStack, however it ends."""

import functools
import shutil


@functools.cache
def _binding() -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")  # of util-linux: on every Linux, nowhere else
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def bound(command: list[str]) -> list[str]:
    """The command, killed by the kernel when the thread that starts it ends. So start it from a thread that lives as long
    as LocalStack does. Where there is no such service (macOS), `make down` ends what is left.
    """
    return [*_binding(), *command]
