"""Shows that each rule of analytics.py can fail: spoils the template in one way, and expects that rule to say so.

Run as `python infra/check/test_analytics.py infra/analytics.yaml`.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import analytics as check
from rules import Rule, in_copies, report_spoils, set_value

Spoil = Callable[[check.Analytics], None]


def set_at(path: str, value: Any) -> Spoil:
    """Spoils one value of a resource's; `None` takes it away."""

    def edit(analytics: check.Analytics) -> None:
        set_value(analytics.template["Resources"], path.split("/"), value)

    return edit


def output(name: str, value: Any) -> Spoil:
    def edit(analytics: check.Analytics) -> None:
        set_value(analytics.template["Outputs"], [name], value)

    return edit


def unknown_parameter(analytics: check.Analytics) -> None:
    analytics.api["Parameters"]["AnalyticsPort"] = {"Type": "Number"}


def resource(kind: str) -> Spoil:
    return set_at("Further", {"Type": kind, "Properties": {}})


CLUSTER = "Cluster/Properties"
SPOILS: dict[Rule, list[Spoil]] = {
    check.outputs_are_the_parameters_of_the_api: [
        output("AnalyticsReadUrl", None),
        output("AnalyticsPort", {"Value": "5432"}),
        unknown_parameter,
    ],
    check.no_output_shows_a_password: [output("Password", {"Value": "{{resolve:secretsmanager:a}}"})],
    check.nothing_leads_to_or_from_the_internet: [
        resource("AWS::EC2::NatGateway"),
        resource("AWS::EC2::InternetGateway"),
        set_at("FirstSubnet/Properties/MapPublicIpOnLaunch", True),
        set_at("Reader/Properties/PubliclyAccessible", True),
    ],
    check.only_the_functions_reach_anything: [
        set_at("DatabaseGroup/Properties/SecurityGroupIngress/0/SourceSecurityGroupId", {"Ref": "EndpointsGroup"}),
        set_at("DatabaseGroup/Properties/SecurityGroupIngress/0", {"IpProtocol": "tcp", "CidrIp": "0.0.0.0/0"}),
        resource("AWS::EC2::SecurityGroupIngress"),
    ],
    check.functions_have_an_endpoint_for_each_service_that_they_call: [
        set_at("SqsEndpoint", None),
        set_at("DynamoDbEndpoint/Properties/VpcEndpointType", "Interface"),
        set_at("SecretsManagerEndpoint/Properties/PrivateDnsEnabled", False),
    ],
    check.connections_are_encrypted_and_so_is_the_disk: [
        set_at("ClusterParameters/Properties/Parameters/rds.force_ssl", "0"),
        set_at(f"{CLUSTER}/StorageEncrypted", None),
    ],
    check.the_cluster_outlives_mistakes: [
        set_at("Cluster/DeletionPolicy", "Delete"),
        set_at(f"{CLUSTER}/DeletionProtection", False),
        set_at(f"{CLUSTER}/BackupRetentionPeriod", 1),
    ],
    check.there_are_a_writer_and_a_reader_in_two_zones: [
        set_at("Reader", None),
        set_at("SecondSubnet/Properties/AvailabilityZone", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}),
    ],
    check.nobody_chooses_a_password: [
        set_at("ReadSecret/Properties/SecretString", "hush"),
        set_at("WriteSecret/Properties/GenerateSecretString/PasswordLength", 8),
        set_at(f"{CLUSTER}/MasterUserPassword", "hush"),
        set_at(f"{CLUSTER}/ManageMasterUserPassword", None),
    ],
}


if __name__ == "__main__":
    sys.exit(report_spoils(check.RULES, SPOILS, in_copies(check.read(Path(sys.argv[1])))))
