"""The lines that Lambda itself writes into a function's log.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html: START, END and REPORT in the text
format; in the JSON format platform.start and platform.report, of which those of a failure have level WARN.
"""

import datetime
import json

from localstack.services.lambda_.invocation.lambda_models import VersionFunctionConfiguration

from landslide_localstack.runtime_api import Invocation
from landslide_localstack.sandbox import Result

MS_PER_SECOND = 1000


def around(result: Result, invocation: Invocation, config: VersionFunctionConfiguration, version: str) -> str:
    """An invocation's whole log: what the function wrote, and Lambda's lines before and after it."""
    logging_config = config.logging_config
    if logging_config.get("LogFormat") == "JSON":
        before, after = _json_lines(result, invocation, logging_config.get("SystemLogLevel", "INFO"), version)
    else:
        before, after = _text_lines(result, invocation, config.memory_size, version)
    output = result.output if result.output.endswith("\n") or not result.output else result.output + "\n"
    return "".join([*(line + "\n" for line in before), output, *(line + "\n" for line in after)])


def _text_lines(result: Result, invocation: Invocation, memory_mb: int, version: str) -> tuple[list[str], list[str]]:
    request = f"RequestId: {invocation.request_id}"
    ms = result.seconds * MS_PER_SECOND
    report = f"REPORT {request}\tDuration: {ms:.2f} ms\tBilled Duration: {int(ms) + 1} ms\tMemory Size: {memory_mb} MB"
    failure = [f"{request} Error: {result.failure}"] if result.failure else []
    return [f"START {request} Version: {version}"], [*failure, f"END {request}", report]


def _json_lines(result: Result, invocation: Invocation, level: str, version: str) -> tuple[list[str], list[str]]:
    start = {"requestId": invocation.request_id, "version": version}
    report = {
        "requestId": invocation.request_id,
        "status": "failure" if result.failure else "success",
        "metrics": {"durationMs": round(result.seconds * MS_PER_SECOND, 3)},
    }
    if result.failure:
        report["errorMessage"] = result.failure
    shows_all = level in ("INFO", "DEBUG")
    before = [_platform_line("platform.start", start)] if shows_all else []
    after = [_platform_line("platform.report", report)] if shows_all or result.failure else []
    return before, after


def _platform_line(kind: str, record: dict) -> str:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": now, "type": kind, "record": record})
