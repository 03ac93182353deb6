"""Virtual environments in the checkout, each installed from a lock with hashes.

MiniStack and the SAM CLI pin different botocores, so each tool has an environment of its own. A folder that holds a
package of ours (NAME/pyproject.toml) has it in its environment too, as a link to the source. This module runs before
any of them exists: standard library only.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from landslide_local import paths
from landslide_local.stages import Failure, stage

STAMP = "installed-from"

PYTHONS = {"localstack": "3.13"}
"""Environments that one version of Python only can run; the others take whichever runs this program."""


def ensure(names: list[str]) -> None:
    """Makes the environments that are missing or whose lock has changed. Costs nothing when all are there."""
    stale = [name for name in names if not _is_fresh(name)]
    if not stale:
        return
    with stage(f"install {', '.join(stale)} into infra/local"), ThreadPoolExecutor() as pool:
        list(pool.map(_install, stale))


def require_interpreters(names: Iterable[str]) -> None:
    """Fails where an environment can't be made on this machine."""
    for name in names:
        if not _is_fresh(name):
            _interpreter(name)


def lock_file(name: str) -> Path:
    """What an environment is installed from."""
    return paths.LOCAL / name / f"{name}.lock"


def test_package(name: str) -> None:
    """Runs the tests of the package of ours that an environment has, if it has one, in that environment."""
    package = _package_of_ours(name)
    if package is None:
        return
    with stage(f"tests of {package.relative_to(paths.ROOT)}"):
        command = [paths.venv_bin(name, "python"), "-B", "-W", "ignore::ResourceWarning", "-m", "unittest", "discover"]
        home = paths.STATE / "home"  # LocalStack's libraries keep caches there
        home.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        done = subprocess.run([*command, "-s", "tests", "-t", "."], cwd=package, env=environment, check=False)
    if done.returncode != 0:
        raise Failure(f"tests of {package.relative_to(paths.ROOT)} failed; what they say is above")


def _is_fresh(name: str) -> bool:
    stamp = paths.venv(name) / STAMP
    # The interpreter is asked for too: a checkout that was moved has links that lead nowhere.
    return stamp.is_file() and stamp.read_text() == _fingerprint(name) and paths.venv_bin(name, "python").exists()


def _fingerprint(name: str) -> str:
    """What is installed, and where the environment lies, which its scripts have written into them."""
    package = _package_of_ours(name)
    sources = [lock_file(name), *([package / "pyproject.toml"] if package else [])]
    contents = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(contents + str(paths.venv(name)).encode()).hexdigest()


def _package_of_ours(name: str) -> Path | None:
    folder = paths.LOCAL / name
    return folder if (folder / "pyproject.toml").is_file() else None


def _install(name: str) -> None:
    folder = paths.venv(name)
    log = paths.STATE / "logs" / f"install-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with (log.parent / f"install-{name}.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two makes in one checkout: the second waits and finds it done
        if _is_fresh(name):
            return
        python = _interpreter(name)
        shutil.rmtree(folder, ignore_errors=True)
        pip = [paths.venv_bin(name, "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-deps"]
        commands = [[python, "-m", "venv", folder], [*pip, "--require-hashes", "-r", lock_file(name)]]
        if package := _package_of_ours(name):  # its build tool comes with the lock, so nothing is fetched
            commands.append([*pip, "--no-index", "--no-build-isolation", "--editable", package])
        with log.open("w") as output:
            for command in commands:
                done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
                if done.returncode != 0:
                    tail = "\n".join(log.read_text().splitlines()[-15:])
                    raise Failure(f"{tail}\nInstalling {name} with {python} failed; all of it is in {log}")
        (folder / STAMP).write_text(_fingerprint(name))


def _interpreter(name: str) -> str:
    """The Python that an environment is made with."""
    version = PYTHONS.get(name)
    if version is None:
        return sys.executable
    for python in _interpreters(version):
        if _is_version(python, version):
            return python
    raise Failure(
        f"{name} needs Python {version} exactly, with venv, and none was found: not as python{version} on the PATH, nor with "
        f"pyenv or uv. Get one by `uv python install {version}`, `pyenv install {version}`, `brew install python@{version}` or "
        f"your distribution's python{version}-venv; or name it: PYTHON=/path/to/python{version}"
    )


def _interpreters(version: str) -> Iterator[str]:
    """Where a version of Python may be."""
    yield from filter(None, [os.environ.get("PYTHON"), sys.executable, f"python{version}"])
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    for folder, pattern in ((pyenv / "versions", f"{version}.*"), (uv, f"cpython-{version}.*")):
        for found in sorted(folder.glob(pattern), reverse=True):
            yield str(found / "bin" / f"python{version}")


def _is_version(python: str, version: str) -> bool:
    script = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        shown = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return shown.returncode == 0 and shown.stdout.strip() == version
