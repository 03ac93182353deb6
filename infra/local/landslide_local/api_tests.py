"""Runs schemathesis over infra/openapi.yaml against the stack that is up, as each kind of caller."""

import json
import os
import subprocess
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from landslide_local import api, operator_program, paths, stackfile, venvs
from landslide_local.stack import Stack
from landslide_local.stages import Failure, stage

FOLDER = paths.LOCAL / "schemathesis"
PHASES = "examples,coverage,fuzzing,stateful"
ISSUER = "https://issuer.landslide.local"  # as in cli/src/issuer.rs
POLL = {"question": "Best colour?", "options": ["Red", "Blue", "Green"]}


@dataclass(frozen=True)
class Caller:
    """Who calls: by which token, if any, and whose polls it meets."""

    name: str
    token: str | None
    owner_token: str


def run(deployed: Stack, cases: int, seed: int) -> None:
    """Lets each caller try every operation, with at most `cases` random requests an operation and phase; fails if any of them
    met what the document does not say."""
    venvs.ensure(["schemathesis"])
    failed = [caller.name for caller in _callers(deployed) if not _passes(deployed, caller, cases, seed)]
    if failed:
        raise Failure(
            f"schemathesis found faults as: {', '.join(failed)}. The same again: make test-api SEED={seed} CASES={cases}"
        )


def _callers(deployed: Stack) -> list[Caller]:
    def account(kind: str) -> str:
        """A new one each time: what an earlier run left behind is not met again. A run takes more than the limits of all."""
        subject = f"{kind}-{uuid.uuid4()}"
        operator_program.raise_limits(stackfile.read(), ISSUER, subject)
        return operator_program.token(deployed.issuer_key, subject)

    owner, of_key = account("owner"), account("owner")
    key = api.post(deployed.api_url, "/v1/keys", of_key, {"name": "schemathesis", "role": "editor"})["key"]
    return [
        Caller("nobody", None, account("owner")),
        Caller("device", api.post(deployed.api_url, "/v1/devices", None, {})["token"], account("owner")),
        Caller("owner", owner, owner),
        Caller("stranger", account("stranger"), account("owner")),
        Caller("key", key, of_key),
    ]


def _passes(deployed: Stack, caller: Caller, cases: int, seed: int) -> bool:
    folder = paths.STATE / "schemathesis" / caller.name
    folder.mkdir(parents=True, exist_ok=True)
    polls = json.dumps(_make_polls(deployed, caller.owner_token))
    config = folder / "schemathesis.toml"
    config.write_text((FOLDER / "schemathesis.toml").read_text() + _settings(caller, polls))
    command = [paths.venv_bin("schemathesis", "schemathesis"), "--no-color", "--config-file", config, "run", paths.OPENAPI]
    command += ["--url", deployed.api_url, "--phases", PHASES]
    command += ["--max-examples", str(cases), "--seed", str(seed), "--report-ndjson-path", folder / "cases.ndjson"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "SCHEMATHESIS_HOOKS": str(FOLDER / "hooks.py"),
        "CALLER_TOKEN": caller.token or "",
        "POLLS": polls,
    }
    with stage(f"schemathesis as {caller.name}"):
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode == 0


def _settings(caller: Caller, polls: str) -> str:
    """What differs from caller to caller, to follow what all share. `polls` is a list in JSON, which is TOML too."""
    settings = f"\n[dictionaries.polls]\nvalues = {polls}\n"
    if caller.token is not None:
        for scheme in ("caller", "owner"):
            settings += f'\n[auth.openapi.{scheme}]\napi_key = "Bearer ${{CALLER_TOKEN}}"\n'
    return settings


def _make_polls(deployed: Stack, owner_token: str) -> list[str]:
    """Ids of polls of each kind that answers differently."""
    now = datetime.now(UTC)
    soon, tomorrow = ((now + ahead).isoformat() for ahead in (timedelta(seconds=5), timedelta(days=1)))
    kinds = [
        {"closes_at": soon},
        {},
        {"kind": "multiple", "vote_change": "until_close"},
        {"opens_at": tomorrow},
        {"identity": "account"},
        {"results": "after_vote", "vote_change": "until_close"},
        {"results": "owner"},
    ]
    return [api.post(deployed.api_url, "/v1/polls", owner_token, POLL | kind)["poll_id"] for kind in kinds]
