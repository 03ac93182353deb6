"""Asserts on infra/analytics.yaml what no cloud on this machine shows.

    python infra/check/analytics.py infra/analytics.yaml

Runs in the SAM CLI's virtual environment, offline. One line a rule; a rule that is broken names what breaks it, and the exit
status is 1.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rules import report
from samtranslator.yaml_helper import yaml_parse

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
PREFIX = "Analytics"
"""How the API stack's parameters for analytics begin."""
OF_THE_OPERATOR = {"AnalyticsCa"}
"""Parameters that no output gives: AWS publishes its certificates."""
PARAMETERS = {
    "AnalyticsWriteUrl",
    "AnalyticsReadUrl",
    "AnalyticsWriteSecret",
    "AnalyticsReadSecret",
    "AnalyticsSubnets",
    "AnalyticsSecurityGroups",
}
CALLED = {"dynamodb": "Gateway", "s3": "Gateway", "sqs": "Interface", "secretsmanager": "Interface"}
"""Services that functions, and who migrates, call from these subnets, and the kind of endpoint that each has."""


@dataclass
class Analytics:
    """The template, and that of the API's stack."""

    template: Json
    api: Json

    def of_type(self, kind: str) -> dict[str, Json]:
        return {name: it for name, it in self.template["Resources"].items() if it["Type"] == kind}

    def properties(self, kind: str) -> dict[str, Json]:
        return {name: it["Properties"] for name, it in self.of_type(kind).items()}


def outputs_are_the_parameters_of_the_api(analytics: Analytics) -> Iterator[str]:
    outputs = {name for name in analytics.template["Outputs"] if name.startswith(PREFIX)}
    asked = {name for name in analytics.api["Parameters"] if name.startswith(PREFIX)} - OF_THE_OPERATOR
    yield from (outputs ^ PARAMETERS) | (asked - outputs)


def no_output_shows_a_password(analytics: Analytics) -> Iterator[str]:
    yield from (name for name, it in analytics.template["Outputs"].items() if "resolve:secretsmanager" in str(it))


def nothing_leads_to_or_from_the_internet(analytics: Analytics) -> Iterator[str]:
    for kind in ("InternetGateway", "NatGateway", "EIP", "Route", "VPCGatewayAttachment"):
        yield from analytics.of_type(f"AWS::EC2::{kind}")
    yield from (n for n, it in analytics.properties("AWS::EC2::Subnet").items() if it["MapPublicIpOnLaunch"] is not False)
    yield from (n for n, it in analytics.properties("AWS::RDS::DBInstance").items() if it["PubliclyAccessible"] is not False)


def only_the_functions_reach_anything(analytics: Analytics) -> Iterator[str]:
    for name, group in analytics.properties("AWS::EC2::SecurityGroup").items():
        for way in group.get("SecurityGroupIngress", []):
            if way.get("SourceSecurityGroupId") != {"Ref": "FunctionsGroup"}:
                yield name
    yield from analytics.of_type("AWS::EC2::SecurityGroupIngress")


def functions_have_an_endpoint_for_each_service_that_they_call(analytics: Analytics) -> Iterator[str]:
    found = {}
    for endpoint in analytics.properties("AWS::EC2::VPCEndpoint").values():
        found[endpoint["ServiceName"]["Fn::Sub"].rpartition(".")[2]] = endpoint["VpcEndpointType"]
        if endpoint["VpcEndpointType"] == "Interface" and endpoint.get("PrivateDnsEnabled") is not True:
            yield f"{endpoint['ServiceName']}: by its usual name"
    yield from (service for service, kind in CALLED.items() if found.get(service) != kind)


def connections_are_encrypted_and_so_is_the_disk(analytics: Analytics) -> Iterator[str]:
    for name, group in analytics.properties("AWS::RDS::DBClusterParameterGroup").items():
        if group["Parameters"].get("rds.force_ssl") != "1":
            yield name
    yield from (n for n, it in analytics.properties("AWS::RDS::DBCluster").items() if it.get("StorageEncrypted") is not True)


def the_cluster_outlives_mistakes(analytics: Analytics) -> Iterator[str]:
    for name, cluster in analytics.of_type("AWS::RDS::DBCluster").items():
        kept = {cluster.get("DeletionPolicy"), cluster.get("UpdateReplacePolicy")} == {"Snapshot"}
        protected = cluster["Properties"].get("DeletionProtection") == {"Ref": "DeletionProtection"}
        if not (kept and protected and cluster["Properties"].get("BackupRetentionPeriod", 1) >= 7):
            yield name


def there_are_a_writer_and_a_reader_in_two_zones(analytics: Analytics) -> Iterator[str]:
    if len(analytics.of_type("AWS::RDS::DBInstance")) < 2:
        yield "one server"
    zones = [str(it["AvailabilityZone"]) for it in analytics.properties("AWS::EC2::Subnet").values()]
    if len(set(zones)) < 2:
        yield "one zone"


def nobody_chooses_a_password(analytics: Analytics) -> Iterator[str]:
    for name, secret in analytics.properties("AWS::SecretsManager::Secret").items():
        if "SecretString" in secret or secret["GenerateSecretString"].get("PasswordLength", 0) < 32:
            yield name
    for name, cluster in analytics.properties("AWS::RDS::DBCluster").items():
        if "MasterUserPassword" in cluster or cluster.get("ManageMasterUserPassword") is not True:
            yield name


RULES: list[Callable[[Analytics], Iterator[str]]] = [
    rule
    for rule in list(globals().values())
    if getattr(rule, "__annotations__", {}) == {"analytics": Analytics, "return": Iterator[str]}
]
"""Every function above that takes the template and yields offenders."""


def read(path: Path) -> Analytics:
    return Analytics(yaml_parse(path.read_text()), yaml_parse((ROOT / "template.yaml").read_text()))


if __name__ == "__main__":
    sys.exit(report(RULES, read(Path(sys.argv[1]))))
