"""`make rollback` keeps its order, whatever happens, and says so where there is nothing to go back to."""

import contextlib
import io
import os
import re
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

import boto3

from landslide_local import ballots, paths, releases
from landslide_local.stages import Failure
from tests.stub_aws import Account, Refused, StubAws

STACK = "landslide"
FOLDERS = ("cast-vote", "create-poll", "relay-votes", "tally-votes", "watch-poll")
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
        self.kinds: dict[str, str] = dict.fromkeys((OLD, NEW), "all")
        """What create-poll has of BallotKinds, by release."""
        self.refused = ""
        """The function whose alias can't be changed."""
        self.missing = ""
        """The function that is not there."""
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
        if folder == self.missing:
            raise Refused("ResourceNotFoundException", "Function not found")
        versions = self.versions[folder]
        if part == "versions":
            made = {
                version: {"Version": version, "LastModified": f"2026-11-{version:>02}T10:02:00.000+0000"}
                for version in versions
            }
            described = [made[version] | {"Description": text} for version, text in versions.items()]
            return {"Versions": [{"Version": "$LATEST", "Description": NEW}, *reversed(described)]}
        if part == "configuration":
            release = versions[path.rpartition("=")[2] if "=" in path else max(versions)]
            kinds = {"BALLOT_KINDS": self.kinds[release]} if folder == "create-poll" and release in self.kinds else {}
            return {"Timeout": 30, "Description": release, "Environment": {"Variables": kinds}}
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


class RollbackCase(unittest.TestCase):
    def setUp(self) -> None:
        self.consent = mock.Mock()

    def roll_back(self, aws: Aws, wanted: str = "") -> None:
        with session_of(aws) as session:
            releases.roll_back(session, STACK, wanted, self.consent)

    def refusal(self, aws: Aws, wanted: str = "") -> str:
        """What is said where nothing is done."""
        with self.assertRaises(Failure) as refused:
            self.roll_back(aws, wanted)
        self.assertEqual(aws.deeds, [])
        return str(refused.exception)


class RollbackTest(RollbackCase):
    def test_who_writes_goes_before_who_reads_and_the_tally_once_the_queue_is_empty(self) -> None:
        aws = Aws()
        aws.queue = [7, 0, 2, 0, 0, 0]  # empty for one look is not empty yet
        self.roll_back(aws)
        writers = ["cast-vote 1", "relay-votes 1", "Disabled"]
        self.assertEqual(aws.deeds, [*writers, *["look"] * 6, "tally-votes 1", "Enabled", "create-poll 1"])

    def test_a_function_that_the_release_had_not_is_left_as_it_is(self) -> None:
        aws = Aws()
        self.roll_back(aws)
        self.assertEqual(aws.live, dict.fromkeys(FOLDERS, "1"))
        self.assertEqual([deed for deed in aws.deeds if "watch-poll" in deed], [])

    def test_a_queue_that_does_not_empty_leaves_the_newer_tally_and_a_relay_that_runs(self) -> None:
        aws = Aws()
        aws.queue = [7]
        with self.assertRaisesRegex(Failure, "still holds messages.*run make rollback again"):
            self.roll_back(aws)
        back = {folder: aws.live[folder] for folder in ("cast-vote", "relay-votes", "tally-votes", "create-poll")}
        self.assertEqual(back, {"cast-vote": "1", "relay-votes": "1", "tally-votes": "2", "create-poll": "2"})
        self.assertEqual(aws.mapping, "Enabled")

    def test_a_rollback_that_was_interrupted_is_finished(self) -> None:
        aws = Aws()
        aws.refused = "tally-votes"
        with session_of(aws) as session:
            with self.assertRaisesRegex(Failure, "User may not.*\n.*run make rollback again"):
                releases.roll_back(session, STACK, "", self.consent)
            self.assertEqual(aws.mapping, "Enabled")
            aws.refused = ""
            aws.deeds.clear()
            releases.roll_back(session, STACK, "", self.consent)
        done = [deed for deed in aws.deeds if deed != "look"]
        again = ["cast-vote 1", "relay-votes 1", "Disabled", "tally-votes 1", "Enabled", "create-poll 1"]
        self.assertEqual(done, again)

    def test_the_newest_version_of_a_release_is_taken(self) -> None:
        aws = Aws()
        aws.versions["cast-vote"] = {"9": OLD, "10": f"{OLD} key of 2026-11-29", "11": NEW}
        self.roll_back(aws)
        self.assertEqual(aws.live["cast-vote"], "10")

    def test_another_release_can_be_named(self) -> None:
        aws = Aws()
        aws.versions |= {folder: {"1": "6b0a0000", "2": OLD, "3": NEW} for folder in FOLDERS}
        aws.kinds["6b0a0000"] = "all"
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


class UnreadableTest(RollbackCase):
    """A rollback to a release that reads plain polls alone."""

    def of_kinds(self, live: str) -> Aws:
        """A stack whose newer release takes these polls."""
        aws = Aws()
        aws.kinds = {NEW: live}
        return aws

    def test_while_polls_of_other_kinds_are_taken_it_is_refused_and_the_order_said(self) -> None:
        said = self.refusal(self.of_kinds("all"))
        self.assertIn(f"Release {OLD} can't read polls of the kinds that came after it, and they are still taken", said)
        self.assertIn("First end that: make deploy PARAMETERS=BallotKinds=plain", said)
        self.assertIn(f"Then: make rollback RELEASE={OLD}.", said)
        self.consent.assert_not_called()

    def test_the_first_step_of_the_deploy_is_named_as_the_way(self) -> None:
        aws = Aws(outputs={"Release": NEW, "ReleaseBefore": "6b0bf810", "TallyQueueUrl": QUEUE})
        aws.versions = {folder: {"1": OLD, "2": "6b0bf810", "3": NEW} for folder in FOLDERS}
        aws.live = dict.fromkeys(FOLDERS, "3")
        aws.kinds = {"6b0bf810": "plain", NEW: "all"}
        self.assertIn("First end that: make rollback RELEASE=6b0bf810. Then:", self.refusal(aws, OLD))

    def test_after_that_way_the_older_release_can_run(self) -> None:
        aws = self.of_kinds("all")
        aws.versions = {folder: {"1": OLD, "2": "6b0bf810", "3": NEW} for folder in FOLDERS}
        aws.live, aws.kinds["6b0bf810"] = dict.fromkeys(FOLDERS, "3"), "plain"
        with session_of(aws) as session:
            for release in ("6b0bf810", OLD):
                releases.roll_back(session, STACK, release, self.consent)
        self.assertEqual(aws.live, dict.fromkeys(FOLDERS, "1"))
        self.consent.assert_called_once()

    def test_once_only_plain_polls_are_taken_it_is_said_what_is_lost_until_then_and_asked(self) -> None:
        aws, said = self.of_kinds("plain"), io.StringIO()
        with contextlib.redirect_stderr(said):
            self.roll_back(aws)
        for told in ("answer 500", "RelayDlq", "landslide redrive", "14 days"):
            self.assertIn(told, said.getvalue())
        self.consent.assert_called_once()
        self.assertIn(f"release {OLD}", self.consent.call_args.args[0])
        self.assertEqual(aws.live["create-poll"], "1")

    def test_without_consent_nothing_changes(self) -> None:
        self.consent.side_effect = Failure("That is not the stack's name.")
        self.assertIn("not the stack's name", self.refusal(self.of_kinds("plain")))

    def test_a_release_without_create_poll_is_none_that_is_known_to_read_them(self) -> None:
        aws = Aws()
        del aws.versions["create-poll"]["1"]
        self.assertIn("can't read polls", self.refusal(aws))

    def test_between_releases_that_read_plain_polls_alone_nobody_is_asked(self) -> None:
        aws = Aws()
        aws.kinds = {}
        self.roll_back(aws)
        self.consent.assert_not_called()

    def test_between_releases_that_read_all_nobody_is_asked(self) -> None:
        self.roll_back(Aws())
        self.consent.assert_not_called()


class UpdateTest(unittest.TestCase):
    """What it takes to update a stack."""

    def kinds(self, aws: Aws, wanted: dict[str, str]) -> list[str]:
        """BallotKinds at each step."""
        self.said = io.StringIO()
        with session_of(aws) as session, contextlib.redirect_stderr(self.said):
            steps = ballots.steps(session, STACK, {"Architecture": "arm64", **wanted})
        self.assertEqual({step["Architecture"] for step in steps}, {"arm64"})
        return [step["BallotKinds"] for step in steps]

    def test_over_functions_that_read_plain_polls_alone_there_are_two_steps_and_it_is_said_why(self) -> None:
        aws = Aws()
        aws.kinds = {}
        self.assertEqual(self.kinds(aws, {}), ["plain", "all"])
        self.assertIn("can't read polls of the kinds that came after them", self.said.getvalue())
        self.assertEqual(self.kinds(aws, {"BallotKinds": "plain"}), ["plain"])

    def test_over_functions_that_read_all_there_is_one(self) -> None:
        aws = Aws()
        aws.kinds[NEW] = "plain"  # also where the second step is missing
        self.assertEqual(self.kinds(aws, {}), ["all"])
        self.assertEqual(self.kinds(aws, {"BallotKinds": "plain"}), ["plain"])

    def test_after_a_rollback_what_runs_counts_and_not_what_was_deployed_last(self) -> None:
        aws = Aws()
        aws.kinds, aws.live = {NEW: "plain"}, dict.fromkeys(FOLDERS, "1")
        self.assertEqual(self.kinds(aws, {}), ["plain", "all"])

    def test_where_that_can_not_be_read_nothing_is_deployed(self) -> None:
        with self.assertRaisesRegex(Failure, "AccessDenied.*\n.*nothing was deployed"):
            self.kinds(Aws(denied=frozenset({"cloudformation"})), {})

    def test_functions_without_an_alias_read_plain_polls_alone(self) -> None:
        aws = Aws()
        aws.missing = "create-poll"
        self.assertEqual(self.kinds(aws, {}), ["plain", "all"])


class ReleaseTest(unittest.TestCase):
    def parameters(self, aws: Aws) -> dict[str, str]:
        with session_of(aws) as session:
            return releases.parameters(session, STACK)

    def test_a_release_knows_the_one_that_runs_until_then(self) -> None:
        self.assertEqual(self.parameters(Aws())["ReleaseBefore"], NEW)

    def test_after_a_rollback_it_is_the_older_one(self) -> None:
        aws = Aws()
        aws.live["cast-vote"] = "1"
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
