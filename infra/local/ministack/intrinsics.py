"""Resolves CloudFormation's intrinsic functions as far as template.yaml and infra/openapi.yaml use them.

Ref and Fn::Sub of parameters, Fn::If, conditions, AWS::NoValue. What else there is (a resource's ARN, say) is left as it
stands: those values are read from the deployed stack instead.
"""

import re
from collections.abc import Mapping
from typing import Any

Json = Any


class NoValue:
    """Stands for Ref AWS::NoValue until whatever holds it leaves it out."""


class Resolver:
    """Values of a stack's parameters, and its template's conditions over them."""

    def __init__(self, template: Mapping[str, Json], parameters: Mapping[str, str]) -> None:
        declared = template.get("Parameters", {})
        defaults = {name: str(about["Default"]) for name, about in declared.items() if "Default" in about}
        self._parameters = defaults | dict(parameters)
        self._conditions = template.get("Conditions", {})

    def resolve(self, value: Json) -> Json:
        """The value without intrinsic functions."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NoValue]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument) = next(iter(value.items()))
            if name == "Ref":
                return self._reference(argument, value)
            if name == "Fn::Sub" and isinstance(argument, str):
                return re.sub(r"\$\{([A-Za-z0-9]+)\}", lambda m: self._parameters.get(m[1], m[0]), argument)
            if name == "Fn::If":
                condition, if_true, if_false = argument
                return self.resolve(if_true if self.holds({"Condition": condition}) else if_false)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NoValue}

    def holds(self, condition: Json) -> bool:
        """Whether a condition is true with these parameters."""
        ((name, argument),) = condition.items()
        match name:
            case "Condition":
                return self.holds(self._conditions[argument])
            case "Fn::Equals":
                left, right = (str(self.resolve(side)) for side in argument)
                return left == right
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(map(self.holds, argument))
            case "Fn::Or":
                return any(map(self.holds, argument))
        raise ValueError(f"condition {name} is not known to {__file__}")

    def _reference(self, name: str, unresolved: Json) -> Json:
        if name == "AWS::NoValue":
            return NoValue
        return self._parameters.get(name, unresolved)
