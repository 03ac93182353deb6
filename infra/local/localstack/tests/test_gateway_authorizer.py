"""Which answers of an authorizer let a request through, and which are asked for only once."""

import copy
import io
import json
import unittest
from typing import Any
from unittest import mock

from botocore.exceptions import ClientError

from landslide_localstack import gateway_authorizer
from tests.rest_api import ACCOUNT, AUTHORIZER_ARN, DOCUMENT, REGION, RestApi, integration

Json = Any


def allow(resource: str = "*", **further: Json) -> Json:
    """An authorizer's answer that allows a resource."""
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    return {"principalId": "alice", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **further}


def deny() -> Json:
    """An authorizer's answer that denies everything."""
    answer = allow()
    answer["policyDocument"]["Statement"][0]["Effect"] = "Deny"
    return answer


class FakeLambda:
    """Answers every invocation with what it is told, and remembers the events."""

    def __init__(self) -> None:
        self.answer: Json = allow()
        self.fails = False
        self.refusal: Exception | None = None
        self.events: list[Json] = []
        self.functions: list[str] = []
        self.lambda_ = self

    def request_metadata(self, **_: str) -> "FakeLambda":
        return self

    def invoke(self, FunctionName: str, Payload: bytes) -> Json:
        self.functions.append(FunctionName)
        self.events.append(json.loads(Payload))
        if self.refusal:
            raise self.refusal
        error = {"FunctionError": "Unhandled"} if self.fails else {}
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode()), **error}


class AuthorizerTest(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = FakeLambda()
        factory = mock.patch.object(gateway_authorizer, "get_service_factory", lambda region, role: self.fake)
        factory.start()
        self.addCleanup(factory.stop)
        self.api = RestApi()

    def call(self, token: str | None = "Bearer t", verb: str = "GET", path: str = "/things/7?x=1") -> tuple[int, Json, str]:
        """Status, body and error type; the function behind answers with the caller that it was told."""
        headers = {} if token is None else {"authorization": token}
        with integration(lambda context: context.context_variables.get("authorizer")), self.assertLogs(level="INFO"):
            gateway_authorizer.LOG.info("a call")
            response = self.api.call(verb, path, headers)
        return response.status_code, json.loads(response.data), response.headers.get("x-amzn-ErrorType", "")

    def test_who_is_allowed_gets_through_with_the_context_as_texts(self) -> None:
        self.fake.answer = allow(context={"subject": "alice", "age": 7, "share": 0.5, "member": True})
        status, caller, _ = self.call()
        self.assertEqual(status, 200)
        self.assertIsInstance(caller.pop("integrationLatency"), int)
        self.assertEqual(caller, {"principalId": "alice", "subject": "alice", "age": "7", "share": "0.5", "member": "true"})

    def test_the_function_is_told_of_the_request(self) -> None:
        self.call()
        [event] = self.fake.events
        self.assertEqual(self.fake.functions, [AUTHORIZER_ARN])
        self.assertEqual(event["type"], "REQUEST")
        self.assertEqual(event["methodArn"], f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.api.id}/prod/GET/things/7")
        self.assertEqual((event["resource"], event["path"], event["httpMethod"]), ("/things/{id}", "/things/7", "GET"))
        self.assertEqual({name.lower(): value for name, value in event["headers"].items()}, {"authorization": "Bearer t"})
        self.assertEqual(event["pathParameters"], {"id": "7"})
        self.assertEqual(event["queryStringParameters"], {"x": "1"})
        self.assertNotIn("body", event)

    def test_a_method_without_an_authorizer_has_no_caller(self) -> None:
        self.assertEqual(self.call(token=None, path="/open"), (200, None, ""))
        self.assertEqual(self.fake.events, [])

    def test_a_request_without_the_identity_is_unauthorized_and_nobody_is_asked(self) -> None:
        for token in (None, ""):
            self.assertEqual(self.call(token), (401, {"message": "Unauthorized"}, "UnauthorizedException"))
        self.assertEqual(self.fake.events, [])

    def test_a_deny_is_forbidden(self) -> None:
        self.fake.answer = deny()
        message = {"Message": "User is not authorized to access this resource with an explicit deny"}
        self.assertEqual(self.call(), (403, message, "AccessDeniedException"))

    def test_what_the_policy_does_not_name_is_forbidden(self) -> None:
        self.fake.answer = allow("arn:aws:execute-api:*:*:*/prod/PUT/things/*")
        message = {"Message": "User is not authorized to access this resource"}
        self.assertEqual(self.call(), (403, message, "AccessDeniedException"))
        self.assertEqual(self.call(verb="PUT")[0], 200)
        self.assertEqual(len(self.fake.events), 1)  # one answer, applied to each method

    def test_an_answer_is_remembered_for_its_token(self) -> None:
        for token in ("Bearer a", "Bearer a", "Bearer b", "Bearer a"):
            self.call(token)
        self.assertEqual(len(self.fake.events), 2)

    def test_a_deny_is_remembered_too(self) -> None:
        self.fake.answer = deny()
        self.assertEqual([self.call()[0] for _ in range(2)], [403, 403])
        self.assertEqual(len(self.fake.events), 1)

    def test_an_answer_is_forgotten_after_its_time(self) -> None:
        now = 1000.0
        with mock.patch.object(gateway_authorizer.time, "monotonic", lambda: now):
            self.call()
            now += 299.9
            self.call()
            self.assertEqual(len(self.fake.events), 1)
            now += 0.2
            self.call()
            self.assertEqual(len(self.fake.events), 2)

    def test_without_time_to_live_each_request_is_asked_about(self) -> None:
        document = copy.deepcopy(DOCUMENT)
        scheme = document["components"]["securitySchemes"]["caller"]
        scheme["x-amazon-apigateway-authorizer"]["authorizerResultTtlInSeconds"] = 0
        self.api.put(document)
        self.call()
        self.call()
        self.assertEqual(len(self.fake.events), 2)

    def test_so_many_answers_are_remembered_and_no_more(self) -> None:
        with mock.patch.object(gateway_authorizer, "ANSWERS_MAX", 2):
            few = gateway_authorizer.Authorizers()
        for token in range(5):
            few._answers[(str(token),)] = mock.sentinel.answer
        self.assertEqual(list(few._answers), [("3",), ("4",)])

    def test_a_function_that_fails_with_unauthorized_is_401(self) -> None:
        self.fake.fails, self.fake.answer = True, {"errorMessage": "Unauthorized", "errorType": "Error"}
        self.assertEqual(self.call(), (401, {"message": "Unauthorized"}, "UnauthorizedException"))

    def test_a_function_that_fails_is_an_authorizer_failure_and_asked_again(self) -> None:
        self.fake.fails, self.fake.answer = True, {"errorMessage": "no keys", "errorType": "KeysUnavailable"}
        self.assertEqual(self.call(), (500, {"message": None}, "AuthorizerFailureException"))
        self.fake.fails, self.fake.answer = False, allow()
        self.assertEqual(self.call()[0], 200)

    def test_an_answer_that_is_none_is_a_configuration_error(self) -> None:
        conditional = allow()
        conditional["policyDocument"]["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
        for answer in ("yes", {}, {"policyDocument": {}}, allow(context={"a": {"b": 1}}), allow(context=[1]), conditional):
            self.fake.answer = answer
            with self.subTest(answer=answer):
                self.assertEqual(self.call(f"Bearer {answer}"), (500, {"message": None}, "AuthorizerConfigurationException"))

    def test_a_function_that_cannot_be_called_is_a_configuration_error(self) -> None:
        self.fake.refusal = ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "Invoke")
        self.assertEqual(self.call(), (500, {"message": None}, "AuthorizerConfigurationException"))
