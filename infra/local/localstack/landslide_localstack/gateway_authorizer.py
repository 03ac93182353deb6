"""Lambda authorizers of type REQUEST: called, cached, their policy applied.

LocalStack lets each request pass a method with a CUSTOM authorizer, without a caller.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from cachetools import LRUCache
from localstack.aws.api.apigateway import Authorizer
from localstack.http import Response
from localstack.services.apigateway.next_gen.execute_api import handlers
from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandlerChain
from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    AccessDeniedError,
    AuthorizerConfigurationError,
    AuthorizerFailureError,
    UnauthorizedError,
)
from localstack.services.apigateway.next_gen.execute_api.header_utils import build_multi_value_headers
from localstack.services.apigateway.next_gen.execute_api.helpers import get_lambda_function_arn_from_invocation_uri
from localstack.services.apigateway.next_gen.execute_api.integrations.aws import get_service_factory
from localstack.utils.aws.arns import extract_region_from_arn, get_partition
from localstack.utils.aws.client_types import ServicePrincipal

from landslide_localstack.gateway_access_log import log_variables
from landslide_localstack.gateway_policy import Decision, MalformedPolicy, decide
from landslide_localstack.gateway_variables import look_up

LOG = logging.getLogger(__name__)

ANSWERS_MAX = 50_000
"""Answers that are remembered; the one that was used longest ago goes first."""

TTL_SECONDS_DEFAULT = 300
"""https://docs.aws.amazon.com/apigateway/latest/api/API_CreateAuthorizer.html"""

UNAUTHORIZED = "Unauthorized"
"""What an authorizer fails with where it wants 401."""


@dataclass(frozen=True)
class Answer:
    """What an authorizer said of a caller. It holds for every method."""

    principal: str | None
    policy: dict[str, Any]
    context: dict[str, str]
    """What the functions are told."""
    expires_at: float
    """Seconds of a clock that never goes back."""


class Authorizers:
    """A handler that lets an authorizer decide where the method has one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: LRUCache[tuple[str, ...], Answer] = LRUCache(ANSWERS_MAX)

    def __call__(self, chain: RestApiGatewayHandlerChain, context: RestApiInvocationContext, response: Response) -> None:
        """Raises UNAUTHORIZED, ACCESS_DENIED, AUTHORIZER_FAILURE or AUTHORIZER_CONFIGURATION_ERROR, or notes who calls."""
        method = context.resource_method
        if method.get("authorizationType") != "CUSTOM":
            return
        authorizer = context.deployment.rest_api.authorizers.get(method["authorizerId"])
        if authorizer is None or authorizer["type"] != "REQUEST":
            LOG.error("only authorizers of type REQUEST are known here, not %s", authorizer)
            raise AuthorizerConfigurationError
        answer = self._answer(authorizer, context)
        try:
            decision = decide(answer.policy, method_arn(context))
        except MalformedPolicy as malformed:
            LOG.error("authorizer %s: %s", authorizer["name"], malformed)
            raise AuthorizerConfigurationError from malformed
        if decision is not Decision.ALLOW:
            raise AccessDeniedError(decision.value)
        principal = {} if answer.principal is None else {"principalId": answer.principal}
        latency = int(log_variables(context)["authorizer"]["latency"])
        context.context_variables["authorizer"] = {**answer.context, **principal, "integrationLatency": latency}

    def _answer(self, authorizer: Authorizer, context: RestApiInvocationContext) -> Answer:
        sources = [source.strip() for source in (authorizer.get("identitySource") or "").split(",") if source.strip()]
        identity = [identity_value(source, context) for source in sources]
        if not all(identity):
            raise UnauthorizedError(UNAUTHORIZED)
        ttl = authorizer.get("authorizerResultTtlInSeconds")
        seconds = int(TTL_SECONDS_DEFAULT if ttl is None else ttl) if sources else 0
        key = (context.api_id, context.stage, authorizer["id"], *identity)
        with self._lock:
            known = self._answers.get(key)
        if known and time.monotonic() < known.expires_at:
            log_variables(context)["authorizer"] = {"latency": "0"}
            return known
        answer = ask(authorizer, context, seconds)
        if seconds:
            with self._lock:
                self._answers[key] = answer
        return answer


def ask(authorizer: Authorizer, context: RestApiInvocationContext, seconds: int) -> Answer:
    """What the authorizer's function says, valid for its time to live, in seconds."""
    function = get_lambda_function_arn_from_invocation_uri(authorizer["authorizerUri"])
    event = json.dumps(event_of(context)).encode()
    began = time.monotonic()
    try:
        client = get_service_factory(extract_region_from_arn(function), authorizer.get("authorizerCredentials")).lambda_
        source = f"{execute_api_arn(context)}/authorizers/{authorizer['id']}"
        caller = client.request_metadata(service_principal=ServicePrincipal.apigateway, source_arn=source)
        result = caller.invoke(FunctionName=function, Payload=event)
        payload = json.loads(result["Payload"].read())
    except (ClientError, BotoCoreError, ValueError) as error:
        LOG.error("authorizer %s can't be called: %s", authorizer["name"], error)
        raise AuthorizerConfigurationError from error
    log_variables(context)["authorizer"] = {"latency": str(round((time.monotonic() - began) * 1000))}
    if result.get("FunctionError"):
        if isinstance(payload, dict) and payload.get("errorMessage") == UNAUTHORIZED:
            raise UnauthorizedError(UNAUTHORIZED)
        LOG.warning("authorizer %s failed: %s", authorizer["name"], payload)
        failure = AuthorizerFailureError()
        failure.message = None  # as on AWS; without this it would be LocalStack's "Unimplemented Response"
        raise failure
    return read_answer(payload, began + seconds)


def read_answer(payload: Any, expires_at: float) -> Answer:
    """The function's answer, which must be a policy and a flat context."""
    policy = payload.get("policyDocument") if isinstance(payload, dict) else None
    context = payload.get("context") or {} if isinstance(payload, dict) else None
    flat = isinstance(context, dict) and all(isinstance(value, (str, int, float, bool)) for value in context.values())
    if not isinstance(policy, dict) or not flat:
        LOG.error("an authorizer must answer with a policyDocument and a flat context, not with %s", payload)
        raise AuthorizerConfigurationError
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in context.items()}
    return Answer(payload.get("principalId"), policy, texts, expires_at)


def identity_value(source: str, context: RestApiInvocationContext) -> str | None:
    """What an identity source is in a request; None or empty where it lacks it."""
    request = context.invocation_request
    place, _, name = source.removeprefix("method.request.").partition(".")
    match place:
        case "header":
            return request["headers"].get(name)
        case "querystring":
            return request["query_string_parameters"].get(name)
        case "stageVariables":
            return (context.stage_variables or {}).get(name)
        case "context":
            value = look_up(name, context.context_variables)
            return None if value is None else str(value)
    LOG.error("unknown identity source %s", source)
    raise AuthorizerConfigurationError


def execute_api_arn(context: RestApiInvocationContext) -> str:
    """The API's ARN, as policies name it."""
    return f"arn:{get_partition(context.region)}:execute-api:{context.region}:{context.account_id}:{context.api_id}"


def method_arn(context: RestApiInvocationContext) -> str:
    """The ARN of what is called, with the path as it was asked for."""
    request = context.invocation_request
    return f"{execute_api_arn(context)}/{context.stage}/{request['http_method']}{request['path']}"


def event_of(context: RestApiInvocationContext) -> dict[str, Any]:
    """What the function is asked.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
    """
    request = context.invocation_request
    return {
        "type": "REQUEST",
        "methodArn": method_arn(context),
        "resource": context.resource["path"],
        "path": request["path"],
        "httpMethod": request["http_method"],
        "headers": dict(request["headers"]),
        "multiValueHeaders": build_multi_value_headers(request["headers"]),
        "queryStringParameters": request["query_string_parameters"],
        "multiValueQueryStringParameters": request["multi_value_query_string_parameters"],
        "pathParameters": request["path_parameters"],
        "stageVariables": context.stage_variables or {},
        "requestContext": context.context_variables,
    }


def install() -> None:
    """Asks the authorizer of every method that has one."""
    handlers.preprocess_request.append(Authorizers())
