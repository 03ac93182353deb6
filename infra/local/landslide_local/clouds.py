"""The clouds that Landslide can be put on, and the one that runs now.

A cloud is a class here and a folder NAME/ beside this package with its lock and its adapters. All else (build, deploy,
tests) knows a cloud only by what `Cloud` says.
"""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from typing import ClassVar, Protocol

from landslide_local import paths, processes, venvs
from landslide_local.stages import Failure, say

REGION = "us-east-1"
PID_FILE = paths.STATE / "cloud.json"
START_SECONDS_MAX = 60


class Cloud(Protocol):
    """What the other modules need of a cloud."""

    name: str
    venvs: tuple[str, ...]
    """Virtual environments that it needs besides the SAM CLI's."""
    endpoint_url: str | None
    """What AWS_ENDPOINT_URL is for its clients; None is AWS itself."""
    lacks: Mapping[str, str]
    """What tests must do without there, and why: infra/local/README.md has them in a table."""

    def start(self) -> None:
        """Starts it, or leaves it alone where it runs already."""

    def api_url(self, outputs: dict[str, str]) -> str:
        """Where the deployed API answers, without a slash at the end."""

    def after_deploy(self, stack: str) -> None:
        """Adds what a deploy onto this cloud leaves out."""


class MiniStack:
    """MiniStack, a Python package: the default."""

    name = "ministack"
    venvs = ("ministack",)
    lacks: ClassVar = {
        "stream-failure-destination": "MiniStack writes nothing to RelayFailuresBucket",
        "move-tasks": "MiniStack has no StartMessageMoveTask",
    }

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoint_url = f"http://localhost:{port}"
        self.log = paths.STATE / "logs" / "ministack.log"

    def start(self) -> None:
        launcher = paths.LOCAL / "ministack" / "serve.py"
        version = hashlib.sha256(launcher.read_bytes() + venvs.lock_file("ministack").read_bytes()).hexdigest()
        running = processes.read(PID_FILE)
        if running is not None and (running.cloud, running.port) != (self.name, self.port):
            raise Failure(f"{running.cloud} runs on port {running.port} already: one cloud at a time. First: make down")
        if running is not None and running.version != version:
            say("    it runs from other files than there are now: starting it anew, empty")
            processes.stop(PID_FILE, running)
            running = None
        if running is None:
            processes.require_free(self.port)
            command = [str(paths.venv_bin("ministack", "python")), str(launcher)]
            running = processes.start(PID_FILE, self.name, self.port, version, command, self._environment(), self.log)
        else:
            say(f"    {self.name} runs already on port {self.port}")
        health = f"http://127.0.0.1:{self.port}/_ministack/health"
        processes.wait_until_healthy(running, health, self.log, START_SECONDS_MAX)

    def _environment(self) -> dict[str, str]:
        """All that MiniStack sees. Its functions inherit it, so a variable too many here would hide that the
        template lacks it."""
        temporary = paths.STATE / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "STATE_DIR": str(temporary / "ministack-state"),
            "S3_DATA_DIR": str(temporary / "ministack-s3"),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "AUTH": "true",  # IAM is enforced
            "LOG_LEVEL": "WARNING",
            **client_environment(self.endpoint_url),
        }

    def api_url(self, outputs: dict[str, str]) -> str:
        stage = outputs["ApiUrl"].rstrip("/").rpartition("/")[2]
        return f"{self.endpoint_url}/_aws/execute-api/{outputs['ApiId']}/{stage}"

    def after_deploy(self, stack: str) -> None:
        adapter = paths.LOCAL / "ministack" / "complete.py"
        command = [paths.venv_bin("sam", "python"), adapter, stack, paths.TEMPLATE, paths.OPENAPI]
        done = subprocess.run(command, env={**os.environ, **client_environment(self.endpoint_url)}, check=False)
        if done.returncode != 0:
            raise Failure(f"{adapter.relative_to(paths.ROOT)} failed; what it says is above")


def client_environment(endpoint_url: str | None) -> dict[str, str]:
    """Variables that lead any AWS client to a local cloud; none of ours for AWS itself."""
    if endpoint_url is None:
        return {}
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }


def choose(name: str, port: int) -> Cloud:
    """The cloud that CLOUD= names."""
    if name == "ministack":
        return MiniStack(port)
    if name in ("localstack", "external"):
        raise Failure(f"CLOUD={name} is not there yet. CLOUD=ministack is.")
    raise Failure(f"CLOUD={name} is none of: ministack, localstack (not yet), external (not yet)")


def running() -> processes.Running | None:
    """The cloud that this checkout runs now."""
    return processes.read(PID_FILE)


def stop() -> None:
    """Stops whichever cloud runs; nothing to do is fine."""
    now = running()
    if now is not None:
        processes.stop(PID_FILE, now)
        say(f"stopped {now.cloud} on port {now.port}")
    paths.STACK_FILE.unlink(missing_ok=True)
