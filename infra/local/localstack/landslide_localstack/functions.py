"""Lambda functions as processes on this machine: an executor beside LocalStack's own one for Docker.

LAMBDA_RUNTIME_EXECUTOR=process chooses it, through an entry point in pyproject.toml. `install` mends what no executor can.
"""

import functools
import time
from collections import defaultdict
from collections.abc import Callable

from localstack.services.lambda_.invocation.assignment import AssignmentService
from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor
from localstack.services.lambda_.invocation.version_manager import LambdaVersionManager

from landslide_localstack import platform_log
from landslide_localstack.function_process import Function
from landslide_localstack.patching import patch
from landslide_localstack.runtime_api import Invocation
from landslide_localstack.sandbox import EventLoop, Sandbox

LOOPBACK = "127.0.0.1"
MS_PER_SECOND = 1000
NOT_OF_LAMBDA = ("LOCALSTACK_", "EDGE_PORT", "_AWS_XRAY_")
"""Beginnings of variables that LocalStack has for its own containers."""


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """Makes the executor known."""

    name = "process"

    def load(self, *_arguments: object, **_named: object) -> type[RuntimeExecutor]:
        return ProcessExecutor


class ProcessExecutor(RuntimeExecutor):
    """LocalStack's view of a sandbox: LocalStack reserves it for one invocation at a time, and makes as many as are
    needed at once."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self._sandbox: Sandbox | None = None

    def start(self, env_vars: dict[str, str]) -> None:
        config = self.function_version.config
        root = config.code.get_unzipped_code_location()
        function = Function(root, _environment(env_vars), config.timeout, config.memory_size)
        self._sandbox = Sandbox(function)
        _event_loop().run(self._sandbox.initialise())

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        config = self.function_version.config
        invocation = Invocation(
            request_id=payload["invoke-id"],
            payload=payload["payload"].encode(),
            deadline_ms=int((time.time() + config.timeout) * MS_PER_SECOND),
            function_arn=payload["invoked-function-arn"],
            trace_id=payload["trace-id"],
        )
        result = _event_loop().run(self._sandbox.invoke(invocation))
        log = platform_log.around(result, invocation, config, self.function_version.id.qualifier)
        return InvocationResult(invocation.request_id, result.outcome.payload, result.outcome.is_error, log)

    def stop(self) -> None:
        if self._sandbox is not None:
            _event_loop().run(self._sandbox.stop())

    def get_logs(self) -> str:
        return self._sandbox.output() if self._sandbox is not None else ""

    def get_address(self) -> str:
        return LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        return LOOPBACK

    def get_runtime_endpoint(self) -> str:
        return ""  # LocalStack's own protocol, which nobody speaks here

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """LocalStack removes the code itself."""


@functools.cache
def _event_loop() -> EventLoop:
    return EventLoop()


def _environment(variables: dict[str, str | int]) -> dict[str, str]:
    """What a function sees, as on AWS."""
    environment = {name: str(value) for name, value in variables.items() if not name.startswith(NOT_OF_LAMBDA)}
    if level := environment.get("AWS_LAMBDA_LOG_LEVEL"):
        environment["AWS_LAMBDA_LOG_LEVEL"] = level.upper()
    return environment


def install() -> None:
    """Puts logs into the function's own group, and mends two places of LocalStack's."""

    @patch(ExecutionEnvironment.get_log_group_name, "aadb29103141")
    def get_log_group_name(original: Callable, environment: ExecutionEnvironment) -> str:
        """LoggingConfig's group, which LocalStack ignores."""
        return environment.function_version.config.logging_config.get("LogGroup") or original(environment)

    @patch(LambdaVersionManager.store_logs, "f06054723b27")
    def store_logs(
        original: Callable,
        manager: LambdaVersionManager,
        invocation_result: InvocationResult,
        execution_env: ExecutionEnvironment,
    ) -> None:
        """Without a warning for each invocation that logged nothing, which is the rule where system lines are off."""
        if invocation_result.logs:
            original(manager, invocation_result, execution_env)

    @patch(AssignmentService.__init__, "ad88ee390482")
    def initialise(original: Callable, service: AssignmentService) -> None:
        """With environments that can be looked through while other threads add some."""
        original(service)
        service.environments = defaultdict(_Environments)


class _Environments(dict):
    """A dictionary whose values are a copy: LocalStack looks for a free environment without a lock."""

    def values(self) -> list[ExecutionEnvironment]:
        return list(super().values())
