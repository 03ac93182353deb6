"""From each state of a stack `make deploy` goes on, or says what to do; a new stack is protected only once it is there."""

import contextlib
import io
from collections.abc import Callable
from typing import Any
from unittest import mock

from landslide_local import account, deployment, operator_program
from landslide_local.stages import Failure
from tests.aws import REGION, AwsTest

NAME = "landslide"
TARGET = account.Account("123456789012", "arn:aws:iam::123456789012:user/alice", REGION)


Pairs = tuple[tuple[str, str], ...]
Steps = Callable[[Any, str, dict[str, str]], list[dict[str, str]]]
RELEASES = ({"Release": "6b0bf819", "ReleaseBefore": "6b0bf803"}, {"Release": "6b0bf820", "ReleaseBefore": "6b0bf819"})


def in_one_step(_: Any, __: str, wanted: dict[str, str]) -> list[dict[str, str]]:
    return [wanted]


def in_two_steps(_: Any, __: str, wanted: dict[str, str]) -> list[dict[str, str]]:
    return [{**wanted, "BallotKinds": "plain"}, {**wanted, "BallotKinds": "all"}]


class DeploymentTest(AwsTest):
    def is_in(self, status: str | None, outputs: Pairs = ()) -> None:
        """The next question for the stack is answered so. None: there is no such stack."""
        cloudformation = self.stub("cloudformation")
        if status is None:
            message = f"Stack with id {NAME} does not exist"
            cloudformation.add_client_error("describe_stacks", "ValidationError", message, expected_params={"StackName": NAME})
            return
        stack: dict[str, Any] = {"StackName": NAME, "CreationTime": "2026-11-01", "StackStatus": status}
        stack["Outputs"] = [{"OutputKey": key, "OutputValue": value} for key, value in outputs]
        cloudformation.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": NAME})

    def has_left(self, times: int) -> None:
        left = [
            ("Votes", "AWS::DynamoDB::Table", "landslide-Votes-1A", "DELETE_FAILED"),
            ("RelayFailuresBucket", "AWS::S3::Bucket", "landslide-bucket-2b", "DELETE_FAILED"),
            ("TallyQueue", "AWS::SQS::Queue", "landslide-TallyQueue-3C", "DELETE_COMPLETE"),
        ]
        resources = [
            {
                "LogicalResourceId": logical,
                "ResourceType": kind,
                "PhysicalResourceId": physical,
                "ResourceStatus": status,
                "ResourceStatusReason": "it is protected",
                "LastUpdatedTimestamp": "2026-11-01",
            }
            for logical, kind, physical, status in left
        ]
        for _ in range(times):
            self.stub("cloudformation").add_response("list_stack_resources", {"StackResourceSummaries": resources})

    def refusal(self, status: str, looks_for_the_left: int = 0) -> str:
        """What is said after a preflight that finds a stack in that state."""
        self.is_in(status)
        self.has_left(looks_for_the_left)
        stuck = operator_program.PREFLIGHT_STUCK
        with mock.patch.object(operator_program, "preflight", return_value=stuck), self.assertRaises(Failure) as refused:
            deployment.preflight(TARGET, NAME, {})
        self.assert_all_asked()
        return str(refused.exception)


class PrepareTest(DeploymentTest):
    def test_nothing_is_removed_of_a_new_stack_or_one_that_runs(self) -> None:
        for status in (None, "REVIEW_IN_PROGRESS", "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
            self.is_in(status)
            deployment.prepare(TARGET, NAME)
        self.assert_all_asked()
        self.assertEqual(self.regions, {REGION})

    def test_the_record_of_a_first_deploy_that_was_rolled_back_is_removed(self) -> None:
        self.is_in("ROLLBACK_COMPLETE")
        self.stub("cloudformation").add_response("delete_stack", {}, {"StackName": NAME})
        self.is_in(None)  # the waiter
        deployment.prepare(TARGET, NAME)
        self.assert_all_asked()

    def test_a_record_that_can_not_be_removed_ends_with_what_is_left(self) -> None:
        self.is_in("ROLLBACK_COMPLETE")
        self.stub("cloudformation").add_response("delete_stack", {}, {"StackName": NAME})
        self.is_in("DELETE_FAILED")  # the waiter
        self.is_in("DELETE_FAILED")
        self.has_left(2)
        with self.assertRaisesRegex(Failure, "--retain-resources Votes"):
            deployment.prepare(TARGET, NAME)

    def test_a_state_that_can_not_be_read_is_no_new_stack(self) -> None:
        self.stub("cloudformation").add_client_error("describe_stacks", "AccessDenied", "User may not", 403)
        with self.assertRaisesRegex(Failure, "User may not"):
            deployment.prepare(TARGET, NAME)


class StuckTest(DeploymentTest):
    def test_what_a_failed_clean_up_has_left_is_named_with_what_frees_it(self) -> None:
        said = self.refusal("ROLLBACK_FAILED", looks_for_the_left=1)
        self.assertIn("update-table --table-name landslide-Votes-1A --no-deletion-protection-enabled", said)
        self.assertIn("aws --region eu-west-1 s3 rm s3://landslide-bucket-2b --recursive", said)
        self.assertIn("delete-stack --stack-name landslide\n", said)
        self.assertNotIn("TallyQueue", said)

    def test_a_deletion_that_failed_is_finished_and_keeps_what_is_left(self) -> None:
        said = self.refusal("DELETE_FAILED", looks_for_the_left=2)
        self.assertIn("--retain-resources Votes RelayFailuresBucket\n", said)
        self.assertIn("docs/operate.md", said)

    def test_a_rollback_that_stands_still_is_continued(self) -> None:
        self.assertIn("continue-update-rollback --stack-name landslide", self.refusal("UPDATE_ROLLBACK_FAILED"))

    def test_a_failure_without_rollback_is_rolled_back(self) -> None:
        for status in ("CREATE_FAILED", "UPDATE_FAILED"):
            self.assertIn("rollback-stack --stack-name landslide", self.refusal(status))

    def test_another_operation_is_waited_for(self) -> None:
        # AWS's own waiters know no end of a first create's rollback, so all are watched in the same way.
        for status in (
            "CREATE_IN_PROGRESS",
            "ROLLBACK_IN_PROGRESS",
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "DELETE_IN_PROGRESS",
        ):
            told = self.refusal(status)
            self.assertIn(f"is under way ({status})", told)
            self.assertIn("describe-stacks --stack-name landslide --query 'Stacks[0].StackStatus'", told)

    def test_what_stops_a_deploy_is_not_explained_by_the_state(self) -> None:
        stops = operator_program.PREFLIGHT_STOPS
        with (
            mock.patch.object(operator_program, "preflight", return_value=stops),
            self.assertRaisesRegex(Failure, "run make deploy again"),
        ):
            deployment.preflight(TARGET, NAME, {})

    def test_a_preflight_that_fails_itself_lets_nothing_through(self) -> None:
        with (
            mock.patch.object(operator_program, "preflight", return_value=1),
            self.assertRaisesRegex(Failure, "exit code 1"),
        ):
            deployment.preflight(TARGET, NAME, {})


class DeployTest(DeploymentTest):
    def deploy(self, parameters: dict[str, str], update: Steps = in_one_step) -> list[dict[str, str]]:
        """The parameters of each call of SAM."""
        shown = io.StringIO()
        known = mock.patch.object(deployment.releases, "parameters", side_effect=RELEASES)
        kinds = mock.patch.object(deployment.ballots, "steps", side_effect=update)
        with known, kinds, mock.patch.object(deployment.sam, "deploy") as sam, contextlib.redirect_stdout(shown):
            deployment.deploy(TARGET, NAME, parameters)
        self.assert_all_asked()
        self.assertEqual(shown.getvalue(), "ApiUrl=https://a\n")
        for call in sam.call_args_list:
            self.assertEqual(call.args[:2], (NAME, REGION))
            self.assertEqual(call.args[3]["AWS_DEFAULT_REGION"], REGION)
        return [call.args[2] for call in sam.call_args_list]

    def is_protected(self, on: bool) -> None:
        wanted = {"StackName": NAME, "EnableTerminationProtection": on}
        self.stub("cloudformation").add_response("update_termination_protection", {}, wanted)
        self.is_in("UPDATE_COMPLETE", (("ApiUrl", "https://a"),))

    def test_a_new_stack_is_created_unprotected_and_then_protected(self) -> None:
        self.is_in(None)
        self.is_protected(True)
        calls = self.deploy({"Architecture": "arm64"})
        self.assertEqual([call["DeletionProtection"] for call in calls], ["false", "true"])
        self.assertEqual([call["Architecture"] for call in calls], ["arm64", "arm64"])
        self.assertEqual([call["Release"] for call in calls], ["6b0bf819", "6b0bf819"], "one release")

    def test_a_new_stack_that_is_to_be_unprotected_is_deployed_once(self) -> None:
        self.is_in(None)
        self.is_protected(False)
        self.assertEqual([call["DeletionProtection"] for call in self.deploy({"DeletionProtection": "false"})], ["false"])

    def test_an_update_protects_what_an_interrupted_deploy_left_open(self) -> None:
        self.is_in("CREATE_COMPLETE")
        self.is_protected(True)
        self.assertEqual([call["DeletionProtection"] for call in self.deploy({})], ["true"])

    def test_each_step_of_an_update_is_a_release_or_its_variables_would_not_go_live(self) -> None:
        self.is_in("UPDATE_COMPLETE")
        self.is_protected(True)
        calls = self.deploy({}, in_two_steps)
        self.assertEqual(
            [(call["Release"], call["ReleaseBefore"], call["BallotKinds"]) for call in calls],
            [("6b0bf819", "6b0bf803", "plain"), ("6b0bf820", "6b0bf819", "all")],
        )

    def test_without_the_right_to_protect_it_is_said_that_the_stack_runs(self) -> None:
        self.is_in("CREATE_COMPLETE")
        self.stub("cloudformation").add_client_error("update_termination_protection", "AccessDenied", "User may not", 403)
        with (
            mock.patch.object(deployment.releases, "parameters", return_value={}),
            mock.patch.object(deployment.ballots, "steps", side_effect=in_one_step),
            mock.patch.object(deployment.sam, "deploy"),
            self.assertRaisesRegex(Failure, "User may not.*\n.*runs, but.*UpdateTerminationProtection"),
        ):
            deployment.deploy(TARGET, NAME, {})

    def test_a_deploy_that_fails_says_in_what_state_the_stack_is(self) -> None:
        self.is_in("UPDATE_COMPLETE")
        self.is_in("UPDATE_ROLLBACK_COMPLETE")
        with (
            mock.patch.object(deployment.releases, "parameters", return_value={}),
            mock.patch.object(deployment.ballots, "steps", side_effect=in_one_step),
            mock.patch.object(deployment.sam, "deploy", side_effect=Failure("sam deploy failed")),
            self.assertRaisesRegex(Failure, "sam deploy failed\n.*runs as it did before.*describe-stack-events"),
        ):
            deployment.deploy(TARGET, NAME, {})
