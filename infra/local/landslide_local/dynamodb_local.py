"""Amazon's DynamoDB Local, fetched from Maven into the checkout and compared with pinned checksums."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from landslide_local import paths
from landslide_local.stages import Failure, stage

FOLDER = paths.LOCAL / ".dynamodb-local"
JARS = FOLDER / "jars"
POM = paths.LOCAL / "localstack" / "dynamodb-local" / "pom.xml"
CHECKSUMS = paths.LOCAL / "localstack" / "dynamodb-local" / "jars.sha256"
STAMP = FOLDER / "installed-from"
JAVA_MIN = 17


def ensure() -> None:
    """Fetches it unless it is there. Costs nothing then."""
    if _is_fresh():
        return
    java()
    log = paths.STATE / "logs" / "install-dynamodb-local.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with stage("install DynamoDB Local into infra/local"), (log.parent / "install-dynamodb-local.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not _is_fresh():
            shutil.rmtree(FOLDER, ignore_errors=True)
            _fetch(log)
            _require_checksums()
            STAMP.write_text(_fingerprint())


def java() -> str:
    """The Java to run it with; fails where there is none of version 17 or newer."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    how = f"Install Java {JAVA_MIN} or newer (Debian: apt-get install default-jre-headless), or name it by JAVA_HOME."
    if found is None:
        raise Failure(f"No java was found{f' in JAVA_HOME={home}' if home else ''}, and DynamoDB Local needs it. {how}")
    shown = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', shown)
    if version is None or int(version[1]) < JAVA_MIN:
        raise Failure(f"{shown}\n{found} is too old for DynamoDB Local. {how}")
    return found


def _is_fresh() -> bool:
    return STAMP.is_file() and STAMP.read_text() == _fingerprint()


def _fingerprint() -> str:
    return hashlib.sha256(POM.read_bytes() + CHECKSUMS.read_bytes()).hexdigest()


def _fetch(log: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Failure("No mvn was found, and DynamoDB Local comes from Maven. Install it (Debian: apt-get install maven).")
    repository = FOLDER / "repository"  # not ~/.m2: nothing of ours lies outside the checkout
    command = [maven, "-B", "-f", POM, f"-Dmaven.repo.local={repository}", "dependency:copy-dependencies"]
    command += [f"-DoutputDirectory={JARS}", "-DincludeScope=runtime"]
    with log.open("w") as output:
        done = subprocess.run(command, cwd=log.parent, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text().splitlines()[-15:])
        raise Failure(f"{tail}\nmvn could not fetch DynamoDB Local; all it said is in {log}")
    shutil.rmtree(repository)


def _require_checksums() -> None:
    pinned = dict(reversed(line.split("  ")) for line in CHECKSUMS.read_text().splitlines())
    fetched = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in JARS.iterdir()}
    if fetched != pinned:
        different = sorted({name for name, _ in fetched.items() ^ pinned.items()})
        raise Failure(f"Not what {CHECKSUMS.relative_to(paths.ROOT)} pins, so it is not used: {', '.join(different)}")
