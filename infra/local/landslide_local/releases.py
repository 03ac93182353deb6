"""Releases: what one deploy makes live.

A deploy publishes a version of every function, whose description begins with the release's name, and points the alias that
everything calls to it. A rollback points the aliases to the versions of an earlier release, in an order in which nobody meets a
message that it can't read: the relay first, then the tally once the queue is empty, then all others.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.exceptions

from landslide_local.stages import Failure, say, stage

ALIAS = "live"
"""AutoPublishAlias of the template."""
NONE = "none"
"""Default of the template's parameters Release and ReleaseBefore."""
RELAY, TALLY = "relay-votes", "tally-votes"
LOOK_SECONDS = 2
LOOKS_EMPTY = 3
"""SQS counts messages approximately: a queue is empty once it has looked so this often in a row."""
DRAIN_SECONDS_MAX = 600
MAPPING_SECONDS_MAX = 180
COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]


def parameters(session: boto3.Session, stack: str) -> dict[str, str]:
    """The template's parameters for a new release: a name of its own, and the release that runs until then."""
    try:
        deployed = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except botocore.exceptions.ClientError:
        deployed = {}  # there is no such stack
    before = NONE
    if "Release" in _outputs(deployed):
        before = Functions(session, stack).release_of(RELAY)  # which goes back first where a rollback was interrupted
    return {"Release": f"{int(time.time()):x}", "ReleaseBefore": before}


def roll_back(session: boto3.Session, stack: str, wanted: str) -> None:
    """Makes an earlier release live: the wanted one, else the one before the last deploy. Finishes what was interrupted."""
    try:
        _roll_back(session, stack, wanted)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise Failure(f"{error}\nThe rollback stopped there. Any half of it is safe; run make rollback again.") from error


def _roll_back(session: boto3.Session, stack: str, wanted: str) -> None:
    outputs = _outputs_at_rest(session, stack)
    functions = Functions(session, stack)
    release = wanted or outputs["ReleaseBefore"]
    versions = _versions_to_run(functions, outputs, release)
    with stage(f"{RELAY} goes back to release {release}"):
        functions.point(RELAY, versions.pop(RELAY))
    with functions.paused(RELAY):
        with stage("wait until all that the relay has sent is counted"):
            _drain(session.client("sqs"), outputs["TallyQueueUrl"])
        with stage(f"{TALLY} goes back"):
            functions.point(TALLY, versions.pop(TALLY))
    with stage("all others go back"):
        for folder, version in versions.items():
            functions.point(folder, version)
    say(
        f"{stack} runs release {release}. All but functions (the API's document, tables, alarms) stays as it was deployed last."
    )


def _versions_to_run(functions: "Functions", outputs: Mapping[str, str], release: str) -> dict[str, str]:
    """Fails where there is nothing to go back to."""
    if release == NONE:
        raise Failure(f"There is no release before {outputs['Release']}, the first one. Nothing was changed.")
    versions = functions.versions_of(release)
    for folder in (RELAY, TALLY):
        if folder not in versions:
            raise Failure(f"{folder} has no version of release {release}. {_choice(functions)} Nothing was changed.")
    if all(functions.live(folder) == version for folder, version in versions.items()):
        raise Failure(f"Release {release} runs already. {_choice(functions)} Nothing was changed.")
    if new := sorted(functions.folders - versions.keys()):
        say(f"not in release {release}, so left as they are: {', '.join(new)}")
    return versions


def _choice(functions: "Functions") -> str:
    return f"There are: {', '.join(functions.releases(RELAY))}, the newest last. Name one: make rollback RELEASE=…"


def _drain(sqs: Any, queue: str) -> None:
    """Waits until no message is in a queue, or on its way."""
    empty_looks = 0
    for _ in range(DRAIN_SECONDS_MAX // LOOK_SECONDS):
        counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=COUNTS)["Attributes"]
        empty_looks = 0 if any(map(int, counts.values())) else empty_looks + 1
        if empty_looks == LOOKS_EMPTY:
            return
        time.sleep(LOOK_SECONDS)
    raise Failure(
        f"After {DRAIN_SECONDS_MAX} s the tally queue still holds messages. {RELAY} is back and runs again; {TALLY} and the "
        f"others are as they were, and read what either relay sends. See `make logs FN={TALLY}`, and run make rollback again."
    )


def _outputs(deployed: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in deployed.get("Outputs", [])}


def _outputs_at_rest(session: boto3.Session, stack: str) -> dict[str, str]:
    """Of a stack that nobody changes meanwhile, and that has releases."""
    deployed = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    status, outputs = deployed["StackStatus"], _outputs(deployed)
    if status.endswith("_IN_PROGRESS"):
        raise Failure(f"Another operation on {stack} is under way ({status}). Nothing was changed.")
    if "ReleaseBefore" not in outputs:
        raise Failure(f"{stack} was deployed before its functions had versions, so there is none to go back to.")
    return outputs


class Functions:
    """A stack's functions, by the names of their folders."""

    def __init__(self, session: boto3.Session, stack: str) -> None:
        self._stack = stack
        self._lambda = session.client("lambda")
        pages = session.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        names = [
            resource["PhysicalResourceId"] for resource in resources if resource["ResourceType"] == "AWS::Lambda::Function"
        ]
        self.folders = {name.removeprefix(f"{stack}-") for name in names}

    def live(self, folder: str) -> str:
        """The version that calls get."""
        return self._lambda.get_alias(FunctionName=self._name(folder), Name=ALIAS)["FunctionVersion"]

    def release_of(self, folder: str) -> str:
        """The release of the version that calls get."""
        version = self._lambda.get_function_configuration(FunctionName=self._name(folder), Qualifier=self.live(folder))
        return _release(version) or NONE

    def releases(self, folder: str) -> list[str]:
        """All that a function has versions of, oldest first, each with the time of its deploy."""
        versions = {_release(version): version for version in reversed(self._versions(folder))}
        return [f"{release} ({version['LastModified'][:16]})" for release, version in reversed(versions.items())]

    def versions_of(self, release: str) -> dict[str, str]:
        """The newest version of a release of each function that has one: a restart publishes a further one."""
        found = {}
        for folder in sorted(self.folders):
            if numbers := [version["Version"] for version in self._versions(folder) if _release(version) == release]:
                found[folder] = numbers[-1]
        return found

    def publish(self, folder: str) -> None:
        """Makes a function's present code and settings live."""
        self.point(folder, self._lambda.publish_version(FunctionName=self._name(folder))["Version"])

    def point(self, folder: str, version: str) -> None:
        """Points the alias to one version, for all calls."""
        no_other: dict[str, float] = {}
        routing = {"AdditionalVersionWeights": no_other}
        self._lambda.update_alias(FunctionName=self._name(folder), Name=ALIAS, FunctionVersion=version, RoutingConfig=routing)

    @contextmanager
    def paused(self, folder: str) -> Iterator[None]:
        """Gives a function nothing of its event source meanwhile, and lets what it has begun end."""
        name = f"{self._name(folder)}:{ALIAS}"
        mapping = self._lambda.list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]["UUID"]
        try:
            with stage(f"{folder} pauses, and ends what it has begun"):
                self._enable(mapping, False)
                time.sleep(self._lambda.get_function_configuration(FunctionName=self._name(folder))["Timeout"])
            yield
        finally:
            self._enable(mapping, True)

    def _enable(self, mapping: str, on: bool) -> None:
        wanted = "Enabled" if on else "Disabled"
        self._lambda.update_event_source_mapping(UUID=mapping, Enabled=on)
        for _ in range(MAPPING_SECONDS_MAX // LOOK_SECONDS):
            if self._lambda.get_event_source_mapping(UUID=mapping)["State"] == wanted:
                return
            time.sleep(LOOK_SECONDS)
        raise Failure(f"The event source mapping {mapping} did not become {wanted} in {MAPPING_SECONDS_MAX} s: set it by hand.")

    def _versions(self, folder: str) -> list[Any]:
        """All but the one that is not published, oldest first."""
        pages = self._lambda.get_paginator("list_versions_by_function").paginate(FunctionName=self._name(folder))
        published = [version for page in pages for version in page["Versions"] if version["Version"] != "$LATEST"]
        return sorted(published, key=lambda version: int(version["Version"]))

    def _name(self, folder: str) -> str:
        return f"{self._stack}-{folder}"


def _release(version: Mapping[str, Any]) -> str:
    """The first word of a version's description; a restart adds others."""
    return version.get("Description", "").partition(" ")[0]
