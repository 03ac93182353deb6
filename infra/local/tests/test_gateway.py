"""What of an OpenAPI document becomes of a method, and that a second run changes nothing."""

import unittest
from typing import Any

from ministack import gateway

DOCUMENT = {
    "x-amazon-apigateway-request-validator": "all",
    "x-amazon-apigateway-request-validators": {"all": {"validateRequestParameters": True, "validateRequestBody": True}},
    "x-amazon-apigateway-gateway-responses": {
        "THROTTLED": {"statusCode": 429, "responseTemplates": {"application/problem+json": "{}"}},
    },
    "components": {
        "schemas": {"Pet": {"type": "object", "properties": {"toy": {"$ref": "#/components/schemas/Toy"}}}, "Toy": {}}
    },
    "paths": {
        "/pets/{id}": {
            "put": {
                "parameters": [{"name": "id", "in": "path", "required": True}, {"name": "If-Match", "in": "header"}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                "x-amazon-apigateway-integration": {"type": "aws_proxy", "timeoutInMillis": 9000},
            },
            "options": {
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "requestTemplates": {"application/json": '{"statusCode": 200}'},
                    "responses": {
                        "default": {"statusCode": "200", "responseParameters": {"method.response.header.Vary": "'Origin'"}}
                    },
                }
            },
        }
    },
}
SETTINGS = [{"ResourcePath": "/~1pets", "HttpMethod": "PUT", "ThrottlingRateLimit": "5"}]


class FakeGateway:
    """Keeps what it is given as MiniStack does after its import: methods with a bare integration, and nothing else."""

    def __init__(self) -> None:
        self.methods: dict[str, Any] = {
            "PUT": {
                "authorizationType": "CUSTOM",
                "authorizerId": "a1",
                "methodIntegration": {"type": "AWS_PROXY", "httpMethod": "POST", "uri": "arn"},
            },
            "OPTIONS": {"authorizationType": "NONE", "methodIntegration": {"type": "MOCK"}},
        }
        self.responses: dict[str, Any] = {}
        self.validators: dict[str, Any] = {}
        self.models: dict[str, Any] = {}
        self.patches: list[Any] = []
        self.deployments = 0

    def get_gateway_responses(self, **_: str) -> Any:
        return {
            "items": [{"responseType": name, "defaultResponse": False, **wanted} for name, wanted in self.responses.items()]
        }

    def put_gateway_response(self, restApiId: str, responseType: str, **wanted: Any) -> None:
        self.responses[responseType] = wanted

    def get_request_validators(self, **_: str) -> Any:
        return {"items": [{"name": name, "id": f"id-of-{name}"} for name in self.validators]}

    def create_request_validator(self, restApiId: str, name: str, **checks: bool) -> Any:
        self.validators[name] = checks
        return {"id": f"id-of-{name}"}

    def get_models(self, **_: str) -> Any:
        return {"items": [{"name": name} for name in self.models]}

    def create_model(self, restApiId: str, name: str, contentType: str, schema: str) -> None:
        self.models[name] = schema

    def get_resources(self, **_: Any) -> Any:
        return {"items": [{"id": "r", "path": "/pets/{id}", "resourceMethods": self.methods}]}

    def put_method(self, restApiId: str, resourceId: str, httpMethod: str, **method: Any) -> None:
        self.methods[httpMethod] = {**method, "methodIntegration": None}

    def put_integration(self, restApiId: str, resourceId: str, httpMethod: str, **integration: Any) -> None:
        integration["httpMethod"] = integration.pop("integrationHttpMethod", None)
        self.methods[httpMethod]["methodIntegration"] = {**integration, "integrationResponses": {}}

    def put_integration_response(
        self, restApiId: str, resourceId: str, httpMethod: str, statusCode: str, **response: Any
    ) -> None:
        self.methods[httpMethod]["methodIntegration"]["integrationResponses"][statusCode] = response

    def create_deployment(self, **_: str) -> None:
        self.deployments += 1

    def update_stage(self, restApiId: str, stageName: str, patchOperations: list[Any]) -> None:
        self.patches = patchOperations


class GatewayTest(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = FakeGateway()
        self.changes = gateway.complete(self.fake, "api", "prod", DOCUMENT, SETTINGS)

    def test_a_second_run_changes_nothing(self) -> None:
        self.assertEqual(self.changes, 3)
        self.assertEqual(gateway.complete(self.fake, "api", "prod", DOCUMENT, SETTINGS), 0)
        self.assertEqual(self.fake.deployments, 1)

    def test_a_method_keeps_its_authorizer_and_gets_its_checks(self) -> None:
        method = self.fake.methods["PUT"]
        self.assertEqual((method["authorizationType"], method["authorizerId"]), ("CUSTOM", "a1"))
        self.assertEqual(method["requestValidatorId"], "id-of-all")
        self.assertEqual(method["requestModels"], {"application/json": "Pet"})
        self.assertEqual(method["requestParameters"], {"method.request.path.id": True, "method.request.header.If-Match": False})
        self.assertEqual(method["methodIntegration"]["uri"], "arn")
        self.assertEqual(method["methodIntegration"]["timeoutInMillis"], 9000)

    def test_a_model_holds_the_schemas_that_it_refers_to(self) -> None:
        self.assertIn('"#/definitions/Toy"', self.fake.models["Pet"])

    def test_a_mock_answers_with_its_headers(self) -> None:
        answer = self.fake.methods["OPTIONS"]["methodIntegration"]["integrationResponses"]["200"]
        self.assertEqual(answer["responseParameters"], {"method.response.header.Vary": "'Origin'"})

    def test_a_problem_is_sent_under_its_own_media_type(self) -> None:
        response = self.fake.responses["THROTTLED"]
        self.assertEqual(response["responseParameters"]["gatewayresponse.header.Content-Type"], "'application/problem+json'")
        self.assertEqual(response["responseTemplates"], {"application/json": "{}"})

    def test_a_throttle_keeps_the_escaped_path(self) -> None:
        self.assertEqual(self.fake.patches[0]["path"], "/~1pets/PUT/throttling/rateLimit")


if __name__ == "__main__":
    unittest.main()
