"""Gives a REST API what MiniStack drops when it imports its document.

Gateway responses, request validators and their models, required parameters, integration templates, mock answers and
timeouts from the document; throttles from the template's MethodSettings. Whatever is right already stays untouched, so a
second run changes nothing.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

Json = Any

VERBS = ("get", "put", "post", "delete", "options", "head", "patch")
PARAMETER_PLACES = {"query": "querystring", "header": "header", "path": "path"}
RESOURCES_MAX = 500  # as many as one call gives
EXTENSION = "x-amazon-apigateway-"


def complete(client: Json, api_id: str, stage: str, document: Json, method_settings: list[Json]) -> int:
    """Brings the deployed API in line with the document. Returns how many things it had to change."""
    changes = _put_gateway_responses(client, api_id, document)
    validators = _put_validators(client, api_id, document)
    _put_models(client, api_id, document)
    changes += _put_methods(client, api_id, document, validators)
    if changes:  # gateway responses count from the next deployment on
        client.create_deployment(restApiId=api_id, stageName=stage)
    _set_throttles(client, api_id, stage, method_settings)
    return changes


def _put_gateway_responses(client: Json, api_id: str, document: Json) -> int:
    deployed = {item["responseType"]: item for item in client.get_gateway_responses(restApiId=api_id)["items"]}
    changes = 0
    for name, response in document.get(f"{EXTENSION}gateway-responses", {}).items():
        wanted = {
            "responseParameters": dict(response.get("responseParameters", {})),
            "responseTemplates": dict(response.get("responseTemplates", {})),
        }
        if "statusCode" in response:
            wanted["statusCode"] = str(response["statusCode"])
        if wanted["responseTemplates"] and "application/json" not in wanted["responseTemplates"]:
            # MiniStack renders this one template only, and calls the body application/json whatever its key.
            media_type, template = next(iter(wanted["responseTemplates"].items()))
            wanted["responseTemplates"] = {"application/json": template}
            wanted["responseParameters"].setdefault("gatewayresponse.header.Content-Type", f"'{media_type}'")
        current = deployed.get(name, {})
        if current.get("defaultResponse", True) or any(current.get(key) != value for key, value in wanted.items()):
            client.put_gateway_response(restApiId=api_id, responseType=name, **wanted)
            changes += 1
    return changes


def _put_validators(client: Json, api_id: str, document: Json) -> dict[str, str]:
    """Ids of the document's validators by name."""
    ids = {item["name"]: item["id"] for item in client.get_request_validators(restApiId=api_id)["items"]}
    for name, checks in document.get(f"{EXTENSION}request-validators", {}).items():
        if name not in ids:
            ids[name] = client.create_request_validator(restApiId=api_id, name=name, **checks)["id"]
    return ids


def _put_models(client: Json, api_id: str, document: Json) -> None:
    """Makes the models of bodies that a validator checks."""
    there = {item["name"] for item in client.get_models(restApiId=api_id)["items"]}
    schemas = document.get("components", {}).get("schemas", {})
    local = json.loads(re.sub("#/components/schemas/", "#/definitions/", json.dumps(schemas)))
    used = {name for _, _, operation in _operations(document) for name in _models(document, operation).values()}
    for name in sorted(used - there):
        schema = json.dumps(local[name] | {"definitions": local})
        client.create_model(restApiId=api_id, name=name, contentType="application/json", schema=schema)


def _put_methods(client: Json, api_id: str, document: Json, validators: dict[str, str]) -> int:
    resources = client.get_resources(restApiId=api_id, embed=["methods"], limit=RESOURCES_MAX)["items"]
    by_path = {resource["path"]: resource for resource in resources}
    changes = 0
    for path, verb, operation in _operations(document):
        resource = by_path[path]
        deployed = resource["resourceMethods"][verb]
        method = _wanted_method(document, path, operation, validators)
        integration, responses = _wanted_integration(operation)
        if _is_as_wanted(deployed, method, integration, responses):
            continue
        changes += 1
        where = {"restApiId": api_id, "resourceId": resource["id"], "httpMethod": verb}
        kept = {key: deployed[key] for key in ("authorizationType", "authorizerId", "apiKeyRequired") if deployed.get(key)}
        client.put_method(**where, **kept, **method)
        before = deployed["methodIntegration"]  # put_method has dropped it
        target = {"integrationHttpMethod": before["httpMethod"], "uri": before["uri"]} if before.get("uri") else {}
        client.put_integration(**where, type=before["type"], **target, **integration)
        for status, response in responses.items():
            client.put_integration_response(**where, statusCode=status, **response)
    return changes


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, verb and operation of everything that has an integration."""
    for path, item in document["paths"].items():
        for verb in VERBS:
            if f"{EXTENSION}integration" in item.get(verb, {}):
                yield path, verb.upper(), item[verb]


def _validator(document: Json, operation: Json) -> str | None:
    key = f"{EXTENSION}request-validator"
    return operation.get(key, document.get(key))


def _models(document: Json, operation: Json) -> dict[str, str]:
    """Names of the models for an operation's bodies by media type, if its validator looks at bodies."""
    checks = document.get(f"{EXTENSION}request-validators", {}).get(_validator(document, operation), {})
    if not checks.get("validateRequestBody"):
        return {}
    bodies = operation.get("requestBody", {}).get("content", {})
    return {media_type: body["schema"]["$ref"].rpartition("/")[2] for media_type, body in bodies.items()}


def _wanted_method(document: Json, path: str, operation: Json, validators: dict[str, str]) -> Json:
    wanted: Json = {"requestModels": _models(document, operation), "requestParameters": {}}
    for parameter in [*document["paths"][path].get("parameters", []), *operation.get("parameters", [])]:
        place = PARAMETER_PLACES.get(parameter["in"])
        if place:
            wanted["requestParameters"][f"method.request.{place}.{parameter['name']}"] = parameter.get("required", False)
    validator = _validator(document, operation)
    if validator:
        wanted["requestValidatorId"] = validators[validator]
    return wanted


def _wanted_integration(operation: Json) -> tuple[Json, dict[str, Json]]:
    """Integration, and its responses by status, in the words of the API's own calls."""
    imported = operation[f"{EXTENSION}integration"]
    integration = {
        key: imported[key] for key in ("requestTemplates", "passthroughBehavior", "timeoutInMillis") if key in imported
    }
    responses = {}
    for pattern, response in imported.get("responses", {}).items():
        responses[str(response["statusCode"])] = {
            "selectionPattern": "" if pattern == "default" else pattern,
            "responseParameters": response.get("responseParameters", {}),
            "responseTemplates": response.get("responseTemplates", {}),
        }
    return integration, responses


def _is_as_wanted(deployed: Json, method: Json, integration: Json, responses: dict[str, Json]) -> bool:
    current = deployed["methodIntegration"]
    answers = current.get("integrationResponses", {})
    return (
        all(deployed.get(key, {}) == value for key, value in method.items())
        and all(current.get(key) == value for key, value in integration.items())
        and answers.keys() == responses.keys()
        and all(answers[status].get(key) == value for status, wanted in responses.items() for key, value in wanted.items())
    )


def _set_throttles(client: Json, api_id: str, stage: str, method_settings: list[Json]) -> None:
    """MiniStack stores the template's escaped paths and never finds them again; in a patch it understands them."""
    limits = {"ThrottlingRateLimit": "rateLimit", "ThrottlingBurstLimit": "burstLimit"}
    patches = [
        {
            "op": "replace",
            "path": f"{setting['ResourcePath']}/{setting['HttpMethod']}/throttling/{limit}",
            "value": str(setting[name]),
        }
        for setting in method_settings
        for name, limit in limits.items()
        if name in setting
    ]
    if patches:
        client.update_stage(restApiId=api_id, stageName=stage, patchOperations=patches)
