"""Runs the tools of tests/load on the stack; the load tool with the calls of the functions that count led through its meter."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from landslide_local import build, clients, operator_program
from landslide_local.functions import Functions
from landslide_local.stages import Failure

METERED = ("relay-votes", "tally-votes")


def run(deployed: dict[str, Any], arguments: list[str]) -> None:
    """Fails where the tool does: a count that is not what was acknowledged, or a stack that can't be used."""
    environment = {**os.environ, **operator_program.environment(deployed)}
    command = [str(build.load_tool()), "--url", deployed["api_url"], "--key", deployed["issuer_key"], *arguments]
    if deployed["endpoint_url"] is None:  # AWS's functions don't reach this machine
        done = subprocess.run(command, env=environment, check=False)
    else:
        meter = f"127.0.0.1:{_free_port()}"
        with _led_to(deployed, f"http://{meter}"):
            done = subprocess.run([*command, "--meter", meter], env=environment, check=False)
    if done.returncode != 0:
        raise Failure("the load failed; what it says is above")


def run_noisy(deployed: dict[str, Any], arguments: list[str]) -> None:
    """Compares voters' times with and without another tenant's storm. Fails where a vote is refused or not counted."""
    command = [str(build.noisy_tool()), "--url", deployed["api_url"], "--key", deployed["issuer_key"], *arguments]
    if subprocess.run(command, check=False).returncode != 0:
        raise Failure("not as it has to be; what it says is above")


@contextmanager
def _led_to(deployed: dict[str, Any], endpoint_url: str) -> Iterator[None]:
    """The metered functions find AWS at that address, while this lasts."""
    os.environ |= clients.environment(deployed["cloud"], deployed["endpoint_url"])
    session = boto3.Session(region_name=deployed["region"])
    functions, client = Functions(session, deployed["stack"]), session.client("lambda")
    names = {folder: f"{deployed['stack']}-{folder}" for folder in METERED}
    live = {folder: functions.live(folder) for folder in METERED}
    before = {name: client.get_function_configuration(FunctionName=name)["Environment"]["Variables"] for name in names.values()}
    try:
        for folder, name in names.items():
            _set_variables(client, name, before[name] | {"AWS_ENDPOINT_URL": endpoint_url})
            functions.publish(folder)
        yield
    finally:
        for folder, name in names.items():
            functions.point(folder, live[folder])
            _set_variables(client, name, before[name])


def _set_variables(client: Any, name: str, variables: dict[str, str]) -> None:
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    client.get_waiter("function_updated").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
