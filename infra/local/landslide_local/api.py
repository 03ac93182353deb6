"""Calls the deployed API."""

import json
import urllib.error
import urllib.request
from typing import Any

from landslide_local.stages import Failure

REQUEST_SECONDS_MAX = 30


def post(url: str, path: str, token: str | None, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    """The answer to a POST of JSON, which must be a 2xx."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{url}{path}", data=json.dumps(body).encode(), headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS_MAX) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Failure(f"POST {path} answered {error.code}: {error.read().decode()}") from error
