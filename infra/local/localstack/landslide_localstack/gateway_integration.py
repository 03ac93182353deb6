"""The integration's timeout: a function that takes longer is left alone, and the caller gets INTEGRATION_TIMEOUT.

LocalStack stores `timeoutInMillis` and waits as long as the function runs.
"""

import concurrent.futures
import time
from collections.abc import Callable

from localstack.http import Response
from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandlerChain
from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext
from localstack.services.apigateway.next_gen.execute_api.gateway_response import IntegrationTimeoutError
from localstack.services.apigateway.next_gen.execute_api.handlers.integration import IntegrationHandler

from landslide_localstack.gateway_access_log import log_variables
from landslide_localstack.patching import patch

TIMEOUT_MS_DEFAULT = 29_000
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html"""

INTEGRATIONS_MAX = 1_000
"""Integrations that run at once, as many as LocalStack's gateway has threads (GATEWAY_WORKER_COUNT)."""


def install() -> None:
    """Bounds how long a caller waits for an integration."""
    threads = concurrent.futures.ThreadPoolExecutor(INTEGRATIONS_MAX, thread_name_prefix="integration")

    @patch(IntegrationHandler.__call__, source="18432b85ec73")
    def call(
        original: Callable[..., None],
        handler: IntegrationHandler,
        chain: RestApiGatewayHandlerChain,
        context: RestApiInvocationContext,
        response: Response,
    ) -> None:
        began = time.monotonic()
        running = threads.submit(original, handler, chain, context, response)
        seconds = int(context.integration.get("timeoutInMillis") or TIMEOUT_MS_DEFAULT) / 1000
        concurrent.futures.wait([running], seconds)
        log_variables(context)["integrationLatency"] = str(round((time.monotonic() - began) * 1000))
        if not running.done():
            raise IntegrationTimeoutError("Endpoint request timed out")
        running.result()
