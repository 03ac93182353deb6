"""What leads AWS clients, and callers of the API, to a cloud."""

import os

REGION = "us-east-1"
"""The region of local clouds."""
EXTERNAL = "external"
"""The name of the cloud that is the caller's own, with the caller's own settings."""


def environment(cloud: str, endpoint_url: str | None) -> dict[str, str]:
    """All variables of AWS's that a client of a cloud needs; the caller's others are not for it."""
    local = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
    if cloud != EXTERNAL:
        return {**local, "AWS_ENDPOINT_URL": str(endpoint_url)}
    own = {key: value for key, value in os.environ.items() if key.startswith("AWS_") and value}
    if region := own.get("AWS_REGION") or own.get("AWS_DEFAULT_REGION"):
        own |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}  # boto3 and SAM read the one, other SDKs the other
    if endpoint_url is not None:
        return {**local, **own, "AWS_ENDPOINT_URL": endpoint_url}
    own.pop("AWS_ENDPOINT_URL", None)
    return own


STAGE = "prod"
"""Of each API, as in the template."""


def emulated_api_url(endpoint_url: str, outputs: dict[str, str]) -> str:
    """Where the deployed API answers on an emulator, which can't be reached by the host name in the outputs."""
    return f"{endpoint_url}/_aws/execute-api/{outputs['ApiId']}/{STAGE}"


def emulated_public_url(endpoint_url: str) -> str:
    """Where pages are on an emulator, as the template's parameter says it: their API has no id yet."""
    return f"{endpoint_url}/_aws/execute-api/{{ApiId}}/{STAGE}"
