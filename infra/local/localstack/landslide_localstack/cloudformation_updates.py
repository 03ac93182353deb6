"""How an update of a stack is worked out, and what becomes of one that fails.

A resource is replaced where a create-only property has another value. LocalStack's engine also replaces it where that
property refers to a resource that is only updated: a changed API would have its stage made a second time ("Stage already
exists") and then deleted. An update that switches a condition on fails there, if what it adds refers to something else that
it adds. And a failed update ends in a status that is one of a failed creation, for which the SAM CLI waits an hour.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
"""

from collections.abc import Callable
from typing import Any

from localstack.aws.api.cloudformation import ChangeSetType, StackStatus
from localstack.services.cloudformation.engine.v2.change_set_model import NodeResource, is_nothing
from localstack.services.cloudformation.engine.v2.change_set_model_executor import (
    ChangeSetModelExecutor,
    ChangeSetModelExecutorResult,
)
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import (
    ChangeSetModelPreproc,
    PreprocEntityDelta,
    PreprocResource,
)
from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform
from localstack.services.cloudformation.engine.validations import ValidationError
from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

from landslide_localstack.patching import patch

NOT_THERE_BEFORE = ""
"""What stands for a resource or its attribute before the update, or SAM, adds it."""


def install() -> None:
    """Mends LocalStack's engine."""

    @patch(ChangeSetModelPreproc.visit_node_resource, source="6dd4ef95492e")
    def visit(
        original: Callable[..., PreprocEntityDelta], model: ChangeSetModelPreproc, node_resource: NodeResource
    ) -> PreprocEntityDelta:
        """Replaces less, in updates that are carried out: only then is it known what references stand for."""
        delta = original(model, node_resource)
        if isinstance(model, ChangeSetModelExecutor) and not is_nothing(delta.before) and not is_nothing(delta.after):
            after: PreprocResource = delta.after
            after.requires_replacement = after.requires_replacement and has_other_identity(delta.before, after)
        return delta

    @patch(ChangeSetModelPreproc._resolve_attribute, source="807a84fbcb4a")
    def resolve_attribute(
        original: Callable[..., Any], model: ChangeSetModelPreproc, arguments: str | list[str], select_before: bool
    ) -> Any:
        """The template of before was deployed, so what it lacks was not there, and is no mistake in it."""
        try:
            return original(model, arguments, select_before)
        except ValidationError:
            if select_before:
                return NOT_THERE_BEFORE
            raise

    @patch(ChangeSetModelPreproc._resolve_reference, source="71d603a2e097")
    def resolve_reference(
        original: Callable[..., PreprocEntityDelta], model: ChangeSetModelPreproc, logical_id: str
    ) -> PreprocEntityDelta:
        """The same, where it is named by Ref or Fn::Sub. What SAM is still to make is no mistake either: a function's alias."""
        try:
            delta = original(model, logical_id)
        except ValidationError:
            if isinstance(model, ChangeSetModelTransform):  # which runs before SAM does, for AWS::Include
                return PreprocEntityDelta(NOT_THERE_BEFORE, NOT_THERE_BEFORE)
            raise
        if is_nothing(delta.before) and not is_nothing(delta.after):
            return PreprocEntityDelta(NOT_THERE_BEFORE, delta.after)
        return delta

    @patch(ChangeSetModelExecutor.execute, source="a8fe86bd8dc8")
    def execute(
        original: Callable[..., ChangeSetModelExecutorResult], executor: ChangeSetModelExecutor
    ) -> ChangeSetModelExecutorResult:
        """LocalStack does not go back to what was there before, so the status says that."""
        result = original(executor)
        change_set = executor._change_set
        if result.failure_message and change_set.change_set_type == ChangeSetType.UPDATE:
            change_set.stack.set_stack_status(StackStatus.UPDATE_ROLLBACK_FAILED, result.failure_message)
        return result


def has_other_identity(before: PreprocResource, after: PreprocResource) -> bool:
    """Whether a create-only property has another value."""
    provider = ResourceProviderExecutor.try_load_resource_provider(after.resource_type)
    names = [path.split("/")[2] for path in provider.SCHEMA.get("createOnlyProperties", [])] if provider else []
    old, new = before.properties.properties, after.properties.properties
    return any(old.get(name) != new.get(name) for name in names)
