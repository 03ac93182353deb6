"""Creates or updates the stack on AWS, from whatever state an earlier deploy has left it in.

What stands in the way is found by `landslide preflight` (cli/); what is done about it is here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import botocore.exceptions

from landslide_local import account, ballots, operator_program, releases, sam
from landslide_local.stages import Failure, say, stage

NEVER_CREATED = {None, "REVIEW_IN_PROGRESS"}
"""No stack, or one of which only a change set was made: it has no resources, and is created as a new one is."""
PROTECTION = "DeletionProtection"
"""The template's parameter."""


def preflight(target: account.Account, name: str, parameters: Mapping[str, str]) -> None:
    """Shows how the account and the stack compare with what is asked for. Fails where AWS would refuse it; changes nothing."""
    match operator_program.preflight(name, parameters, target):
        case operator_program.PREFLIGHT_OK:
            return
        case operator_program.PREFLIGHT_STUCK:
            client = target.session().client("cloudformation")
            raise Failure("\n".join(_explain(client, target.region, name, _status(client, name))))
        case operator_program.PREFLIGHT_STOPS:
            raise Failure("Raise or change what stops it, then run make deploy again.")
        case code:
            raise Failure(f"The preflight failed (exit code {code}); what it says is above.")


def prepare(target: account.Account, name: str) -> None:
    """Removes the record of a first deploy that was rolled back: its resources are gone, and it takes no second one."""
    client = target.session().client("cloudformation")
    if _status(client, name) == "ROLLBACK_COMPLETE":
        with stage(f"remove the record of the first deploy of {name}, which failed and was rolled back"):
            _remove(client, target.region, name)


def deploy(target: account.Account, name: str, parameters: Mapping[str, str]) -> None:
    """Deploys what `make package` built. Protects tables and stack unless `DeletionProtection=false` is said each time, and
    takes polls of all kinds unless `BallotKinds=plain` is.

    If a later step fails, the next deploy does it.
    """
    client = target.session().client("cloudformation")
    wanted = {PROTECTION: "true", **parameters}
    for step in steps(target.session(), name, wanted):
        _sam(client, target, name, step)
    _protect(client, name, wanted[PROTECTION] == "true")
    for item in _stack(client, name).get("Outputs", []):
        print(f"{item['OutputKey']}={item['OutputValue']}")


def steps(session: boto3.Session, name: str, wanted: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The parameters of each deploy that it takes to create or update a stack, in order.

    A new stack is created without protection and then protected: a first create that fails is rolled back, and a table
    that is protected can't be. An update in two steps is two releases, as a function's variables go live with a release.
    """
    if _status(session.client("cloudformation"), name) in NEVER_CREATED:
        release = releases.parameters(session, name)
        yield {**release, **wanted, PROTECTION: "false"}
        if wanted[PROTECTION] == "true":
            yield {**release, **wanted}
    else:
        for step in ballots.steps(session, name, wanted):
            yield {**releases.parameters(session, name), **step}


def _remove(client: Any, region: str, name: str) -> None:
    try:
        client.delete_stack(StackName=name)
        client.get_waiter("stack_delete_complete").wait(StackName=name)
    except botocore.exceptions.WaiterError as error:
        raise Failure("\n".join([str(error), *_explain(client, region, name, _status(client, name))])) from error
    except botocore.exceptions.ClientError as error:
        raise Failure(f"{error}\n{name} could not be deleted. Delete it, then run make deploy again.") from error


def _protect(client: Any, name: str, on: bool) -> None:
    try:
        client.update_termination_protection(StackName=name, EnableTerminationProtection=on)
    except botocore.exceptions.ClientError as error:
        raise Failure(
            f"{error}\n{name} is deployed and runs, but its termination protection could not be set to {on}. The deployer "
            "needs cloudformation:UpdateTerminationProtection; run make deploy again with that right."
        ) from error
    say(f"tables and stack are {'' if on else 'NOT '}protected against deletion")


def _sam(client: Any, target: account.Account, name: str, parameters: Mapping[str, str]) -> None:
    try:
        shown = ", ".join(f"{key}={parameters[key]}" for key in (PROTECTION, ballots.PARAMETER) if key in parameters)
        with stage(f"deploy stack {name} (sam, {shown})"):
            sam.deploy(name, target.region, parameters, target.environment(), log=None)
    except Failure as failure:
        raise Failure("\n".join([str(failure), *_explain(client, target.region, name, _status(client, name))])) from failure


def _stack(client: Any, name: str) -> Any:
    return client.describe_stacks(StackName=name)["Stacks"][0]


def _status(client: Any, name: str) -> str | None:
    """None where there is no such stack."""
    try:
        return _stack(client, name)["StackStatus"]
    except botocore.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise Failure(f"{error}\nThe state of stack {name} can't be read.") from error


def _explain(client: Any, region: str, name: str, status: str | None) -> Iterator[str]:
    """What a state means, and what to do about it."""
    aws = f"aws --region {region} cloudformation"
    events = f"What went wrong is in: {aws} describe-stack-events --stack-name {name}"
    match status:
        case None | "REVIEW_IN_PROGRESS":
            yield f"Nothing of stack {name} has been created. Run make deploy again when what it says above is mended."
        case "ROLLBACK_COMPLETE":
            yield f"The first deploy of {name} failed, and all that it had made is removed again. {events}"
            yield "When that is mended, run make deploy again."
        case "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE":
            yield f"The deploy failed and was rolled back: {name} runs as it did before. {events}"
            yield "When that is mended, run make deploy again."
        case "ROLLBACK_FAILED":
            yield f"The first deploy of {name} failed, and not all that it had made could be removed. {events}"
            yield from _left(client, region, name)
            yield f"Then: {aws} delete-stack --stack-name {name}"
            yield f"      {aws} wait stack-delete-complete --stack-name {name}"
            yield "and run make deploy again. Tables that are left then belong to no stack: look into them, and delete them."
        case "DELETE_FAILED":
            yield f"Somebody has deleted {name}, and not all of it could be deleted. Its API is gone, and its address with it."
            yield from _left(client, region, name)
            yield "Then finish the deletion. To keep what is left, name it:"
            yield f"      {aws} delete-stack --stack-name {name} --retain-resources {' '.join(_left_names(client, name))}"
            yield f"      {aws} wait stack-delete-complete --stack-name {name}"
            yield "A new stack has tables of its own: docs/operate.md says how votes in old ones are kept in use."
        case "UPDATE_ROLLBACK_FAILED" | "IMPORT_ROLLBACK_FAILED":
            yield f"A deploy failed, and its rollback stands still. Tables and votes are untouched. {events}"
            yield f"When that is mended: {aws} continue-update-rollback --stack-name {name}"
            yield f"                     {aws} wait stack-rollback-complete --stack-name {name}"
            yield "and run make deploy again."
        case "CREATE_FAILED" | "UPDATE_FAILED":
            yield f"A deploy with rollback turned off has failed ({status}). {events}"
            yield f"Go back to what was there before: {aws} rollback-stack --stack-name {name}"
            yield "and run make deploy again."
        case str() if status.endswith("_IN_PROGRESS"):
            yield f"Another operation on {name} is under way ({status}). Run make deploy again when this says something else:"
            yield f"      {aws} describe-stacks --stack-name {name} --query 'Stacks[0].StackStatus'"
        case _:
            yield f"{name} is in state {status}, which make deploy does not know. {events}"


def _left_names(client: Any, name: str) -> list[str]:
    return [resource["LogicalResourceId"] for resource in _resources_left(client, name)]


def _resources_left(client: Any, name: str) -> list[Any]:
    pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return [resource for resource in resources if resource["ResourceStatus"] == "DELETE_FAILED"]


def _left(client: Any, region: str, name: str) -> Iterator[str]:
    """What could not be deleted and why, and what lets it be deleted."""
    aws = f"aws --region {region}"
    for resource in _resources_left(client, name):
        place = resource.get("PhysicalResourceId", "")
        yield f"  {resource['LogicalResourceId']} {place}: {resource.get('ResourceStatusReason', 'no reason given')}"
        match resource["ResourceType"]:
            case "AWS::DynamoDB::Table":
                yield f"      {aws} dynamodb update-table --table-name {place} --no-deletion-protection-enabled"
            case "AWS::S3::Bucket":
                yield f"      {aws} s3 sync s3://{place} {place}   # votes that were never counted, if there are any"
                yield f"      {aws} s3 rm s3://{place} --recursive"
