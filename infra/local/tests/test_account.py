"""Which account and region a command changes is one answer, shown before anything happens."""

import contextlib
import io
import tempfile
from pathlib import Path
from unittest import mock

from landslide_local import __main__, account, clients, operator_program, stackfile
from landslide_local.stages import Failure
from tests.aws import REGION, AwsTest

CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/alice", "UserId": "A"}


class RegionTest(AwsTest):
    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        config = Path(folder.name) / "config"
        config.write_text("[default]\nregion = ap-south-1\n")
        self.config = {"AWS_CONFIG_FILE": str(config)}

    def test_aws_region_wins_over_what_boto3_alone_would_take(self) -> None:
        self.set_environment({**self.config, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-2"})
        self.assertEqual(account.region(), "eu-west-1")

    def test_then_comes_aws_default_region(self) -> None:
        self.set_environment({**self.config, "AWS_DEFAULT_REGION": "us-east-2"})
        self.assertEqual(account.region(), "us-east-2")

    def test_then_comes_the_profile(self) -> None:
        self.set_environment(self.config)
        self.assertEqual(account.region(), "ap-south-1")

    def test_without_any_it_is_said_what_to_set(self) -> None:
        self.set_environment({"AWS_CONFIG_FILE": "/nowhere"})
        with self.assertRaisesRegex(Failure, "Set AWS_REGION"):
            account.region()

    def test_a_profile_that_is_not_there_is_named(self) -> None:
        self.set_environment({**self.config, "AWS_PROFILE": "show"})
        with self.assertRaisesRegex(Failure, "show.*\n.*AWS_PROFILE"):
            account.region()

    def test_every_program_finds_the_same_region(self) -> None:
        self.set_environment({**self.config, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-2"})
        found = account.Account("1", "arn", account.region()).environment()
        self.assertEqual((found["AWS_REGION"], found["AWS_DEFAULT_REGION"]), ("eu-west-1", "eu-west-1"))
        own = clients.environment(clients.EXTERNAL, None)
        self.assertEqual((own["AWS_REGION"], own["AWS_DEFAULT_REGION"]), ("eu-west-1", "eu-west-1"))


class ConfirmTest(AwsTest):
    def confirm(self, typed: str | None, *, yes: bool = False) -> str:
        """What is said. None: there is no terminal."""
        self.stub("sts").add_response("get_caller_identity", CALLER)
        terminal = io.StringIO(typed or "")
        said = io.StringIO()
        with (
            mock.patch.object(terminal, "isatty", return_value=typed is not None),
            mock.patch.object(account.sys, "stdin", terminal),
            contextlib.redirect_stderr(said),
        ):
            try:
                account.confirm("landslide", "casts votes", region=REGION, yes=yes)
            finally:
                self.said = said.getvalue()
        return self.said

    def test_account_region_and_stack_are_shown(self) -> None:
        said = self.confirm(None, yes=True)
        for shown in ("123456789012", "user/alice", REGION, "landslide"):
            self.assertIn(shown, said)
        self.assertEqual(self.regions, {REGION})

    def test_the_name_goes_on(self) -> None:
        self.assertIn("type the stack's name", self.confirm("landslide\n"))

    def test_anything_else_does_not(self) -> None:
        for typed in ("y\n", "\n", "Landslide\n"):
            with self.assertRaisesRegex(Failure, "Nothing was changed"):
                self.confirm(typed)

    def test_without_a_terminal_it_is_refused_and_said_how_to_go_on(self) -> None:
        with self.assertRaisesRegex(Failure, "YES=1"):
            self.confirm(None)
        self.assertIn("123456789012", self.said)

    def test_an_endpoint_is_shown(self) -> None:
        self.set_environment({"AWS_REGION": REGION, "AWS_ENDPOINT_URL": "http://localhost:4600"})
        self.assertIn("http://localhost:4600", self.confirm(None, yes=True))

    def test_refused_credentials_say_what_to_do(self) -> None:
        self.stub("sts").add_client_error("get_caller_identity", "ExpiredToken", "The security token is expired", 403)
        with self.assertRaisesRegex(Failure, "expired[^$]*AWS_PROFILE"):
            account.of_caller(REGION)


class CommandTest(AwsTest):
    def asked(self, command: list[str], endpoint_url: str | None) -> bool:
        """Whether a command asks before it changes the stack that runs there."""
        deployed = {"endpoint_url": endpoint_url, "stack": "landslide", "region": "ap-south-1", "cloud": "external"}
        with (
            mock.patch.object(stackfile, "read", return_value=deployed),
            mock.patch.multiple(operator_program, environment=lambda _: {}, become=mock.DEFAULT),
            mock.patch.object(account, "confirm") as confirm,
        ):
            arguments = __main__._parser().parse_args(command)
            arguments.run(arguments)
        if confirm.called:
            self.assertEqual(confirm.call_args.kwargs["region"], "ap-south-1")
        return confirm.called

    def test_what_changes_votes_on_aws_asks(self) -> None:
        for command in (["replay"], ["redrive"], ["audit", "--", "POLL", "--repair"]):
            self.assertTrue(self.asked(command, None), command)

    def test_an_audit_that_only_reads_does_not(self) -> None:
        self.assertFalse(self.asked(["audit", "--", "POLL"], None))

    def test_nothing_asks_on_a_local_cloud(self) -> None:
        for command in (["replay"], ["redrive"], ["audit", "--", "POLL", "--repair"]):
            self.assertFalse(self.asked(command, "http://localhost:4566"), command)
