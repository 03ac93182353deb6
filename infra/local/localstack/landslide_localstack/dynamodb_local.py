"""Amazon's DynamoDB Local from Maven's jars, behind LocalStack's `v2` provider.

LocalStack would download another build and a Java, start it again for ever when it ends, and wait for it for ever. Here its
java ends with LocalStack, and LocalStack with it: whatever is stored is in its memory, so a new one would be an empty one.
"""

import logging
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from localstack.runtime import current, events
from localstack.services.dynamodb.server import DynamodbServer
from localstack.utils.net import is_port_open
from localstack.utils.threads import TMP_THREADS, FuncThread

from landslide_localstack.children import bound
from landslide_localstack.patching import patch

LOG = logging.getLogger(__name__)

MAIN_CLASS = "software.amazon.dynamodb.services.local.main.ServerRunner"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 5
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Installation:
    """Where everything is: landslide_local/dynamodb_local.py puts it there."""

    java: str
    jars: str

    @classmethod
    def of_environment(cls) -> "Installation":
        return cls(os.environ["LANDSLIDE_JAVA"], os.environ["LANDSLIDE_DYNAMODB_LOCAL"])

    def command(self, port: int, heap: str) -> list[str]:
        """Starts it with an empty database in memory."""
        temporary = os.environ["TMPDIR"]
        options = [f"-Xmx{heap}", "-XX:-UsePerfData", f"-Djava.io.tmpdir={temporary}"]
        return [self.java, *options, "-cp", f"{self.jars}/*", MAIN_CLASS, "-port", str(port), "-inMemory"]


class DynamoDbLocal(FuncThread):
    """The thread that starts java and waits for its end. Its output goes to LocalStack's log."""

    def __init__(self, command: list[str]) -> None:
        super().__init__(self._run_java, name="dynamodb-local")
        self._command = command
        self.process: subprocess.Popen | None = None

    def _run_java(self, _: object) -> int:
        self.process = subprocess.Popen(
            bound(self._command), stdin=subprocess.DEVNULL, env={**os.environ, "DDB_LOCAL_TELEMETRY": "0"}
        )
        status = self.process.wait()
        if self.running and not events.infra_stopping.is_set():
            LOG.error("DynamoDB Local has ended with status %s, and every table with it. LocalStack ends too.", status)
            current.get_current_runtime().exit(1)
        return status

    def stop(self, quiet: bool = False) -> None:
        super().stop(quiet)
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()


def install() -> None:
    """Lets LocalStack's server start and wait as described above."""
    installation = Installation.of_environment()

    @patch(DynamodbServer.do_start_thread, "25c4d1c7796c")
    def do_start_thread(_: Callable, server: DynamodbServer) -> DynamoDbLocal:
        thread = DynamoDbLocal(installation.command(server.port, server.heap_size))
        TMP_THREADS.append(thread)  # LocalStack stops these at its end
        thread.start()
        return thread

    @patch(DynamodbServer.wait_for_dynamodb, "e2e569e7a1c4")
    def wait_for_dynamodb(_: Callable, server: DynamodbServer) -> None:
        give_up = time.monotonic() + START_SECONDS_MAX
        while not is_port_open(server.url):
            if server._thread.result_future.done():
                raise RuntimeError("DynamoDB Local has ended at its start; what it said is in LocalStack's log")
            if time.monotonic() > give_up:
                raise RuntimeError(f"DynamoDB Local does not answer after {START_SECONDS_MAX} s")
            time.sleep(LOOK_SECONDS)
