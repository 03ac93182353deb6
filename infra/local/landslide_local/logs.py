"""Shows a function's lines from CloudWatch Logs, of the local cloud that runs, else of AWS."""

import os
import time

import boto3
import botocore.exceptions

from landslide_local import account, clients, stackfile
from landslide_local.stages import Failure

SECONDS_PER_MINUTE = 60
LINES_MAX = 2_000


def show(stack: str, function: str, minutes: int, pattern: str) -> None:
    """Prints the newest lines, oldest first."""
    deployed = stackfile.read_if_there()
    if deployed is not None:
        stack = deployed["stack"]
        os.environ |= clients.environment(deployed["cloud"], deployed["endpoint_url"])
    region = deployed["region"] if deployed is not None else account.region()
    group = f"/aws/lambda/{stack}-{function}"
    since = int((time.time() - minutes * SECONDS_PER_MINUTE) * 1000)
    pages = boto3.client("logs", region_name=region).get_paginator("filter_log_events")
    try:
        found = pages.paginate(logGroupName=group, startTime=since, **({"filterPattern": pattern} if pattern else {}))
        events = [event for page in found for event in page["events"]]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise Failure(f"{error}\nNo lines of {group}. FN is a folder of functions/, as in: make logs FN=cast-vote") from error
    events.sort(key=lambda event: event["timestamp"])
    for event in events[-LINES_MAX:]:
        moment = time.strftime("%H:%M:%S", time.localtime(event["timestamp"] / 1000))
        print(f"{moment} {event['message'].rstrip()}")
