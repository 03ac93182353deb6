"""What a caller gets where the gateway itself answers."""

import copy
import json
import unittest
from typing import Any

from localstack.aws.api.apigateway import BadRequestException, PutMode
from localstack.services.apigateway.next_gen.execute_api.gateway_response import IntegrationFailureError

from landslide_localstack.gateway_responses import LOG, responses_of
from tests.rest_api import DOCUMENT, RestApi, integration

RESPONSES = {
    "MISSING_AUTHENTICATION_TOKEN": {
        "statusCode": 404,
        "responseTemplates": {
            "application/problem+json": '{"detail":$context.error.messageString,"id":"$context.requestId",'
            '"of":"$context.error.responseType","stage":"${context.stage}","who":"$context.authorizer.subject","colour":"$stageVariables.colour"}'
        },
        "responseParameters": {
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            "gatewayresponse.header.X-Asked": "method.request.header.X-Ask",
            "gatewayresponse.header.X-Query": "method.request.querystring.q",
            "gatewayresponse.header.X-Stage": "context.stage",
            "gatewayresponse.header.X-Nothing": "context.authorizer.subject",
        },
    },
    "DEFAULT_5XX": {"statusCode": "503", "responseParameters": {"gatewayresponse.header.Retry-After": "'1'"}},
}


def with_responses(responses: dict[str, Any]) -> dict[str, Any]:
    """The document with gateway responses."""
    return copy.deepcopy(DOCUMENT) | {"x-amazon-apigateway-gateway-responses": responses}


class GatewayResponseTest(unittest.TestCase):
    def setUp(self) -> None:
        self.api = RestApi(with_responses(RESPONSES))

    def test_a_response_of_the_document_is_rendered(self) -> None:
        self.api.stage["variables"] = {"colour": "red"}
        response = self.api.call("GET", "/nothing?q=5", {"x-ask": "Really?"})
        self.assertEqual(response.status_code, 404)
        self.assertEqual(response.headers["Content-Type"], "application/problem+json")
        expected = {
            "detail": "Missing Authentication Token",
            "id": response.headers["x-amzn-RequestId"],
            "of": "MISSING_AUTHENTICATION_TOKEN",
            "stage": "prod",
            "who": "",
            "colour": "red",
        }
        self.assertEqual(json.loads(response.data), expected)
        self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual((response.headers["X-Asked"], response.headers["X-Query"]), ("Really?", "5"))
        self.assertEqual(response.headers["X-Stage"], "prod")
        self.assertNotIn("X-Nothing", response.headers)
        self.assertEqual(response.headers["x-amzn-ErrorType"], "MissingAuthenticationTokenException")

    def test_a_message_is_quoted_as_json(self) -> None:
        def fail(_: object) -> None:
            raise IntegrationFailureError('a "quoted" text')

        with integration(fail):
            response = self.api.call("GET", "/open")
        self.assertEqual(json.loads(response.data), {"message": 'a "quoted" text'})

    def test_what_has_no_response_gets_that_of_its_class(self) -> None:
        def fail(_: object) -> None:
            raise IntegrationFailureError("Internal server error")

        with integration(fail):
            response = self.api.call("GET", "/open")
        self.assertEqual((response.status_code, response.headers["Retry-After"]), (503, "1"))
        self.assertEqual(self.api.call("GET", "/things/1").status_code, 401)  # no DEFAULT_4XX in the document

    def test_a_fault_of_the_gateway_is_a_5xx_without_its_cause(self) -> None:
        def fail(_: object) -> None:
            raise KeyError("a secret")

        with integration(fail), self.assertLogs(LOG, "ERROR") as logged:
            response = self.api.call("GET", "/open")
        self.assertEqual(response.status_code, 503)
        self.assertEqual(json.loads(response.data), {"message": "Internal server error"})
        self.assertIn("a secret", logged.output[0])

    def test_the_caller_may_choose_among_templates(self) -> None:
        templates = {"application/json": '{"as":"json"}', "text/plain": "as text"}
        self.api.put(with_responses({"DEFAULT_4XX": {"responseTemplates": templates}}))
        for accept, expected in ((None, b'{"as":"json"}'), ("text/plain", b"as text"), ("image/png", b'{"as":"json"}')):
            response = self.api.call("GET", "/nothing", {"Accept": accept} if accept else {})
            self.assertEqual((response.status_code, response.data), (403, expected))

    def test_a_new_document_replaces_or_merges_its_responses(self) -> None:
        self.api.put(with_responses({"DEFAULT_4XX": {"statusCode": 418}}), PutMode.merge)
        self.assertEqual(self.api.call("GET", "/nothing").status_code, 404)
        self.assertEqual(self.api.call("GET", "/things/1").status_code, 418)
        self.api.put(with_responses({"DEFAULT_4XX": {"statusCode": 418}}), PutMode.overwrite)
        self.assertEqual(self.api.call("GET", "/nothing").status_code, 418)
        self.api.put(DOCUMENT)
        self.assertEqual(self.api.call("GET", "/nothing").status_code, 403)

    def test_an_unknown_response_is_refused(self) -> None:
        with self.assertRaises(BadRequestException):
            responses_of(with_responses({"TEAPOT": {}}))
