"""Shows that each rule of template.py can fail: spoils the template in one way, and expects that rule to say so.

Run as `python infra/check/test_template.py template.yaml`.
"""

import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import template as check
from rules import Rule, report_spoils, set_value

Json = dict[str, Any]


def set_at(root: str, path: str, value: Any) -> Callable[[Json, Json], None]:
    """Spoils one value; `None` takes it away. Path: `Resources/Votes/Properties/...`, with `~` for a slash in a key."""

    def edit(template: Json, api: Json) -> None:
        set_value({"template": template, "api": api}[root], [part.replace("~", "/") for part in path.split("/")], value)

    return edit


def resource(path: str, value: Any) -> Callable[[Json, Json], None]:
    return set_at("template", "Resources/" + path, value)


def api(path: str, value: Any) -> Callable[[Json, Json], None]:
    return set_at("api", path, value)


def changes_audit(action: str) -> Callable[[Json, Json], None]:
    """Gives a role an action on the audit log."""

    def edit(template: Json, _: Json) -> None:
        policy = template["Resources"]["ListPollsRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        rights = {"Action": f"dynamodb:{action}", "Resource": {"Fn::GetAtt": "Audit.Arn"}}
        policy["Statement"].append({"Effect": "Allow", **rights})

    return edit


def many_topics(template: Json, _: Json) -> None:
    topics = range(check.RESOURCES_MAX - len(template["Resources"]))  # full before SAM adds its own
    template["Resources"] |= {f"Topic{number}": {"Type": "AWS::SNS::Topic", "Condition": "HasOwnTopic"} for number in topics}


URI = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${NAME}/invocations"
AUTHORIZER = "components/securitySchemes/caller/x-amazon-apigateway-authorizer"
ROLE = "CastVoteRole/Properties/Policies/0/PolicyDocument/Statement/1"
LIST_ROLE = "ListPollsRole/Properties/Policies/0/PolicyDocument/Statement/1"
REFRESH_ROLE = "RefreshKeysRole/Properties/Policies/0/PolicyDocument/Statement/1"
RESULTS_ROLE = "GetResultsRole/Properties/Policies/0/PolicyDocument"
RELAY_TO_S3 = "RelayVotesRole/Properties/Policies/0/PolicyDocument/Statement/3"
OPERATION = "paths/~v1~polls/post"
PATCH = "paths/~v1~polls~{poll_id}/patch"
MAKE_VIEW = "paths/~v1~polls~{poll_id}~views/post"
PROBLEM = "content/application~problem+json"
GATEWAY = "x-amazon-apigateway-gateway-responses"
RESPONSE = GATEWAY + "/THROTTLED"
WRONG_CODE = (
    '{"type":"about:blank","title":"Not Found","status":404,"detail":"No.","code":"unauthorized",'
    '"request_id":"$context.requestId"}'
)
"""A problem with the code of another status."""

SPOILS = {
    check.the_gateway_may_call_what_it_integrates: [
        resource("GetPollPermission", None),
        resource("GetResultsMinePermission", None),
        resource("AuthorizerPermission", None),
        resource("GetPollPermission/Properties/SourceArn", {"Fn::Sub": "arn:${AWS::Partition}:execute-api:*"}),
    ],
    check.head_is_answered_as_get_is: [
        api("paths/~v1~polls/head", None),
        api("paths/~v1~polls~{poll_id}~votes~mine/head/security", []),
        api("paths/~v1~polls~{poll_id}~results/head/responses/304", None),
    ],
    check.everything_that_calls_a_function_names_its_alias: [
        resource("GetPollPermission/Properties/FunctionName", {"Ref": "GetPoll"}),
        resource("RelayVotesMapping/Properties/FunctionName", {"Ref": "RelayVotes"}),
        resource("RefreshKeysSchedule/Properties/Targets/0/Arn", {"Fn::GetAtt": "RefreshKeys.Arn"}),
        resource("TallyVotesMapping/Properties/FunctionName", {"Fn::GetAtt": "TallyVotes.Arn"}),
        api(OPERATION + "/x-amazon-apigateway-integration/uri", {"Fn::Sub": URI.replace("NAME", "CreatePoll.Arn")}),
        api(AUTHORIZER + "/authorizerUri", {"Fn::Sub": URI.replace("NAME", "Authorizer.Arn")}),
    ],
    check.a_release_publishes_every_function_and_keeps_the_former_version: [
        resource("CastVote/Properties/AutoPublishCodeSha256", None),
        resource("TallyVotes/Properties/VersionDeletionPolicy", "Delete"),
        resource("CastVote/Properties/Description", "Casts votes."),
        resource("CastVote/Properties/AutoPublishAlias", "current"),
    ],
    check.a_canary_is_asked_for_and_guarded_by_alarms: [
        set_at("template", "Parameters/Canary/Default", "Canary10Percent5Minutes"),
        set_at("template", "Mappings/Rollout/Linear10PercentEvery3Minutes/Gradual", "false"),
        set_at("template", "Globals/Function/DeploymentPreference/Alarms/5", None),
        set_at("template", "Globals/Function/DeploymentPreference/Type", "AllAtOnce"),
        resource("RelayVotes/Properties/DeploymentPreference", {"Enabled": False}),
    ],
    check.a_list_of_polls_has_no_secrets: [
        resource(LIST_ROLE.replace("/1", "/2") + "/Condition", None),
        resource(LIST_ROLE.replace("/1", "/2") + "/Condition/StringEqualsIfExists", {"dynamodb:Select": "ALL_ATTRIBUTES"}),
        resource(LIST_ROLE.replace("/1", "/2") + "/Condition/ForAllValues:StringNotEquals", {"dynamodb:Attributes": ["salt"]}),
    ],
    check.each_role_touches_tables_as_its_function_does: [
        resource(ROLE + "/Action", ["dynamodb:GetItem", "dynamodb:Scan"]),
        resource(ROLE + "/Resource", {"Fn::GetAtt": "Tallies.Arn"}),
        resource(LIST_ROLE + "/Resource", {"Fn::GetAtt": "Polls.Arn"}),
        resource("GetResultsRole/Properties/Policies/0/PolicyDocument/Statement/2", None),
    ],
    check.functions_are_in_a_vpc_only_where_that_is_asked_for: [
        resource("GetResults/Properties/VpcConfig", {"SubnetIds": ["subnet-1"]}),
        resource("GetResults/Properties/VpcConfig/Fn::If/2", {"SubnetIds": ["subnet-1"]}),
        resource("GetPoll/Properties/VpcConfig", {"Fn::If": ["CacheInVpc", {}, {"Ref": "AWS::NoValue"}]}),
        resource("GetAnalytics/Properties/VpcConfig", None),
        resource("SyncAnalytics/Properties/VpcConfig/Fn::If/0", "CacheInVpc"),
        resource("SyncAnalyticsRole/Properties/Policies/0/PolicyDocument/Statement/6/Fn::If/0", "HasAnalytics"),
        resource(RESULTS_ROLE + "/Statement/6/Fn::If/0", "CacheByIam"),
        resource("GetPollRole/Properties/Policies/0/PolicyDocument/Statement/1", check.NETWORK_INTERFACES),
    ],
    check.who_shows_results_writes_no_counts: [
        resource("GetResultsRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition", None),
        resource("AssembleResultsRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition", None),
    ],
    check.the_page_reads_view_links_alone_of_tenants: [
        resource("ShowPollRole/Properties/Policies/0/PolicyDocument/Statement/6/Condition", None),
    ],
    check.nobody_changes_the_audit_log: [changes_audit("UpdateItem"), changes_audit("DeleteItem"), changes_audit("*")],
    check.each_role_touches_secrets_as_its_function_does: [
        resource(REFRESH_ROLE + "/Action", "secretsmanager:GetSecretValue"),
        resource(REFRESH_ROLE + "/Resource", {"Fn::GetAtt": "DeviceSecret.Id"}),
        resource("CastVoteRole/Properties/Policies/0/PolicyDocument/Statement/1/Action", "secretsmanager:GetSecretValue"),
    ],
    check.what_is_scheduled_may_run_as_often: [
        resource("RefreshKeysSchedule", None),
        resource("RefreshKeysSchedule/Properties/ScheduleExpression", "rate(5 minutes)"),
        resource("RefreshKeysSchedule/Properties/State", "DISABLED"),
        resource("RefreshKeysSchedule/Properties/Targets/0/Arn", {"Fn::GetAtt": "Authorizer.Arn"}),
        resource("RefreshKeysPermission", None),
        resource("RefreshKeysPermission/Properties/SourceArn", None),
    ],
    check.each_function_has_a_role_of_its_own: [resource("GetVote/Properties/Role", {"Fn::GetAtt": "CastVoteRole.Arn"})],
    check.no_role_has_a_wildcard: [
        resource(ROLE + "/Action", "dynamodb:*"),
        resource(ROLE + "/Resource", "*"),
        resource(ROLE + "/NotAction", "dynamodb:Scan"),
        resource(ROLE + "/Resource", {"Fn::Sub": "${Polls.Arn}/*"}),
        resource("CastVoteRole/Properties/ManagedPolicyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
    ],
    check.roles_reach_buckets_of_this_account_only: [
        resource(RELAY_TO_S3 + "/Condition", None),
        resource(RELAY_TO_S3 + "/Condition/StringEquals", {"s3:ResourceAccount": "123456789012"}),
        resource(ROLE + "/Condition", {"Bool": {"aws:SecureTransport": "true"}}),
    ],
    check.the_log_group_is_its_own: [
        resource("GetVoteLogs/Properties/LogGroupName", "votes"),
        resource("GetVote/Properties/LoggingConfig/LogGroup", {"Ref": "CastVoteLogs"}),
        resource("GetVoteRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", {"Fn::GetAtt": "CastVoteLogs.Arn"}),
    ],
    check.log_groups_end: [resource("GetVoteLogs/Properties/RetentionInDays", None)],
    check.logs_are_json_without_system_lines: [
        resource("GetVote/Properties/LoggingConfig/SystemLogLevel", "INFO"),
        set_at("template", "Parameters/SystemLogLevel/Default", "INFO"),
    ],
    check.no_log_level_shows_tokens: [
        set_at("template", "Parameters/LogLevel/AllowedValues", ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]),
        set_at("template", "Parameters/LogLevel/AllowedValues", None),
    ],
    check.a_change_of_a_poll_has_time: [
        resource("UpdatePoll/Properties/Timeout", None),
        resource("ClosePoll/Properties/Timeout", 5),
    ],
    check.a_function_is_named_like_its_folder: [
        resource("GetVote/Properties/FunctionName", {"Fn::Sub": "${AWS::StackName}-vote"}),
        resource("GetVote/Properties/CodeUri", "target/lambda/cast-vote/"),
    ],
    check.functions_have_the_environment_they_read: [
        resource("GetVote/Properties/Environment/Variables/VOTES_TABLE", None),
        resource("Authorizer/Properties/Environment/Variables/POLLS_TABLE", "x"),
    ],
    check.tables_are_on_demand_recoverable_and_protected: [
        resource("Votes/Properties/PointInTimeRecoverySpecification", None),
        resource("Votes/Properties/DeletionProtectionEnabled", False),
        resource("Votes/Properties/BillingMode", "PROVISIONED"),
        resource("Votes/Properties/LocalSecondaryIndexes", [{}]),
    ],
    check.what_can_not_be_made_again_outlives_the_stack: [
        resource("Votes/DeletionPolicy", "Delete"),
        resource("Votes/UpdateReplacePolicy", None),
        resource("DeviceSecret/DeletionPolicy", "Retain"),
        resource("PollIdSecret/DeletionPolicy", None),
        resource("KeySecret/UpdateReplacePolicy", None),
    ],
    check.warm_throughput_is_sent_only_as_asked: [
        resource("Votes/Properties/WarmThroughput/Fn::If/1/ReadUnitsPerSecond/Fn::If/2", 12000),
        resource("Tallies/Properties/WarmThroughput/Fn::If/1/ReadUnitsPerSecond", 12000),
        resource("Tallies/Properties/WarmThroughput/Fn::If/2", {"ReadUnitsPerSecond": 12000}),
        resource("Votes/Properties/WarmThroughput", None),
    ],
    check.the_accounts_log_role_outlives_the_stack_or_is_left_alone: [
        resource("ApiAccountRole/DeletionPolicy", None),
        resource("ApiAccount/UpdateReplacePolicy", "Delete"),
        resource("ApiAccount/Condition", "WriteAccessLogs"),
    ],
    check.alarms_watch_front_and_counting: [
        resource("VotesThrottledAlarm", None),
        resource("RefreshKeysErrorsAlarm", None),
        resource("ApiErrorsAlarm/Properties/MetricName", "4XXError"),
        resource("RelaySilentAlarm/Properties/Metrics/2", None),
        resource("ChangesSilentAlarm/Properties/Metrics/3", None),
    ],
    check.alarms_ring_and_say_what_to_do: [
        resource("TallyDlqAlarm/Properties/AlarmActions", None),
        resource("TallyDlqAlarm/Properties/OKActions", {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], []]}),
        resource("TallyDlqAlarm/Properties/AlarmDescription", "Votes are not counted."),
    ],
    check.cost_and_abuse_are_bounded: [
        set_at("template", "Parameters/DeviceThrottleRate/Default", 5000),
        set_at("template", "Parameters/PagesThrottleRate/Default", 5000),
        resource("ApiWebAcl", None),
        resource("Budget/Condition", None),
        resource("ApiWebAcl/Properties/ResourceArn", {"Fn::Sub": "arn:aws:apigateway:::/restapis/${Api}/stages/prod"}),
    ],
    check.secrets_keep_their_keys: [
        resource("DeviceSecret/Properties/GenerateSecretString/PasswordLength", 65),
        resource("PollIdSecret/Properties/SecretString", "key"),
        resource("KeySets/Properties/SecretString", "{}"),
        resource("ClientSecrets/Properties/SecretString", "{}"),
        resource("PageSecret/Properties/GenerateSecretString", None),
    ],
    check.issuers_leave_room_in_the_environment: [
        set_at("template", "Parameters/Issuers/MaxLength", None),
        set_at("template", "Parameters/Issuers/MaxLength", 4000),
    ],
    check.dead_letters_come_from_their_own_queue: [resource("RelayDlq/Properties/RedriveAllowPolicy", None)],
    check.all_but_polls_expire: [
        resource("Tallies/Properties/TimeToLiveSpecification", None),
        resource("Polls/Properties/TimeToLiveSpecification", {"AttributeName": "expires_at", "Enabled": True}),
    ],
    check.the_streams_carry_what_their_readers_need: [
        resource("Votes/Properties/StreamSpecification/StreamViewType", "NEW_IMAGE"),
        resource("Polls/Properties/StreamSpecification", None),
        resource("Tallies/Properties/StreamSpecification", {"StreamViewType": "KEYS_ONLY"}),
    ],
    check.analytics_are_there_only_where_asked_for: [
        resource("AnnounceChangesMapping/Condition", None),
        resource("AnnounceChangesRole/Condition", "HasBudget"),
        set_at("template", "Parameters/AnalyticsReadUrl/Default", "postgresql://landslide_api@db.example.org/landslide"),
        set_at("template", "Parameters/AnalyticsWriteUrl/NoEcho", None),
    ],
    check.secrets_stay_out_of_the_index: [
        resource("Polls/Properties/GlobalSecondaryIndexes/0/Projection", {"ProjectionType": "ALL"}),
        resource("Polls/Properties/GlobalSecondaryIndexes/0/Projection/NonKeyAttributes/0", "lot_seed"),
    ],
    check.queues_are_encrypted_and_keep_14_days: [
        resource("RelayDlq/Properties/SqsManagedSseEnabled", None),
        resource("TallyQueue/Properties/MessageRetentionPeriod", 345600),
    ],
    check.the_queues_of_jobs_are_patient: [
        resource("FinaliseQueue/Properties/VisibilityTimeout", 60),
        resource("FinaliseQueue/Properties/RedrivePolicy/maxReceiveCount", 3),
        resource("FinaliseQueue/Properties/RedrivePolicy/deadLetterTargetArn", {"Fn::GetAtt": "RelayDlq.Arn"}),
        resource("FinalisePollMapping/Properties/FunctionResponseTypes", None),
    ],
    check.the_tally_queue_is_fast_and_patient: [
        resource("TallyQueue/Properties/FifoThroughputLimit", None),
        resource("TallyQueue/Properties/RedrivePolicy/maxReceiveCount", 3),
        resource("TallyVotes/Properties/Timeout", 30),
    ],
    check.buckets_are_private_and_encrypted: [
        resource("RelayFailuresBucket/Properties/BucketEncryption", None),
        resource("RelayFailuresBucket/Properties/PublicAccessBlockConfiguration/BlockPublicAcls", False),
        resource("RelayFailuresBucketPolicy", None),
        resource("RelayFailuresBucket/Properties/LifecycleConfiguration", None),
    ],
    check.mappings_say_every_setting: [
        resource("RelayVotesMapping/Properties/ParallelizationFactor", None),
        resource("TallyVotesMapping/Properties/MaximumBatchingWindowInSeconds", 0),
        resource("RelayVotesMapping/Properties/FunctionResponseTypes", ["ReportBatchItemFailures"]),
    ],
    check.the_relays_lose_nothing: [
        resource("RelayChangesMapping/Properties/MaximumRetryAttempts", 10),
        resource("RelayVotesMapping/Properties/StartingPosition", "LATEST"),
        resource("RelayVotesMapping/Properties/MaximumRetryAttempts", 3),
        resource("RelayVotesMapping/Properties/DestinationConfig/OnFailure/Destination", {"Fn::GetAtt": "RelayDlq.Arn"}),
    ],
    check.the_tally_reports_single_failures: [resource("TallyVotesMapping/Properties/FunctionResponseTypes", [])],
    check.the_tally_is_there_before_the_relay: [
        resource("RelayVotesMapping/DependsOn", None),
        resource("RelayVotes/DependsOn", "TallyVotes"),
    ],
    check.throttles_name_methods_that_exist: [
        resource("Api/Properties/MethodSettings/1/ResourcePath", "/v1/devices"),
        resource("Api/Properties/MethodSettings/0/ThrottlingRateLimit", None),
    ],
    check.each_api_has_one_stage: [set_at("template", "Globals/Api", None), resource("Api/Properties/StageName", "live")],
    check.resources_fit_into_one_stack: [many_topics],
    check.outputs_are_complete: [set_at("template", "Outputs/ApiId", None)],
    check.openapi_is_what_the_gateway_imports: [
        api("openapi", "3.1.0"),
        api("components/schemas/New_Poll", {"type": "object"}),
        api("components/responses", {}),
        api(OPERATION + "/responses/201/content/application~json/example", {"opens_at": None}),
    ],
    check.tls_is_as_the_parameter_says: [
        api("x-amazon-apigateway-security-policy", "SecurityPolicy_TLS13_1_3_2025_09"),
        api("x-amazon-apigateway-endpoint-access-mode", None),
    ],
    check.each_operation_is_integrated: [
        api(OPERATION + "/x-amazon-apigateway-integration", None),
        api(OPERATION + "/x-amazon-apigateway-integration/httpMethod", "GET"),
    ],
    check.each_path_answers_preflights: [
        api("paths/~v1~polls/options", None),
        api("paths/~v1~polls/patch", {"responses": {}}),
        api("paths/~v1~polls~{poll_id}~votes~mine/delete", None),
        api("paths/~v1~polls/options/responses/200/headers/Vary", None),
    ],
    check.each_operation_says_who_may_call_it: [api(OPERATION + "/security", None)],
    check.each_operation_documents_its_statuses: [
        api(OPERATION + "/responses/415", None),
        api(OPERATION + "/responses/429", {"$ref": "#/components/responses/Throttled"}),
        api(f"{OPERATION}/responses/409/{PROBLEM}/schema", {"type": "object"}),
        api(OPERATION + "/responses/409/content/application~json", {"schema": {"type": "object"}}),
        api(OPERATION + "/responses/503/headers", None),
    ],
    check.each_problem_code_has_an_example: [
        api(f"{MAKE_VIEW}/responses/409/{PROBLEM}/example", None),  # the one of its code
        api(f"{PATCH}/responses/412/{PROBLEM}/example/status", 409),
        api(f"{PATCH}/responses/412/{PROBLEM}/example/code", "not_editable"),
        api(PATCH + "/responses/409/description", "`poll_locked`"),
        api(PATCH + "/responses/409/description", "Not so."),
    ],
    check.the_gateway_leaves_bodies_and_headers_to_the_functions: [
        api("x-amazon-apigateway-request-validators/parameters/validateRequestBody", True),
        api(PATCH + "/parameters/1/required", True),
    ],
    check.the_gateway_answers_with_problems: [
        api(RESPONSE, None),
        api(RESPONSE + "/responseTemplates", {"application/problem+json": '{"detail":$context.error.message}'}),
        api(RESPONSE + "/statusCode", "503"),
        api(GATEWAY + "/INVALID_SIGNATURE/statusCode", "401"),
        api(GATEWAY + "/ACCESS_DENIED/responseParameters/gatewayresponse.header.WWW-Authenticate", "'Bearer'"),
        api(GATEWAY + "/EXPIRED_TOKEN/responseTemplates/application~problem+json", WRONG_CODE),
        api(RESPONSE + "/responseParameters/gatewayresponse.header.Retry-After", None),
        api(RESPONSE + "/responseParameters/gatewayresponse.header.Cache-Control", None),
    ],
    check.no_response_of_the_gateway_is_sniffed: [
        api(RESPONSE + "/responseParameters/gatewayresponse.header.X-Content-Type-Options", None),
        api("paths/~v1~polls/options/x-amazon-apigateway-integration/responses/default/responseParameters", {}),
    ],
}


def main() -> int:
    template, document, text = check.read(Path(sys.argv[1]))

    def offenders(rule: Rule, spoil: Callable[[Json, Json], None]) -> list[str]:
        spoiled = deepcopy((template, document))
        spoil(*spoiled)
        return list(rule(check.Stack.translate(*spoiled, text)))

    return report_spoils(check.RULES, SPOILS, offenders)


if __name__ == "__main__":
    sys.exit(main())
