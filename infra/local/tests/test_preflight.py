"""`make deploy` as a process, against accounts in which it can't go through: it says why, and changes nothing.

The program behind it must be built: `make test-unit` does that first.
"""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from landslide_local import build, paths
from tests.stub_aws import ACCOUNT, Account, StubAws

REGION = "eu-west-1"
CHANGES = ("Create", "Delete", "Execute", "Update", "Put")
"""How operations begin that change something."""


class PreflightTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_verb(self, verb: str, account: Account, *arguments: str, **variables: str) -> tuple[int, str]:
        """The exit code, and all that was said."""
        command = [sys.executable, "-B", "-m", "landslide_local", verb, "--arch", "arm64", *arguments]
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        usual = {"AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", **credentials}
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with StubAws(account) as aws:
            environment = {**own, **usual, "AWS_ENDPOINT_URL": aws.url, **variables}
            environment = {name: value for name, value in environment.items() if value}
            done = subprocess.run(
                command, cwd=paths.LOCAL, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
            )
        changes = [call for call in aws.calls if call.split(" ")[1].startswith(CHANGES)]
        self.assertEqual(changes, [])
        self.calls = aws.calls
        return done.returncode, done.stdout + done.stderr

    def refusal(self, account: Account, *arguments: str, **variables: str) -> str:
        """What a deploy says that can't go through."""
        code, said = self.run_verb("deploy", account, "--yes", *arguments, **variables)
        self.assertEqual(code, 1, said)
        self.assertNotIn("release build", said)
        return said

    def test_a_good_account_passes_and_is_named(self) -> None:
        code, said = self.run_verb("preflight", Account(), "--parameters", "AlarmEmail=you@example.org")
        self.assertEqual(code, 0, said)
        self.assertIn(f"preflight of stack landslide, account {ACCOUNT}, region {REGION}", said)
        self.assertIn("Nothing stands in the way", said)
        self.assertNotRegex(said, "could not be read|warning|stops")

    def test_values_of_the_stack_count_until_others_are_given(self) -> None:
        account = Account(parameters={"WarmVotesWriteUnits": "50000", "AlarmEmail": "you@example.org"})
        self.assertRegex(self.refusal(account), r"write units of a table +40,000 +50,000 +10,000 +stops")
        code, said = self.run_verb("preflight", account, "--parameters", "WarmVotesWriteUnits=0")
        self.assertEqual(code, 0, said)

    def test_rights_that_are_missing_are_named_and_stop_nothing(self) -> None:
        denied = frozenset({"lambda", "apigateway", "servicequotas", "dynamodb"})
        code, said = self.run_verb("preflight", Account(denied=denied), "--parameters", "WarmVotesWriteUnits=4000")
        self.assertEqual(code, 0, said)
        for right in (
            "lambda:GetAccountSettings",
            "apigateway:GET of /account",
            "servicequotas:GetServiceQuota",
            "dynamodb:DescribeTable",
        ):
            self.assertRegex(said, rf"could not be read .* warning +these credentials lack {right}")

    def test_a_state_that_can_not_be_read_stops(self) -> None:
        said = self.refusal(Account(denied=frozenset({"cloudformation"})))
        self.assertRegex(said, "stack's state +could not be read .*stops +these credentials lack cloudformation:DescribeStacks")

    def test_an_account_of_ten_environments_can_reserve_none(self) -> None:
        tiny = Account(concurrency=10, unreserved=10)
        said = self.refusal(tiny, "--parameters", "RelayReservedConcurrency=5")
        self.assertRegex(said, r"left unreserved +5 +10 +5 +stops +Service Quotas: lambda L-B99A9384")
        code, said = self.run_verb("preflight", tiny)
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r"concurrency for the throttles +10 +973 +963 +warning")

    def test_what_relay_and_tally_have_reserved_is_their_own(self) -> None:
        reserved = {"landslide-relay-votes": 800, "landslide-tally-votes": 50}
        account = Account(unreserved=150, reserved=reserved)
        wanted = ("RelayReservedConcurrency=800 TallyReservedConcurrency=50", "RelayReservedConcurrency=900")
        self.assertEqual(self.run_verb("preflight", account, "--parameters", wanted[0])[0], 0)
        self.assertEqual(self.run_verb("preflight", account, "--parameters", wanted[1])[0], 0)
        self.refusal(account, "--parameters", "RelayReservedConcurrency=901")

    def test_states_that_take_no_deploy_are_explained(self) -> None:
        for status, way_out in (
            ("ROLLBACK_FAILED", "--no-deletion-protection-enabled"),
            ("DELETE_FAILED", "--retain-resources Votes"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
            ("UPDATE_IN_PROGRESS", "is under way"),
        ):
            said = self.refusal(Account(status=status))
            self.assertIn("This stack takes no deploy as it is", said)
            self.assertIn(way_out, said)

    def test_a_failed_create_that_is_rolled_back_is_no_obstacle(self) -> None:
        code, said = self.run_verb("preflight", Account(status="ROLLBACK_COMPLETE"))
        self.assertEqual(code, 0, said)
        self.assertIn("make deploy removes this record", said)

    def test_a_name_of_sixty_characters_stops_before_the_stack_is_looked_for(self) -> None:
        said = self.refusal(Account(), "--stack", "a" * 60)
        self.assertRegex(said, r"stack's name +60 characters +45 at most +15 +stops")
        self.assertNotIn("cloudformation DescribeStacks", self.calls)

    def test_issuers_of_four_kilobytes_stop(self) -> None:
        issuers = '[{"issuer": "https://id.example.org", "audience": "' + "x" * 4000 + '"}]'
        said = self.refusal(Account(), "--issuers", issuers)
        self.assertRegex(said, r"environment of ShowPoll +5,\d{3} bytes +4,096 at most +[\d,]+ +stops")

    def test_less_warm_throughput_than_the_table_has_stops(self) -> None:
        said = self.refusal(Account(warm_writes=30000), "--parameters", "WarmVotesWriteUnits=8000")
        self.assertRegex(said, r"WarmVotesWriteUnits +8,000 +30,000 +22,000 +stops +0, which leaves it alone, or 30000")

    def test_a_parameter_that_is_not_there_is_named(self) -> None:
        self.assertIn("no parameter WarmVotes", self.refusal(Account(), "--parameters", "WarmVotes=1"))
        self.assertIn("no Key=Value", self.refusal(Account(), "--parameters", "WarmVotesWriteUnits"))

    def test_the_region_that_is_set_wins_over_the_profiles(self) -> None:
        config = self.folder / "config"
        config.write_text("[profile show]\nregion = ap-south-1\naws_access_key_id = a\naws_secret_access_key = b\n")
        profile = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "show", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        code, said = self.run_verb("preflight", Account(), **profile)
        self.assertEqual((code, f"region {REGION}\n" in said), (0, True), said)
        code, said = self.run_verb("preflight", Account(), **profile, AWS_REGION="")
        self.assertEqual((code, "region ap-south-1\n" in said), (0, True), said)

    def test_without_credentials_it_is_said_what_to_set(self) -> None:
        nowhere = {"HOME": str(self.folder), "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        self.assertRegex(self.refusal(Account(), **nowhere), "Unable to locate credentials\n.*Set AWS_PROFILE")

    def test_expired_credentials_are_named_so(self) -> None:
        self.assertRegex(self.refusal(Account(expired=True)), "is expired\n.*aws sso login")

    def test_the_program_alone_says_so_too(self) -> None:
        credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": REGION}
        with StubAws(Account(expired=True)) as aws:
            for variables, expected in (
                ({**credentials, "AWS_ENDPOINT_URL": aws.url}, "These credentials have expired"),
                ({"AWS_REGION": REGION}, "no credentials"),
            ):
                done = subprocess.run([build.OPERATOR, "preflight"], env=variables, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(expected, done.stderr)


if __name__ == "__main__":
    unittest.main()
