"""What of a template reaches a stage and an API, when they are made and when they change."""

import unittest
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

from localstack.aws.api.cloudformation import ChangeSetType, StackStatus
from localstack.services.apigateway.resource_providers.aws_apigateway_restapi import ApiGatewayRestApiProvider
from localstack.services.apigateway.resource_providers.aws_apigateway_stage import ApiGatewayStageProvider
from localstack.services.cloudformation.engine.v2 import change_set_model_transform
from localstack.services.cloudformation.engine.v2.change_set_model import ChangeSetModel
from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProviderExecutor,
    ResourceRequest,
)
from localstack.services.lambda_.resource_providers.lambda_alias import LambdaAliasProvider
from moto.apigateway.models import Stage

from landslide_localstack import cloudformation_functions, cloudformation_gateway, cloudformation_updates

cloudformation_functions.install()
cloudformation_gateway.install()
cloudformation_updates.install()  # once in a process, as at LocalStack's start

ALL = {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 7, "ThrottlingBurstLimit": "8"}
DEVICES = {"ResourcePath": "/~1v1~1devices", "HttpMethod": "POST", "ThrottlingBurstLimit": 9}
LOG = {"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:g", "Format": "$context.requestId"}
STAGE = {"RestApiId": "api", "StageName": "prod", "DeploymentId": "d1"}


class FakeGateway:
    """API Gateway as the providers see it, with one stage that understands patch operations as moto does."""

    class exceptions:
        NotFoundException = KeyError

    def __init__(self) -> None:
        self.stage = Stage(name="prod", deployment_id="d1")
        self.put: list[dict[str, Any]] = []
        self.patched: list[dict[str, str]] = []

    def create_stage(self, **stage: Any) -> dict[str, str]:
        return {"stageName": stage["stageName"]}

    def update_stage(self, restApiId: str, stageName: str, patchOperations: list[dict[str, str]]) -> None:
        assert (restApiId, stageName) == ("api", "prod")
        self.stage.apply_operations(patchOperations)

    def update_rest_api(self, restApiId: str, patchOperations: list[dict[str, str]]) -> None:
        self.patched += patchOperations

    def put_rest_api(self, **parameters: Any) -> None:
        self.put.append(parameters)

    def get_resources(self, restApiId: str) -> dict[str, Any]:
        return {"items": [{"id": "child", "path": "/v1"}, {"id": "root", "path": "/"}]}


class ProviderTest(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = FakeGateway()
        backend = SimpleNamespace(apis={"api": SimpleNamespace(stages={"prod": self.fake.stage})})
        place = mock.patch.object(cloudformation_gateway, "get_moto_backend", lambda account, region: backend)
        place.start()
        self.addCleanup(place.stop)

    def request(self, before: dict[str, Any] | None, after: dict[str, Any]) -> ResourceRequest:
        clients = SimpleNamespace(apigateway=self.fake, s3=None)
        request = mock.Mock(spec=ResourceRequest, aws_client_factory=clients, custom_context={})
        request.account_id, request.region_name = "000000000000", "us-east-1"
        request.desired_state, request.previous_state = dict(after), before
        return request

    def create_stage(self, after: dict[str, Any]) -> None:
        event = ApiGatewayStageProvider().create(self.request(None, after))
        self.assertIs(event.status, OperationStatus.SUCCESS)

    def update_stage(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        event = ApiGatewayStageProvider().update(self.request(before, after))
        self.assertIs(event.status, OperationStatus.SUCCESS, event.message)
        self.assertEqual(event.resource_model, after)

    def throttle(self, method: str) -> tuple[float, int]:
        setting = self.fake.stage.method_settings[method]
        return setting["throttlingRateLimit"], setting["throttlingBurstLimit"]

    def test_a_new_stage_has_its_method_settings_and_its_log(self) -> None:
        self.create_stage(STAGE | {"MethodSettings": [DEVICES, ALL], "AccessLogSetting": LOG})
        self.assertEqual(self.throttle("*/*"), (7.0, 8))
        self.assertEqual(self.throttle("~1v1~1devices/POST")[1], 9)
        expected = {"destinationArn": LOG["DestinationArn"], "format": LOG["Format"]}
        self.assertEqual(self.fake.stage.access_log_settings, expected)

    def test_a_changed_stage_has_its_new_settings_and_no_old_ones(self) -> None:
        before = STAGE | {"MethodSettings": [ALL, DEVICES], "AccessLogSetting": LOG, "Variables": {"a": "1", "b": "1"}}
        self.create_stage(before)
        self.fake.stage.variables = {"a": "1", "b": "1"}
        changed = {"MethodSettings": [ALL | {"ThrottlingRateLimit": 1}], "Variables": {"b": "2"}, "DeploymentId": "d2"}
        self.update_stage(before, STAGE | changed)
        self.assertEqual(self.throttle("*/*"), (1.0, 8))
        self.assertEqual(list(self.fake.stage.method_settings), ["*/*"])
        self.assertIsNone(self.fake.stage.access_log_settings)
        self.assertEqual(self.fake.stage.variables, {"b": "2"})
        self.assertEqual(self.fake.stage.deployment_id, "d2")

    def test_a_changed_document_is_put_over_the_same_api(self) -> None:
        before = {"RestApiId": "api", "RootResourceId": "old", "Name": "a", "Body": {"paths": {}}}
        before["EndpointConfiguration"] = {"types": ["REGIONAL"]}  # as its creation has left it
        after = {"Name": "b", "Body": {"paths": {"/x": {}}}, "EndpointConfiguration": {"Types": ["REGIONAL"]}}
        event = ApiGatewayRestApiProvider().update(self.request(before, after))
        self.assertIs(event.status, OperationStatus.SUCCESS, event.message)
        self.assertEqual((event.resource_model["RestApiId"], event.resource_model["RootResourceId"]), ("api", "root"))
        [put] = self.fake.put
        self.assertEqual((put["restApiId"], put["body"]), ("api", b'{"paths": {"/x": {}}}'))
        self.assertEqual((put["mode"], put["parameters"]), ("merge", {"basepath": "ignore"}))
        self.assertEqual(self.fake.patched, [{"op": "replace", "path": "/name", "value": "b"}])

    def test_an_unchanged_document_is_not_put_again(self) -> None:
        before = {"RestApiId": "api", "RootResourceId": "root", "Body": {"paths": {}}}
        ApiGatewayRestApiProvider().update(self.request(before, {"Body": {"paths": {}}, "Description": "new"}))
        self.assertEqual(self.fake.put, [])

    def test_what_is_not_updated_here_fails_by_name(self) -> None:
        event = ApiGatewayRestApiProvider().update(self.request({"RestApiId": "api"}, {"BinaryMediaTypes": ["a/b"]}))
        self.assertIs(event.status, OperationStatus.FAILED)
        self.assertIn("BinaryMediaTypes", event.message)
        event = ApiGatewayStageProvider().update(self.request(STAGE | {"CanarySetting": {}}, STAGE))
        self.assertIn("CanarySetting", event.message)


class AliasTest(unittest.TestCase):
    ALIAS: ClassVar = {"FunctionName": "cast-vote", "Name": "live", "FunctionVersion": "1", "Id": "arn:cast-vote:live"}

    def update(self, after: dict[str, Any]) -> tuple[ProgressEvent, mock.Mock]:
        functions = mock.Mock()
        request = mock.Mock(spec=ResourceRequest, aws_client_factory=SimpleNamespace(lambda_=functions))
        request.desired_state, request.previous_state = after, self.ALIAS
        return LambdaAliasProvider().update(request), functions.update_alias

    def test_an_alias_points_to_the_new_version(self) -> None:
        after = {name: value for name, value in self.ALIAS.items() if name != "Id"} | {"FunctionVersion": "2"}
        event, update = self.update(after)
        update.assert_called_once_with(FunctionName="cast-vote", Name="live", FunctionVersion="2")
        self.assertIs(event.status, OperationStatus.SUCCESS)
        self.assertEqual(event.resource_model, after | {"Id": "arn:cast-vote:live"})

    def test_what_is_not_updated_here_fails_by_name(self) -> None:
        event, update = self.update({**self.ALIAS, "FunctionVersion": "2", "RoutingConfig": {}})
        self.assertIs(event.status, OperationStatus.FAILED)
        self.assertIn("RoutingConfig", event.message)
        update.assert_not_called()


class FakeProvider:
    """Makes every resource there is, and remembers what it was asked to do."""

    SCHEMA: ClassVar[dict[str, Any]] = ApiGatewayStageProvider.SCHEMA | {"primaryIdentifier": ["/properties/Id"]}

    def __init__(self, fails_with: str | None) -> None:
        self.fails_with = fails_with
        self.done: list[tuple[str, str]] = []

    def _event(self, action: str, request: ResourceRequest) -> ProgressEvent:
        self.done.append((action, request.logical_resource_id))
        if self.fails_with:
            return ProgressEvent(OperationStatus.FAILED, {}, message=self.fails_with)
        name = request.logical_resource_id
        model = {**request.desired_state, "Id": f"id-of-{name}", "Arn": f"arn-of-{name}"}
        return ProgressEvent(OperationStatus.SUCCESS, model)

    def create(self, request: ResourceRequest) -> ProgressEvent:
        return self._event("create", request)

    def update(self, request: ResourceRequest) -> ProgressEvent:
        return self._event("update", request)

    def delete(self, request: ResourceRequest) -> ProgressEvent:
        return self._event("delete", request)


class UpdateTest(unittest.TestCase):
    """The engine itself, over a template whose resources a fake makes."""

    def setUp(self) -> None:
        self.stack = mock.Mock(stack_name="s", account_id="000000000000", region_name="us-east-1", resolved_resources={})
        self.stack.stack_id = "arn:aws:cloudformation:us-east-1:000000000000:stack/s/1"
        self.stack.set_stack_status = lambda status, reason=None: setattr(self.stack, "status", status)
        self.template: dict[str, Any] | None = None
        self.parameters: dict[str, Any] | None = None

    def deploy(self, template: dict[str, Any], fails_with: str | None = None, **parameters: str) -> list[tuple[str, str]]:
        """What is done, in order."""
        values = {name: {"type_": "String", "given_value": value} for name, value in parameters.items()}
        kind = ChangeSetType.UPDATE if self.template else ChangeSetType.CREATE
        change_set = mock.Mock(stack=self.stack, change_set_type=kind, account_id="000000000000", region_name="us-east-1")
        model = ChangeSetModel(self.template, template, self.parameters, values)
        change_set.update_model = model.get_update_model()
        provider = FakeProvider(fails_with)
        with mock.patch.object(ResourceProviderExecutor, "try_load_resource_provider", staticmethod(lambda kind: provider)):
            result = ChangeSetModelExecutor(change_set).execute()
        self.assertEqual(result.failure_message, fails_with)
        self.template, self.parameters, self.stack.resolved_resources = template, values, result.resources
        return provider.done

    def api(self, body: str, deployment: str, stage: str = "prod") -> dict[str, Any]:
        properties = {"RestApiId": {"Ref": "Api"}, "StageName": stage, "DeploymentId": deployment}
        api = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": body}}
        return {"Resources": {"Api": api, "Stage": {"Type": "AWS::ApiGateway::Stage", "Properties": properties}}}

    def test_a_stage_of_a_changed_api_is_updated_and_no_other_is_made(self) -> None:
        self.assertEqual(self.deploy(self.api("a", "d1")), [("create", "Api"), ("create", "Stage")])
        self.assertEqual(self.deploy(self.api("b", "d2")), [("update", "Api"), ("update", "Stage")])

    def test_a_stage_of_another_name_is_another_one(self) -> None:
        self.deploy(self.api("a", "d1"))
        done = self.deploy(self.api("a", "d1", stage="test"))
        self.assertEqual(done, [("create", "Stage"), ("delete", "Stage")])

    def test_a_condition_can_be_switched_on(self) -> None:
        role = {"Type": "AWS::IAM::Role", "Condition": "Logs", "Properties": {}}
        account = {
            "Type": "AWS::ApiGateway::Account",
            "Condition": "Logs",
            "Properties": {"A": {"Fn::GetAtt": ["Role", "Arn"]}},
        }
        template = {
            "Parameters": {"Write": {"Type": "String"}},
            "Conditions": {"Logs": {"Fn::Equals": [{"Ref": "Write"}, "true"]}},
            "Resources": {"Account": account, "Role": role, **self.api("a", "d1")["Resources"]},
        }
        log = {"Fn::If": ["Logs", {"DestinationArn": {"Fn::Sub": "group:${Role}"}}, {"Ref": "AWS::NoValue"}]}
        template["Resources"]["Stage"]["Properties"]["AccessLogSetting"] = log
        self.deploy(template, Write="false")
        done = [("create", "Role"), ("create", "Account"), ("update", "Stage")]
        self.assertEqual(self.deploy(template, Write="true"), done)
        stage = self.stack.resolved_resources["Stage"]["Properties"]
        self.assertEqual(stage["AccessLogSetting"], {"DestinationArn": "group:id-of-Role"})

    def test_an_alias_can_be_named_that_sam_is_to_make(self) -> None:
        code = {"CodeUri": "s3://bucket/key", "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": "arn:role"}
        function = {"Type": "AWS::Serverless::Function", "Properties": {**code, "AutoPublishAlias": "live"}}
        permission = {"Type": "AWS::Lambda::Permission", "Properties": {"FunctionName": {"Ref": "CastVote.Alias"}}}
        template = {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": {"CastVote": function, "CastVotePermission": permission},
        }
        change_set = mock.Mock(stack=self.stack, account_id="000000000000", region_name="us-east-1")
        change_set.update_model = ChangeSetModel(None, template, None, {}).get_update_model()
        with mock.patch.object(change_set_model_transform, "create_policy_loader"):
            model = change_set_model_transform.ChangeSetModelTransform(change_set, {}, {}, None, template)
            _, transformed = model.transform()
        resources = transformed["Resources"]
        self.assertEqual(resources["CastVotePermission"]["Properties"]["FunctionName"], {"Ref": "CastVoteAliaslive"})
        self.assertIn("CastVoteAliaslive", resources)

    def test_a_failed_update_has_a_status_that_says_so(self) -> None:
        self.deploy(self.api("a", "d1"))
        self.deploy(self.api("b", "d2"), fails_with="no such thing")
        self.assertEqual(self.stack.status, StackStatus.UPDATE_ROLLBACK_FAILED)
