"""What is replaced in a stack's update: a resource of which a create-only property has another value.

LocalStack's engine replaces it where such a property refers to a resource that is only updated: a changed API would
have its stage made a second time ("Stage already exists") and then deleted.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
"""

from collections.abc import Callable

from localstack.services.cloudformation.engine.v2.change_set_model import NodeResource, is_nothing
from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import (
    ChangeSetModelPreproc,
    PreprocEntityDelta,
    PreprocResource,
)
from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

from landslide_localstack.patching import patch


def install() -> None:
    """Patches how a resource's change is worked out, for updates that are carried out: only then are references known."""

    @patch(ChangeSetModelPreproc.visit_node_resource, source="6dd4ef95492e")
    def visit(
        original: Callable[..., PreprocEntityDelta], model: ChangeSetModelPreproc, node_resource: NodeResource
    ) -> PreprocEntityDelta:
        delta = original(model, node_resource)
        if isinstance(model, ChangeSetModelExecutor) and not is_nothing(delta.before) and not is_nothing(delta.after):
            after: PreprocResource = delta.after
            after.requires_replacement = after.requires_replacement and has_other_identity(delta.before, after)
        return delta


def has_other_identity(before: PreprocResource, after: PreprocResource) -> bool:
    """Whether a create-only property has another value."""
    provider = ResourceProviderExecutor.try_load_resource_provider(after.resource_type)
    names = [path.split("/")[2] for path in provider.SCHEMA.get("createOnlyProperties", [])] if provider else []
    old, new = before.properties.properties, after.properties.properties
    return any(old.get(name) != new.get(name) for name in names)
