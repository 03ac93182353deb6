"""Shows that each rule of cdn.py can fail: spoils the CDN in one way, and expects that rule to say so.

Run as `python infra/check/test_cdn.py infra/cdn.yaml`.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cdn as check
from rules import in_copies, report_spoils, set_value

Spoil = Callable[[check.Cdn], None]


def set_at(path: str, value: Any) -> Spoil:
    """Spoils one value of the distribution's, or of a resource's where the path begins with `/`; `None` takes it away."""

    def edit(cdn: check.Cdn) -> None:
        set_value(cdn.template if path.startswith("/") else cdn.distribution, path.lstrip("/").split("/"), value)

    return edit


def policy(path: str, value: Any) -> Spoil:
    name, _, rest = path.partition("/")
    return set_at(f"/Resources/{name}/Properties/CachePolicyConfig/{rest}", value)


def key(path: str, value: Any) -> Spoil:
    name, _, rest = path.partition("/")
    return policy(f"{name}/ParametersInCacheKeyAndForwardedToOrigin/{rest}", value)


def behaviour(number: int, path: str, value: Any) -> Spoil:
    return set_at(f"CacheBehaviors/{number}/{path}", value)


def first_of_all(pattern: str) -> Spoil:
    """Puts a further pattern before all others, with the settings of results."""

    def edit(cdn: check.Cdn) -> None:
        behaviours = cdn.distribution["CacheBehaviors"]
        behaviours.insert(0, {**behaviours[0], "PathPattern": pattern})

    return edit


def new_query_name(cdn: check.Cdn) -> None:
    route = cdn.api["paths"]["/v1/polls/{poll_id}/results"]["get"]
    route["parameters"] = [*route["parameters"], {"name": "page", "in": "query"}]


def stale_rules(cdn: check.Cdn) -> None:
    cdn.rules_vcl = cdn.rules_vcl.replace("60s", "61s")


NAMES = {"QueryStringBehavior": "whitelist", "QueryStrings": [*check.QUERY_NAMES, "utm"]}
ALL_BUT_HOST = "/Resources/AllButHost/Properties/OriginRequestPolicyConfig"

SPOILS: dict[Callable[..., Any], list[Spoil]] = {
    check.each_route_has_the_behaviour_that_it_needs: [
        behaviour(0, "PathPattern", "/v1/polls/*/results*"),
        behaviour(3, "PathPattern", "/v1/polls/*/votes*"),
        behaviour(4, "PathPattern", "/p/*/live"),
        behaviour(5, "PathPattern", "/p"),
        behaviour(5, "TargetOriginId", "Verified"),
        set_at("CacheBehaviors/2", None),
        set_at("DefaultCacheBehavior/CachePolicyId", {"Ref": "Public"}),
        first_of_all("/v1/polls/*"),
    ],
    check.what_is_kept_asks_for_no_token: [
        first_of_all("/v1/polls/*/mine"),
        first_of_all("/v1/polls"),
        first_of_all("/v1/keys*"),
    ],
    check.the_key_is_the_path_and_listed_query_names: [
        key("Public/QueryStringsConfig", NAMES),
        key("Public/QueryStringsConfig", {"QueryStringBehavior": "all"}),
        key("Country/QueryStringsConfig/QueryStrings", check.QUERY_NAMES),
        key("Country/CookiesConfig", {"CookieBehavior": "all"}),
        key("Public/EnableAcceptEncodingGzip", True),
        key("Public/HeadersConfig", {"HeaderBehavior": "whitelist", "Headers": ["Origin"]}),
        key("Country/HeadersConfig/Headers", ["CloudFront-Viewer-Country"]),
    ],
    check.the_key_has_what_answers_depend_on: [
        new_query_name,
        key("Public/QueryStringsConfig/QueryStrings", ["by", "from", "to", "step"]),
    ],
    check.the_api_alone_says_for_how_long: [
        policy("Public/MinTTL", 1),
        policy("Public/DefaultTTL", 1),
        policy("Public/MaxTTL", 5),
        policy("Country/MaxTTL", 60),
        policy("Nothing/MaxTTL", 1),
    ],
    check.what_is_not_kept_goes_on_as_it_was_sent: [
        set_at(f"{ALL_BUT_HOST}/HeadersConfig", {"HeaderBehavior": "allViewer"}),
        set_at(f"{ALL_BUT_HOST}/CookiesConfig", {"CookieBehavior": "none"}),
        set_at(f"{ALL_BUT_HOST}/QueryStringsConfig", {"QueryStringBehavior": "none"}),
        set_at("DefaultCacheBehavior/OriginRequestPolicyId", None),
        behaviour(0, "OriginRequestPolicyId", {"Ref": "AllButHost"}),
    ],
    check.every_method_reaches_the_api_and_two_are_kept: [
        behaviour(3, "AllowedMethods", ["GET", "HEAD"]),
        behaviour(0, "CachedMethods", ["GET", "HEAD", "OPTIONS"]),
    ],
    check.who_is_told_the_country_can_tell_that_it_is_true: [
        set_at("DefaultCacheBehavior/TargetOriginId", "Verified"),
        behaviour(3, "TargetOriginId", "Direct"),
        set_at("Origins/2/OriginCustomHeaders", []),
        set_at("Origins/1/OriginCustomHeaders", None),
    ],
    check.the_proof_is_a_secret_that_can_be_replaced: [
        set_at("Origins/1/OriginCustomHeaders", [{"HeaderName": "Landslide-Origin-Verify", "HeaderValue": "key"}]),
        set_at("/Parameters/OriginVerifyKey/AllowedValues", ["first"]),
    ],
    check.what_is_kept_passes_the_shield: [
        set_at("Origins/0/OriginShield/Enabled", False),
        behaviour(1, "TargetOriginId", "Direct"),
        set_at("DefaultCacheBehavior/TargetOriginId", "Shielded"),
    ],
    check.all_origins_are_the_apis: [
        set_at("Origins/1/DomainName", "example.org"),
        set_at("Origins/2/OriginPath", ""),
        set_at("Origins/0/CustomOriginConfig/OriginProtocolPolicy", "match-viewer"),
    ],
    check.nothing_is_sent_in_clear: [
        behaviour(3, "ViewerProtocolPolicy", "redirect-to-https"),
        set_at("DefaultCacheBehavior/ViewerProtocolPolicy", "allow-all"),
    ],
    check.errors_are_forgotten_soon_and_stay_as_they_are: [
        set_at("CustomErrorResponses/2", None),
        set_at("CustomErrorResponses/8/ErrorCachingMinTTL", 10),
        set_at("CustomErrorResponses/8/ResponsePagePath", "/503.html"),
    ],
    check.what_is_asked_for_alone_is_there: [
        set_at("WebACLId", {"Ref": "WebAclArn"}),
        set_at("Aliases", [{"Ref": "DomainName"}]),
        set_at("ViewerCertificate/Fn::If/1/MinimumProtocolVersion", "TLSv1"),
        set_at("/Rules", None),
    ],
    check.varnish_has_the_same_rules: [
        stale_rules,
        behaviour(0, "PathPattern", "/v2/polls/*/results"),
        policy("Public/MaxTTL", 30),
        key("Public/QueryStringsConfig", NAMES),
        set_at("CustomErrorResponses/8/ErrorCachingMinTTL", 2),
    ],
}


if __name__ == "__main__":
    sys.exit(report_spoils(check.RULES, SPOILS, in_copies(check.read(Path(sys.argv[1])))))
