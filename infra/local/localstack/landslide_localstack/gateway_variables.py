"""`$context` and `$stageVariables`, as far as templates of simple substitution go: gateway responses and access logs."""

import re
from typing import Any

from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext

VARIABLE = re.compile(r"\$(?P<brace>\{)?(?P<name>(?:context|stageVariables)(?:\.\w+)+)(?(brace)\})")


def variables_of(context: RestApiInvocationContext) -> dict[str, Any]:
    """All variables of a request that a template can name."""
    return {"context": context.context_variables, "stageVariables": context.stage_variables or {}}


def look_up(name: str, variables: dict[str, Any]) -> Any:
    """The value of `context.requestId` and the like, or None."""
    value: Any = variables
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def substitute(template: str, variables: dict[str, Any], missing: str) -> str:
    """The template with its variables, and `missing` where one has no value. It is no VTL."""

    def text(found: re.Match[str]) -> str:
        value = look_up(found["name"], variables)
        return missing if value is None else str(value)

    return VARIABLE.sub(text, template)
