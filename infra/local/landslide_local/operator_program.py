"""Calls `landslide`, the operator's program that cli/ builds."""

import os
import subprocess
from collections.abc import Mapping
from typing import Any, NoReturn

from landslide_local import account, build, clients, paths
from landslide_local.stages import Failure


def issuers() -> str:
    """The Issuers parameter of a stack that accepts our own account tokens. Makes the key if it is not there."""
    paths.STATE.mkdir(parents=True, exist_ok=True)
    return _output(["issuer", "--key", str(paths.ISSUER_KEY)])


def token(key: str, subject: str, organisation: str | None = None, role: str | None = None, claims: str | None = None) -> str:
    """An account's token, valid for hours. It acts for the organisation in that role, or for itself. `claims` is JSON."""
    membership = (["--organisation", organisation] if organisation else []) + (["--role", role] if role else [])
    further = ["--claims", claims] if claims else []
    return _output(["token", "--key", key, "--sub", subject, *membership, *further])


PREFLIGHT_OK, PREFLIGHT_STOPS, PREFLIGHT_STUCK = 0, 6, 7
"""Exit codes of a preflight: a deploy goes through; AWS would refuse it; the stack's state takes none."""


def preflight(stack: str, parameters: Mapping[str, str], target: account.Account) -> int:
    """Builds the program and has it compare the account with what is asked for. Its table goes to stdout."""
    command = [str(build.operator_program()), "preflight", "--stack", stack]
    for pair in parameters.items():
        command += ["--parameter", "=".join(pair)]
    environment = {**target.environment(), **target.credentials()}
    return subprocess.run(command, env=environment, check=False).returncode


NAMES = {
    "POLLS_TABLE": "PollsTable",
    "VOTES_TABLE": "VotesTable",
    "TALLIES_TABLE": "TalliesTable",
    "TENANTS_TABLE": "TenantsTable",
    "AUDIT_TABLE": "AuditTable",
    "JOBS_TABLE": "JobsTable",
    "FINALISE_QUEUE_URL": "FinaliseQueueUrl",
    "LIMITS": "Limits",
    "TALLY_QUEUE_URL": "TallyQueueUrl",
    "TALLY_DLQ_URL": "TallyDlqUrl",
    "RELAY_DLQ_URL": "RelayDlqUrl",
    "RELAY_FAILURES_BUCKET": "RelayFailuresBucket",
}
"""Variables by which the program knows a stack's parts, and the stack's outputs."""


def environment(deployed: dict[str, Any]) -> dict[str, str]:
    """All that the program needs to know of a stack: where its cloud is, and the names of its parts."""
    names = {variable: deployed["outputs"][output] for variable, output in NAMES.items()}
    return {**clients.environment(deployed["cloud"], deployed["endpoint_url"]), "AWS_REGION": deployed["region"], **names}


def raise_limits(deployed: dict[str, Any], issuer: str, subject: str) -> None:
    """Lets an account do as much as a limit can allow, from its next request on if that is its first."""
    most = [word for limit in ("polls-per-day", "open-polls", "requests-per-minute") for word in (f"--{limit}", "100000")]
    command = [str(build.OPERATOR), "tenant", "set", "--issuer", issuer, "--account", subject, *most]
    done = subprocess.run(command, env=environment(deployed), stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Failure("landslide tenant set failed; what it says is above")


def migrate(addresses: Mapping[str, str]) -> None:
    """Brings the database of analytics up to date."""
    done = subprocess.run(
        [str(build.OPERATOR), "analytics", "migrate"], env=dict(addresses), stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        raise Failure("landslide analytics migrate failed; what it says is above")


def become(arguments: list[str]) -> NoReturn:
    """Goes on as that program."""
    os.execv(build.OPERATOR, [str(build.OPERATOR), *arguments])


def _output(arguments: list[str]) -> str:
    done = subprocess.run([str(build.OPERATOR), *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"landslide {arguments[0]} failed; what it says is above")
    return done.stdout.strip()
