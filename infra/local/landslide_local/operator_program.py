"""Calls `landslide`, the operator's program that cli/ builds."""

import os
import subprocess
from typing import NoReturn

from landslide_local import build, paths
from landslide_local.stages import Failure


def issuers() -> str:
    """The Issuers parameter of a stack that accepts our own account tokens. Makes the key if it is not there."""
    paths.STATE.mkdir(parents=True, exist_ok=True)
    return _output(["issuer", "--key", str(paths.ISSUER_KEY)])


def token(key: str, subject: str) -> str:
    """An account's token, valid for hours."""
    return _output(["token", "--key", key, "--sub", subject])


def become(arguments: list[str]) -> NoReturn:
    """Goes on as that program."""
    os.execv(build.OPERATOR, [str(build.OPERATOR), *arguments])


def _output(arguments: list[str]) -> str:
    done = subprocess.run([str(build.OPERATOR), *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"landslide {arguments[0]} failed; what it says is above")
    return done.stdout.strip()
