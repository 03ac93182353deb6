"""What is written of a request, and where."""

import json
import queue
import unittest
from unittest import mock

from landslide_localstack import gateway_access_log
from landslide_localstack.gateway_access_log import AccessLog, Line
from tests.rest_api import RestApi, integration

FORMAT = (
    '{"id":"$context.requestId","route":"$context.resourcePath","status":"$context.status","error":"$context.error.responseType",'
    '"ms":"$context.responseLatency","integration_ms":"$context.integrationLatency","authorizer_ms":"$context.authorizer.latency",'
    '"bytes":"$context.responseLength"}'
)
GROUP = {"destinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:/aws/apigateway/test", "format": FORMAT}


class AccessLogTest(unittest.TestCase):
    def setUp(self) -> None:
        self.written: queue.SimpleQueue[tuple[tuple[str, ...], Line]] = queue.SimpleQueue()
        write = mock.patch.object(gateway_access_log, "write", self.write)
        write.start()
        self.addCleanup(write.stop)
        self.api = RestApi()

    def write(self, account: str, region: str, group: str, stream: str, lines: list[Line]) -> None:
        for line in lines:
            self.written.put(((account, region, group, stream), line))

    def test_a_request_is_a_line_in_the_stages_group(self) -> None:
        self.api.stage["accessLogSettings"] = GROUP
        with integration(lambda context: "ok"):
            response = self.api.call("GET", "/open?secret=1")
        (account, region, group, stream), line = self.written.get(timeout=10)
        self.assertEqual((account, region, group), ("000000000000", "us-east-1", "/aws/apigateway/test"))
        self.assertEqual(len(stream), 32)
        shown = json.loads(line.text)
        for latency in ("ms", "integration_ms"):
            self.assertGreaterEqual(int(shown.pop(latency)), 0)
        request_id = response.headers["x-amzn-RequestId"]
        expected = {"id": request_id, "route": "/open", "status": "200", "error": "-", "authorizer_ms": "-", "bytes": "4"}
        self.assertEqual(shown, expected)

    def test_an_error_of_the_gateway_is_a_line_with_its_type(self) -> None:
        self.api.stage["accessLogSettings"] = GROUP
        self.api.call("GET", "/nothing")
        shown = json.loads(self.written.get(timeout=10)[1].text)
        self.assertEqual((shown["status"], shown["error"]), ("403", "MISSING_AUTHENTICATION_TOKEN"))
        self.assertEqual((shown["route"], shown["integration_ms"]), ("-", "-"))

    def test_a_stage_without_a_log_has_no_line(self) -> None:
        self.api.call("GET", "/nothing")
        self.api.stage["accessLogSettings"] = GROUP
        self.api.call("GET", "/things/1")
        self.assertEqual(json.loads(self.written.get(timeout=10)[1].text)["status"], "401")
        self.assertTrue(self.written.empty())

    def test_a_line_too_many_is_lost_and_said_so(self) -> None:
        self.api.stage["accessLogSettings"] = GROUP
        log = AccessLog()
        context = mock.Mock(stage_configuration=self.api.stage, api_id="a", stage="prod", logging_context_variables=None)
        context.context_variables, context.stage_variables = {"requestTimeEpoch": 0}, None
        response = mock.Mock(status_code=200, get_data=lambda: b"")
        log._lines = mock.Mock(put_nowait=mock.Mock(side_effect=queue.Full))
        with self.assertLogs(gateway_access_log.LOG, "ERROR") as logged:
            log(mock.Mock(), context, response)
        self.assertIn("a line is lost", logged.output[0])
