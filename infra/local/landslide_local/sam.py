"""Deploys template.yaml with the SAM CLI."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from landslide_local import paths
from landslide_local.stages import Failure, say

LOG_TAIL_LINES = 30


def deploy(name: str, region: str, parameters: Mapping[str, str], environment: dict[str, str], log: Path | None) -> None:
    """Creates or updates the stack from what lies in target/lambda. Parameters that are not given keep their values."""
    overrides = paths.STATE / "parameters.yaml"
    overrides.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML; the command line would need its quotes escaped
    overrides.write_text(json.dumps(dict(parameters)))
    command = [str(paths.venv_bin("sam", "sam")), "deploy", "--stack-name", name, "--template-file", str(paths.TEMPLATE)]
    command += ["--region", region, "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    command += ["--no-progressbar", "--no-confirm-changeset", "--no-fail-on-empty-changeset"]
    command += ["--parameter-overrides", f"file://{overrides}"]
    with tempfile.TemporaryDirectory(dir=paths.STATE) as temporary:  # SAM leaves a folder for each function in it
        environment = {**environment, "SAM_CLI_TELEMETRY": "0", "TMPDIR": temporary}
        done = _run(command, environment, log)
    if done.returncode != 0:
        raise Failure(f"sam deploy failed{f'; all it said: {log}' if log else ''}")


def _run(command: list[str], environment: dict[str, str], log: Path | None) -> subprocess.CompletedProcess[bytes]:
    """Runs a command, and shows its last words only where they go to a log and it fails."""
    if log is None:
        return subprocess.run(command, cwd=paths.ROOT, env=environment, check=False)
    with log.open("w") as output:
        done = subprocess.run(command, cwd=paths.ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        say("\n".join(log.read_text().splitlines()[-LOG_TAIL_LINES:]))
    return done
