"""Runs MiniStack in the foreground, mended in eleven places: two delays, which cost 90 ms a call, scans that held up all
other calls, idle functions that kept it busy, the gateway's answer to a function that failed, the names of SQS's batch
permissions, what a batch reads of DynamoDB, alarms on metric math, the characters of generated secrets, where functions
find AWS, and the parameters that SAM sees.

Run by the interpreter of infra/local/.venv-ministack, in an environment that names everything (see
landslide_local/clouds.py). A patch whose place is gone ends the program: a MiniStack that is silently slow
would look like a slow Landslide.
"""

import contextlib
import fcntl
import inspect
import json
import queue
import re
import socket
import socketserver
import struct
import sys
import termios
import time
from contextvars import ContextVar
from http import HTTPStatus
from types import SimpleNamespace

LOG_DRAIN_SECONDS_MAX = 0.25
"""As long as MiniStack itself waits for an invocation's log at most."""

IDLE_SECONDS = 1.0
"""How long a thread waits for work before it looks whether it is to end."""

LOG_PAUSE_SECONDS = 0.0005
"""Gives the thread that reads the pipe a turn."""


def send_small_packets_at_once() -> None:
    """Turns Nagle's algorithm off on the sockets of MiniStack's Runtime API.

    It answers a function's requests in two small writes; with Nagle's algorithm the second one waits 40 ms
    for the acknowledgement of the first.
    """
    if not hasattr(socketserver.StreamRequestHandler, "disable_nagle_algorithm"):
        raise SystemExit("serve.py: Python's socketserver has no switch for Nagle's algorithm any more")
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True


def take_logs_without_waiting() -> None:
    """Lets an invocation that logs nothing end at once.

    MiniStack waits 50 ms after each answer for a first log line. A function writes its lines before it
    answers, so they lie in the pipe or in the queue behind it by then: empty both, twice, and go on.
    """
    from ministack.core.lambda_runtime import ProvidedWorker, Worker

    original = Worker._drain_stderr_bounded
    if list(inspect.signature(original).parameters) != ["self", "first_line_wait", "idle_confirm", "hard_cap"]:
        raise SystemExit("serve.py: MiniStack drains logs in another way now; read its Worker._drain_stderr_bounded")
    invoke = inspect.getsource(ProvidedWorker.invoke)
    if "self._drain_stderr_bounded()" not in invoke or "_drain_stderr_bounded" in vars(ProvidedWorker):
        raise SystemExit("serve.py: MiniStack's ProvidedWorker.invoke takes logs in another way now; read it")

    def drain(self: ProvidedWorker, first_line_wait: float | None = None) -> str:
        if first_line_wait is not None:  # a failed start: its last words are worth waiting for
            return original(self, first_line_wait=first_line_wait)
        lines: list[str] = []
        give_up = time.monotonic() + LOG_DRAIN_SECONDS_MAX
        seen_empty = False
        while time.monotonic() < give_up:
            try:
                lines.append(self._stderr_queue.get_nowait())
                seen_empty = False
                continue
            except queue.Empty:
                pass
            if not _has_unread_output(self):
                if seen_empty:
                    break
                seen_empty = True
            time.sleep(LOG_PAUSE_SECONDS)
        return "\n".join(lines)

    ProvidedWorker._drain_stderr_bounded = drain


def let_idle_functions_sleep() -> None:
    """Lets the threads of a function that waits for work look up once a second.

    MiniStack has two for each process, and each looks up ten times a second. With the 200 processes of a test run that
    is 4,000 times a second, which Python's lock lets through one by one: calls took seconds, so that more processes
    were started, and all of them timed out.
    """
    from ministack.core import lambda_runtime

    source = inspect.getsource(lambda_runtime.ProvidedWorker)
    if "pending.get(\n" not in source or 'serve_forever, kwargs={"poll_interval": 0.1}' not in source:
        raise SystemExit("serve.py: MiniStack's functions wait in another way now; read core/lambda_runtime.py")

    class PatientQueue(queue.Queue):
        def get(self, block: bool = True, timeout: float | None = None) -> object:
            return super().get(block, None if timeout is None else max(timeout, IDLE_SECONDS))

    lambda_runtime.queue = SimpleNamespace(Queue=PatientQueue, Empty=queue.Empty, Full=queue.Full)
    serve_forever = socketserver.BaseServer.serve_forever

    def serve_patiently(self: socketserver.BaseServer, poll_interval: float = IDLE_SECONDS) -> None:
        serve_forever(self, max(poll_interval, IDLE_SECONDS))

    def shut_down_at_once(self: socketserver.BaseServer) -> None:
        """A connection wakes the thread; by itself it would look up within a second, and MiniStack waits for it."""
        self._BaseServer__shutdown_request = True
        with contextlib.suppress(OSError):
            socket.create_connection(self.server_address[:2], timeout=IDLE_SECONDS).close()
        self._BaseServer__is_shut_down.wait()

    socketserver.BaseServer.serve_forever = serve_patiently
    socketserver.BaseServer.shutdown = shut_down_at_once


def scan_partitions_by_their_start() -> None:
    """Answers a whole scan for `begins_with` of the partition key from the partitions that begin so.

    MiniStack parses the filter again for each item of the table, 50 µs each, and does nothing else meanwhile: with
    20,000 votes in the table, tests that looked for a poll's votes let others' calls run into their timeout of 4 s.
    """
    from ministack.services import dynamodb

    if list(inspect.signature(dynamodb._scan).parameters) != ["data"] or not hasattr(dynamodb, "_normalize_table_name"):
        raise SystemExit("serve.py: MiniStack scans in another way now; read services/dynamodb.py")
    scan_all = dynamodb._scan
    known = {"TableName", "ConsistentRead", "FilterExpression", "ExpressionAttributeValues"}

    def scan(data: dict) -> object:
        table = dynamodb._tables.get(dynamodb._normalize_table_name(data.get("TableName")))
        asked = re.fullmatch(r"begins_with\((\w+), (:\w+)\)", data.get("FilterExpression", ""))
        if not table or not asked or asked[1] != table["pk_name"] or not known.issuperset(data):
            return scan_all(data)
        start = data["ExpressionAttributeValues"][asked[2]]["S"]
        partitions = [items for name, items in list(table["items"].items()) if name.startswith(start)]
        items = [item for partition in partitions for item in list(partition.values())]
        found = {"Items": items, "Count": len(items), "ScannedCount": len(items)}
        return HTTPStatus.OK, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(found).encode()

    dynamodb._scan = scan


def answer_failed_functions_as_the_gateway() -> None:
    """Sends a function's error, crash, timeout and throttling through the API's gateway responses, as AWS does.

    MiniStack answers 502 with the error's text, or 429.
    """
    from ministack.services import apigateway_v1 as gateway

    if list(inspect.signature(gateway._lambda_proxy_response).parameters) != ["result"]:
        raise SystemExit("serve.py: MiniStack reads a function's result in another way now; read apigateway_v1")
    if "_lambda_proxy_response(result)" not in inspect.getsource(gateway._invoke_lambda_proxy_v1):
        raise SystemExit("serve.py: MiniStack calls a function in another way now; read apigateway_v1")
    read_result, invoke = gateway._lambda_proxy_response, gateway._invoke_lambda_proxy_v1

    def read_result_or_fail(result: dict[str, object]) -> object:
        if result.get("error") or result.get("throttle"):
            raise FunctionFailed
        return read_result(result)

    async def invoke_or_answer(*arguments: object, **named: object) -> object:
        try:
            return await invoke(*arguments, **named)
        except FunctionFailed:
            return gateway._gw_error("DEFAULT_5XX", "Internal server error")

    gateway._lambda_proxy_response = read_result_or_fail
    gateway._invoke_lambda_proxy_v1 = invoke_or_answer


def name_batches_of_sqs_as_iam_does() -> None:
    """Lets a role that may send, delete or hide a message do so in batches: IAM knows no action of their own."""
    from ministack.core import iam_actions

    parameters = ["service", "method", "path", "headers", "body", "query_params"]
    if list(inspect.signature(iam_actions.extract_iam_action).parameters) != parameters:
        raise SystemExit("serve.py: MiniStack names actions in another way now; read core/iam_actions.py")
    original = iam_actions.extract_iam_action

    def extract(*arguments: object, **named: object) -> str | None:
        action = original(*arguments, **named)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = extract


def see_what_batches_read() -> None:
    """Lets a role's conditions on `dynamodb:Attributes` and `dynamodb:Select` see what a BatchGetItem asks for, table by
    table. MiniStack looks for it where other reads have it, and takes every batch for one that asks for all attributes."""
    from ministack.core import iam_actions

    if list(inspect.signature(iam_actions.dynamodb_service_context).parameters) != ["body"]:
        raise SystemExit("serve.py: MiniStack reads DynamoDB's condition keys in another way now; read core/iam_actions.py")
    original = iam_actions.dynamodb_service_context

    def context(body: bytes) -> dict:
        try:
            asked = json.loads(body or b"{}").get("RequestItems")
        except (ValueError, AttributeError):
            asked = None
        if not isinstance(asked, dict) or not all(isinstance(table, dict) for table in asked.values()):
            return original(body)
        tables = [original(json.dumps(table).encode()) for table in asked.values()]
        attributes = [name for table in tables for name in table.get("dynamodb:Attributes", [])]
        selects = {table["dynamodb:Select"] for table in tables}
        select = "SPECIFIC_ATTRIBUTES" if selects == {"SPECIFIC_ATTRIBUTES"} else "ALL_ATTRIBUTES"
        return {"dynamodb:Select": select} | ({"dynamodb:Attributes": attributes} if attributes else {})

    iam_actions.dynamodb_service_context = context


def take_alarms_on_metric_math() -> None:
    """Lets CloudFormation make an alarm on metric math, kept under its first metric: no metric feeds an alarm here."""
    from ministack.services.cloudformation import provisioners

    if list(inspect.signature(provisioners._cw_metric_alarm_record).parameters)[1:] != ["props"]:
        raise SystemExit("serve.py: MiniStack makes alarms in another way now; read cloudformation/provisioners")
    original = provisioners._cw_metric_alarm_record

    def record(name: str, props: dict) -> dict:
        if metrics := props.get("Metrics"):
            first = next(metric["MetricStat"] for metric in metrics if "MetricStat" in metric)
            props = {key: value for key, value in props.items() if key != "Metrics"}
            props |= first["Metric"] | {"Statistic": "Sum", "Period": first["Period"]}
        return original(name, props)

    provisioners._cw_metric_alarm_record = record


def generate_secrets_as_asked() -> None:
    """Lets CloudFormation's `GenerateSecretString` heed all its properties, such as `ExcludePunctuation`. MiniStack heeds
    its length and `ExcludeCharacters`: one secret in 31 began like JSON, and stopped every function that reads it."""
    from ministack.services import secretsmanager
    from ministack.services.cloudformation import provisioners

    original = provisioners._sm_secret_string
    if "ExcludePunctuation" in inspect.getsource(original):
        raise SystemExit("serve.py: MiniStack generates secrets as asked by itself now; this patch can go")
    if list(inspect.signature(secretsmanager._get_random_password).parameters) != ["data"]:
        raise SystemExit("serve.py: MiniStack draws passwords in another way now; read services/secretsmanager.py")

    def secret_string(props: dict) -> str:
        asked = props.get("GenerateSecretString")
        if not asked or props.get("SecretString"):
            return original(props)
        status, _, body = secretsmanager._get_random_password(asked)
        if status != HTTPStatus.OK:
            raise ValueError(f"GenerateSecretString: {body!r}")
        password = json.loads(body)["RandomPassword"]
        template = asked.get("SecretStringTemplate")
        return json.dumps({**json.loads(template), asked["GenerateStringKey"]: password}) if template else password

    provisioners._sm_secret_string = secret_string


def let_functions_say_where_aws_is() -> None:
    """Lets a function's own AWS_ENDPOINT_URL stand, as Lambda does; MiniStack puts its own address in its place."""
    from ministack.services import lambda_svc

    original = lambda_svc._provided_worker_env
    if list(inspect.signature(original).parameters) != ["config", "code_dir", "port"]:
        raise SystemExit("serve.py: MiniStack makes functions' environments in another way now; read lambda_svc")

    def environment(config: dict, code_dir: str, port: int) -> dict:
        own = (config.get("Environment") or {}).get("Variables") or {}
        address = {name: own[name] for name in ["AWS_ENDPOINT_URL"] if name in own}
        return original(config, code_dir, port) | address

    lambda_svc._provided_worker_env = environment


def tell_sam_the_parameters() -> None:
    """Lets SAM see the values of parameters, as on AWS; MiniStack shows it their defaults. A release's name is one of them."""
    from ministack.services.cloudformation import changesets, engine, handlers
    from samtranslator.translator import transform as sam

    if list(inspect.signature(engine._apply_transforms).parameters) != ["template", "provided_params", "previous_params"]:
        raise SystemExit("serve.py: MiniStack applies transforms in another way now; read cloudformation/engine.py")
    if "_sam_transform(copy.deepcopy(template), {}, " not in inspect.getsource(engine._apply_transforms):
        raise SystemExit("serve.py: MiniStack tells SAM parameters by itself now; this patch can go")
    apply, translate = engine._apply_transforms, sam.transform
    given = ContextVar[tuple[object, object]]("given")

    def apply_with_parameters(template: dict, provided: object = None, previous: object = None) -> dict:
        given.set((provided, previous))
        return apply(template, provided, previous)

    def translate_with_parameters(template: dict, _: dict, *others: object) -> dict:
        return translate(template, engine._transform_parameters(template, *given.get()), *others)

    sam.transform = translate_with_parameters
    for module in (engine, changesets, handlers):
        module._apply_transforms = apply_with_parameters


class FunctionFailed(Exception):
    """A function that the gateway called gave no answer."""


def _has_unread_output(worker: object) -> bool:
    """Whether bytes of the function wait in its output pipe."""
    process = worker._proc
    if process is None or process.stdout is None or process.stdout.closed:
        return False
    try:
        waiting = fcntl.ioctl(process.stdout.fileno(), termios.FIONREAD, b"\0\0\0\0")
    except (OSError, ValueError):  # closed in between: the process is gone
        return False
    return struct.unpack("i", waiting)[0] > 0


if __name__ == "__main__":
    send_small_packets_at_once()
    take_logs_without_waiting()
    let_idle_functions_sleep()
    scan_partitions_by_their_start()
    answer_failed_functions_as_the_gateway()
    name_batches_of_sqs_as_iam_does()
    see_what_batches_read()
    take_alarms_on_metric_math()
    generate_secrets_as_asked()
    let_functions_say_where_aws_is()
    tell_sam_the_parameters()
    from ministack.app import main

    sys.exit(main())
