"""What the Runtime API answers to a client that does not keep to the rules, as Lambda's own does."""

import asyncio
import http.client
import json
import socket
import unittest
from typing import Any

from landslide_localstack.runtime_api import RuntimeApi
from tests.test_sandbox import LOOP, WAIT_SECONDS_MAX, eventually, invocation

PREFIX = "/2018-06-01/runtime"


class RuntimeApiTest(unittest.TestCase):
    def setUp(self) -> None:
        self.api = LOOP.run(started())
        self.addCleanup(lambda: LOOP.run(on_loop(self.api.close)))

    def connect(self) -> http.client.HTTPConnection:
        host, port = self.api.address().split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=WAIT_SECONDS_MAX)
        self.addCleanup(connection.close)
        return connection

    def call(self, method: str, path: str, body: Any = None, **further: Any) -> tuple[int, bytes]:
        connection = self.connect()
        connection.request(method, PREFIX + path, body, **further)
        response = connection.getresponse()
        return response.status, response.read()

    def offer(self, do: str = "echo") -> Any:
        return LOOP.run(on_loop(lambda: self.api.offer(invocation(do))))

    def take(self) -> None:
        """Takes an invocation that is offered now."""
        self.offer()
        self.assertEqual(self.call("GET", "/invocation/next")[0], 200)

    def test_an_answer_under_another_request_s_id_is_refused_and_the_right_one_is_taken(self) -> None:
        outcome = self.offer()
        self.call("GET", "/invocation/next")
        status, body = self.call("POST", "/invocation/request-0/response", b"1")
        self.assertEqual((status, json.loads(body)["errorType"]), (400, "InvalidRequestID"))
        self.assertFalse(outcome.done())
        self.assertEqual(self.call("POST", "/invocation/request-1/response", b"2")[0], 202)
        self.assertEqual(outcome.result().payload, b"2")

    def test_a_second_answer_is_refused(self) -> None:
        self.take()
        self.call("POST", "/invocation/request-1/response", b"1")
        self.assertEqual(self.call("POST", "/invocation/request-1/response", b"2")[0], 403)

    def test_another_invocation_is_not_given_before_the_answer(self) -> None:
        self.take()
        self.assertEqual(self.call("GET", "/invocation/next")[0], 403)

    def test_an_initialisation_can_t_fail_once_it_is_over(self) -> None:
        self.take()
        self.assertEqual(self.call("POST", "/init/error", b"{}")[0], 403)

    def test_a_body_may_come_in_chunks(self) -> None:
        outcome = self.offer()
        self.call("GET", "/invocation/next")
        status, _ = self.call("POST", "/invocation/request-1/response", iter([b"ab", b"cd"]), encode_chunked=True)
        self.assertEqual((status, outcome.result().payload), (202, b"abcd"))

    def test_a_client_that_asks_and_goes_gets_nothing(self) -> None:
        gone = self.connect()
        gone.request("GET", f"{PREFIX}/invocation/next")
        eventually(self.api.ready.done)
        gone.close()
        self.offer()
        self.assertEqual(self.call("GET", "/invocation/next")[0], 200)

    def test_a_path_that_does_not_exist_is_not_found(self) -> None:
        self.assertEqual(self.call("GET", "/nothing")[0], 404)

    def test_what_is_not_http_is_refused(self) -> None:
        host, port = self.api.address().split(":")
        with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS_MAX) as client:
            client.sendall(b"hello\r\n\r\n")
            self.assertIn(b" 400 ", client.recv(1000).split(b"\r\n")[0])

    def test_a_client_that_comes_at_its_end_is_refused_without_a_word(self) -> None:
        with self.assertNoLogs("asyncio", "ERROR"):
            LOOP.run(closed_as_a_client_comes())


async def closed_as_a_client_comes() -> None:
    """Closes it before the event loop has seen a client that is connected already."""
    api = RuntimeApi()
    await asyncio.sleep(0)
    host, port = api.address().split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS_MAX):
        asyncio.get_running_loop().call_soon(api.close)
        await asyncio.sleep(0.1)  # some rounds of the event loop


async def started() -> RuntimeApi:
    return RuntimeApi()


async def on_loop(work: Any) -> Any:
    return work()
