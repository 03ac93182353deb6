"""What schemathesis is told besides infra/openapi.yaml, and what it looks at besides its own checks.

It loads this file by SCHEMATHESIS_HOOKS.
"""

import json
import os
from typing import Any

import schemathesis

Json = Any

# Ids of polls that are there; landslide_local/api_tests.py makes them.
POLLS = json.loads(os.environ["POLLS"])

# What a step is given of the one before. In the document itself they would be for schemathesis alone, and what API Gateway's
# import makes of links is not documented. Links by `poll_id` of a response are not here: schemathesis finds those by itself.
POLL_ID = {"poll_id": "$request.path.poll_id"}
IF_MATCH = {"If-Match": "$response.header.ETag"}
IF_NONE_MATCH = {"If-None-Match": "$response.header.ETag"}
LINKS = [
    ("/v1/polls", "post", "201", "updatePoll", {"poll_id": "$response.body#/poll_id"} | IF_MATCH),
    ("/v1/polls", "get", "200", "listPolls", {"cursor": "$response.body#/next_cursor"}),
    ("/v1/polls/{poll_id}", "patch", "200", "updatePoll", POLL_ID | IF_MATCH),
    ("/v1/polls/{poll_id}/hidden-answers", "put", "200", "hideAnswers", POLL_ID | IF_MATCH),
    ("/v1/polls/{poll_id}/votes", "post", "201", "castVote", POLL_ID | IF_MATCH),
    ("/v1/polls/{poll_id}/votes", "post", "201", "retractVote", POLL_ID | IF_MATCH),
    ("/v1/polls/{poll_id}/results", "get", "200", "getResults", POLL_ID | IF_NONE_MATCH),
    ("/v1/polls/{poll_id}/results/mine", "get", "200", "getMyResults", POLL_ID | IF_NONE_MATCH),
]

# What parameters are tried with first, instead of the document's example of a poll that is not there. If-Match is written out
# whole, for of a pattern schemathesis makes headers of letters and digits only, and an entity tag has quotes.
PARAMETERS = {
    "poll_id": {"example": None, "examples": {poll: {"value": poll} for poll in POLLS}},
    "If-Match": {"example": None, "schema": {"type": "string", "enum": ["*", '"1"', '"2"']}},
}

# A change of a poll or of its hidden answers without If-Match is refused by the function, with 428. The document does not
# require it, or the gateway would refuse it first, with 400.
REQUIRED = {"updatePoll": "If-Match", "hideAnswers": "If-Match"}

# Headers of every response, which the document leaves to its introduction: of HTTP, for browsers, and the gateway's own.
HEADERS_OF_ALL = {
    "access-control-allow-origin",
    "access-control-expose-headers",
    "connection",
    "content-length",
    "content-type",
    "date",
    "server",
    "vary",
    "x-content-type-options",
}
GATEWAY_HEADERS = ("x-amz-", "x-amzn-")


@schemathesis.hook
def before_load_schema(_: schemathesis.HookContext, document: Json) -> None:
    """Adds links and values to the document, and closes its schemas: a field that they do not name is then a fault."""
    for path, method, status, target, parameters in LINKS:
        links = document["paths"][path][method]["responses"][status].setdefault("links", {})
        links[target] = {"operationId": target, "parameters": parameters}
    # Who may make no poll goes on from here, and from the vote to all else.
    document["paths"]["/v1/devices"]["post"]["responses"]["201"]["links"] = {
        f"voteIn{number}": {"operationId": "castVote", "parameters": {"poll_id": poll}, "requestBody": {"choices": [1]}}
        for number, poll in enumerate(POLLS)
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                _set(parameter, PARAMETERS.get(parameter["name"], {}))
                if REQUIRED.get(operation["operationId"]) == parameter["name"]:
                    parameter["required"] = True
    for schema in document["components"]["schemas"].values():
        _close(schema)


def _set(parameter: Json, values: Json) -> None:
    """Gives a parameter these values; None takes one away."""
    parameter |= values
    for name in [name for name, value in parameter.items() if value is None]:
        del parameter[name]


def _close(schema: Json) -> None:
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)
        for inner in schema["properties"].values():
            _close(inner)
    if "items" in schema:
        _close(schema["items"])


@schemathesis.check
def undocumented_header(_: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """A response has the headers that its status is documented with, and those of every response."""
    documented = case.operation.responses.find_by_status_code(response.status_code)
    if documented is None:  # schemathesis' own check says so
        return
    known = HEADERS_OF_ALL | {name.lower() for name, _ in documented.headers.items()}
    unknown = [name for name in response.headers if name.lower() not in known and not name.lower().startswith(GATEWAY_HEADERS)]
    assert not unknown, f"undocumented headers with {response.status_code}: {', '.join(unknown)}"
