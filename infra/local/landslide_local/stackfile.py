"""What runs now, for scripts and tests: infra/local/.state/stack.json.

cloud, endpoint_url (null for AWS itself), region, stack, api_url, issuer_key (the private key that signs account tokens),
outputs (of the stack, by name), fingerprint (of what was deployed), lacks (what the cloud can't do, and why, by names
that tests ask for), calls_at_once (how many it answers in good time).
"""

import json
from typing import Any

from landslide_local import clouds, paths
from landslide_local.stages import Failure


def read() -> dict[str, Any]:
    """Fails where no stack is up."""
    deployed = read_if_there()
    if deployed is None:
        raise Failure("No stack is up. First: make up")
    return deployed


def read_if_there() -> dict[str, Any] | None:
    if not paths.STACK_FILE.is_file():
        return None
    deployed = json.loads(paths.STACK_FILE.read_text())
    return deployed if clouds.is_up(deployed["cloud"]) else None


def write(deployed: dict[str, Any]) -> None:
    new = paths.STACK_FILE.with_suffix(".new")
    new.write_text(json.dumps(deployed, indent=2) + "\n")
    new.rename(paths.STACK_FILE)
