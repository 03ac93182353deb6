"""Access logs: a line for each request, in the stage's format, in the log group that the stage names.

LocalStack stores a stage's access log settings and writes nothing. As on AWS lines arrive after a moment, and a request
never waits for them.
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

import contextlib
import hashlib
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from localstack.aws.connect import connect_to
from localstack.http import Response
from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandlerChain
from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext
from localstack.services.apigateway.next_gen.execute_api.gateway import RestApiGateway
from localstack.services.apigateway.next_gen.execute_api.variables import LoggingContextVariables
from localstack.utils.aws.arns import parse_arn

from landslide_localstack.gateway_variables import substitute, variables_of
from landslide_localstack.patching import patch

LOG = logging.getLogger(__name__)

LINES_MAX = 10_000
"""Lines that wait to be written; what comes on top is lost, and said so."""

BATCH_LINES_MAX = 1_000
"""Lines that are written at once; CloudWatch Logs takes ten times as many."""


class Line(NamedTuple):
    """A line on its way."""

    account: str
    region: str
    group: str
    stream: str
    at_ms: int
    text: str


class AccessLog:
    """A handler of responses that hands a line of each to a thread that writes."""

    def __init__(self) -> None:
        self._lines: queue.Queue[Line] = queue.Queue(LINES_MAX)
        threading.Thread(target=self._write, name="access-log", daemon=True).start()

    def __call__(self, chain: RestApiGatewayHandlerChain, context: RestApiInvocationContext, response: Response) -> None:
        """Takes note of a request, if its stage has a log."""
        settings = context.stage_configuration.get("accessLogSettings") or {}
        if not settings.get("destinationArn") or not settings.get("format"):
            return
        arn = parse_arn(settings["destinationArn"])
        group = arn["resource"].removeprefix("log-group:").removesuffix(":*")
        stream = hashlib.md5(f"{context.api_id}/{context.stage}".encode(), usedforsecurity=False).hexdigest()
        line = Line(arn["account"], arn["region"], group, stream, _now_ms(), line_of(settings["format"], context, response))
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            LOG.error("the access log can't keep up, a line is lost: %s", line.text)

    def _write(self) -> None:
        while True:
            batches: dict[tuple[str, str, str, str], list[Line]] = defaultdict(list)
            for line in self._waiting():
                batches[line[:4]].append(line)
            for stream, lines in batches.items():
                try:
                    write(*stream, lines)
                except (BotoCoreError, ClientError) as error:
                    LOG.error("access log %s: %d lines are lost: %s", stream, len(lines), error)

    def _waiting(self) -> list[Line]:
        """Waits for a line, and takes those behind it too."""
        lines = [self._lines.get()]
        while len(lines) < BATCH_LINES_MAX:
            try:
                lines.append(self._lines.get_nowait())
            except queue.Empty:
                break
        return lines


def write(account: str, region: str, group: str, stream: str, lines: list[Line]) -> None:
    """Appends lines to a stream, which is made if it is not there."""
    logs = connect_to(aws_access_key_id=account, region_name=region).logs
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": line.at_ms, "message": line.text} for line in lines]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def line_of(template: str, context: RestApiInvocationContext, response: Response) -> str:
    """A request in a stage's format, with `-` for what has no value."""
    variables = variables_of(context)
    came = context.context_variables["requestTimeEpoch"]
    answered: LoggingContextVariables = {
        "status": str(response.status_code),
        "responseLength": str(len(response.get_data())),
        "responseLatency": str(_now_ms() - came),
    }
    variables["context"] = merge(dict(context.context_variables), {**log_variables(context), **answered})
    return substitute(template, variables, missing="-")


def merge(variables: dict[str, Any], further: dict[str, Any]) -> dict[str, Any]:
    """Both, down to the second level: `authorizer` has variables for functions and for logs."""
    for name, value in further.items():
        variables[name] = {**(variables.get(name) or {}), **value} if isinstance(value, dict) else value
    return variables


def log_variables(context: RestApiInvocationContext) -> LoggingContextVariables:
    """Variables that only access logs know, such as latencies in milliseconds; to be added to."""
    if context.logging_context_variables is None:
        context.logging_context_variables = LoggingContextVariables()
    return context.logging_context_variables


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def install() -> None:
    """Logs every response of a REST API."""
    log = AccessLog()

    @patch(RestApiGateway.__init__, source="a23bf1c410ac")
    def init(original: Callable[..., None], gateway: RestApiGateway) -> None:
        original(gateway)
        gateway.response_handlers.append(log)
