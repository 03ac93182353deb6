"""Brings template.yaml up on a cloud, as `make up` does."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.exceptions

from landslide_local import account, build, clients, clouds, deployment, operator_program, paths, sam, stackfile
from landslide_local.stages import say, stage

USABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
"""States in which an emulator's stack is kept; from any other it is deleted and made again."""


NO_ANALYTICS = {"analytics": "the stack has no analytics; with them: make test-it ANALYTICS=1 ARGS=analytics"}
"""What a stack lacks that was deployed without them."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack."""

    cloud: str
    endpoint_url: str | None
    region: str
    stack: str
    api_url: str
    issuer_key: str
    outputs: dict[str, str]
    fingerprint: str
    lacks: Mapping[str, str]
    calls_at_once: int

    def environment(self) -> dict[str, str]:
        """What the integration tests are told."""
        return {
            "API_URL": self.api_url,
            "LANDSLIDE_STACK": str(paths.STACK_FILE),
            **clients.environment(self.cloud, self.endpoint_url),
        }


def bring_up(cloud: clouds.Cloud, name: str, architecture: str, given: Mapping[str, str]) -> Stack:
    """Starts the cloud and deploys what is built for that processor, each only if that is not done yet. Parameters of the
    template that are given have those values, others their defaults here."""
    with stage(f"start {cloud.name}"):
        cloud.start()
    parameters = {
        "Architecture": architecture,
        "Issuers": operator_program.issuers(),
        "LoopbackIssuers": "true",  # tests have providers on this machine
        "OriginVerify": "true",  # tests stand for the CDN
        "DeletionProtection": "false",
        **({} if cloud.endpoint_url is None else {"PublicUrl": clients.emulated_public_url(cloud.endpoint_url)}),
        **given,
    }
    fingerprint = _fingerprint(cloud, name, parameters)
    environment = _environment(cloud)
    session = _session(cloud)
    before = stackfile.read_if_there()
    if before is not None and before["fingerprint"] == fingerprint and (clouds.running() or _status(session, name) in USABLE):
        say("    deployed already, nothing has changed")
        return Stack(**before)

    paths.STACK_FILE.unlink(missing_ok=True)
    if cloud.endpoint_url is None:
        target = account.of_caller(cloud.region)
        deployment.preflight(target, name, parameters)
        deployment.prepare(target, name)
    else:
        _delete_if_failed(session, name)
    with stage("deploy (sam)"):
        for step in deployment.steps(session, name, parameters):
            sam.deploy(name, cloud.region, step, environment, paths.STATE / "logs" / "deploy.log")
    with stage("after the deploy"):
        cloud.after_deploy(name)
    outputs = _outputs(session, name)
    deployed = Stack(
        cloud=cloud.name,
        endpoint_url=cloud.endpoint_url,
        region=cloud.region,
        stack=name,
        api_url=cloud.api_url(outputs),
        issuer_key=str(paths.ISSUER_KEY),
        outputs=outputs,
        fingerprint=fingerprint,
        lacks=cloud.lacks if "Analytics" in outputs else {**cloud.lacks, **NO_ANALYTICS},
        calls_at_once=cloud.calls_at_once,
    )
    stackfile.write(vars(deployed))
    return deployed


def _environment(cloud: clouds.Cloud) -> dict[str, str]:
    """The caller's environment without their AWS settings; HOME inside the checkout, where SAM writes a file."""
    home = paths.STATE / "home"
    home.mkdir(parents=True, exist_ok=True)
    own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**own, "HOME": str(home), **clients.environment(cloud.name, cloud.endpoint_url)}


def _session(cloud: clouds.Cloud) -> boto3.Session:
    """Clients of this process go to the cloud from here on."""
    variables = clients.environment(cloud.name, cloud.endpoint_url)
    for key in [key for key in os.environ if key.startswith("AWS_")]:
        del os.environ[key]
    os.environ |= variables
    return boto3.Session(region_name=cloud.region)


def _outputs(session: boto3.Session, name: str) -> dict[str, str]:
    stack = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}
    with_id = {name: outputs[name].replace("{ApiId}", outputs["PagesId"]) for name in ("PagesUrl", "SignInUrl")}
    return {**outputs, **with_id}


def _status(session: boto3.Session, name: str) -> str | None:
    """None where there is no such stack."""
    try:
        return session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except botocore.exceptions.ClientError:
        return None


def _delete_if_failed(session: boto3.Session, name: str) -> None:
    """A stack whose first deploy failed takes no second one. For emulators only: it deletes whatever can't be used."""
    status = _status(session, name)
    if status is not None and status not in USABLE:
        client = session.client("cloudformation")
        with stage(f"delete the stack that an earlier deploy left in {status}"):
            client.delete_stack(StackName=name)
            client.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def _fingerprint(cloud: clouds.Cloud, name: str, parameters: Mapping[str, str]) -> str:
    """Of all that a deploy depends on, and of the cloud's process: a new one knows nothing of the old one's stacks."""
    about = (cloud.name, cloud.lacks, cloud.calls_at_once, clouds.running(), name, sorted(parameters.items()))
    digest = hashlib.sha256(repr(about).encode())
    for file in _inputs(cloud):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _inputs(cloud: clouds.Cloud) -> Iterator[Path]:
    yield paths.TEMPLATE
    yield paths.OPENAPI
    yield paths.PAGES
    yield from sorted((paths.LOCAL / cloud.name).rglob("*.py"))
    for function in build.functions():
        yield build.LAMBDA / function / "bootstrap"
