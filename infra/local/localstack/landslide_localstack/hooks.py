"""What LocalStack runs at its start: puts every adapter in, before any service is loaded.

LocalStack finds this module by the entry points in pyproject.toml. Adapters are imported inside the function, since an
error there ends the program, while a module that can't be imported is only logged: a cloud that silently lacks a part
would look like a faulty Landslide.
"""

from localstack import config
from localstack.runtime import hooks

ADAPTERS_PRIORITY = 100
"""Before LocalStack loads services, at 0."""


@hooks.on_infra_start(priority=ADAPTERS_PRIORITY)
def install_adapters() -> None:
    """Calls `install` of each adapter module."""
    from landslide_localstack import (
        cloudformation_functions,
        cloudformation_gateway,
        cloudformation_updates,
        dynamodb_local,
        functions,
        gateway,
        sqs_poller,
        stream_poller,
    )

    adapters = [cloudformation_functions, cloudformation_gateway, cloudformation_updates]
    adapters += [functions, gateway, sqs_poller, stream_poller]
    if not config.is_in_docker:  # an image of LocalStack brings a DynamoDB Local of its own
        adapters.append(dynamodb_local)
    for adapter in adapters:
        adapter.install()
