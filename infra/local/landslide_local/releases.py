"""Releases: what one deploy makes live.

A deploy publishes a version of every function, whose description begins with the release's name, and points the alias that
everything calls to it. A rollback points the aliases to the versions of an earlier release, the writer of votes and messages
before their reader: cast-vote first, then the relay, then the tally once the queue is empty, then all others.
"""

import time
from collections.abc import Mapping
from typing import Any

import boto3
import botocore.exceptions

from landslide_local import ballots
from landslide_local.ballots import Consent
from landslide_local.functions import LOOK_SECONDS, NONE, Functions
from landslide_local.stages import Failure, say, stage

CAST, RELAY, TALLY = "cast-vote", "relay-votes", "tally-votes"
LOOKS_EMPTY = 3
"""SQS counts messages approximately: a queue is empty once it has looked so this often in a row."""
DRAIN_SECONDS_MAX = 600
COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]


def parameters(session: boto3.Session, stack: str) -> dict[str, str]:
    """The template's parameters for a new release: a name of its own, and the release that runs until then."""
    try:
        deployed = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except botocore.exceptions.ClientError:
        deployed = {}  # there is no such stack
    before = NONE
    if "Release" in _outputs(deployed):
        before = Functions(session, stack).release_of(CAST)  # which goes back first where a rollback was interrupted
    return {"Release": f"{int(time.time()):x}", "ReleaseBefore": before}


def roll_back(session: boto3.Session, stack: str, wanted: str, consent: Consent) -> None:
    """Makes an earlier release live: the wanted one, else the one before the last deploy. Finishes what was interrupted."""
    try:
        _roll_back(session, stack, wanted, consent)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise Failure(f"{error}\nThe rollback stopped there. Any half of it is safe; run make rollback again.") from error


def _roll_back(session: boto3.Session, stack: str, wanted: str, consent: Consent) -> None:
    outputs = _outputs_at_rest(session, stack)
    functions = Functions(session, stack)
    release = wanted or outputs["ReleaseBefore"]
    versions = _versions_to_run(functions, outputs, release)
    ballots.must_be_readable(functions, versions, release, outputs["ReleaseBefore"], consent)
    with stage(f"{CAST} and {RELAY} go back to release {release}"):
        functions.point(CAST, versions.pop(CAST))
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


def _versions_to_run(functions: Functions, outputs: Mapping[str, str], release: str) -> dict[str, str]:
    """Fails where there is nothing to go back to."""
    if release == NONE:
        raise Failure(f"There is no release before {outputs['Release']}, the first one. Nothing was changed.")
    versions = functions.versions_of(release)
    for folder in (CAST, RELAY, TALLY):
        if folder not in versions:
            raise Failure(f"{folder} has no version of release {release}. {_choice(functions)} Nothing was changed.")
    if all(functions.live(folder) == version for folder, version in versions.items()):
        raise Failure(f"Release {release} runs already. {_choice(functions)} Nothing was changed.")
    if new := sorted(functions.folders - versions.keys()):
        say(f"not in release {release}, so left as they are: {', '.join(new)}")
    return versions


def _choice(functions: Functions) -> str:
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
