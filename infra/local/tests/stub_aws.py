"""An account of AWS that answers as a test says: an endpoint for `make deploy`, as a process of its own would meet it.

What it has no answer for goes to the cloud behind it, if there is one.
"""

import dataclasses
import http.client
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

ACCOUNT = "123456789012"
QUOTAS = {"L-AB614373": "writes_of_a_table", "L-CF0CBE56": "reads_of_a_table"}
REFUSALS = {
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "ValidationError": 400,
    "NoSuchResourceException": 400,
    "ResourceNotFoundException": 404,
}


@dataclasses.dataclass
class Account:
    """What a usual account has, with a stack that runs."""

    status: str | None = "UPDATE_COMPLETE"
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    outputs: dict[str, str] = dataclasses.field(default_factory=dict)
    functions: list[str] = dataclasses.field(default_factory=list)
    concurrency: int = 1000
    unreserved: int = 1000
    reserved: dict[str, int] = dataclasses.field(default_factory=dict)
    rate: float = 10000.0
    burst: int = 5000
    writes_of_a_table: float | None = 40000.0
    reads_of_a_table: float | None = None  # never raised: only the default is there
    warm_writes: int = 4000
    warm_reads: int = 12000
    denied: frozenset[str] = frozenset()
    """Services whose calls are refused for want of a right."""
    expired: bool = False


class Refused(Exception):
    """An error of AWS: its code, and its words."""


class StubAws:
    """The account, at `url` while the block runs."""

    def __init__(self, account: Account, behind: str | None = None) -> None:
        self.account = account
        self.behind = behind
        self.calls: list[str] = []
        handler = type("Handler", (_Handler,), {"stub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "StubAws":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, service: str, operation: str, asked: dict[str, Any], path: str) -> str | dict[str, Any] | None:
        """The body of an answer. None: not a call that is known here."""
        if self.account.expired:
            raise Refused("ExpiredToken", "The security token included in the request is expired")
        if service in self.account.denied:
            raise Refused("AccessDenied", f"User may not call {service}")
        match service, operation:
            case "sts", "GetCallerIdentity":
                return f"<Arn>arn:aws:iam::{ACCOUNT}:user/alice</Arn><UserId>A</UserId><Account>{ACCOUNT}</Account>"
            case "cloudformation", "DescribeStacks":
                return self._stack(asked["StackName"])
            case "cloudformation", "ListStackResources" if self.account.status is not None:
                return _member("StackResourceSummaries", [*_left(), *map(_function, self.account.functions)])
            case "cloudformation", "DeleteStack" if self.account.status is not None:
                self.account.status = None
                return ""
            case "lambda", _ if path.startswith("/2016-08-19/account-settings"):
                limits = {"ConcurrentExecutions": self.account.concurrency}
                return {"AccountLimit": {**limits, "UnreservedConcurrentExecutions": self.account.unreserved}}
            case "lambda", _ if found := re.fullmatch(r"/2019-09-30/functions/(.+)/concurrency", path):
                reserved = self.account.reserved.get(found[1])
                return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}
            case "apigateway", _ if path == "/account":
                return {"throttleSettings": {"rateLimit": self.account.rate, "burstLimit": self.account.burst}}
            case "servicequotas", _:
                return self._quota(operation, asked["QuotaCode"])
            case "dynamodb", "DescribeTable":
                warm = {"WriteUnitsPerSecond": self.account.warm_writes, "ReadUnitsPerSecond": self.account.warm_reads}
                return {"Table": {"TableName": asked["TableName"], "WarmThroughput": warm}}
        return None

    def _stack(self, name: str) -> str | None:
        if self.account.status is None:
            if self.behind:
                return None
            raise Refused("ValidationError", f"Stack with id {name} does not exist")
        fields = [("StackName", name), ("CreationTime", "2026-11-01T00:00:00Z"), ("StackStatus", self.account.status)]
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.account.parameters.items()]
        outputs = [{"OutputKey": f"{table}Table", "OutputValue": f"{name}-{table}"} for table in ("Votes", "Tallies")]
        outputs += [{"OutputKey": key, "OutputValue": value} for key, value in self.account.outputs.items()]
        inner = _fields(dict(fields)) + _member("Parameters", parameters) + _member("Outputs", outputs)
        return f"<Stacks><member>{inner}</member></Stacks>"

    def _quota(self, operation: str, code: str) -> dict[str, Any]:
        value = getattr(self.account, QUOTAS[code])
        if operation == "GetAWSDefaultServiceQuota":
            value = 40000.0
        if value is None:
            raise Refused("NoSuchResourceException", "The quota was never applied")
        return {"Quota": {"QuotaCode": code, "Value": value}}


def _left() -> list[dict[str, str]]:
    table = {"LogicalResourceId": "Votes", "PhysicalResourceId": "landslide-Votes-1A", "ResourceType": "AWS::DynamoDB::Table"}
    state = {
        "ResourceStatus": "DELETE_FAILED",
        "ResourceStatusReason": "it is protected",
        "LastUpdatedTimestamp": "2026-11-01T00:00:00Z",
    }
    return [table | state]


def _function(name: str) -> dict[str, str]:
    function = {"LogicalResourceId": name, "PhysicalResourceId": name, "ResourceType": "AWS::Lambda::Function"}
    return function | {"ResourceStatus": "UPDATE_COMPLETE", "LastUpdatedTimestamp": "2026-11-01T00:00:00Z"}


def _member(name: str, items: list[dict[str, str]]) -> str:
    return f"<{name}>{''.join(f'<member>{_fields(item)}</member>' for item in items)}</{name}>"


def _fields(fields: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())


class _Handler(BaseHTTPRequestHandler):
    stub: StubAws

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", self.headers.get("Authorization", ""))
        service = scope[1] if scope else ""
        target = self.headers.get("X-Amz-Target")
        asked: dict[str, Any] = {}
        if target:
            operation, asked = target.rpartition(".")[2], json.loads(body)
        elif service in ("sts", "cloudformation"):
            asked = dict(urllib.parse.parse_qsl(body.decode()))
            operation = asked.get("Action", "")
        else:
            operation = f"{self.command} {self.path}"
            asked = json.loads(body) if body else {}
        self.stub.calls.append(f"{service} {operation}")
        is_json = target is not None or service not in ("sts", "cloudformation")
        try:
            answer = self.stub.answer(service, operation, asked, self.path)
        except Refused as refused:
            self._refuse(*refused.args, is_json=is_json)
            return
        if isinstance(answer, dict):
            self._reply(200, json.dumps(answer), "application/json")
        elif answer is not None:
            self._reply(200, f"<{operation}Response><{operation}Result>{answer}</{operation}Result></{operation}Response>")
        elif self.stub.behind:
            self._forward(self.stub.behind, body)
        else:
            self._reply(501, json.dumps({"message": f"{service} {operation} is not stubbed"}), "application/json")

    def _refuse(self, code: str, message: str, *, is_json: bool) -> None:
        if is_json:
            self._reply(REFUSALS[code], json.dumps({"__type": code, "message": message}), "application/json")
        else:
            error = f"<ErrorResponse><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
            self._reply(REFUSALS[code], error)

    def _forward(self, behind: str, body: bytes) -> None:
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(behind).netloc)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        self._reply(answer.status, answer.read(), answer.getheader("Content-Type", "text/xml"))

    def _reply(self, status: int, body: str | bytes, kind: str = "text/xml") -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
