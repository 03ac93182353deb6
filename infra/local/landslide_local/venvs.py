"""Virtual environments in the checkout, each installed from a lock with hashes.

MiniStack and the SAM CLI pin different botocores, so each tool has an environment of its own. This module
runs before any of them exists: standard library only.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv as stdlib_venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from landslide_local import paths
from landslide_local.stages import Failure, stage

STAMP = "installed-from"


def ensure(names: list[str]) -> None:
    """Makes the environments that are missing or whose lock has changed. Costs nothing when all are there."""
    stale = [name for name in names if not _is_fresh(name)]
    if not stale:
        return
    with stage(f"install {', '.join(stale)} into infra/local"), ThreadPoolExecutor() as pool:
        list(pool.map(_install, stale))


def lock_file(name: str) -> Path:
    """What an environment is installed from."""
    return paths.LOCAL / name / f"{name}.lock"


def _is_fresh(name: str) -> bool:
    stamp = paths.venv(name) / STAMP
    # The interpreter is asked for too: a checkout that was moved has links that lead nowhere.
    return stamp.is_file() and stamp.read_text() == _fingerprint(name) and paths.venv_bin(name, "python").exists()


def _fingerprint(name: str) -> str:
    """The lock's contents and where the environment lies, which its scripts have written into them."""
    return hashlib.sha256(lock_file(name).read_bytes() + str(paths.venv(name)).encode()).hexdigest()


def _install(name: str) -> None:
    folder = paths.venv(name)
    log = paths.STATE / "logs" / f"install-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with (log.parent / f"install-{name}.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two makes in one checkout: the second waits and finds it done
        if _is_fresh(name):
            return
        shutil.rmtree(folder, ignore_errors=True)
        stdlib_venv.create(folder, with_pip=True, symlinks=True)
        command = [paths.venv_bin(name, "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        command += ["--require-hashes", "--no-deps", "-r", lock_file(name)]
        with log.open("w") as output:
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            tail = "\n".join(log.read_text().splitlines()[-15:])
            raise Failure(f"{tail}\nInstalling {name} with {sys.executable} failed; all of it is in {log}")
        (folder / STAMP).write_text(_fingerprint(name))
