"""The clouds that Landslide can be put on, and the one that runs now.

A cloud is a class here and a folder NAME/ beside this package with its lock and its adapters. All else (build, deploy,
tests) knows a cloud only by what `Cloud` says.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from landslide_local import build, clients, dynamodb_local, external, paths, processes, venvs
from landslide_local.stages import Failure, say

PID_FILE = paths.STATE / "cloud.json"
TEMPORARY = paths.STATE / "tmp"
"""All that a local cloud keeps on disk, the code of functions among it. Gone with the cloud."""
START_SECONDS_MAX = 120


class Cloud(Protocol):
    """What the other modules need of a cloud."""

    name: str
    venvs: tuple[str, ...]
    """Virtual environments that it needs besides the SAM CLI's."""
    endpoint_url: str | None
    """What AWS_ENDPOINT_URL is for its clients; None is AWS itself."""
    region: str
    lacks: Mapping[str, str]
    """What it can't do that a test asks for, and why. Tests know clouds by these names only."""
    calls_at_once: int
    """How many calls at once it answers in good time; tests make no more."""
    tests_at_once: int
    """How many tests run at once. They wait most of the time, but some must get on within seconds."""

    def install(self) -> None:
        """Installs what it needs besides virtual environments; says what is missing on this machine."""

    def build(self) -> str:
        """Builds what runs there; says for which processor, as Lambda calls it."""

    def start(self) -> None:
        """Starts it, or leaves it alone where it runs already."""

    def api_url(self, outputs: dict[str, str]) -> str:
        """Where the deployed API answers, without a slash at the end."""

    def after_deploy(self, stack: str) -> None:
        """Adds what a deploy onto this cloud leaves out."""


class LocalCloud:
    """A cloud that is one background process, and forgets all when it ends."""

    name: str
    venvs: tuple[str, ...]
    region = clients.REGION
    lacks: ClassVar[Mapping[str, str]] = {}
    calls_at_once: int
    tests_at_once: int
    ready_path: str

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoint_url = f"http://localhost:{port}"
        self.log = paths.STATE / "logs" / f"{self.name}.log"

    def install(self) -> None:
        """Nothing but its environment."""

    def build(self) -> str:
        build.for_local_cloud()
        return build.host_architecture()

    def start(self) -> None:
        version = self._version()
        running = processes.read(PID_FILE)
        if running is not None and (running.cloud, running.port) != (self.name, self.port):
            raise Failure(f"{running.cloud} runs on port {running.port} already: one cloud at a time. First: make down")
        if running is not None and running.version != version:
            say("    it runs from other files than there are now: starting it again, empty")
            _end(running)
            running = None
        if running is None:
            processes.require_free(self.port)
            shutil.rmtree(TEMPORARY, ignore_errors=True)  # what a killed one has left
            TEMPORARY.mkdir(parents=True)
            running = processes.start(PID_FILE, self.name, self.port, version, self._command(), self._environment(), self.log)
        else:
            say(f"    {self.name} runs already on port {self.port}")
        processes.wait_until_healthy(running, f"http://127.0.0.1:{self.port}{self.ready_path}", self.log, START_SECONDS_MAX)

    def api_url(self, outputs: dict[str, str]) -> str:
        return clients.emulated_api_url(self.endpoint_url, outputs)

    def after_deploy(self, stack: str) -> None:
        """Nothing is left out."""

    def _command(self) -> list[str]:
        """How it is started; the last word tells its process from others."""
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        """All that it sees. Functions may inherit it, so a variable too many here would hide that the template lacks it."""
        raise NotImplementedError

    def _sources(self) -> Iterator[Path]:
        """Files that it runs from, but for those of its lock."""
        raise NotImplementedError

    def _version(self) -> str:
        """Of all that it is started from."""
        digest = hashlib.sha256(repr((self._command(), sorted(self._environment().items()))).encode())
        for file in [venvs.lock_file(self.name), *sorted(self._sources())]:
            digest.update(file.read_bytes())
        return digest.hexdigest()


class MiniStack(LocalCloud):
    """MiniStack, a Python package: the default."""

    name = "ministack"
    venvs = ("ministack",)
    lacks: ClassVar[Mapping[str, str]] = {
        "stream-failure-destination": "MiniStack writes nothing to RelayFailuresBucket",
        "expiry-on-request": "MiniStack removes expired items when it likes, and makes no stream record of it",
    }
    calls_at_once = 64
    tests_at_once = 4
    ready_path = "/_ministack/health"

    def _command(self) -> list[str]:
        return [str(paths.venv_bin("ministack", "python")), *map(str, self._sources())]

    def _sources(self) -> Iterator[Path]:
        yield paths.LOCAL / "ministack" / "serve.py"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(TEMPORARY),
            "TMPDIR": str(TEMPORARY),
            "STATE_DIR": str(TEMPORARY / "ministack-state"),
            "S3_DATA_DIR": str(TEMPORARY / "ministack-s3"),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "AUTH": "true",  # IAM is enforced
            "LOG_LEVEL": "WARNING",
            **clients.environment(self.name, self.endpoint_url),
        }

    def after_deploy(self, stack: str) -> None:
        adapter = paths.LOCAL / "ministack" / "complete.py"
        command = [paths.venv_bin("sam", "python"), adapter, stack, paths.TEMPLATE]
        done = subprocess.run(command, env={**os.environ, **clients.environment(self.name, self.endpoint_url)}, check=False)
        if done.returncode != 0:
            raise Failure(f"{adapter.relative_to(paths.ROOT)} failed; what it says is above")


class LocalStack(LocalCloud):
    """LocalStack on this machine, without Docker, and Amazon's DynamoDB Local behind it. Its adapters are the package in
    localstack/, which it finds by their entry points."""

    name = "localstack"
    venvs = ("localstack",)
    lacks: ClassVar[Mapping[str, str]] = {
        "compressed-bodies": "LocalStack's gateway answers a broken compressed body with an empty 200 and calls no function",
        "enforced-iam": "LocalStack stores policies and enforces none",
        "iam-simulator": "LocalStack's policy simulator compares names and knows no wildcards",
    }
    calls_at_once = 12
    tests_at_once = 2
    ready_path = "/_localstack/health"
    _services = (
        "apigateway,cloudformation,cloudwatch,dynamodb,dynamodbstreams,events,iam,lambda,logs,s3,secretsmanager,sqs,ssm,sts"
    )

    def install(self) -> None:
        dynamodb_local.ensure()

    def _command(self) -> list[str]:
        return [str(paths.venv_bin("localstack", "python")), "-m", "localstack.runtime.main"]

    def _sources(self) -> Iterator[Path]:
        folder = paths.LOCAL / "localstack"
        yield from (folder / "landslide_localstack").glob("*.py")
        yield folder / "pyproject.toml"
        yield from (folder / "dynamodb-local").iterdir()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(TEMPORARY),
            "TMPDIR": str(TEMPORARY),  # functions' code is unpacked there
            "FILESYSTEM_ROOT": str(TEMPORARY / "localstack"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OVERRIDE_IN_DOCKER": "0",  # it takes any container for its own, and leaves the checkout
            "GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
            "LOCALSTACK_HOST": f"localhost:{self.port}",
            "SQS_ENDPOINT_STRATEGY": "path",  # URLs of queues that need no DNS
            "DNS_ADDRESS": "0",
            "LOCALSTACK_RESPONSE_HEADER_ENABLED": "0",  # AWS sends no x-localstack
            "DISABLE_EVENTS": "1",
            "LS_LOG": "warning",  # a line a call otherwise
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "EAGER_SERVICE_LOADING": "1",  # a service that is loaded by a test's first call keeps that call waiting for seconds
            "SERVICES": self._services,
            "STRICT_SERVICE_LOADING": "0",  # others are there when they are called
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
            "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.2",
            "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_ERROR_SEC": "1",
            "PROVIDER_OVERRIDE_DYNAMODB": "v2",  # streams are DynamoDB Local's own
            "DYNAMODB_IN_MEMORY": "1",
            "LANDSLIDE_DYNAMODB_LOCAL": str(dynamodb_local.JARS),
            "LANDSLIDE_JAVA": dynamodb_local.java(),
        }


def choose(name: str, port: int) -> Cloud:
    """The cloud that CLOUD= names."""
    if name == external.External.name:
        return external.External()
    for cloud in (MiniStack, LocalStack):
        if cloud.name == name:
            return cloud(port)
    raise Failure(f"CLOUD={name} is none of: {MiniStack.name}, {LocalStack.name}, {external.External.name}")


def running() -> processes.Running | None:
    """The cloud that this checkout runs now."""
    return processes.read(PID_FILE)


def is_up(name: str) -> bool:
    """Whether a cloud on which there was a stack is there still. One that others run is taken to be."""
    return name == external.External.name or running() is not None


def stop() -> None:
    """Stops whichever cloud runs; nothing to do is fine."""
    now = running()
    if now is not None:
        _end(now)
        say(f"stopped {now.cloud} on port {now.port}")
    paths.STACK_FILE.unlink(missing_ok=True)


def _end(cloud: processes.Running) -> None:
    processes.stop(PID_FILE, cloud)
    shutil.rmtree(TEMPORARY, ignore_errors=True)
