"""Asserts on infra/pages.yaml what no cloud on this machine shows.

    python infra/check/pages.py infra/pages.yaml

Runs in the SAM CLI's virtual environment, offline. One line a rule; a rule that is broken names what breaks it, and the exit
status is 1. What the gateway answers by itself is written by a test of shared/page.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rules import not_includable, report, tls_unlike_the_parameter

Json = dict[str, Any]

METHODS = {
    "/p/{poll_id}": {"get", "head", "post"},
    "/p/{poll_id}/results": {"get", "head"},
    "/p/{poll_id}/live": {"get", "head"},
    "/p/{poll_id}/sign-in": {"get"},  # without head: each request begins a sign-in
    "/sign-in": {"get"},
}
FUNCTION = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-NAME:live"
URI = f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
"""Of an integration, with the function's name in the place of NAME."""
GATEWAY = "x-amazon-apigateway-gateway-responses"
HEADERS = {
    *("Cache-Control", "Content-Security-Policy", "Content-Type"),
    *("Referrer-Policy", "X-Content-Type-Options", "X-Frame-Options"),
}
"""Of whatever the gateway answers by itself."""


@dataclass
class Pages:
    """What is checked: the document, parsed and as text."""

    document: Json
    text: str


def each_page_is_made_by_its_function(pages: Pages) -> Iterator[str]:
    """By its alias, so that a release goes live for pages when it does for votes."""
    if {path: set(verbs) for path, verbs in pages.document["paths"].items()} != METHODS:
        yield "paths"
    for path, verbs in pages.document["paths"].items():
        uri = URI.replace("NAME", "sign-in" if path.endswith("/sign-in") else "show-poll")
        wanted = {"type": "aws_proxy", "httpMethod": "POST", "uri": {"Fn::Sub": uri}}
        for verb, operation in verbs.items():
            if operation.get("x-amazon-apigateway-integration") != wanted:
                yield f"{verb} {path}"


def bodies_are_bytes(pages: Pages) -> Iterator[str]:
    if pages.document.get("x-amazon-apigateway-binary-media-types") != ["*/*"]:
        yield "x-amazon-apigateway-binary-media-types"


def the_document_is_one_that_can_be_included(pages: Pages) -> Iterator[str]:
    yield from not_includable(pages.text)


def tls_is_as_the_parameter_says(pages: Pages) -> Iterator[str]:
    yield from tls_unlike_the_parameter(pages.document)


def the_gateway_answers_in_html_and_safely(pages: Pages) -> Iterator[str]:
    answers = pages.document.get(GATEWAY, {})
    if not {"DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED", "MISSING_AUTHENTICATION_TOKEN"} <= answers.keys():
        yield f"only {sorted(answers)}"
    for name, answer in answers.items():
        headers = {header.removeprefix("gatewayresponse.header.") for header in answer["responseParameters"]}
        wanted = HEADERS | ({"Retry-After"} if answer["statusCode"] in ("429", "503") else set())
        yield from (f"{name}: {header}" for header in sorted(headers ^ wanted))
        if list(answer["responseTemplates"]) != ["text/html"]:
            yield f"{name}: {list(answer['responseTemplates'])}"


RULES: list[Callable[[Pages], Iterator[str]]] = [
    rule
    for rule in list(globals().values())
    if getattr(rule, "__annotations__", {}) == {"pages": Pages, "return": Iterator[str]}
]
"""Every function above that takes the pages' document and yields offenders."""


def read(path: Path) -> Pages:
    text = path.read_text()
    return Pages(yaml.safe_load(text), text)


if __name__ == "__main__":
    sys.exit(report(RULES, read(Path(sys.argv[1]))))
