"""A function's alias points to the version that CloudFormation has just published.

LocalStack knows no update of an alias: it says UPDATE_COMPLETE and leaves the alias where it was, so a deploy would
never go live.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-alias.html
"""

from collections.abc import Callable

from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent, ResourceRequest
from localstack.services.lambda_.resource_providers.lambda_alias import LambdaAliasProvider

from landslide_localstack.patching import patch


def install() -> None:
    """Patches the provider of AWS::Lambda::Alias."""

    @patch(LambdaAliasProvider.update, source="8aa093e2f1d4")
    def update_alias(
        original: Callable[..., ProgressEvent], provider: LambdaAliasProvider, request: ResourceRequest
    ) -> ProgressEvent:
        """The version alone: the template routes to one, and has neither description nor provisioned concurrency."""
        before, after = request.previous_state, request.desired_state
        fixed = (before.keys() | after.keys()) - {"Id", "FunctionVersion"}
        if changed := sorted(name for name in fixed if before.get(name) != after.get(name)):
            return ProgressEvent(OperationStatus.FAILED, {}, message=f"no update of {changed} here: delete the stack first")
        place = {"FunctionName": after["FunctionName"], "Name": after["Name"]}
        request.aws_client_factory.lambda_.update_alias(**place, FunctionVersion=after["FunctionVersion"])
        return ProgressEvent(OperationStatus.SUCCESS, {**after, "Id": before["Id"]})
