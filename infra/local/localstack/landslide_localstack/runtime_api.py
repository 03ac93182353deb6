"""Lambda's Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) of one execution environment.

Every environment has a port of its own on the loopback address, since AWS_LAMBDA_RUNTIME_API is a host and a port, and all
of them are served by one event loop.
"""

import asyncio
import contextlib
import json
import re
import socket
from dataclasses import dataclass

import h11

RESPONSE_BYTES_MAX = 6_291_556
"""The largest response that Lambda takes."""
HEAD_BYTES_MAX = 64 * 1024
READ_BYTES = 64 * 1024

VERSION = "/2018-06-01/runtime"
ANSWER_PATH = re.compile(rf"{VERSION}/invocation/(?P<request_id>[^/]+)/(?P<kind>response|error)")


@dataclass(frozen=True)
class Invocation:
    """What the function is given."""

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str


@dataclass(frozen=True)
class Outcome:
    """What became of an invocation: the function's response, or an error document (errorType, errorMessage)."""

    payload: bytes
    is_error: bool = False


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    body: bytes
    """At most one byte more than a response may have."""


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class InitialisationFailed(Exception):
    """What the process itself says of its failed initialisation."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload


class RuntimeApi:
    """The server's side. All methods are called on the event loop."""

    def __init__(self) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the process asks for its first invocation; InitialisationFailed if it says that it can't."""
        self._offered: tuple[Invocation, asyncio.Future[Outcome]] | None = None
        self._offer = asyncio.Event()
        self._running: tuple[Invocation, asyncio.Future[Outcome]] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._tasks = {asyncio.create_task(self._accept())}

    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API is."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def close(self) -> None:
        """Ends all connections; what waits for an outcome waits in vain. Nothing, once it is closed."""
        if self._listener.fileno() == -1:
            return
        for task in self._tasks:
            task.cancel()
        # Else a client that comes now is handed to the task that has just been cancelled, which asyncio reports as an error.
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()

    def offer(self, invocation: Invocation) -> asyncio.Future[Outcome]:
        """Gives an invocation to the process as soon as it asks for one. Only one at a time."""
        outcome = asyncio.get_running_loop().create_future()
        self._offered = (invocation, outcome)
        self._offer.set()
        return outcome

    def was_taken(self) -> bool:
        """Whether the process has got what was offered last."""
        return self._offered is None

    async def _accept(self) -> None:
        # Not asyncio's own server, which loses connections that it accepts while it is closed.
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            task = asyncio.create_task(self._serve(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=client)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            await self._converse(reader, writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        while True:
            try:
                request = await _read_request(connection, reader)
            except h11.RemoteProtocolError as error:
                writer.write(_render(connection, _refusal(400, "InvalidRequest", str(error))))
                return
            if request is None:
                return
            answer = await self._answer(request, reader)
            if answer is None:
                return
            writer.write(_render(connection, answer))
            await writer.drain()
            if connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()

    async def _answer(self, request: _Request, reader: asyncio.StreamReader) -> _Answer | None:
        if (request.method, request.path) == ("GET", f"{VERSION}/invocation/next"):
            return await self._next(reader)
        if (request.method, request.path) == ("POST", f"{VERSION}/init/error"):
            return self._fail_initialisation(request.body)
        answer = ANSWER_PATH.fullmatch(request.path)
        if request.method == "POST" and answer:
            return self._finish(answer["request_id"], answer["kind"] == "error", request.body)
        return _Answer(404, b"404 page not found\n")

    async def _next(self, reader: asyncio.StreamReader) -> _Answer | None:
        """The long poll; nothing for a client that has closed the connection meanwhile."""
        if self._running is not None:
            return _refusal(403, "InvalidStateTransition", "the invocation before is not answered yet")
        if not self.ready.done():
            self.ready.set_result(None)
        while self._offered is None:
            await self._offer.wait()
            if reader.at_eof():
                return None
        self._running, self._offered = self._offered, None
        self._offer.clear()
        invocation, _ = self._running
        headers = (
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
        )
        return _Answer(200, invocation.payload, headers)

    def _finish(self, request_id: str, is_error: bool, body: bytes) -> _Answer:
        if self._running is None:
            return _refusal(403, "InvalidStateTransition", "no invocation runs")
        invocation, outcome = self._running
        if request_id != invocation.request_id:
            return _refusal(400, "InvalidRequestID", f"{request_id} is not what runs")
        self._running = None
        if len(body) > RESPONSE_BYTES_MAX:
            too_large = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            outcome.set_result(Outcome(error_document("Function.ResponseSizeTooLarge", too_large), is_error=True))
            return _refusal(413, "RequestEntityTooLarge", too_large)
        outcome.set_result(Outcome(body, is_error))
        return _ACCEPTED

    def _fail_initialisation(self, body: bytes) -> _Answer:
        if self.ready.done():
            return _refusal(403, "InvalidStateTransition", "the initialisation is over")
        self.ready.set_exception(InitialisationFailed(body[:RESPONSE_BYTES_MAX]))
        return _ACCEPTED


def error_document(kind: str, message: str) -> bytes:
    """What a caller gets of a function that failed."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


_ACCEPTED = _Answer(202, b'{"status":"OK"}\n', (("Content-Type", "application/json"),))


def _refusal(status: int, kind: str, message: str) -> _Answer:
    return _Answer(status, error_document(kind, message), (("Content-Type", "application/json"),))


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> _Request | None:
    """The next request, whole; nothing at the end of the connection."""
    head, body = None, bytearray()
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(READ_BYTES))
            case h11.Request() as head:
                pass
            case h11.Data(data=data):
                body += data[: RESPONSE_BYTES_MAX + 1 - len(body)]
            case h11.EndOfMessage():
                return _Request(head.method.decode(), head.target.decode(), bytes(body))
            case _:  # closed
                return None


def _render(connection: h11.Connection, answer: _Answer) -> bytes:
    if connection.our_state is h11.ERROR:
        return b""
    headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
    events = [h11.Response(status_code=answer.status, headers=headers), h11.Data(data=answer.body), h11.EndOfMessage()]
    return b"".join(connection.send(event) for event in events)
