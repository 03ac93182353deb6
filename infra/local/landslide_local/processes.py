"""A background process that this checkout started: it is found again, and stopped with all its children."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from landslide_local.stages import Failure

STOP_SECONDS_MAX = 30
"""LocalStack takes 11 to end in order, 16 on a busy machine."""
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Running:
    """What the pid file says. `marker` is a part of the command line, which tells the process from another
    one that has got its pid since; `version` is of the files that it was started from."""

    cloud: str
    port: int
    pid: int
    marker: str
    version: str

    def is_alive(self) -> bool:
        return self.marker in _command_line(self.pid)


def read(pid_file: Path) -> Running | None:
    """The process that runs. A pid file whose process is gone is removed."""
    try:
        running = Running(**json.loads(pid_file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        pid_file.unlink()
        return None
    if running.is_alive():
        return running
    _kill_rest(running)
    pid_file.unlink(missing_ok=True)
    return None


def start(
    pid_file: Path, cloud: str, port: int, version: str, command: list[str], environment: dict[str, str], log: Path
) -> Running:
    """Starts `command` with exactly that environment, in a process group of its own."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Running(cloud, port, process.pid, marker=command[-1], version=version)
    pid_file.write_text(json.dumps(asdict(running)))
    return running


def wait_until_healthy(running: Running, url: str, log: Path, seconds_max: float) -> None:
    """Returns when `url` answers 200; says what the log says if the process ends or takes too long."""
    give_up = time.monotonic() + seconds_max
    while time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        if has_ended(running.pid):
            break
        time.sleep(POLL_SECONDS)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise Failure(f"{tail}\n{running.cloud} did not come up on port {running.port}; its log: {log}")


def stop(pid_file: Path, running: Running) -> None:
    """Ends the process and every process that it started, and waits for that."""
    if running.is_alive():
        os.kill(running.pid, signal.SIGTERM)
        give_up = time.monotonic() + STOP_SECONDS_MAX
        while time.monotonic() < give_up and not has_ended(running.pid):
            time.sleep(POLL_SECONDS)
    _kill_rest(running)
    pid_file.unlink(missing_ok=True)


def require_free(port: int) -> None:
    """Fails with the name of the process that listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return
    raise Failure(f"Port {port} is in use by {_listener(port)}. Stop it, or choose another port: make up PORT={port + 1}")


def _listener(port: int) -> str:
    for command in (["ss", "-Hltnp", f"sport = :{port}"], ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN"]):
        try:
            found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        except FileNotFoundError:
            continue
        if found:
            named = re.search(r'"([^"]+)",pid=(\d+)', found)  # ss
            return f"{named[1]} (pid {named[2]})" if named else found.splitlines()[-1]
    return "another process"


def _command_line(pid: int) -> str:
    """Empty for a process that is gone or a zombie."""
    shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "" if "<defunct>" in shown.stdout else shown.stdout


def has_ended(pid: int) -> bool:
    """Whether there is no such process, or only its corpse."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # reaps it when it is a child of ours
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return _command_line(pid) == ""


def _kill_rest(running: Running) -> None:
    """Ends what is left of its process group, which has its pid as id: no new process gets that pid while the group lives,
    so a stranger with that pid means that nothing is left."""
    if running.is_alive() or has_ended(running.pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGKILL)
