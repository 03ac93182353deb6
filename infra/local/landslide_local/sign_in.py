"""An OpenID Provider on this machine, at which everyone can sign in on the page under any name."""

import json
import shutil
import socket

from landslide_local import operator_program, paths, processes
from landslide_local.stages import Failure, say, stage

PID_FILE = paths.STATE / "openid-provider.json"
PROGRAM = paths.LOCAL / "openid-provider" / "serve.mjs"
CLIENT = "landslide"
ALGORITHM = "ES256"
START_SECONDS_MAX = 30


def parameters() -> tuple[int, dict[str, str]]:
    """The port that the provider has or will have, and the template's parameters for it."""
    program()  # before minutes go into a deploy
    running = processes.read(PID_FILE)
    port = _free_port() if running is None else running.port
    issuer = f"http://127.0.0.1:{port}"
    provider = {
        "issuer": issuer,
        "audience": CLIENT,
        "client_id": CLIENT,
        "name": "Local accounts",
        "discovery": f"{issuer}/.well-known/openid-configuration",
    }
    issuers = [*json.loads(operator_program.issuers()), provider]
    return port, {"Issuers": json.dumps(issuers, separators=(",", ":"))}


def start(port: int, redirect_uri: str) -> None:
    """Starts it, or leaves it alone where it runs already and sends people back to this address."""
    running = processes.read(PID_FILE)
    if running is not None and running.version == redirect_uri:
        return
    if running is not None:
        processes.stop(PID_FILE, running)
    with stage("start an OpenID Provider"):
        log = paths.STATE / "logs" / "openid-provider.log"
        command = [program(), str(PROGRAM), str(port), ALGORITHM, redirect_uri]
        running = processes.start(PID_FILE, "openid-provider", port, redirect_uri, command, {"PATH": "/usr/bin:/bin"}, log)
        url = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
        processes.wait_until_healthy(running, url, log, START_SECONDS_MAX)


def stop() -> None:
    """Stops it, if it runs."""
    running = processes.read(PID_FILE)
    if running is not None:
        processes.stop(PID_FILE, running)
        say(f"stopped the OpenID Provider on port {running.port}")


def program() -> str:
    """Node, which runs it."""
    node = shutil.which("node")
    if node is None:
        raise Failure("node was not found, which the OpenID Provider needs. Install Node.js 22 or later.")
    if not PROGRAM.with_name("node_modules").is_dir():
        raise Failure(f"The provider's packages are not installed: npm ci --prefix {PROGRAM.parent}")
    return node


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
