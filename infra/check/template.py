"""Asserts on template.yaml and infra/openapi.yaml what no local cloud shows.

    python infra/check/template.py template.yaml

Runs in the SAM CLI's virtual environment, offline: SAM's own translator turns the template into plain CloudFormation, and
each rule below looks at the result. One line a rule; a rule that is broken names what breaks it, and the exit status is 1.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from boto3.session import Session
from rules import not_includable, report, tls_unlike_the_parameter
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

Json = dict[str, Any]

PAGES = Path(__file__).parents[1] / "pages.yaml"
"""The document of the pages' API, which pages.py checks."""

CHALLENGES = {
    "UNAUTHORIZED": "'Bearer'",  # no token
    "ACCESS_DENIED": "'Bearer error=\"invalid_token\", error_description=\"The token is not valid for this call.\"'",
}
"""What a 401 of the gateway asks for (RFC 6750, section 3)."""

OF_MEMBERS = {"TENANTS_TABLE", "LIMITS"}
"""What counts a tenant's requests needs."""
COUNTS = {"GetItem", "UpdateItem"}
"""What it may do with Tenants."""
CHANGES = {"Query", "UpdateItem", "PutItem"}
"""What changes a poll. The releases that a rollback brings back put whole items."""
ENVIRONMENT = {
    "CreatePoll": {"POLLS_TABLE", "POLL_ID_SECRET", "MIN_LANES", "BALLOT_KINDS", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "ListPolls": {"POLLS_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "GetPoll": {"POLLS_TABLE", "ALLOWED_ORIGIN"},
    "UpdatePoll": {"POLLS_TABLE", "BALLOT_KINDS", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "ClosePoll": {"POLLS_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "PausePoll": {"POLLS_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "CopyPoll": {"POLLS_TABLE", "POLL_ID_SECRET", "MIN_LANES", "BALLOT_KINDS", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "TransferPoll": {"POLLS_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "HideAnswers": {"POLLS_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "GetHiddenAnswers": {"POLLS_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "RegisterDevice": {"DEVICE_SECRET", "ALLOWED_ORIGIN"},
    "CastVote": {"POLLS_TABLE", "VOTES_TABLE", "ORIGIN_VERIFY_SECRET", "ALLOWED_ORIGIN"},
    "GetVote": {"POLLS_TABLE", "VOTES_TABLE", "ALLOWED_ORIGIN"},
    "RetractVote": {"POLLS_TABLE", "VOTES_TABLE", "ALLOWED_ORIGIN"},
    "GetResults": {
        *("POLLS_TABLE", "VOTES_TABLE", "TALLIES_TABLE", "ASSEMBLY_QUEUE_URL", "ALLOWED_ORIGIN"),
        *("CACHE_URL", "CACHE_USER", "CACHE_NAME", "CACHE_PASSWORD"),
    },
    "GetSegments": {"POLLS_TABLE", "VOTES_TABLE", "TALLIES_TABLE", "ASSEMBLY_QUEUE_URL", "ALLOWED_ORIGIN"},
    "GetSeries": {"POLLS_TABLE", "VOTES_TABLE", "TALLIES_TABLE", "ASSEMBLY_QUEUE_URL", "ALLOWED_ORIGIN"},
    "ShowPoll": {
        *("POLLS_TABLE", "VOTES_TABLE", "TALLIES_TABLE", "ASSEMBLY_QUEUE_URL"),
        *("TENANTS_TABLE", "KEY_SECRET", "DEVICE_SECRET", "ORIGIN_VERIFY_SECRET", "PUBLIC_URL", "PAGES_API_ID"),
        *("PAGE_SECRET", "ISSUERS"),
    },
    "SignIn": {
        *("PAGE_SECRET", "CLIENT_SECRETS", "KEY_SETS_SECRET", "ISSUERS", "LOOPBACK_ISSUERS"),
        *("PUBLIC_URL", "PAGES_API_ID"),
    },
    "AssembleResults": {"POLLS_TABLE", "TALLIES_TABLE"},
    "CreateView": {"POLLS_TABLE", "AUDIT_TABLE", "KEY_SECRET", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "ListViews": {"POLLS_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "DeleteView": {"POLLS_TABLE", "AUDIT_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "CreateKey": {"AUDIT_TABLE", "KEY_SECRET", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "ListKeys": {"ALLOWED_ORIGIN", *OF_MEMBERS},
    "ListAudit": {"AUDIT_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "DeleteKey": {"AUDIT_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "GetUsage": {"POLLS_TABLE", "TALLIES_TABLE", "ALLOWED_ORIGIN", *OF_MEMBERS},
    "Graphql": {
        *("POLLS_TABLE", "VOTES_TABLE", "TALLIES_TABLE", "ASSEMBLY_QUEUE_URL", "ALLOWED_ORIGIN"),
        *("POLL_ID_SECRET", "MIN_LANES", "BALLOT_KINDS"),
        *("ANALYTICS", "ANALYTICS_READ_URL", "ANALYTICS_READ_SECRET", "ANALYTICS_CA"),
        *OF_MEMBERS,
    },
    "Authorizer": {"DEVICE_SECRET", "KEY_SETS_SECRET", "ISSUERS", "LOOPBACK_ISSUERS"},
    "AuthorizerOwners": {
        *("DEVICE_SECRET", "KEY_SETS_SECRET", "ISSUERS", "LOOPBACK_ISSUERS"),
        *("KEY_SECRET", "TENANTS_TABLE"),
    },
    "RefreshKeys": {"KEY_SETS_SECRET", "ISSUERS", "LOOPBACK_ISSUERS"},
    "Tick": {"POLLS_TABLE", "JOBS_TABLE", "FINALISE_QUEUE_URL"},
    "FinalisePoll": {"POLLS_TABLE", "VOTES_TABLE", "TALLIES_TABLE", "JOBS_TABLE", "FINALISE_QUEUE_URL"},
    "TallyVotes": {"POLLS_TABLE", "TALLIES_TABLE", "TALLY_QUEUE_URL", "TALLY_DLQ_URL"},
    "RelayVotes": {"TALLY_QUEUE_URL", "RELAY_DLQ_URL"},
    "RelayChanges": {"AUDIT_TABLE", "RELAY_DLQ_URL", "MARKS_TABLE"},
    "AnnounceChanges": {"JOBS_TABLE"},
    "SyncAnalytics": {
        *("POLLS_TABLE", "TALLIES_TABLE", "JOBS_TABLE"),
        *("ANALYTICS_WRITE_URL", "ANALYTICS_WRITE_SECRET", "ANALYTICS_CA"),
    },
    "GetAnalytics": {
        *("ANALYTICS", "ANALYTICS_READ_URL", "ANALYTICS_READ_SECRET", "ANALYTICS_CA"),
        *("ALLOWED_ORIGIN", *OF_MEMBERS),
    },
}
TABLE_ACTIONS = {
    "CreatePoll": {"Polls": {"Query", "PutItem"}, "${Polls.Arn}/index/by-closing": {"Query"}, "Tenants": COUNTS},
    "ListPolls": {"${Polls.Arn}/index/by-owner": {"Query"}, "Polls": {"BatchGetItem"}, "Tenants": COUNTS},
    "GetPoll": {"Polls": {"Query"}},
    "UpdatePoll": {"Polls": CHANGES, "Tenants": COUNTS},
    "ClosePoll": {"Polls": CHANGES, "Tenants": COUNTS},
    "PausePoll": {"Polls": CHANGES, "Tenants": COUNTS},
    "CopyPoll": {"Polls": {"Query", "PutItem"}, "${Polls.Arn}/index/by-closing": {"Query"}, "Tenants": COUNTS},
    "TransferPoll": {"Polls": CHANGES, "Tenants": COUNTS},
    "HideAnswers": {"Polls": {"Query", "UpdateItem"}, "Tenants": COUNTS},
    "GetHiddenAnswers": {"Polls": {"Query"}, "Tenants": COUNTS},
    "CastVote": {"Polls": {"GetItem"}, "Votes": {"GetItem", "PutItem"}},
    "GetVote": {"Polls": {"GetItem"}, "Votes": {"GetItem"}},
    "RetractVote": {"Polls": {"GetItem"}, "Votes": {"GetItem", "PutItem"}},
    "GetResults": {"Polls": {"BatchGetItem"}, "Tallies": {"BatchGetItem", "UpdateItem"}, "Votes": {"GetItem"}},
    "GetSegments": {"Polls": {"BatchGetItem"}, "Tallies": {"BatchGetItem", "UpdateItem"}, "Votes": {"GetItem"}},
    "GetSeries": {"Polls": {"BatchGetItem"}, "Tallies": {"BatchGetItem", "UpdateItem"}, "Votes": {"GetItem"}},
    "ShowPoll": {
        "Polls": {"GetItem", "Query", "BatchGetItem"},
        "Tallies": {"BatchGetItem", "UpdateItem"},
        "Votes": {"GetItem", "PutItem"},
        "Tenants": {"GetItem"},
    },
    "AssembleResults": {"Polls": {"BatchGetItem"}, "Tallies": {"BatchGetItem", "GetItem", "PutItem"}},
    "CreateView": {"Polls": {"GetItem"}, "Tenants": {*COUNTS, "Query", "PutItem"}, "Audit": {"Query", "PutItem"}},
    "ListViews": {"Polls": {"GetItem"}, "Tenants": {*COUNTS, "Query"}},
    "DeleteView": {"Polls": {"GetItem"}, "Tenants": {*COUNTS, "DeleteItem"}, "Audit": {"Query", "PutItem"}},
    "CreateKey": {"Tenants": {*COUNTS, "Query", "PutItem"}, "Audit": {"Query", "PutItem"}},
    "ListKeys": {"Tenants": {*COUNTS, "Query"}},
    "ListAudit": {"Audit": {"Query"}, "Tenants": COUNTS},
    "DeleteKey": {"Tenants": {*COUNTS, "DeleteItem"}, "Audit": {"Query", "PutItem"}},
    "GetUsage": {
        "${Polls.Arn}/index/by-owner": {"Query"},
        "Polls": {"BatchGetItem"},
        "Tallies": {"BatchGetItem"},
        "Tenants": {*COUNTS, "Query"},
    },
    "Graphql": {
        "${Polls.Arn}/index/by-owner": {"Query"},
        "${Polls.Arn}/index/by-closing": {"Query"},
        "Polls": {"Query", "BatchGetItem", "PutItem", "UpdateItem"},
        "Tallies": {"BatchGetItem", "UpdateItem"},
        "Votes": {"GetItem"},
        "Tenants": {*COUNTS, "Query"},
    },
    "AuthorizerOwners": {"Tenants": {"GetItem", "UpdateItem"}},
    "Tick": {"${Polls.Arn}/index/by-due": {"Query"}, "Jobs": {"GetItem", "UpdateItem"}},
    "FinalisePoll": {
        "Polls": {"GetItem", "UpdateItem"},
        "Votes": {"Query"},
        "Tallies": {"GetItem", "Query", "PutItem", "DeleteItem"},
        "Jobs": {"GetItem", "UpdateItem", "PutItem"},
    },
    "TallyVotes": {"Tallies": {"GetItem", "Query", "PutItem", "DeleteItem"}, "Polls": {"UpdateItem"}},
    "RelayVotes": {"Votes.StreamArn": {"GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"}},
    "RelayChanges": {
        "Polls.StreamArn": {"GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"},
        "Audit": {"Query", "PutItem"},
        "Jobs": {"PutItem"},  # of a stack with analytics
    },
    "AnnounceChanges": {
        "Tallies.StreamArn": {"GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"},
        "Jobs": {"PutItem"},
    },
    "SyncAnalytics": {
        "Polls": {"BatchGetItem"},
        "Tallies": {"BatchGetItem", "GetItem"},
        "${Polls.Arn}/index/by-owner": {"Scan"},
        "Jobs": {"Query", "GetItem", "PutItem", "DeleteItem"},
    },
    "GetAnalytics": {"Tenants": COUNTS},
}
"""What each role may do with tables, and no more."""
SECRETS_OF_POLLS = ["salt", "lot_seed"]
"""What never leaves the tables and the functions that need it."""
WITHOUT_SECRETS = {
    "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
    "ForAllValues:StringNotEquals": {"dynamodb:Attributes": SECRETS_OF_POLLS},
}
"""The condition under which list-polls reads polls."""
ASSEMBLED_ONLY = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*#results"]}}
"""The condition under which functions that only read counts write into their table."""
VIEW_LINKS_ONLY = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["view#*"]}}
"""The condition under which the page reads the table of tenants."""
AUDIT_ACTIONS = {"dynamodb:Query", "dynamodb:PutItem"}
"""All that any role may do with the audit log."""
SECRET_ACTIONS = {
    "CreatePoll": {"PollIdSecret": {"GetSecretValue"}},
    "CopyPoll": {"PollIdSecret": {"GetSecretValue"}},
    "Graphql": {"PollIdSecret": {"GetSecretValue"}, "AnalyticsReadSecret": {"GetSecretValue"}},
    "RegisterDevice": {"DeviceSecret": {"GetSecretValue"}},
    "CastVote": {"OriginVerifySecret": {"GetSecretValue"}},
    "ShowPoll": {
        "DeviceSecret": {"GetSecretValue"},
        "KeySecret": {"GetSecretValue"},
        "PageSecret": {"GetSecretValue"},
        "OriginVerifySecret": {"GetSecretValue"},
    },
    "SignIn": {
        "PageSecret": {"GetSecretValue"},
        "ClientSecrets": {"GetSecretValue"},
        "KeySets": {"GetSecretValue"},
    },
    "Authorizer": {"DeviceSecret": {"GetSecretValue"}, "KeySets": {"GetSecretValue"}},
    "CreateView": {"KeySecret": {"GetSecretValue"}},
    "CreateKey": {"KeySecret": {"GetSecretValue"}},
    "AuthorizerOwners": {
        "DeviceSecret": {"GetSecretValue"},
        "KeySets": {"GetSecretValue"},
        "KeySecret": {"GetSecretValue"},
    },
    "RefreshKeys": {"KeySets": {"GetSecretValue", "PutSecretValue"}},
    "SyncAnalytics": {"AnalyticsWriteSecret": {"GetSecretValue"}},
    "GetAnalytics": {"AnalyticsReadSecret": {"GetSecretValue"}},
}
"""What each role may do with secrets, and no more."""
OUTPUTS = {
    *("PagesUrl", "PagesId", "SignInUrl"),
    *("ApiUrl", "ApiId", "PollsTable", "VotesTable", "TalliesTable", "TenantsTable", "AuditTable"),
    *("JobsTable", "FinaliseQueueUrl", "FinaliseDlqUrl"),
    *("Limits", "TallyQueueUrl", "TallyDlqUrl", "RelayDlqUrl", "AssemblyQueueUrl", "RelayFailuresBucket"),
    *("DeviceSecret", "OriginVerifySecret", "ClientSecrets"),
    *("Release", "ReleaseBefore", "Analytics"),
}
OF_A_STREAM = {
    *("FunctionName", "EventSourceArn", "Enabled", "BatchSize", "MaximumBatchingWindowInSeconds"),
    *("StartingPosition", "ParallelizationFactor", "TumblingWindowInSeconds", "BisectBatchOnFunctionError"),
    *("MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "DestinationConfig"),
}
MAPPING_SETTINGS = {
    "TallyVotesMapping": {
        *("FunctionName", "EventSourceArn", "Enabled", "BatchSize"),  # a FIFO queue knows no batching window
        *("FunctionResponseTypes", "ScalingConfig"),
    },
    "AssembleResultsMapping": {
        *("FunctionName", "EventSourceArn", "Enabled", "BatchSize", "MaximumBatchingWindowInSeconds"),
        "ScalingConfig",
    },
    "FinalisePollMapping": {
        *("FunctionName", "EventSourceArn", "Enabled", "BatchSize", "MaximumBatchingWindowInSeconds"),
        *("FunctionResponseTypes", "ScalingConfig"),
    },
    "RelayVotesMapping": OF_A_STREAM,
    "RelayChangesMapping": OF_A_STREAM,
    "AnnounceChangesMapping": OF_A_STREAM - {"DestinationConfig"} | {"FilterCriteria"},
}
ALARMS = {
    "RelayLateAlarm": {"AWS/Lambda IteratorAge"},
    "RelaySilentAlarm": {"AWS/DynamoDB SuccessfulRequestLatency", "AWS/Lambda Invocations"},
    "TallyLateAlarm": {"AWS/SQS ApproximateAgeOfOldestMessage"},
    "FinaliseDlqAlarm": {"AWS/SQS ApproximateNumberOfMessagesVisible"},
    "CountsOffAlarm": {"Landslide OffUnexplained"},
    "TickSilentAlarm": {"Landslide Minutes"},
    "TallyDlqAlarm": {"AWS/SQS ApproximateNumberOfMessagesVisible"},
    "RelayDlqAlarm": {"AWS/SQS ApproximateNumberOfMessagesVisible"},
    "FailuresBucketAlarm": {"AWS/S3 NumberOfObjects"},
    "ChangesLateAlarm": {"AWS/Lambda IteratorAge"},
    "ChangesErrorsAlarm": {"AWS/Lambda Errors"},
    "ChangesSilentAlarm": {"AWS/DynamoDB SuccessfulRequestLatency", "AWS/Lambda Invocations"},
    "ApiErrorsAlarm": {"AWS/ApiGateway 5XXError"},
    "PagesErrorsAlarm": {"AWS/ApiGateway 5XXError"},
    "LambdaThrottledAlarm": {"AWS/Lambda Throttles"},
    "AuthorizerErrorsAlarm": {"AWS/Lambda Errors"},
    "RefreshKeysErrorsAlarm": {"AWS/Lambda Errors"},
    "VotesThrottledAlarm": {"AWS/DynamoDB WriteThrottleEvents"},
    "TalliesThrottledAlarm": {"AWS/DynamoDB WriteThrottleEvents"},
    "AnalyticsLateAlarm": {"Landslide Behind"},
    "AnalyticsDriftedAlarm": {"Landslide Drifted"},
}
"""The metrics that each alarm looks at."""
GENERATED_KEYS = {"DeviceSecret", "PollIdSecret", "KeySecret", "PageSecret"}
"""Secrets whose first text CloudFormation draws. That of others is what a function or the operator puts there, and can be
made again."""
PROOF = "OriginVerifySecret"
"""The CDN's proof: a JSON object of two keys at most, of which CloudFormation draws the first."""
CANARY_ALARMS = {
    *("ApiErrorsAlarm", "AuthorizerErrorsAlarm"),
    *("RelayLateAlarm", "RelayDlqAlarm", "TallyLateAlarm", "TallyDlqAlarm"),
}
"""What a bad release rings within minutes. Throttles are no matter of code."""
OPTIONAL = {"AWS::WAFv2::WebACLAssociation": "HasWebAcl", "AWS::Budgets::Budget": "HasBudget", "AWS::SNS::Topic": "HasOwnTopic"}
"""Types that are made only where a parameter asks for them: no local cloud knows the first two."""
OF_ANALYTICS = ("AnnounceChanges", "SyncAnalytics", "AnalyticsLate", "AnalyticsDrifted")
"""How the names of resources begin that are made only where a parameter asks for analytics."""
ANALYTICS_URLS = ("AnalyticsWriteUrl", "AnalyticsReadUrl")
RESOURCES_MAX = 500
"""As many as CloudFormation takes in one stack. A function has seven: log group, role, function, version, alias, permission or
mapping, and with a canary its deployment group."""
WILDCARDS_ALLOWED = {
    "${RelayFailuresBucket.Arn}/aws/lambda/*",  # Lambda names the object when it fails
    # GetAtt of a log group's Arn ends in `:*` too; the_log_group_is_its_own sees to it that it is the function's.
}
IN_A_VPC = {
    "GetResults": "CacheInVpc",
    **dict.fromkeys(("GetAnalytics", "Graphql", "SyncAnalytics"), "AnalyticsInVpc"),
}
"""Functions that may run in a VPC, and the condition under which they do."""
NETWORK_INTERFACES = {
    "Effect": "Allow",
    "Action": [
        *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces"),
        *("ec2:DescribeSubnets", "ec2:DeleteNetworkInterface"),
    ],
    "Resource": "*",
}
"""What Lambda needs by a function's role to put it into a VPC. EC2 knows no resource for it."""
CODES = {
    400: {"invalid_request"},
    401: {"unauthorized"},
    403: {"forbidden", "results_hidden"},
    404: {"not_found"},
    409: {
        *("already_voted", "poll_not_open", "poll_paused", "poll_closed", "idempotency_conflict"),
        *("vote_change_not_allowed", "not_editable"),
        *("too_many_keys", "too_many_open_polls", "too_many_views"),
    },
    412: {"revision_mismatch"},
    413: {"body_too_large"},
    415: {"unsupported_media_type"},
    422: {"invalid_choice", "kind_not_taken"},
    428: {"precondition_required"},
    429: {"throttled", "limit_exceeded"},
    500: {"internal"},
    503: {"unavailable"},
}
"""Codes of problems by status, as in shared/edge/src/error.rs."""
GRAPHQL = {"/v1/graphql", "/v1/graphql/{query_id}"}
"""Paths of queries. One that may not run is 400 in GraphQL's form too."""
GATEWAY_RESPONSES = {
    "BAD_REQUEST_BODY": 400,
    "BAD_REQUEST_PARAMETERS": 400,
    "DEFAULT_4XX": 400,
    "ACCESS_DENIED": 401,  # the authorizer's Deny: the token is not valid for the call
    "UNAUTHORIZED": 401,
    "INVALID_API_KEY": 403,
    "WAF_FILTERED": 403,
    "EXPIRED_TOKEN": 404,  # of a signature, which no method of ours has: so the path is unknown, or the verb
    "INVALID_SIGNATURE": 404,
    "MISSING_AUTHENTICATION_TOKEN": 404,
    "RESOURCE_NOT_FOUND": 404,
    "REQUEST_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "QUOTA_EXCEEDED": 429,
    "THROTTLED": 429,
    "API_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_CONFIGURATION_ERROR": 503,
    "AUTHORIZER_FAILURE": 503,
    "DEFAULT_5XX": 503,
    "INTEGRATION_FAILURE": 503,
    "INTEGRATION_TIMEOUT": 503,
}


@dataclass
class Stack:
    """What is checked: the template as CloudFormation gets it, and the OpenAPI document as it is written."""

    template: Json
    api: Json
    api_text: str
    source: Json
    """The template as it is written."""

    @classmethod
    def translate(cls, source: Json, api: Json, api_text: str, parameters: dict[str, str] | None = None) -> "Stack":
        """Has SAM translate a template as it does when CloudFormation asks it to."""
        # By then the include is expanded, by CloudFormation, and the code uploaded, by `sam deploy`.
        template, api = deepcopy((source, api))
        template["Resources"]["Api"]["Properties"]["DefinitionBody"] = deepcopy(api)
        template["Resources"]["Pages"]["Properties"]["DefinitionBody"] = yaml.safe_load(PAGES.read_text())
        for resource in template["Resources"].values():
            if "CodeUri" in resource.get("Properties", {}):
                resource["Properties"]["CodeUri"] = "s3://bucket/" + resource["Properties"]["CodeUri"]
        logging.getLogger("samtranslator").setLevel(logging.CRITICAL)  # it speaks of its own feature flags
        translator = Translator({}, Parser(), boto_session=Session(region_name="us-east-1"))
        return cls(translator.translate(template, parameters or {}), api, api_text, source)

    def with_parameters(self, **parameters: str) -> "Stack":
        """The same, deployed with these parameters."""
        return Stack.translate(self.source, self.api, self.api_text, parameters)

    def of_type(self, kind: str) -> Iterator[tuple[str, Json]]:
        """Logical ids and properties of the resources of a type."""
        for name, resource in self.template["Resources"].items():
            if resource["Type"] == kind:
                yield name, resource.get("Properties", {})

    def operations(self) -> Iterator[tuple[str, str, Json]]:
        """Path, verb in lower case, operation."""
        for path, verbs in self.api["paths"].items():
            for verb, operation in verbs.items():
                yield path, verb, operation

    def described_operations(self) -> Iterator[tuple[str, str, Json]]:
        """All but HEAD, which refers its reader to GET."""
        return (operation for operation in self.operations() if operation[1] != "head")


def read(path: Path) -> tuple[Json, Json, str]:
    """The template, and the OpenAPI document that it includes, parsed and as text."""
    template = yaml_parse(path.read_text())
    include = template["Resources"]["Api"]["Properties"]["DefinitionBody"]["Fn::Transform"]["Parameters"]["Location"]
    api_text = (path.parent / include).read_text()
    return template, yaml.safe_load(api_text), api_text


def get_att(value: Any) -> str:
    """`Name.Attribute` of a GetAtt in either form, otherwise an empty text."""
    parts = value.get("Fn::GetAtt", "") if isinstance(value, dict) else ""
    return ".".join(parts) if isinstance(parts, list) else parts


def sub(value: Any) -> str:
    """Text of a Sub, otherwise an empty text."""
    return str(value.get("Fn::Sub", "")) if isinstance(value, dict) else ""


def ref(value: Any) -> str:
    """Name of a Ref, otherwise an empty text."""
    return str(value.get("Ref", "")) if isinstance(value, dict) else ""


def listed(value: Any) -> list[Any]:
    """IAM takes one or a list."""
    return value if isinstance(value, list) else [value]


def statements(role: Json) -> Iterator[Json]:
    """A role's statements, with those that a condition gives."""
    for policy in role.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def nulls(value: Any, place: str = "") -> Iterator[str]:
    """Where there is a null in a document."""
    if value is None:
        yield place
    elif isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nulls(part, f"{place}/{key}")


def rights_that_differ(stack: Stack, service: str, attribute: str, wanted: dict[str, dict[str, set[str]]]) -> Iterator[str]:
    """Actions of a service that a role has and should not, or should have and does not, by function and resource."""
    for name, _ in stack.of_type("AWS::Lambda::Function"):
        given: dict[str, set[str]] = {}
        for statement in statements(stack.template["Resources"][f"{name}Role"]["Properties"]):
            actions = {action.removeprefix(service) for action in listed(statement["Action"]) if service in action}
            for resource in listed(statement["Resource"]) if actions else []:
                named = get_att(resource).removesuffix(attribute) or sub(resource) or ref(resource)
                given[named] = given.get(named, set()) | actions
        needed = wanted.get(name, {})
        for named in sorted(given.keys() | needed.keys()):
            yield from (f"{name}: {action} on {named}" for action in sorted(given.get(named, set()) ^ needed.get(named, set())))


def function_of(uri: Any) -> str:
    """Logical id of the function whose alias a gateway's URI calls, otherwise an empty text."""
    match = re.search(r"functions/\$\{(\w+)\}/invocations$", sub(uri))
    return aliased({"Ref": match[1]}) if match else ""


def alias_of(function: str) -> str:
    """Logical id of a function's alias, as SAM makes it."""
    return f"{function}Aliaslive"


def aliased(reference: Any) -> str:
    """Logical id of the function whose alias a Ref means, otherwise an empty text."""
    name = str(reference.get("Ref", "")) if isinstance(reference, dict) else ""
    function = name.removesuffix(alias_of(""))
    return function if name == alias_of(function) else ""


# --- Rules: each yields what breaks it ---------------------------------------------------------------------------------


def the_gateway_may_call_what_it_integrates(stack: Stack) -> Iterator[str]:
    prefix = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/"
    wanted = set()
    for path, verb, operation in stack.operations():
        if function := function_of(operation.get("x-amazon-apigateway-integration", {}).get("uri")):
            method = "*" if verb in ("get", "head") else verb.upper()
            wanted.add((function, f"{prefix}prod/{method}{re.sub(r'{[^}]+}', '*', path)}"))
    for scheme in stack.api["components"]["securitySchemes"].values():
        wanted.add((function_of(scheme["x-amazon-apigateway-authorizer"]["authorizerUri"]), prefix + "authorizers/*"))
    pages = prefix.replace("${Api}", "${Pages}") + "prod/"
    wanted |= {("ShowPoll", pages + "*/p/*"), ("SignIn", pages + "GET/p/*/sign-in"), ("SignIn", pages + "GET/sign-in")}
    given = {
        (aliased(permission["FunctionName"]), sub(permission.get("SourceArn")))
        for _, permission in stack.of_type("AWS::Lambda::Permission")
        if permission["Principal"] == "apigateway.amazonaws.com" and permission["Action"] == "lambda:InvokeFunction"
    }
    yield from (f"missing: {function} for {source}" for function, source in sorted(wanted - given))
    yield from (f"not needed: {function} for {source}" for function, source in sorted(given - wanted))


def head_is_answered_as_get_is(stack: Stack) -> Iterator[str]:
    """A REST API has no HEAD of its own accord."""
    same = ("security", "parameters", "x-amazon-apigateway-integration")
    operations = {(path, verb): operation for path, verb, operation in stack.operations()}
    for path in (path for path, verb in operations if verb == "get"):
        get, head = operations[path, "get"], operations.get((path, "head"), {})
        yield from (f"{path}: {key}" for key in same if head.get(key) != get.get(key))
        for status in head.get("responses", {}).keys() | get["responses"].keys():
            answers = (operation.get("responses", {}).get(status, {}) for operation in (get, head))
            of_get, of_head = (answer.get("headers", {}).keys() for answer in answers)
            if of_get != of_head or not of_head:
                yield f"{path}: headers of {status}"


def everything_that_calls_a_function_names_its_alias(stack: Stack) -> Iterator[str]:
    functions = dict(stack.of_type("AWS::Lambda::Function"))
    for kind in ("AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"):
        yield from (name for name, caller in stack.of_type(kind) if aliased(caller["FunctionName"]) not in functions)
    for name, rule in stack.of_type("AWS::Events::Rule"):
        yield from (name for target in rule["Targets"] if aliased(target["Arn"]) not in functions)
    for path, verb, operation in stack.operations():
        integration = operation.get("x-amazon-apigateway-integration", {})
        if integration.get("type") != "mock" and function_of(integration.get("uri")) not in functions:
            yield f"{verb} {path}"
    for name, scheme in stack.api["components"]["securitySchemes"].items():
        if function_of(scheme["x-amazon-apigateway-authorizer"]["authorizerUri"]) not in functions:
            yield name


def a_release_publishes_every_function_and_keeps_the_former_version(stack: Stack) -> Iterator[str]:
    release = "6927c1f4"
    deployed = stack.with_parameters(Release=release)
    versions = dict(deployed.of_type("AWS::Lambda::Version"))
    aliases = dict(deployed.of_type("AWS::Lambda::Alias"))
    for name, function in deployed.of_type("AWS::Lambda::Function"):
        version = f"{name}Version{release}"  # another id for each release, so a new version
        if version not in versions:
            yield f"{name}: AutoPublishCodeSha256"
        elif deployed.template["Resources"][version].get("DeletionPolicy") != "Retain":
            yield f"{name}: DeletionPolicy of its versions"
        # Lambda publishes nothing that is as the version before; by this each release is another, and `make rollback` finds it.
        if function.get("Description") != release:
            yield f"{name}: Description"
        alias = aliases.get(alias_of(name), {})
        if (alias.get("Name"), get_att(alias.get("FunctionVersion"))) != ("live", f"{version}.Version"):
            yield f"{name}: alias"


def a_canary_is_asked_for_and_guarded_by_alarms(stack: Stack) -> Iterator[str]:
    by_default = [name for name, resource in stack.template["Resources"].items() if "CodeDeploy" in json.dumps(resource)]
    yield from (f"{name}: by default" for name in by_default)
    for canary in stack.source["Parameters"]["Canary"]["AllowedValues"]:
        if canary == "none":
            continue
        deployed = stack.with_parameters(Canary=canary)
        groups = dict(deployed.of_type("AWS::CodeDeploy::DeploymentGroup"))
        for name, _ in deployed.of_type("AWS::Lambda::Function"):
            group = groups.get(f"{name}DeploymentGroup", {})
            alarms = {alarm["Name"]["Ref"] for alarm in group.get("AlarmConfiguration", {}).get("Alarms", [])}
            if alarms != CANARY_ALARMS or canary not in json.dumps(group.get("DeploymentConfigName")):
                yield f"{name}: {canary}"
            if "UpdatePolicy" not in deployed.template["Resources"][alias_of(name)]:
                yield f"{name}: {canary}, and its alias jumps"


def each_role_touches_tables_as_its_function_does(stack: Stack) -> Iterator[str]:
    yield from rights_that_differ(stack, "dynamodb:", ".Arn", TABLE_ACTIONS)


def nobody_changes_the_audit_log(stack: Stack) -> Iterator[str]:
    for name, role in stack.of_type("AWS::IAM::Role"):
        for statement in statements(role):
            if any(get_att(resource) == "Audit.Arn" for resource in listed(statement["Resource"])):
                yield from (f"{name}: {action}" for action in sorted({*listed(statement["Action"])} - AUDIT_ACTIONS))


def a_list_of_polls_has_no_secrets(stack: Stack) -> Iterator[str]:
    role = stack.template["Resources"]["ListPollsRole"]["Properties"]
    for statement in statements(role):
        if "dynamodb:BatchGetItem" in listed(statement["Action"]) and statement.get("Condition") != WITHOUT_SECRETS:
            yield f"ListPollsRole: {statement.get('Condition')}"


def each_role_touches_secrets_as_its_function_does(stack: Stack) -> Iterator[str]:
    yield from rights_that_differ(stack, "secretsmanager:", ".Id", SECRET_ACTIONS)


SCHEDULES = {
    # No rarer, as stored keys are fresh for ten minutes; no more often, as Secrets Manager keeps all versions of a day.
    "RefreshKeysSchedule": "rate(10 minutes)",
    "TickSchedule": "rate(1 minute)",
    "SyncAnalyticsSchedule": "rate(1 minute)",
}


def what_is_scheduled_may_run_as_often(stack: Stack) -> Iterator[str]:
    rules = dict(stack.of_type("AWS::Events::Rule"))
    yield from rules.keys() ^ SCHEDULES.keys()
    for name, rule in rules.items():
        function = name.removesuffix("Schedule")
        if rule.get("ScheduleExpression") != SCHEDULES.get(name) or rule.get("State", "ENABLED") != "ENABLED":
            yield f"{name}: {rule.get('ScheduleExpression')}"
        if [aliased(target["Arn"]) for target in rule["Targets"]] != [function]:
            yield f"{name}: Targets"
        permission = stack.template["Resources"].get(f"{function}Permission", {}).get("Properties", {})
        given = (permission.get("Principal"), aliased(permission.get("FunctionName")), get_att(permission.get("SourceArn")))
        if given != ("events.amazonaws.com", function, f"{name}.Arn"):
            yield f"{function}Permission: {given}"


def each_function_has_a_role_of_its_own(stack: Stack) -> Iterator[str]:
    for name, function in stack.of_type("AWS::Lambda::Function"):
        if get_att(function["Role"]) != f"{name}Role.Arn":
            yield name


def no_role_has_a_wildcard(stack: Stack) -> Iterator[str]:
    for name, role in stack.of_type("AWS::IAM::Role"):
        for policy in role.get("ManagedPolicyArns", []):
            if name != "ApiAccountRole":  # the account's, and API Gateway takes no lesser one
                yield f"{name}: {policy}"
        for statement in statements(role):
            if statement == NETWORK_INTERFACES:  # functions_are_in_a_vpc_only_where_that_is_asked_for says whose
                continue
            if not {"Effect", "Action", "Resource"} >= statement.keys() - {"Condition"}:
                yield f"{name}: {statement}"
            yield from (f"{name}: {action}" for action in listed(statement.get("Action")) if "*" in action)
            for resource in listed(statement.get("Resource")):
                if "*" in json.dumps(resource) and sub(resource) not in WILDCARDS_ALLOWED:
                    yield f"{name}: {resource}"


def functions_are_in_a_vpc_only_where_that_is_asked_for(stack: Stack) -> Iterator[str]:
    nothing = {"Ref": "AWS::NoValue"}
    for name, function in stack.of_type("AWS::Lambda::Function"):
        condition, config = IN_A_VPC.get(name), function.get("VpcConfig")
        if condition is None:
            if config is not None:
                yield f"{name}: VpcConfig"
        elif not isinstance(config, dict) or [*config.get("Fn::If", [])[::2]] != [condition, nothing]:
            yield f"{name}: VpcConfig without {condition}"
        given = [
            statement.get("Fn::If", [None])[0]
            for policy in stack.template["Resources"][f"{name}Role"]["Properties"].get("Policies", [])
            for statement in policy["PolicyDocument"]["Statement"]
            if "ec2:" in json.dumps(statement)
        ]
        if given != ([condition] if condition else []):
            yield f"{name}: rights to network interfaces: {given}"


def roles_reach_buckets_of_this_account_only(stack: Stack) -> Iterator[str]:
    own = {"StringEquals": {"s3:ResourceAccount": {"Ref": "AWS::AccountId"}}}
    for name, role in stack.of_type("AWS::IAM::Role"):
        for statement in statements(role):
            of_s3 = any(action.startswith("s3:") for action in listed(statement.get("Action")))
            known = (own,) if of_s3 else (None, WITHOUT_SECRETS, ASSEMBLED_ONLY, VIEW_LINKS_ONLY)
            if statement.get("Condition") not in known:
                yield f"{name}: {statement}"


def who_shows_results_writes_no_counts(stack: Stack) -> Iterator[str]:
    for name in ("GetResults", "GetSegments", "GetSeries", "Graphql", "ShowPoll", "AssembleResults"):
        for statement in statements(stack.template["Resources"][f"{name}Role"]["Properties"]):
            writes = {"dynamodb:UpdateItem", "dynamodb:PutItem"} & set(listed(statement["Action"]))
            tables = {get_att(resource) for resource in listed(statement["Resource"])}
            if writes and "Tallies.Arn" in tables and statement.get("Condition") != ASSEMBLED_ONLY:
                yield f"{name}: {sorted(writes)}"


def the_page_reads_view_links_alone_of_tenants(stack: Stack) -> Iterator[str]:
    for statement in statements(stack.template["Resources"]["ShowPollRole"]["Properties"]):
        tables = {get_att(resource) for resource in listed(statement["Resource"])}
        if "Tenants.Arn" in tables and statement.get("Condition") != VIEW_LINKS_ONLY:
            yield f"ShowPoll: {statement}"


def the_log_group_is_its_own(stack: Stack) -> Iterator[str]:
    groups = dict(stack.of_type("AWS::Logs::LogGroup"))
    for name, function in stack.of_type("AWS::Lambda::Function"):
        group = groups.get(f"{name}Logs", {})
        if sub(group.get("LogGroupName")) != "/aws/lambda/" + sub(function["FunctionName"]):
            yield f"{name}: name of the log group"
        if function["LoggingConfig"].get("LogGroup") != {"Ref": f"{name}Logs"}:
            yield f"{name}: LoggingConfig.LogGroup"
        role = stack.template["Resources"][f"{name}Role"]["Properties"]
        logs = [statement for statement in statements(role) if "logs:" in json.dumps(statement["Action"])]
        if [get_att(statement["Resource"]) for statement in logs] != [f"{name}Logs.Arn"]:
            yield f"{name}: role's log group"


def log_groups_end(stack: Stack) -> Iterator[str]:
    for name, group in stack.of_type("AWS::Logs::LogGroup"):
        if group.get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield name


def logs_are_json_without_system_lines(stack: Stack) -> Iterator[str]:
    for name, function in stack.of_type("AWS::Lambda::Function"):
        levels = {"SystemLogLevel": {"Ref": "SystemLogLevel"}, "ApplicationLogLevel": {"Ref": "LogLevel"}}
        if not {"LogFormat": "JSON", **levels}.items() <= function["LoggingConfig"].items():
            yield name
    if stack.template["Parameters"]["SystemLogLevel"]["Default"] != "WARN":
        yield "SystemLogLevel: INFO is for a few days"


def no_log_level_shows_tokens(stack: Stack) -> Iterator[str]:
    # At TRACE the Lambda runtime logs events whole.
    levels = stack.template["Parameters"]["LogLevel"].get("AllowedValues", [])
    yield from {*levels} ^ {"DEBUG", "INFO", "WARN", "ERROR"}


def a_change_of_a_poll_has_time(stack: Stack) -> Iterator[str]:
    # One that landed late is written again before the answer: four times up to 3 s, and a read before each.
    for name in ("UpdatePoll", "ClosePoll", "PausePoll", "TransferPoll"):
        if stack.template["Resources"][name]["Properties"]["Timeout"] < 15:
            yield name


def a_function_is_named_like_its_folder(stack: Stack) -> Iterator[str]:
    for name, function in stack.of_type("AWS::Lambda::Function"):
        folder = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
        if sub(function["FunctionName"]) != "${AWS::StackName}-" + folder:
            yield f"{name}: FunctionName"
        if function["Code"]["S3Key"] != f"target/lambda/{folder}/":
            yield f"{name}: CodeUri"


def functions_have_the_environment_they_read(stack: Stack) -> Iterator[str]:
    functions = dict(stack.of_type("AWS::Lambda::Function"))
    yield from functions.keys() ^ ENVIRONMENT.keys()
    for name in functions.keys() & ENVIRONMENT.keys():
        names = functions[name].get("Environment", {}).get("Variables", {}).keys()
        yield from (f"{name}: {variable}" for variable in sorted(names ^ ENVIRONMENT[name]))


def tables_are_on_demand_recoverable_and_protected(stack: Stack) -> Iterator[str]:
    for name, table in stack.of_type("AWS::DynamoDB::Table"):
        if table["BillingMode"] != "PAY_PER_REQUEST":
            yield f"{name}: BillingMode"
        if not table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            yield f"{name}: PointInTimeRecoverySpecification"
        if table.get("DeletionProtectionEnabled") != {"Ref": "DeletionProtection"}:
            yield f"{name}: DeletionProtectionEnabled"
        if table.get("SSESpecification", {}).get("SSEEnabled", True) is not True:
            yield f"{name}: SSESpecification"
        if table.get("LocalSecondaryIndexes"):
            yield f"{name}: LocalSecondaryIndexes (partitions would not split for heat)"


def what_can_not_be_made_again_outlives_the_stack(stack: Stack) -> Iterator[str]:
    for kind in ("AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"):
        for name, _ in stack.of_type(kind):
            if kind == "AWS::SecretsManager::Secret" and name not in GENERATED_KEYS:
                continue
            resource = stack.template["Resources"][name]
            if resource.get("DeletionPolicy") != "RetainExceptOnCreate":  # Retain would leave it behind after a failed create
                yield f"{name}: DeletionPolicy"
            if resource.get("UpdateReplacePolicy") != "Retain":
                yield f"{name}: UpdateReplacePolicy"


def warm_throughput_is_sent_only_as_asked(stack: Stack) -> Iterator[str]:
    # AWS refuses an update with less than what the table has by now, be it by an earlier parameter or by traffic.
    nothing = {"Ref": "AWS::NoValue"}
    for name in ("Votes", "Tallies"):
        writes, reads = {"Ref": f"Warm{name}WriteUnits"}, {"Ref": f"Warm{name}ReadUnits"}
        if_reads = {"Fn::If": [f"Warm{name}Reads", reads, nothing]}
        only_reads = {"Fn::If": [f"Warm{name}Reads", {"ReadUnitsPerSecond": reads}, nothing]}
        both = {"WriteUnitsPerSecond": writes, "ReadUnitsPerSecond": if_reads}
        wanted = {"Fn::If": [f"Warm{name}Writes", both, only_reads]}
        if stack.template["Resources"][name]["Properties"].get("WarmThroughput") != wanted:
            yield name


def the_accounts_log_role_outlives_the_stack_or_is_left_alone(stack: Stack) -> Iterator[str]:
    for name in ("ApiAccount", "ApiAccountRole"):
        resource = stack.template["Resources"][name]
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield f"{name}: DeletionPolicy or UpdateReplacePolicy"
        if resource.get("Condition") != "SetAccountRole":
            yield f"{name}: Condition"


def alarms_watch_front_and_counting(stack: Stack) -> Iterator[str]:
    alarms = dict(stack.of_type("AWS::CloudWatch::Alarm"))
    yield from sorted(alarms.keys() ^ ALARMS.keys())
    for name in alarms.keys() & ALARMS.keys():
        metrics = [metric["MetricStat"]["Metric"] for metric in alarms[name].get("Metrics", []) if "MetricStat" in metric]
        shown = {f"{metric['Namespace']} {metric['MetricName']}" for metric in metrics or [alarms[name]]}
        if shown != ALARMS[name]:
            yield f"{name}: {sorted(shown)}"


def alarms_ring_and_say_what_to_do(stack: Stack) -> Iterator[str]:
    own = {"Fn::If": ["HasOwnTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    wanted = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], own]}
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm"):
        yield from (f"{name}: {actions}" for actions in ("AlarmActions", "OKActions") if alarm.get(actions) != wanted)
        if not alarm.get("AlarmDescription", "").endswith(". See docs/operate.md."):
            yield f"{name}: AlarmDescription"


def cost_and_abuse_are_bounded(stack: Stack) -> Iterator[str]:
    parameters = stack.template["Parameters"]
    for name in ("DeviceThrottleRate", "DeviceThrottleBurst", "PagesThrottleRate", "PagesThrottleBurst"):
        if parameters[name]["Default"] * 5 > parameters[re.sub("Device|Pages", "", name)]["Default"]:
            yield f"{name}: tokens are free, its default is a fifth of the other methods' at most"
    for kind, condition in OPTIONAL.items():
        names = [name for name, _ in stack.of_type(kind)]
        yield from (f"{name}: Condition" for name in names if stack.template["Resources"][name].get("Condition") != condition)
        if not names:
            yield f"no {kind}"
    guards = stack.of_type("AWS::WAFv2::WebACLAssociation")
    guarded = {name: association["ResourceArn"]["Fn::Sub"] for name, association in guards}
    for name in ("Api", "Pages"):
        if f"${{{name}prodStage}}" not in guarded.get(f"{name}WebAcl", ""):  # so that the stage is there before
            yield f"{name}WebAcl: {guarded.get(f'{name}WebAcl')}"


def secrets_keep_their_keys(stack: Stack) -> Iterator[str]:
    # Any change of these properties makes a new key. All that the old one has signed is refused from then on.
    for name, secret in stack.of_type("AWS::SecretsManager::Secret"):
        wanted = {"PasswordLength": 64, "ExcludePunctuation": True} if name in {*GENERATED_KEYS, PROOF} else None
        if name == PROOF:
            wanted |= {"SecretStringTemplate": "{}", "GenerateStringKey": "first"}
        if secret.get("GenerateSecretString") != wanted or "SecretString" in secret:
            yield name


def issuers_leave_room_in_the_environment(stack: Stack) -> Iterator[str]:
    if stack.template["Parameters"]["Issuers"].get("MaxLength", 4096) > 2500:
        yield "Issuers: MaxLength"


def dead_letters_come_from_their_own_queue(stack: Stack) -> Iterator[str]:
    if stack.template["Resources"]["RelayDlq"]["Properties"].get("RedriveAllowPolicy") != {"redrivePermission": "denyAll"}:
        yield "RelayDlq: RedriveAllowPolicy"


def all_but_polls_expire(stack: Stack) -> Iterator[str]:
    for name, table in stack.of_type("AWS::DynamoDB::Table"):
        wanted = None if name == "Polls" else {"AttributeName": "expires_at", "Enabled": True}
        if table.get("TimeToLiveSpecification") != wanted:
            yield name


def the_streams_carry_what_their_readers_need(stack: Stack) -> Iterator[str]:
    both_images = {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    keys_if_asked_for = {"Fn::If": ["HasAnalytics", {"StreamViewType": "KEYS_ONLY"}, {"Ref": "AWS::NoValue"}]}
    streams = {"Polls": both_images, "Votes": both_images, "Tallies": keys_if_asked_for}
    for name, table in stack.of_type("AWS::DynamoDB::Table"):
        if table.get("StreamSpecification") != streams.get(name):
            yield name


def analytics_are_there_only_where_asked_for(stack: Stack) -> Iterator[str]:
    for name, resource in stack.template["Resources"].items():
        if name.startswith(OF_ANALYTICS) and resource.get("Condition") != "HasAnalytics":
            yield f"{name}: Condition"
    yield from (f"{url}: Default" for url in ANALYTICS_URLS if stack.template["Parameters"][url]["Default"] != "")
    # Addresses may hold passwords.
    yield from (f"{url}: NoEcho" for url in ANALYTICS_URLS if stack.template["Parameters"][url].get("NoEcho") is not True)


def secrets_stay_out_of_the_index(stack: Stack) -> Iterator[str]:
    for name, table in stack.of_type("AWS::DynamoDB::Table"):
        for index in table.get("GlobalSecondaryIndexes", []):
            projection = index["Projection"]
            if projection["ProjectionType"] == "ALL" or set(SECRETS_OF_POLLS) & set(projection.get("NonKeyAttributes", [])):
                yield f"{name}: {index['IndexName']}"


def queues_are_encrypted_and_keep_14_days(stack: Stack) -> Iterator[str]:
    for name, queue in stack.of_type("AWS::SQS::Queue"):
        if queue.get("SqsManagedSseEnabled") is not True:
            yield f"{name}: SqsManagedSseEnabled"
        # What asks for an assembly is asked for again.
        if queue.get("MessageRetentionPeriod") != (60 if name == "AssemblyQueue" else 14 * 24 * 60 * 60):
            yield f"{name}: MessageRetentionPeriod"


JOBS = {"FinaliseQueue": ("FinaliseDlq", "FinalisePoll")}
"""The queue of each job, with its dead letters and the function that does its steps."""
TRIES_MAX = 5
"""How often a step is tried: the functions give a job up at that try."""


def the_queues_of_jobs_are_patient(stack: Stack) -> Iterator[str]:
    resources = stack.template["Resources"]
    for name, (dead_letters, function) in JOBS.items():
        queue, timeout = resources[name]["Properties"], resources[function]["Properties"]["Timeout"]
        if queue["VisibilityTimeout"] < 6 * timeout:
            yield f"{name}: VisibilityTimeout, less than six timeouts of {function}"
        redrive = queue.get("RedrivePolicy", {})
        if get_att(redrive.get("deadLetterTargetArn")) != f"{dead_letters}.Arn":
            yield f"{name}: deadLetterTargetArn"
        if redrive.get("maxReceiveCount") != TRIES_MAX:
            yield f"{name}: maxReceiveCount"
        if resources[f"{function}Mapping"]["Properties"].get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{function}Mapping: FunctionResponseTypes"


def the_tally_queue_is_fast_and_patient(stack: Stack) -> Iterator[str]:
    queue = stack.template["Resources"]["TallyQueue"]["Properties"]
    timeout = stack.template["Resources"]["TallyVotes"]["Properties"]["Timeout"]
    wanted = {"FifoQueue": True, "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    yield from (setting for setting, value in wanted.items() if queue.get(setting) != value)
    if queue["VisibilityTimeout"] < 6 * timeout:
        yield "VisibilityTimeout, less than six timeouts of tally-votes"
    redrive = queue.get("RedrivePolicy", {})
    if get_att(redrive.get("deadLetterTargetArn")) != "TallyDlq.Arn":
        yield "RedrivePolicy: deadLetterTargetArn"
    if redrive.get("maxReceiveCount") != {"Ref": "TallyMaxReceives"}:
        yield "RedrivePolicy: maxReceiveCount"
    if stack.template["Resources"]["TallyDlq"]["Properties"].get("FifoQueue") is not True:
        yield "TallyDlq: FifoQueue"


def buckets_are_private_and_encrypted(stack: Stack) -> Iterator[str]:
    policies = {policy["Bucket"]["Ref"]: json.dumps(policy) for _, policy in stack.of_type("AWS::S3::BucketPolicy")}
    for name, bucket in stack.of_type("AWS::S3::Bucket"):
        if "SSEAlgorithm" not in json.dumps(bucket.get("BucketEncryption", {})):
            yield f"{name}: BucketEncryption"
        if list(bucket.get("PublicAccessBlockConfiguration", {}).values()) != [True] * 4:
            yield f"{name}: PublicAccessBlockConfiguration"
        if '"aws:SecureTransport": "false"' not in policies.get(name, ""):
            yield f"{name}: no policy against plain HTTP"
        if "LifecycleConfiguration" not in bucket:
            yield f"{name}: LifecycleConfiguration"


def mappings_say_every_setting(stack: Stack) -> Iterator[str]:
    mappings = dict(stack.of_type("AWS::Lambda::EventSourceMapping"))
    yield from mappings.keys() ^ MAPPING_SETTINGS.keys()
    for name in mappings.keys() & MAPPING_SETTINGS.keys():
        yield from (f"{name}: {setting}" for setting in sorted(mappings[name].keys() ^ MAPPING_SETTINGS[name]))


def the_relays_lose_nothing(stack: Stack) -> Iterator[str]:
    wanted = {
        "StartingPosition": "TRIM_HORIZON",
        "BisectBatchOnFunctionError": False,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": 23 * 60 * 60,
    }
    for name, window in (("RelayVotesMapping", {"Ref": "RelayWindowSeconds"}), ("RelayChangesMapping", 1)):
        mapping = stack.template["Resources"][name]["Properties"]
        settings = {**wanted, "MaximumBatchingWindowInSeconds": window}
        yield from (f"{name}: {setting}" for setting, value in settings.items() if mapping.get(setting) != value)
        if get_att(mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")) != "RelayFailuresBucket.Arn":
            yield f"{name}: DestinationConfig"


def the_tally_reports_single_failures(stack: Stack) -> Iterator[str]:
    mapping = stack.template["Resources"]["TallyVotesMapping"]["Properties"]
    if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
        yield "FunctionResponseTypes"


def the_tally_is_there_before_the_relay(stack: Stack) -> Iterator[str]:
    for later, earlier in (("RelayVotes", alias_of("TallyVotes")), ("RelayVotesMapping", "TallyVotesMapping")):
        if earlier not in listed(stack.template["Resources"][later].get("DependsOn")):
            yield f"{later} does not depend on {earlier}"


def throttles_name_methods_that_exist(stack: Stack) -> Iterator[str]:
    settings = {}
    for _, stage in stack.of_type("AWS::ApiGateway::Stage"):
        for setting in stage.get("MethodSettings", []):
            settings[ref(stage["RestApiId"]), setting["HttpMethod"], setting["ResourcePath"]] = setting
    # AWS takes `/~1v1~1devices` for /v1/devices: a slash, and the path escaped as in a JSON Pointer.
    known = {("Api", verb.upper(), "/" + path.replace("/", "~1")) for path, verb, _ in stack.operations()}
    known |= {("Api", "*", "/*"), ("Pages", "*", "/*")}
    yield from (f"no such method: {' '.join(key)}" for key in sorted(settings.keys() - known))
    for key in (("Api", "*", "/*"), ("Api", "POST", "/~1v1~1devices"), ("Pages", "*", "/*")):
        if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= settings.get(key, {}).keys():
            yield f"no throttle: {' '.join(key)}"


def each_api_has_one_stage(stack: Stack) -> Iterator[str]:
    stages = [stage["StageName"] for _, stage in stack.of_type("AWS::ApiGateway::Stage")]
    deployments = [deployment.get("StageName") for _, deployment in stack.of_type("AWS::ApiGateway::Deployment")]
    if stages != ["prod"] * 2 or deployments != [None] * 2:
        yield f"{stages} {deployments}"


def resources_fit_into_one_stack(stack: Stack) -> Iterator[str]:
    if (count := len(stack.with_parameters(Canary="Canary10Percent5Minutes").template["Resources"])) > RESOURCES_MAX:
        yield f"{count} resources, {RESOURCES_MAX} at most"


def outputs_are_complete(stack: Stack) -> Iterator[str]:
    yield from sorted(stack.template["Outputs"].keys() ^ OUTPUTS)


def openapi_is_what_the_gateway_imports(stack: Stack) -> Iterator[str]:
    if not str(stack.api["openapi"]).startswith("3.0."):
        yield f"openapi: {stack.api['openapi']}"
    yield from not_includable(stack.api_text)
    for name in stack.api["components"]["schemas"]:
        if not name.isalnum():
            yield f"model {name}: letters and digits only"
    yield from (f"{place}: null, which CloudFormation refuses" for place in nulls(stack.api))
    if stack.api["components"].keys() - {"schemas", "securitySchemes"}:
        yield "components: only schemas can be referred to"


def tls_is_as_the_parameter_says(stack: Stack) -> Iterator[str]:
    yield from tls_unlike_the_parameter(stack.api)


def each_operation_is_integrated(stack: Stack) -> Iterator[str]:
    functions = dict(stack.of_type("AWS::Lambda::Function"))
    for path, verb, operation in stack.operations():
        integration = operation.get("x-amazon-apigateway-integration", {})
        mock = verb == "options" and integration.get("type") == "mock"
        proxy = (integration.get("type"), integration.get("httpMethod")) == ("aws_proxy", "POST")
        if not mock and not (proxy and function_of(integration.get("uri")) in functions):
            yield f"{verb} {path}"


def each_path_answers_preflights(stack: Stack) -> Iterator[str]:
    for path, verbs in stack.api["paths"].items():
        integration = verbs.get("options", {}).get("x-amazon-apigateway-integration", {})
        headers = integration.get("responses", {}).get("default", {}).get("responseParameters", {})
        allowed = headers.get("method.response.header.Access-Control-Allow-Methods", "").strip("'").lower().split(",")
        if set(allowed) != verbs.keys():
            yield f"{path}: Access-Control-Allow-Methods"
        declared = verbs.get("options", {}).get("responses", {}).get("200", {}).get("headers", {})
        yield from (f"{path}: {name}" for name in headers if name.removeprefix("method.response.header.") not in declared)


def each_operation_says_who_may_call_it(stack: Stack) -> Iterator[str]:
    for path, verb, operation in stack.operations():
        if "security" not in operation:
            yield f"{verb} {path}"


def each_operation_documents_its_statuses(stack: Stack) -> Iterator[str]:
    for path, verb, operation in stack.described_operations():
        wanted = {"429", "503"} | ({"400", "500"} if verb != "options" else set())
        # What one of its fields may not show is no error of a whole query.
        wanted |= {"401"} | ({"403"} if path not in GRAPHQL else set()) if operation.get("security") else set()
        wanted |= {"404"} if "{" in path and verb != "options" else set()
        wanted |= {"413", "415"} if "requestBody" in operation else set()
        responses = operation["responses"]
        yield from (f"{verb} {path}: {status}" for status in sorted(wanted - responses.keys()))
        if not any(status.startswith("2") for status in responses):
            yield f"{verb} {path}: no success"
        for status, response in responses.items():
            content = response.get("content", {})
            schema = content.get("application/problem+json", {}).get("schema")
            media_types = content.keys() - ({"application/json"} if status == "400" and path in GRAPHQL else set())
            is_problem = media_types == {"application/problem+json"} and schema == {"$ref": "#/components/schemas/Problem"}
            if "$ref" in response or (status >= "400" and not is_problem):
                yield f"{verb} {path}: {status} is no problem document, written out"
            header = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}.get(status)
            if header and header not in response.get("headers", {}):
                yield f"{verb} {path}: {status} without {header}"


def each_problem_code_has_an_example(stack: Stack) -> Iterator[str]:
    shown = set()
    for path, verb, operation in stack.described_operations():
        for status, response in operation["responses"].items():
            if status < "400":
                continue
            named = set(re.findall("`([a-z_]+)`", response["description"]))
            if not named or not named <= CODES.get(int(status), set()):
                yield f"{verb} {path}: {status} names {sorted(named)}"
            content = response.get("content", {}).get("application/problem+json", {})
            examples = [content["example"]] if "example" in content else []
            for example in examples + [named_example["value"] for named_example in content.get("examples", {}).values()]:
                if (example["status"], example["code"] in named) != (int(status), True):
                    yield f"{verb} {path}: {status} has an example of {example['status']} {example['code']}"
                shown.add(example["code"])
    yield from sorted(set().union(*CODES.values()) - shown)


def the_gateway_leaves_bodies_and_headers_to_the_functions(stack: Stack) -> Iterator[str]:
    validator = stack.api.get("x-amazon-apigateway-request-validator", "")
    settings = stack.api.get("x-amazon-apigateway-request-validators", {}).get(validator)
    if settings != {"validateRequestParameters": True, "validateRequestBody": False}:
        yield f"{settings}"
    for path, verb, operation in stack.operations():
        for parameter in operation.get("parameters", []):
            if parameter["in"] != "path" and parameter.get("required"):  # a function says more than 400: 428 without If-Match
                yield f"{verb} {path}: {parameter['name']} is required"


def the_gateway_answers_with_problems(stack: Stack) -> Iterator[str]:
    responses = stack.api["x-amazon-apigateway-gateway-responses"]
    yield from responses.keys() ^ GATEWAY_RESPONSES.keys()
    for kind in responses.keys() & GATEWAY_RESPONSES.keys():
        response, status = responses[kind], GATEWAY_RESPONSES[kind]
        text = response["responseTemplates"].get("application/problem+json", "")
        try:
            problem = json.loads(text.replace("$context.error.messageString", '"quoted"'))
        except ValueError:
            yield f"{kind}: not JSON"
            continue
        if problem.get("code") not in CODES[status]:
            yield f"{kind}: code"
        if list(problem) != ["type", "title", "status", "detail", "code", "request_id"]:
            yield f"{kind}: {list(problem)}"
        if (problem.get("status"), response["statusCode"]) != (status, str(status)):
            yield f"{kind}: status"
        if problem.get("type") != "about:blank" or problem.get("request_id") != "$context.requestId":
            yield f"{kind}: type or request_id"
        wanted = {"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Cache-Control", "Vary"}
        wanted |= {"X-Content-Type-Options"}
        wanted |= {"WWW-Authenticate"} if status == 401 else set()
        wanted |= {"Retry-After"} if status in (429, 503) else set()
        headers = {name.removeprefix("gatewayresponse.header.") for name in response["responseParameters"]}
        yield from (f"{kind}: {name}" for name in sorted(headers ^ wanted))
        challenge = response["responseParameters"].get("gatewayresponse.header.WWW-Authenticate")
        if challenge != CHALLENGES.get(kind):
            yield f"{kind}: {challenge}"


def no_response_of_the_gateway_is_sniffed(stack: Stack) -> Iterator[str]:
    name = "header.X-Content-Type-Options"
    for kind, response in stack.api["x-amazon-apigateway-gateway-responses"].items():
        if response["responseParameters"].get(f"gatewayresponse.{name}") != "'nosniff'":
            yield kind
    for path, verbs in stack.api["paths"].items():
        integration = verbs.get("options", {}).get("x-amazon-apigateway-integration", {})
        headers = integration.get("responses", {}).get("default", {}).get("responseParameters", {})
        if headers.get(f"method.response.{name}") != "'nosniff'":
            yield f"options {path}"


RULES: list[Callable[[Stack], Iterator[str]]] = [
    rule
    for rule in list(globals().values())
    if getattr(rule, "__annotations__", {}) == {"stack": Stack, "return": Iterator[str]}
]
"""Every function above that takes a stack and yields offenders."""


def main() -> int:
    return report(RULES, Stack.translate(*read(Path(sys.argv[1]))))


if __name__ == "__main__":
    sys.exit(main())
