"""The AWS account that a command is about to change: which one it is, and whether that is meant."""

import os
import sys
from dataclasses import dataclass

import boto3
import botocore.exceptions
import botocore.session

from landslide_local.stages import Failure, say


@dataclass(frozen=True)
class Account:
    """Where the caller's credentials lead."""

    number: str
    caller: str
    region: str

    def session(self) -> boto3.Session:
        """Clients of this region, whatever the variables say by now."""
        return boto3.Session(region_name=self.region)

    def environment(self) -> dict[str, str]:
        """The caller's environment, in which every program finds the same region."""
        return {**os.environ, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}

    def credentials(self) -> dict[str, str]:
        """Variables for programs that read no profiles: what boto3 has found."""
        found = self.session().get_credentials().get_frozen_credentials()
        own = {"AWS_ACCESS_KEY_ID": found.access_key, "AWS_SECRET_ACCESS_KEY": found.secret_key}
        return own | {"AWS_SESSION_TOKEN": found.token or ""}


def region() -> str:
    """AWS_REGION, which most SDKs read; then AWS_DEFAULT_REGION, which alone boto3 and SAM read; then the profile's."""
    try:
        found = os.environ.get("AWS_REGION") or boto3.Session().region_name
        of_profile = botocore.session.Session(profile=os.environ.get("AWS_PROFILE")).get_scoped_config().get("region")
    except botocore.exceptions.ProfileNotFound as error:
        raise Failure(f"{error}\nAWS_PROFILE names a profile that is not in ~/.aws/config.") from error
    if not found:
        raise Failure("There is no AWS region. Set AWS_REGION, as in: export AWS_REGION=eu-west-1")
    if of_profile and of_profile != found:
        say(f"region {found}, by AWS_REGION or AWS_DEFAULT_REGION; the profile says {of_profile}")
    return found


def of_caller(region: str) -> Account:
    """Asks AWS whose credentials these are. Says what is missing before minutes go into a build."""
    try:
        caller = boto3.Session(region_name=region).client("sts").get_caller_identity()
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise Failure(
            f"{error}\nAWS did not take these credentials. Set AWS_PROFILE (and sign in again where it has expired: "
            "aws sso login), or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION."
        ) from error
    return Account(caller["Account"], caller["Arn"], region)


def confirm(stack: str, change: str, *, region: str, yes: bool) -> Account:
    """Shows which stack will be changed, and goes on only if that is meant: by `yes`, or by the stack's name, typed in."""
    account = of_caller(region)
    say(f"account  {account.number}, as {account.caller}\nregion   {account.region}\nstack    {stack}")
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        say(f"at       {endpoint} (AWS_ENDPOINT_URL)")
    ask(stack, change, yes=yes)
    return account


def ask(stack: str, change: str, *, yes: bool) -> None:
    """Goes on only if a change is meant: by `yes`, or by the stack's name, typed in."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"This {change}, and nobody is at a terminal to confirm it. If it is meant: make … YES=1")
    say(f"This {change}. To go on, type the stack's name:")
    if sys.stdin.readline().strip() != stack:
        raise Failure("That is not the stack's name. Nothing was changed.")
