"""`make rollback` keeps its order, whatever happens, and says so where there is nothing to go back to."""

import contextlib
import os
import re
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

import boto3

from landslide_local import paths, releases
from landslide_local.stages import Failure
from tests.stub_aws import Account, Refused, StubAws

STACK = "landslide"
FOLDERS = ("cast-vote", "relay-votes", "tally-votes", "watch-poll")
OLD, NEW = "6b0bf803", "6b0bf819"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/tally.fifo"
MAPPING = "6a1bb3a5-90d5-4b4f-8a0f-3a6f5f6e2b10"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


class Aws(StubAws):
    """A stack of two releases, and what is done to it. The function watch-poll came with the second one."""

    def __init__(self, **account: Any) -> None:
        outputs = {"Release": NEW, "ReleaseBefore": OLD, "TallyQueueUrl": QUEUE}
        functions = [f"{STACK}-{folder}" for folder in FOLDERS]
        super().__init__(Account(**{"outputs": outputs, "functions": functions, **account}))
        self.versions = {folder: {"1": OLD, "2": NEW} for folder in FOLDERS} | {"watch-poll": {"1": NEW}}
        self.live = {folder: max(versions) for folder, versions in self.versions.items()}
        self.queue = [0]
        """How many messages it holds at each look; the last for ever."""
        self.refused = ""
        """The function whose alias can't be changed."""
        self.mapping = "Enabled"
        self.deeds: list[str] = []

    def answer(self, service: str, operation: str, asked: dict[str, Any], path: str) -> str | dict[str, Any] | None:
        if operation == "GetQueueAttributes":
            self.deeds.append("look")
            held = self.queue.pop(0) if len(self.queue) > 1 else self.queue[0]
            return {"Attributes": dict.fromkeys(releases.COUNTS, "0") | {releases.COUNTS[1]: str(held)}}
        if service == "lambda" and "/event-source-mappings" in path:
            return self._mapping(operation, asked, path)
        if service == "lambda" and (found := re.match(rf"/2015-03-31/functions/{STACK}-([a-z-]+)/(\w+)", path)):
            return self._function(found[1], found[2], operation, asked, path)
        return super().answer(service, operation, asked, path)

    def _mapping(self, operation: str, asked: dict[str, Any], path: str) -> dict[str, Any]:
        if operation.startswith("PUT"):
            self.mapping = "Enabled" if asked["Enabled"] else "Disabled"
            self.deeds.append(self.mapping)
        known = {"UUID": MAPPING, "State": self.mapping}
        return {"EventSourceMappings": [known]} if f"FunctionName={STACK}-relay-votes%3Alive" in path else known

    def _function(self, folder: str, part: str, operation: str, asked: dict[str, Any], path: str) -> dict[str, Any]:
        versions = self.versions[folder]
        if part == "versions":
            made = {
                version: {"Version": version, "LastModified": f"2026-11-{version:>02}T10:02:00.000+0000"}
                for version in versions
            }
            described = [made[version] | {"Description": text} for version, text in versions.items()]
            return {"Versions": [{"Version": "$LATEST", "Description": NEW}, *reversed(described)]}
        if part == "configuration":
            return {"Timeout": 30, "Description": versions[path.rpartition("=")[2] if "=" in path else max(versions)]}
        if operation.startswith("PUT"):
            if folder == self.refused:
                raise Refused("AccessDenied", "User may not call UpdateAlias")
            self.live[folder] = asked["FunctionVersion"]
            self.deeds.append(f"{folder} {asked['FunctionVersion']}")
        return {"FunctionVersion": self.live[folder]}


@contextlib.contextmanager
def session_of(aws: Aws) -> Iterator[boto3.Session]:
    with aws, mock.patch.dict(os.environ, CREDENTIALS | {"AWS_ENDPOINT_URL": aws.url}), mock.patch("time.sleep"):
        yield boto3.Session(region_name="eu-west-1")


class RollbackTest(unittest.TestCase):
    def roll_back(self, aws: Aws, wanted: str = "") -> None:
        with session_of(aws) as session:
            releases.roll_back(session, STACK, wanted)

    def refusal(self, aws: Aws, wanted: str = "") -> str:
        """What is said where nothing is done."""
        with self.assertRaises(Failure) as refused:
            self.roll_back(aws, wanted)
        self.assertEqual(aws.deeds, [])
        return str(refused.exception)

    def test_the_relay_goes_first_and_the_tally_once_the_queue_is_empty(self) -> None:
        aws = Aws()
        aws.queue = [7, 0, 2, 0, 0, 0]  # empty for one look is not empty yet
        self.roll_back(aws)
        relay = ["relay-votes 1", "Disabled"]
        self.assertEqual(aws.deeds, [*relay, *["look"] * 6, "tally-votes 1", "Enabled", "cast-vote 1"])

    def test_a_function_that_the_release_had_not_is_left_as_it_is(self) -> None:
        aws = Aws()
        self.roll_back(aws)
        self.assertEqual(aws.live, {"cast-vote": "1", "relay-votes": "1", "tally-votes": "1", "watch-poll": "1"})
        self.assertEqual([deed for deed in aws.deeds if "watch-poll" in deed], [])

    def test_a_queue_that_does_not_empty_leaves_the_newer_tally_and_a_relay_that_runs(self) -> None:
        aws = Aws()
        aws.queue = [7]
        with self.assertRaisesRegex(Failure, "still holds messages.*run make rollback again"):
            self.roll_back(aws)
        self.assertEqual(aws.live, {"cast-vote": "2", "relay-votes": "1", "tally-votes": "2", "watch-poll": "1"})
        self.assertEqual(aws.mapping, "Enabled")

    def test_a_rollback_that_was_interrupted_is_finished(self) -> None:
        aws = Aws()
        aws.refused = "tally-votes"
        with session_of(aws) as session:
            with self.assertRaisesRegex(Failure, "User may not.*\n.*run make rollback again"):
                releases.roll_back(session, STACK, "")
            self.assertEqual(aws.mapping, "Enabled")
            aws.refused = ""
            aws.deeds.clear()
            releases.roll_back(session, STACK, "")
        self.assertEqual(
            aws.deeds[:2] + aws.deeds[-3:], ["relay-votes 1", "Disabled", "tally-votes 1", "Enabled", "cast-vote 1"]
        )

    def test_the_newest_version_of_a_release_is_taken(self) -> None:
        aws = Aws()
        aws.versions["cast-vote"] = {"9": OLD, "10": f"{OLD} key of 2026-11-29", "11": NEW}
        self.roll_back(aws)
        self.assertEqual(aws.live["cast-vote"], "10")

    def test_another_release_can_be_named(self) -> None:
        aws = Aws()
        aws.versions |= {folder: {"1": "6b0a0000", "2": OLD, "3": NEW} for folder in FOLDERS}
        aws.live = dict.fromkeys(FOLDERS, "3")
        self.roll_back(aws, "6b0a0000")
        self.assertEqual(aws.live, dict.fromkeys(FOLDERS, "1"))

    def test_the_first_release_has_none_before_it(self) -> None:
        first = {"Release": OLD, "ReleaseBefore": "none", "TallyQueueUrl": QUEUE}
        self.assertIn(f"no release before {OLD}", self.refusal(Aws(outputs=first)))

    def test_a_stack_without_versions_has_none_before_it(self) -> None:
        self.assertIn("before its functions had versions", self.refusal(Aws(outputs={"TallyQueueUrl": QUEUE})))

    def test_a_release_whose_versions_are_gone_is_refused_and_others_are_named(self) -> None:
        aws = Aws()
        del aws.versions["tally-votes"]["1"]
        said = self.refusal(aws)
        self.assertIn(f"tally-votes has no version of release {OLD}", said)
        self.assertIn(f"There are: {OLD} (2026-11-01T10:02), {NEW} (2026-11-02T10:02), the newest last", said)

    def test_a_release_that_runs_is_refused_and_others_are_named(self) -> None:
        said = self.refusal(Aws(), NEW)
        self.assertIn(f"Release {NEW} runs already. There are: {OLD} (2026-11-01T10:02), {NEW} (2026-11-02T10:02)", said)

    def test_nothing_is_rolled_back_under_another_operation(self) -> None:
        self.assertIn("UPDATE_IN_PROGRESS", self.refusal(Aws(status="UPDATE_IN_PROGRESS")))

    def test_a_stack_that_is_not_there_is_named(self) -> None:
        self.assertIn(f"Stack with id {STACK} does not exist", self.refusal(Aws(status=None)))


class ReleaseTest(unittest.TestCase):
    def parameters(self, aws: Aws) -> dict[str, str]:
        with session_of(aws) as session:
            return releases.parameters(session, STACK)

    def test_a_release_knows_the_one_that_runs_until_then(self) -> None:
        self.assertEqual(self.parameters(Aws())["ReleaseBefore"], NEW)

    def test_after_a_rollback_it_is_the_older_one(self) -> None:
        aws = Aws()
        aws.live["relay-votes"] = "1"
        self.assertEqual(self.parameters(aws)["ReleaseBefore"], OLD)

    def test_a_new_stack_has_none_before(self) -> None:
        for aws in (Aws(status=None), Aws(outputs={})):
            self.assertEqual(self.parameters(aws)["ReleaseBefore"], "none")

    def test_its_name_is_one_that_the_template_takes(self) -> None:
        template = paths.TEMPLATE.read_text()
        pattern = re.search(r"  Release:\n.*?AllowedPattern: (\S+)", template, re.S)
        self.assertRegex(self.parameters(Aws())["Release"], pattern[1])


if __name__ == "__main__":
    unittest.main()
