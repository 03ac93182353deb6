"""Gateway responses: imported from the OpenAPI document, and rendered.

LocalStack imports none, and of those that it is given it uses the status only: each error of the gateway is
`{"message": …}`, without our headers. What is no error of the gateway's is text/plain there.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
"""

import json
import logging
from collections.abc import Callable
from typing import Any

from localstack.aws.api import RequestContext
from localstack.aws.api.apigateway import BadRequestException, GatewayResponse, GatewayResponseType, PutMode
from localstack.constants import APPLICATION_JSON
from localstack.http import Response
from localstack.services.apigateway import helpers
from localstack.services.apigateway.legacy import provider
from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandlerChain
from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    DEFAULT_GATEWAY_RESPONSES,
    BaseGatewayException,
    InternalServerError,
    build_gateway_response,
    get_gateway_response_or_default,
)
from localstack.services.apigateway.next_gen.execute_api.handlers.gateway_exception import GatewayExceptionHandler
from moto.apigateway.models import RestAPI
from werkzeug.datastructures import Headers

from landslide_localstack.gateway_variables import look_up, substitute, variables_of
from landslide_localstack.patching import patch

LOG = logging.getLogger(__name__)

HEADER = "gatewayresponse.header."
ACCESS_DENIED_TEMPLATE = '{"Message":$context.error.messageString}'
"""The one of AWS's own templates with a capital letter."""


def install() -> None:
    """Patches the import of a document and the answer to an error."""

    @patch(helpers.import_api_from_openapi_spec, source="573043a942cd", where=provider)
    def import_with_responses(
        original: Callable[..., tuple[RestAPI, list[str]]],
        rest_api: RestAPI,
        context: RequestContext,
        open_api_spec: dict[str, Any],
        mode: PutMode,
    ) -> tuple[RestAPI, list[str]]:
        imported = responses_of(open_api_spec)
        result = original(rest_api, context=context, open_api_spec=open_api_spec, mode=mode)
        stored = helpers.get_rest_api_container(context, rest_api.id).gateway_responses
        if mode == PutMode.overwrite:
            stored.clear()
        stored.update(imported)
        return result

    @patch(GatewayExceptionHandler.__call__, source="b04956ded9bd")
    def answer(
        original: Callable[..., None],
        handler: GatewayExceptionHandler,
        chain: RestApiGatewayHandlerChain,
        exception: Exception,
        context: RestApiInvocationContext,
        response: Response,
    ) -> None:
        if not isinstance(exception, BaseGatewayException):
            LOG.error("the gateway failed", exc_info=exception)
            exception = InternalServerError("Internal server error")
        original(handler, chain, exception, context, response)

    @patch(GatewayExceptionHandler.create_exception_response, source="71c1d583fbb9")
    def create(
        original: Callable[..., Response],
        handler: GatewayExceptionHandler,
        exception: BaseGatewayException,
        context: RestApiInvocationContext,
    ) -> Response:
        return render(exception, context)


def responses_of(document: dict[str, Any]) -> dict[GatewayResponseType, GatewayResponse]:
    """The gateway responses of an OpenAPI document."""
    responses = {}
    for name, wanted in document.get(helpers.OpenAPIExt.GATEWAY_RESPONSES, {}).items():
        if name not in DEFAULT_GATEWAY_RESPONSES:
            raise BadRequestException(f"Invalid gateway response type specified: {name}")
        status = wanted.get("statusCode")
        responses[GatewayResponseType(name)] = build_gateway_response(
            GatewayResponseType(name),
            status_code=None if status is None else str(status),
            response_parameters=wanted.get("responseParameters"),
            response_templates=wanted.get("responseTemplates"),
            default_response=False,
        )
    return responses


def render(exception: BaseGatewayException, context: RestApiInvocationContext) -> Response:
    """The answer to an error: status, headers and body as the API's gateway responses say."""
    wanted = get_gateway_response_or_default(exception.type, context.deployment.rest_api.gateway_responses)
    context.context_variables["error"]["messageString"] = json.dumps(exception.message)
    variables = variables_of(context)
    media_type, template = choose_template(context.invocation_request["headers"].get("Accept"), wanted["responseTemplates"])
    if wanted is DEFAULT_GATEWAY_RESPONSES[GatewayResponseType.ACCESS_DENIED]:
        template = ACCESS_DENIED_TEMPLATE
    headers = Headers({"Content-Type": media_type, "x-amzn-ErrorType": exception.code})
    for parameter, source in wanted["responseParameters"].items():
        value = map_parameter(source, variables, context)
        if parameter.startswith(HEADER) and value is not None:
            headers.set(parameter.removeprefix(HEADER), value)
    status = int(wanted.get("statusCode") or exception.status_code or 500)
    return Response(substitute(template, variables, missing=""), status=status, headers=headers)


def choose_template(accept: str | None, templates: dict[str, str]) -> tuple[str, str]:
    """Media type and template: the one that the caller asks for, else the one for JSON, else the first."""
    if accept in templates:
        return accept, templates[accept]
    if APPLICATION_JSON in templates:
        return APPLICATION_JSON, templates[APPLICATION_JSON]
    return next(iter(templates.items()))


def map_parameter(source: str, variables: dict[str, Any], context: RestApiInvocationContext) -> str | None:
    """What a header is set to: a text in quotes, a variable, or a parameter of the request."""
    if source.startswith("'"):
        return source[1:-1]
    if source.startswith("method.request."):
        _, _, place, name = source.split(".", 3)
        request = context.invocation_request
        places = {"header": "headers", "querystring": "query_string_parameters", "path": "path_parameters"}
        return (request.get(places[place]) or {}).get(name)
    value = look_up(source, variables)
    return None if value is None else str(value)
