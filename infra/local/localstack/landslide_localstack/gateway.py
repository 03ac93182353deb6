"""What a REST API does on AWS and LocalStack leaves out, in the order in which a request meets it."""

from landslide_localstack import (
    gateway_access_log,
    gateway_authorizer,
    gateway_integration,
    gateway_request,
    gateway_responses,
    gateway_throttle,
)


def install() -> None:
    """Puts the adapters into LocalStack's chain of handlers."""
    gateway_request.install()
    gateway_throttle.install()  # before the authorizer, which a flood would call as often
    gateway_authorizer.install()
    gateway_integration.install()
    gateway_responses.install()
    gateway_access_log.install()
