"""Throttles by stage and method: a token bucket for each method of a stage, as its method settings say.

LocalStack stores the settings and never looks at them. As on AWS a setting for one method goes before that for all
(`*/*`), the rate refills the bucket and the burst is its size. There is no bucket for the account.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

import threading
import time
from dataclasses import dataclass

from cachetools import LRUCache
from localstack.aws.api.apigateway import MethodSetting
from localstack.http import Response
from localstack.services.apigateway.next_gen.execute_api import handlers
from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandlerChain
from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext
from localstack.services.apigateway.next_gen.execute_api.gateway_response import ThrottledError

METHODS_MAX = 10_000
"""Methods that are remembered; the bucket of one that was forgotten begins full."""

ALL_METHODS = "*/*"


@dataclass
class Bucket:
    """What a method may take now; full at first."""

    rate: float
    """Requests per second that it sustains."""
    burst: float
    """Requests that it takes at once."""
    tokens: float
    """Requests that it would take now, as of `filled_at`."""
    filled_at: float
    """Seconds of a clock that never goes back."""

    def take(self, now: float) -> bool:
        """Takes a request out, if there is one."""
        self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Throttle:
    """A handler that counts the requests of each method and refuses what is too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: LRUCache[tuple[str, ...], Bucket] = LRUCache(METHODS_MAX)

    def __call__(self, chain: RestApiGatewayHandlerChain, context: RestApiInvocationContext, response: Response) -> None:
        """Raises THROTTLED."""
        verb, path = context.resource_method["httpMethod"], context.resource["path"]
        limits = limits_of(context.stage_configuration["methodSettings"] or {}, path, verb)
        if limits and not self._take((context.api_id, context.stage, path, verb), *limits):
            raise ThrottledError("Too Many Requests")

    def _take(self, method: tuple[str, ...], rate: float, burst: float) -> bool:
        now = time.monotonic()
        with self._lock:
            bucket = self._buckets.get(method)
            if bucket is None or (bucket.rate, bucket.burst) != (rate, burst):
                bucket = self._buckets[method] = Bucket(rate, burst, tokens=burst, filled_at=now)
            return bucket.take(now)


def limits_of(settings: dict[str, MethodSetting], path: str, verb: str) -> tuple[float, float] | None:
    """Rate and burst of a method, if the stage sets both. A key of the settings is the path with `/` as `~1`, and the verb."""
    setting = settings.get(f"{path.replace('/', '~1')}/{verb}") or settings.get(ALL_METHODS) or {}
    rate, burst = setting.get("throttlingRateLimit"), setting.get("throttlingBurstLimit")
    return None if rate is None or burst is None else (float(rate), float(burst))


def install() -> None:
    """Throttles every method once it is found."""
    handlers.preprocess_request.append(Throttle())
