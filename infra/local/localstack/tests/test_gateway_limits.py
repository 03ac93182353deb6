"""Bodies that are too large, functions that take too long, and the time of a request."""

import re
import threading
import time
import unittest

from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext

from landslide_localstack.gateway_request import PAYLOAD_BYTES_MAX
from tests.rest_api import DOCUMENT, PROXY, RestApi, integration


class LimitTest(unittest.TestCase):
    def test_a_body_of_ten_megabytes_passes_and_no_more(self) -> None:
        api = RestApi()
        with integration(lambda context: len(context.invocation_request["body"])):
            self.assertEqual(api.call("POST", "/open", body=b"x" * PAYLOAD_BYTES_MAX).data, b"10485760")
            refused = api.call("POST", "/open", body=b"x" * (PAYLOAD_BYTES_MAX + 1))
        self.assertEqual((refused.status_code, refused.data), (413, b'{"message":"Request Too Long"}'))

    def test_a_body_passes_as_it_is_whatever_it_is_called(self) -> None:
        body = b"a=1&a=%20&b" + b"=" * 600_000
        for media_type in ("application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x", ""):
            with integration(lambda context: context.invocation_request["body"] == body), self.subTest(media_type=media_type):
                self.assertEqual(RestApi().call("POST", "/open", {"Content-Type": media_type}, body).data, b"true")

    def test_a_caller_waits_for_a_function_as_long_as_the_method_says(self) -> None:
        integration_with_timeout = PROXY | {"timeoutInMillis": 50}
        operation = {"get": {"x-amazon-apigateway-integration": integration_with_timeout}}
        api = RestApi(DOCUMENT | {"paths": {"/slow": operation, "/open": DOCUMENT["paths"]["/open"]}})
        done = threading.Event()

        def wait(context: RestApiInvocationContext) -> str:
            return "at last" if done.wait(10) else "never"

        with integration(wait):
            late = api.call("GET", "/slow")
            done.set()
            self.assertEqual(api.call("GET", "/open").data, b'"at last"')
        self.assertEqual((late.status_code, late.data), (504, b'{"message":"Endpoint request timed out"}'))

    def test_the_functions_own_timeout_error_is_not_the_gateways(self) -> None:
        def fail(context: RestApiInvocationContext) -> None:
            raise TimeoutError("a socket")

        with integration(fail), self.assertLogs(level="ERROR"):
            self.assertEqual(RestApi().call("GET", "/open").status_code, 500)

    def test_the_time_of_a_request_has_its_zone(self) -> None:
        with integration(lambda context: context.context_variables["requestTime"]):
            shown = RestApi().call("GET", "/open").get_json(force=True)
        self.assertTrue(re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", shown), shown)
        self.assertIn(time.strftime("%b/%Y", time.gmtime()), shown)
