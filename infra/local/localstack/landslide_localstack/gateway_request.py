"""The request as API Gateway takes it: the body byte for byte and not over 10 MB, with the time that it came.

LocalStack reads bodies of HTML forms and writes them again (one of 500 kB ends as an empty 200), passes bodies of any size,
and its `$context.requestTime` lacks the zone.
"""

import datetime
from collections.abc import Callable

from localstack.http import Request, Response
from localstack.services.apigateway.helpers import REQUEST_TIME_DATE_FORMAT
from localstack.services.apigateway.next_gen.execute_api import handlers
from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandlerChain
from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext
from localstack.services.apigateway.next_gen.execute_api.gateway_response import RequestTooLargeError
from localstack.services.apigateway.next_gen.execute_api.handlers import parse
from rolo.request import restore_payload

from landslide_localstack.patching import patch

PAYLOAD_BYTES_MAX = 10 * 1024 * 1024
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html"""


def install() -> None:
    """Patches how a body is read, and adds the rest to what LocalStack does before it looks for the method."""

    @patch(restore_payload, source="1887a88ce7f0", where=parse)
    def read(original: Callable[[Request], bytes], request: Request) -> bytes:
        return request.get_data()

    handlers.modify_request.append(stamp)
    handlers.modify_request.append(refuse_large_bodies)


def stamp(chain: RestApiGatewayHandlerChain, context: RestApiInvocationContext, response: Response) -> None:
    """Sets `$context.requestTime` with its zone."""
    came = datetime.datetime.fromtimestamp(context.context_variables["requestTimeEpoch"] / 1000, datetime.UTC)
    context.context_variables["requestTime"] = came.strftime(REQUEST_TIME_DATE_FORMAT)


def refuse_large_bodies(chain: RestApiGatewayHandlerChain, context: RestApiInvocationContext, response: Response) -> None:
    """Raises REQUEST_TOO_LARGE."""
    if len(context.invocation_request["body"]) > PAYLOAD_BYTES_MAX:
        raise RequestTooLargeError("Request Too Long")
