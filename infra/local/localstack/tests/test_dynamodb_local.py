"""Java's life: bound to LocalStack's, in both directions, and waited for no longer than it lives."""

import os
import subprocess
import sys
import unittest
from types import SimpleNamespace
from unittest import mock

from localstack.services.dynamodb.server import DynamodbServer

from landslide_localstack import dynamodb_local
from landslide_localstack.children import bound
from landslide_localstack.dynamodb_local import DynamoDbLocal, Installation
from tests.test_sandbox import WAIT_SECONDS_MAX, eventually, is_alive

PARENT = """import subprocess, sys
from landslide_localstack.children import bound
print(subprocess.Popen(bound(sys.argv[1:]), stdout=subprocess.DEVNULL).pid, flush=True)
sys.stdin.read()
"""

INSTALLATION = {"LANDSLIDE_JAVA": sys.executable, "LANDSLIDE_DYNAMODB_LOCAL": "/jars", "TMPDIR": "/tmp"}
with mock.patch.dict(os.environ, INSTALLATION):
    dynamodb_local.install()  # once in a process, as at LocalStack's start


class DynamoDbLocalTest(unittest.TestCase):
    def start(self, command: list[str]) -> tuple[DynamoDbLocal, mock.Mock]:
        runtime = mock.Mock()
        patch = mock.patch.object(dynamodb_local.current, "get_current_runtime", return_value=runtime)
        patch.start()
        self.addCleanup(patch.stop)
        thread = DynamoDbLocal(command)
        self.addCleanup(thread.stop)
        thread.start()
        eventually(lambda: thread.process is not None)
        return thread, runtime

    def test_localstack_ends_when_it_ends(self) -> None:
        with self.assertLogs(dynamodb_local.LOG, "ERROR") as logged:
            thread, runtime = self.start([sys.executable, "-c", "raise SystemExit(3)"])
            self.assertEqual(thread.result_future.result(WAIT_SECONDS_MAX), 3)
        runtime.exit.assert_called_once_with(1)
        self.assertIn("status 3", logged.output[0])

    def test_a_stop_ends_it_and_nothing_else(self) -> None:
        thread, runtime = self.start(["sleep", "600"])
        thread.stop()
        self.assertFalse(is_alive(thread.process.pid))
        thread.join(WAIT_SECONDS_MAX)
        runtime.exit.assert_not_called()

    def test_a_start_that_fails_is_told_and_not_waited_for(self) -> None:
        server = DynamodbServer.__new__(DynamodbServer)
        future = SimpleNamespace(done=lambda: True)
        server._host, server._port, server._thread = "127.0.0.1", 1, SimpleNamespace(result_future=future)
        with self.assertRaisesRegex(RuntimeError, "has ended at its start"):
            server.wait_for_dynamodb()

    def test_its_database_is_in_memory_and_its_files_in_our_folder(self) -> None:
        with mock.patch.dict(os.environ, INSTALLATION):
            command = Installation.of_environment().command(8000, "256m")
        self.assertIn("-inMemory", command)
        self.assertIn("-Djava.io.tmpdir=/tmp", command)
        self.assertEqual(command[command.index(dynamodb_local.MAIN_CLASS) + 1 :], ["-port", "8000", "-inMemory"])

    @unittest.skipUnless(sys.platform == "linux", "only Linux binds processes to their parents")
    def test_a_bound_process_ends_when_its_parent_is_killed(self) -> None:
        command = [sys.executable, "-c", PARENT, "sleep", "600"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
            child = int(parent.stdout.readline())
            parent.kill()
        eventually(lambda: not is_alive(child))

    @unittest.skipUnless(sys.platform == "linux", "only Linux binds processes to their parents")
    def test_a_bound_process_does_not_begin_once_its_parent_is_gone(self) -> None:
        by_another_parent = [sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"]
        ended = subprocess.run([*by_another_parent, *bound(["echo", "begun"])], capture_output=True, text=True)
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (1, "", ""))
