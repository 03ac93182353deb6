"""Turns on what MiniStack's CloudFormation leaves off on a table: time to live, point-in-time recovery."""

from collections.abc import Iterable
from typing import Any

Json = Any


def complete(client: Json, tables: Iterable[tuple[str, Json]]) -> int:
    """Takes each table's name and its properties in the template. Returns how many settings it had to change."""
    changes = 0
    for name, properties in tables:
        wanted = properties.get("TimeToLiveSpecification")
        if wanted and client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"] != "ENABLED":
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=wanted)
            changes += 1
        recovery = properties.get("PointInTimeRecoverySpecification")
        if recovery and not _is_recoverable(client, name):
            client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
            changes += 1
    return changes


def _is_recoverable(client: Json, name: str) -> bool:
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
