"""A stack's functions: their versions, and which of them the alias leads calls to."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3

from landslide_local.stages import Failure, stage

ALIAS = "live"
"""AutoPublishAlias of the template."""
NONE = "none"
"""Default of the template's parameters Release and ReleaseBefore."""
LOOK_SECONDS = 2
MAPPING_SECONDS_MAX = 180


class Functions:
    """A stack's functions, by the names of their folders."""

    def __init__(self, session: boto3.Session, stack: str) -> None:
        self._stack = stack
        self._lambda = session.client("lambda")
        pages = session.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        names = [
            resource["PhysicalResourceId"] for resource in resources if resource["ResourceType"] == "AWS::Lambda::Function"
        ]
        self.folders = {name.removeprefix(f"{stack}-") for name in names}

    def live(self, folder: str) -> str:
        """The version that calls get."""
        return self._lambda.get_alias(FunctionName=self._name(folder), Name=ALIAS)["FunctionVersion"]

    def release_of(self, folder: str) -> str:
        """The release of the version that calls get."""
        return _release(self._configuration(folder, self.live(folder))) or NONE

    def variables(self, folder: str, version: str) -> dict[str, str]:
        """A version's environment, without what Lambda adds to it."""
        return self._configuration(folder, version).get("Environment", {}).get("Variables", {})

    def releases(self, folder: str) -> list[str]:
        """All that a function has versions of, oldest first, each with the time of its deploy."""
        versions = {_release(version): version for version in reversed(self._versions(folder))}
        return [f"{release} ({version['LastModified'][:16]})" for release, version in reversed(versions.items())]

    def versions_of(self, release: str) -> dict[str, str]:
        """The newest version of a release of each function that has one: a restart publishes a further one."""
        found = {folder: self.version_of(folder, release) for folder in sorted(self.folders)}
        return {folder: version for folder, version in found.items() if version is not None}

    def version_of(self, folder: str, release: str) -> str | None:
        """The newest version of a release of one function."""
        numbers = [version["Version"] for version in self._versions(folder) if _release(version) == release]
        return numbers[-1] if numbers else None

    def publish(self, folder: str) -> None:
        """Makes a function's present code and settings live."""
        self.point(folder, self._lambda.publish_version(FunctionName=self._name(folder))["Version"])

    def point(self, folder: str, version: str) -> None:
        """Points the alias to one version, for all calls."""
        no_other: dict[str, float] = {}
        routing = {"AdditionalVersionWeights": no_other}
        self._lambda.update_alias(FunctionName=self._name(folder), Name=ALIAS, FunctionVersion=version, RoutingConfig=routing)

    @contextmanager
    def paused(self, folder: str) -> Iterator[None]:
        """Gives a function nothing of its event source meanwhile, and lets what it has begun end."""
        name = f"{self._name(folder)}:{ALIAS}"
        mapping = self._lambda.list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]["UUID"]
        try:
            with stage(f"{folder} pauses, and ends what it has begun"):
                self._enable(mapping, False)
                time.sleep(self._lambda.get_function_configuration(FunctionName=self._name(folder))["Timeout"])
            yield
        finally:
            self._enable(mapping, True)

    def _configuration(self, folder: str, version: str) -> Any:
        return self._lambda.get_function_configuration(FunctionName=self._name(folder), Qualifier=version)

    def _enable(self, mapping: str, on: bool) -> None:
        wanted = "Enabled" if on else "Disabled"
        self._lambda.update_event_source_mapping(UUID=mapping, Enabled=on)
        for _ in range(MAPPING_SECONDS_MAX // LOOK_SECONDS):
            if self._lambda.get_event_source_mapping(UUID=mapping)["State"] == wanted:
                return
            time.sleep(LOOK_SECONDS)
        raise Failure(f"The event source mapping {mapping} did not become {wanted} in {MAPPING_SECONDS_MAX} s: set it by hand.")

    def _versions(self, folder: str) -> list[Any]:
        """All but the one that is not published, oldest first."""
        pages = self._lambda.get_paginator("list_versions_by_function").paginate(FunctionName=self._name(folder))
        published = [version for page in pages for version in page["Versions"] if version["Version"] != "$LATEST"]
        return sorted(published, key=lambda version: int(version["Version"]))

    def _name(self, folder: str) -> str:
        return f"{self._stack}-{folder}"


def _release(version: Mapping[str, Any]) -> str:
    """The first word of a version's description; a restart adds others."""
    return version.get("Description", "").partition(" ")[0]
