"""A REST API inside LocalStack's own chain of handlers, with our adapters in it: what the gateway's tests call."""

import copy
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from localstack.aws.api.apigateway import PutMode
from localstack.http import Request, Response
from localstack.services.apigateway.helpers import get_apigateway_store
from localstack.services.apigateway.legacy import provider
from localstack.services.apigateway.models import RestApiContainer
from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext
from localstack.services.apigateway.next_gen.execute_api.gateway import RestApiGateway
from localstack.services.apigateway.next_gen.execute_api.helpers import freeze_rest_api
from localstack.services.apigateway.next_gen.execute_api.integrations import REST_API_INTEGRATIONS
from moto.apigateway.models import apigateway_backends
from werkzeug.datastructures import Headers, MultiDict

from landslide_localstack import gateway

ACCOUNT, REGION = "000000000000", "us-east-1"
AUTHORIZER_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:authorizer"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:thing"
INVOCATIONS = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/%s/invocations"

gateway.install()  # once in a process, as at LocalStack's start

PROXY = {"type": "aws_proxy", "httpMethod": "POST", "uri": INVOCATIONS % FUNCTION_ARN}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "test", "version": "1"},
    "paths": {
        "/open": {"get": {"x-amazon-apigateway-integration": PROXY}, "post": {"x-amazon-apigateway-integration": PROXY}},
        "/things/{id}": {
            "get": {"security": [{"caller": []}], "x-amazon-apigateway-integration": PROXY},
            "put": {"security": [{"caller": []}], "x-amazon-apigateway-integration": PROXY},
        },
    },
    "components": {
        "securitySchemes": {
            "caller": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {
                    "type": "request",
                    "identitySource": "method.request.header.Authorization",
                    "authorizerUri": INVOCATIONS % AUTHORIZER_ARN,
                },
            }
        }
    },
}


class RestApi:
    """One API of a document, deployed to the stage `prod`."""

    def __init__(self, document: dict[str, Any] = DOCUMENT) -> None:
        backend = apigateway_backends[ACCOUNT][REGION]
        self._api = backend.create_rest_api(name="test", description="")
        self._context = SimpleNamespace(account_id=ACCOUNT, region=REGION, request=SimpleNamespace(values=MultiDict()))
        self._container = RestApiContainer({"id": self._api.id})
        get_apigateway_store(self._context).rest_apis[self._api.id] = self._container
        self.stage: dict[str, Any] = {"methodSettings": {}, "accessLogSettings": None, "variables": {}}
        self.put(document)
        self._gateway = RestApiGateway()

    def put(self, document: dict[str, Any], mode: PutMode = PutMode.overwrite) -> None:
        """Imports a document and deploys it."""
        provider.import_api_from_openapi_spec(
            self._api, context=self._context, open_api_spec=copy.deepcopy(document), mode=mode
        )
        self._deployment = freeze_rest_api(ACCOUNT, REGION, self._api, self._container)

    def call(self, verb: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Response:
        """What the gateway answers; the integration's part is that of `integration`."""
        raw = f"/_aws/execute-api/{self._api.id}/prod{path}"
        route, _, query = path.partition("?")
        request = Request(verb, path=route, query_string=query, headers=Headers(headers or {}), body=body, raw_path=raw)
        context = RestApiInvocationContext(request)
        context.api_id, context.stage, context.deployment_id = self._api.id, "prod", "d1"
        context.deployment, context.stage_configuration = self._deployment, self.stage
        response = Response(headers={"Content-Type": "application/json"})
        self._gateway.process_with_context(context, response)
        return response

    @property
    def id(self) -> str:
        return self._api.id


class integration:
    """While this is open, every function of an API is the one that it is given."""

    def __init__(self, function: Callable[[RestApiInvocationContext], Any]) -> None:
        self._function = function

    def invoke(self, context: RestApiInvocationContext) -> dict[str, Any]:
        body = json.dumps(self._function(context)).encode()
        return {"status_code": 200, "headers": Headers({"Content-Type": "application/json"}), "body": body}

    def __enter__(self) -> None:
        self._before = REST_API_INTEGRATIONS["AWS_PROXY"]
        REST_API_INTEGRATIONS["AWS_PROXY"] = self

    def __exit__(self, *_: object) -> None:
        REST_API_INTEGRATIONS["AWS_PROXY"] = self._before
