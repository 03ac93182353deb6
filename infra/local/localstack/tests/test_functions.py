"""What a function sees of its surroundings, and where its log goes."""

import json
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from localstack.services.lambda_.invocation.assignment import AssignmentService
from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import EXECUTOR_PLUGIN_MANAGER
from localstack.services.lambda_.invocation.version_manager import LambdaVersionManager

from landslide_localstack import functions, platform_log
from landslide_localstack.functions import ProcessExecutor
from landslide_localstack.runtime_api import Outcome
from landslide_localstack.sandbox import Result
from tests.test_sandbox import BOOTSTRAP, invocation

functions.install()  # once in a process, as at LocalStack's start


class ExecutorTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = Path(folder.name) / "bootstrap"
        program.write_text(f"#!{sys.executable} -S\n{BOOTSTRAP.read_text()}")
        program.chmod(0o755)
        code = SimpleNamespace(get_unzipped_code_location=lambda: Path(folder.name))
        config = SimpleNamespace(code=code, timeout=20, memory_size=128, logging_config={"LogFormat": "Text"})
        self.executor = ProcessExecutor("id", SimpleNamespace(config=config, id=SimpleNamespace(qualifier="$LATEST")))
        self.addCleanup(self.executor.stop)

    def invoke(self, do: str, **further: object) -> InvocationResult:
        payload = {"invoke-id": "r", "invoked-function-arn": "arn", "trace-id": "t"}
        return self.executor.invoke({**payload, "payload": json.dumps({"do": do, **further})})

    def test_a_function_sees_the_variables_of_aws_as_texts_and_none_of_localstack_s(self) -> None:
        variables = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": 128, "AWS_LAMBDA_LOG_LEVEL": "Info", "LOCALSTACK_RUNTIME_ID": "x"}
        self.executor.start(variables | {"EDGE_PORT": "1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
        environment = json.loads(self.invoke("environment").payload)
        self.assertEqual(environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "128")
        self.assertEqual(environment["AWS_LAMBDA_LOG_LEVEL"], "INFO")
        self.assertEqual(environment["AWS_ENDPOINT_URL"], "http://127.0.0.1:1")
        self.assertFalse([name for name in environment if name.startswith(("LOCALSTACK", "EDGE"))], environment)

    def test_a_failed_invocation_is_a_result_with_its_log(self) -> None:
        self.executor.start({})
        result = self.invoke("exit", status=7)
        self.assertTrue(result.is_error)
        self.assertIn("last words\n", result.logs)
        self.assertIn("RequestId: r Error: Runtime exited with error: exit status 7", result.logs)

    def test_localstack_finds_the_executor_by_its_name(self) -> None:
        self.assertIs(EXECUTOR_PLUGIN_MANAGER.load("process").load(), ProcessExecutor)


class LogTest(unittest.TestCase):
    def log(self, output: str, failure: str | None = None, **logging_config: str) -> list[str]:
        result = Result(Outcome(b"null"), output, failure, seconds=0.0123)
        config = SimpleNamespace(logging_config=logging_config, memory_size=128)
        return platform_log.around(result, invocation("echo"), config, "$LATEST").splitlines()

    def test_the_text_format_has_lambda_s_lines_around_the_function_s(self) -> None:
        first, own, end, report = self.log("hello", LogFormat="Text")
        self.assertEqual((first, own), ("START RequestId: request-1 Version: $LATEST", "hello"))
        self.assertEqual(end, "END RequestId: request-1")
        self.assertRegex(report, r"^REPORT RequestId: request-1\tDuration: 12\.30 ms\tBilled Duration: 13 ms\t")

    def test_the_json_format_has_them_only_down_to_the_system_s_level(self) -> None:
        self.assertEqual(self.log("hello\n", LogFormat="JSON", SystemLogLevel="WARN"), ["hello"])
        kinds = [json.loads(line)["type"] for line in self.log("", LogFormat="JSON", SystemLogLevel="INFO")]
        self.assertEqual(kinds, ["platform.start", "platform.report"])

    def test_a_failure_is_told_at_every_level(self) -> None:
        (line,) = self.log("", "timed out", LogFormat="JSON", SystemLogLevel="WARN")
        record = json.loads(line)["record"]
        self.assertEqual((record["status"], record["errorMessage"]), ("failure", "timed out"))

    def test_the_group_is_the_configured_one(self) -> None:
        environment = ExecutionEnvironment.__new__(ExecutionEnvironment)
        environment.function_version = mock.Mock()
        environment.function_version.id.function_name = "f"
        environment.function_version.config.logging_config = {"LogGroup": "/mine"}
        self.assertEqual(environment.get_log_group_name(), "/mine")
        environment.function_version.config.logging_config = {}
        self.assertEqual(environment.get_log_group_name(), "/aws/lambda/f")

    def test_an_invocation_that_logs_nothing_is_no_warning(self) -> None:
        manager = LambdaVersionManager.__new__(LambdaVersionManager)
        with self.assertNoLogs():
            manager.store_logs(InvocationResult("r", b"null", False, logs=""), mock.Mock())


class AssignmentTest(unittest.TestCase):
    def test_environments_can_be_looked_through_while_one_is_added(self) -> None:
        service = AssignmentService()
        self.addCleanup(service.stop)
        environments = service.environments["version"]
        environments["a"] = "A"
        seen = []
        for environment in environments.values():
            environments["b"] = "B"
            seen.append(environment)
        self.assertEqual(seen, ["A"])
