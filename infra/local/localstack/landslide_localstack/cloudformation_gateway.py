"""REST APIs and their stages through CloudFormation: all settings at creation, and updates in place.

LocalStack drops a stage's method settings and its access log, and knows no update of a stage or an API: it says
UPDATE_COMPLETE and leaves both as they were.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

from localstack.services.apigateway.helpers import get_moto_backend
from localstack.services.apigateway.resource_providers.aws_apigateway_restapi import ApiGatewayRestApiProvider
from localstack.services.apigateway.resource_providers.aws_apigateway_stage import ApiGatewayStageProvider
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent, ResourceRequest
from localstack.utils.objects import keys_to_lower
from moto.apigateway.models import Stage

from landslide_localstack.patching import patch

Properties = dict[str, Any]
PatchOperation = dict[str, str]

METHOD_SETTINGS = {
    "CacheDataEncrypted": "caching/dataEncrypted",
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CachingEnabled": "caching/enabled",
    "DataTraceEnabled": "logging/dataTrace",
    "LoggingLevel": "logging/loglevel",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
}
"""https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateStage-Patch"""

STAGE_TEXTS = {"DeploymentId": "deploymentId", "Description": "description", "TracingEnabled": "tracingEnabled"}
ACCESS_LOG_TEXTS = {"DestinationArn": "destinationArn", "Format": "format"}
STAGE_UPDATES = {*STAGE_TEXTS, "AccessLogSetting", "MethodSettings", "Variables"}

API_TEXTS = {"Name": "name", "Description": "description", "DisableExecuteApiEndpoint": "disableExecuteApiEndpoint"}
API_DOCUMENT = {"Body", "BodyS3Location", "Mode", "Parameters", "FailOnWarnings"}
API_UPDATES = {*API_TEXTS, *API_DOCUMENT}

IDENTIFIERS = {"RestApiId", "RootResourceId", "StageName"}


def install() -> None:
    """Patches the providers of AWS::ApiGateway::Stage and AWS::ApiGateway::RestApi."""

    @patch(ApiGatewayStageProvider.create, source="851d06c01169")
    def create_stage(
        original: Callable[..., ProgressEvent], provider: ApiGatewayStageProvider, request: ResourceRequest
    ) -> ProgressEvent:
        event = original(provider, request)
        settings = [*access_log_patches({}, request.desired_state), *method_patches(request.desired_state)]
        _update_stage(request, settings)
        return event

    @patch(ApiGatewayStageProvider.update, source="0042ccc42668")
    def update_stage(
        original: Callable[..., ProgressEvent], provider: ApiGatewayStageProvider, request: ResourceRequest
    ) -> ProgressEvent:
        before, after = request.previous_state, request.desired_state
        if refusal := refuse(before, after, STAGE_UPDATES):
            return refusal
        _stage(request).method_settings.clear()  # no patch operation takes a method's settings away
        _update_stage(request, stage_patches(before, after))
        return _done(request)

    @patch(ApiGatewayRestApiProvider.update, source="658e53f99290")
    def update_api(
        original: Callable[..., ProgressEvent], provider: ApiGatewayRestApiProvider, request: ResourceRequest
    ) -> ProgressEvent:
        before, after = request.previous_state, request.desired_state
        after["RestApiId"] = before["RestApiId"]
        if refusal := refuse(before, after, API_UPDATES):
            return refusal
        client = request.aws_client_factory.apigateway
        if patches := text_patches(API_TEXTS, before, after, ""):
            client.update_rest_api(restApiId=after["RestApiId"], patchOperations=patches)
        if any(before.get(name) != after.get(name) for name in API_DOCUMENT):
            client.put_rest_api(**put_parameters(after, request.aws_client_factory.s3))
        resources = client.get_resources(restApiId=after["RestApiId"])["items"]
        after["RootResourceId"] = next(resource["id"] for resource in resources if resource["path"] == "/")
        return _done(request)


def refuse(before: Properties, after: Properties, updatable: set[str]) -> ProgressEvent | None:
    """The failure of an update in which another property has changed."""
    fixed = (before.keys() | after.keys()) - updatable - IDENTIFIERS
    if changed := sorted(name for name in fixed if _plain(before.get(name)) != _plain(after.get(name))):
        return ProgressEvent(OperationStatus.FAILED, {}, message=f"no update of {changed} here: delete the stack first")
    return None


def stage_patches(before: Properties, after: Properties) -> list[PatchOperation]:
    """What makes one stage of another."""
    return [
        *text_patches(STAGE_TEXTS, before, after, ""),
        *variable_patches(before.get("Variables") or {}, after.get("Variables") or {}),
        *access_log_patches(before, after),
        *method_patches(after),
    ]


def text_patches(names: dict[str, str], before: Properties, after: Properties, where: str) -> list[PatchOperation]:
    """Replaces those of the properties that have changed."""
    return [
        {"op": "replace", "path": f"{where}/{path}", "value": _text(after.get(name, ""))}
        for name, path in names.items()
        if before.get(name) != after.get(name)
    ]


def variable_patches(before: dict[str, str], after: dict[str, str]) -> list[PatchOperation]:
    """Sets and removes stage variables."""
    wanted = [{"op": "replace", "path": f"/variables/{name}", "value": value} for name, value in after.items()]
    return [*({"op": "remove", "path": f"/variables/{name}"} for name in before.keys() - after.keys()), *wanted]


def access_log_patches(before: Properties, after: Properties) -> list[PatchOperation]:
    """Sets or removes the access log."""
    old, new = before.get("AccessLogSetting") or {}, after.get("AccessLogSetting") or {}
    if old and not new:
        return [{"op": "remove", "path": "/accessLogSettings"}]
    return text_patches(ACCESS_LOG_TEXTS, old, new, "/accessLogSettings")


def method_patches(after: Properties) -> list[PatchOperation]:
    """Sets all settings of methods, those for every method first, as the others begin as a copy of them."""
    settings = sorted(after.get("MethodSettings") or [], key=lambda setting: setting["ResourcePath"] != "/*")
    return [
        {"op": "replace", "path": f"{setting['ResourcePath']}/{setting['HttpMethod']}/{path}", "value": _text(setting[name])}
        for setting in settings
        for name, path in METHOD_SETTINGS.items()
        if name in setting
    ]


def put_parameters(model: Properties, s3: Any) -> dict[str, Any]:
    """The import of an API's document over itself."""
    body = model.get("Body")
    if body is None:
        place = model["BodyS3Location"]
        version = {"VersionId": place["Version"]} if "Version" in place else {}
        body = s3.get_object(Bucket=place["Bucket"], Key=place["Key"], **version)["Body"].read().decode()
    return {
        "restApiId": model["RestApiId"],
        "body": (body if isinstance(body, str) else json.dumps(body)).encode(),
        "mode": model.get("Mode", "merge"),
        "failOnWarnings": model.get("FailOnWarnings", False),
        "parameters": {"basepath": "ignore"} | (model.get("Parameters") or {}),
    }


def _update_stage(request: ResourceRequest, patches: list[PatchOperation]) -> None:
    stage = {"restApiId": request.desired_state["RestApiId"], "stageName": request.desired_state["StageName"]}
    request.aws_client_factory.apigateway.update_stage(**stage, patchOperations=patches)


def _stage(request: ResourceRequest) -> Stage:
    apis = get_moto_backend(request.account_id, request.region_name).apis
    return apis[request.desired_state["RestApiId"]].stages[request.desired_state["StageName"]]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    """A property as LocalStack keeps it once it has made the resource: some with their names in lower case."""
    return keys_to_lower(copy.deepcopy(value))


def _done(request: ResourceRequest) -> ProgressEvent:
    return ProgressEvent(OperationStatus.SUCCESS, request.desired_state, custom_context=request.custom_context)
