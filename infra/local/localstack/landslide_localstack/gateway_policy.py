"""What an authorizer's policy says of a method: IAM's rule that a Deny goes before an Allow, and nothing else allows."""

import re
from enum import Enum
from typing import Any

ACTION = "execute-api:Invoke"


class Decision(Enum):
    """The outcome, with what the gateway answers."""

    ALLOW = ""
    DENY = "User is not authorized to access this resource with an explicit deny"
    NO_ALLOW = "User is not authorized to access this resource"


class MalformedPolicy(Exception):
    """A policy that can't be read, or says what is not understood here."""


def decide(policy: dict[str, Any], method_arn: str) -> Decision:
    """Whether the policy lets a method be called."""
    effects = {_effect(statement, method_arn) for statement in _listed(policy, "Statement")}
    if "Deny" in effects:
        return Decision.DENY
    return Decision.ALLOW if "Allow" in effects else Decision.NO_ALLOW


def _effect(statement: Any, method_arn: str) -> str | None:
    """What a statement says of a method, if it speaks of it."""
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicy(f"no Effect in {statement}")
    if unknown := statement.keys() - {"Sid", "Effect", "Action", "Resource"}:
        raise MalformedPolicy(f"{sorted(unknown)} not understood in {statement}")
    named = any(_matches(action.lower(), ACTION.lower()) for action in _texts(statement, "Action"))
    meant = any(_matches(resource, method_arn) for resource in _texts(statement, "Resource"))
    return statement["Effect"] if named and meant else None


def _matches(pattern: str, text: str) -> bool:
    """IAM's wildcards: `*` for any characters, `?` for one."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _listed(place: dict[str, Any], name: str) -> list[Any]:
    value = place.get(name)
    if not value:
        raise MalformedPolicy(f"no {name} in {place}")
    return value if isinstance(value, list) else [value]


def _texts(statement: dict[str, Any], name: str) -> list[str]:
    values = _listed(statement, name)
    if not all(isinstance(value, str) for value in values):
        raise MalformedPolicy(f"{name} is no text in {statement}")
    return values
