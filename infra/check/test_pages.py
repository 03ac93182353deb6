"""Shows that each rule of pages.py can fail: spoils the document in one way, and expects that rule to say so.

Run as `python infra/check/test_pages.py infra/pages.yaml`.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pages as check
from rules import in_copies, report_spoils, set_value

Json = dict[str, Any]


def document(path: str, value: Any) -> Callable[[check.Pages], None]:
    """Spoils one value; `None` takes it away. Path: with `~` for a slash in a key."""
    return lambda pages: set_value(pages.document, [part.replace("~", "/") for part in path.split("/")], value)


def an_anchor(pages: check.Pages) -> None:
    pages.text = pages.text.replace("paths:", "paths: &paths", 1)


POST = "paths/~p~{poll_id}/post"
ANSWER = check.GATEWAY + "/THROTTLED"
SPOILS = {
    check.each_page_is_made_by_its_function: [
        document(POST, None),
        document(POST + "/x-amazon-apigateway-integration/uri", {"Fn::Sub": check.URI.replace("NAME:live", "show-poll")}),
        document("paths/~sign-in/get/x-amazon-apigateway-integration/uri", {"Fn::Sub": check.URI.replace("NAME", "show-poll")}),
        document(POST + "/x-amazon-apigateway-integration/type", "mock"),
    ],
    check.bodies_are_bytes: [document("x-amazon-apigateway-binary-media-types", None)],
    check.the_document_is_one_that_can_be_included: [an_anchor],
    check.tls_is_as_the_parameter_says: [document("x-amazon-apigateway-security-policy", None)],
    check.the_gateway_answers_in_html_and_safely: [
        document(ANSWER, None),
        document(ANSWER + "/responseTemplates", {"application/json": "{}"}),
        document(ANSWER + "/responseParameters/gatewayresponse.header.Retry-After", None),
        document(ANSWER + "/responseParameters/gatewayresponse.header.X-Frame-Options", None),
    ],
}


if __name__ == "__main__":
    sys.exit(report_spoils(check.RULES, SPOILS, in_copies(check.read(Path(sys.argv[1])))))
