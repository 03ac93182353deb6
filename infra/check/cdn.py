"""Asserts on infra/cdn.yaml what no cloud on this machine shows, and renews Varnish's rules from it.

    python infra/check/cdn.py infra/cdn.yaml            # `--write` renews infra/local/varnish/rules.vcl

Runs in the SAM CLI's virtual environment, offline. One line a rule; a rule that is broken names what breaks it, and the exit
status is 1.
"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rules import report
from samtranslator.yaml_helper import yaml_parse

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
RULES_VCL = ROOT / "infra/local/varnish/rules.vcl"

METHODS = {"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"}
QUERY_NAMES = ["by", "from", "lang", "method", "step", "to", "variables", "view"]
"""The names that answers which are kept may depend on."""
SIGN_IN_NAMES = ["issuer", "state"]
"""Those by which one person's sign-in differs from another's. Its answers are not kept, but for errors, for a second."""
POLL_IDS = ["K-8jCdoGHg9WCTErRZ2thA", "results", "votes", "mine", "segments", "series", "-", "p"]
"""One as the API makes them, and ids that look like a part of another path."""
OTHER_ID = "0f1e2d3c4b5a69788796"
"""Of a key or a view link, which have this form alone: what ends in another is no route."""
PUBLIC = {
    "/v1/polls/{poll_id}/results",
    "/v1/polls/{poll_id}/results/segments",
    "/v1/polls/{poll_id}/results/series",
    "/v1/graphql/{query_id}",
    "/v1/graphql/schema",
}
"""Routes whose answers are kept."""
COUNTRY = {"/v1/polls/{poll_id}/votes"}
"""Routes that are told the viewer's country."""
PAGES = [
    ("/p/{poll_id}", "Country", "PagesVerified"),
    ("/p/{poll_id}/live", "Country", "PagesVerified"),
    ("/p/{poll_id}/results", "Public", "PagesShielded"),
    ("/p/{poll_id}/sign-in", "Country", "PagesVerified"),
    ("/sign-in", "Country", "PagesVerified"),
]
"""Routes of the pages' API, with their policies and origins."""
ERRORS = {**dict.fromkeys((400, 403, 404, 405, 414), 0), **dict.fromkeys(range(500, 505), 1)}
"""For how many seconds an error is kept, by status: all that CloudFront lets one set, but for 416, which we never answer."""
VERIFY_HEADER = "Landslide-Origin-Verify"


@dataclass
class Cdn:
    """What is checked: the template, the API's document, and the rules that Varnish has."""

    template: Json
    api: Json
    rules_vcl: str

    @property
    def distribution(self) -> Json:
        return self.template["Resources"]["Distribution"]["Properties"]["DistributionConfig"]

    def behaviours(self) -> Iterator[Json]:
        """All of them, the default one last, with the pattern that CloudFront gives it."""
        yield from self.distribution["CacheBehaviors"]
        yield {"PathPattern": "*", **self.distribution["DefaultCacheBehavior"]}

    def behaviour_of(self, path: str) -> Json:
        """The first whose pattern a path matches: `*` is any characters, slashes too, and `?` is one."""
        return next(it for it in self.behaviours() if re.fullmatch(expression(it["PathPattern"], "."), path))

    def policy(self, name: str) -> Json:
        return self.template["Resources"][name]["Properties"]["CachePolicyConfig"]

    def key(self, name: str) -> Json:
        return self.policy(name)["ParametersInCacheKeyAndForwardedToOrigin"]

    def policies(self) -> Iterator[str]:
        """Names of the cache policies, each once, in the order of behaviours."""
        yield from dict.fromkeys(it["CachePolicyId"]["Ref"] for it in self.behaviours())

    def key_headers(self, name: str) -> list[str]:
        return self.key(name)["HeadersConfig"].get("Headers", [])

    def query_names(self, name: str) -> list[str]:
        return self.key(name)["QueryStringsConfig"].get("QueryStrings", [])


def expression(pattern: str, any_character: str) -> str:
    """A path pattern as a regular expression."""
    return re.escape(pattern).replace(r"\*", any_character + "*").replace(r"\?", any_character)


# --- Varnish's rules ---------------------------------------------------------------------------------------------------


def rules_vcl(cdn: Cdn) -> str:
    """The rules as VCL: which behaviour a path has, what its key is, and for how long things are kept."""
    return "\n".join(
        [
            "# Made from infra/cdn.yaml by `make check-template ARGS=--write`; cdn.vcl calls these.",
            "",
            *subroutine("behaviour", behaviour_lines(cdn)),
            *subroutine("key", key_lines(cdn)),
            *subroutine("hash_headers", hash_lines(cdn)),
            *subroutine("bound_time", bound_lines(cdn)),
            *subroutine("keep_errors", error_lines(cdn))[:-1],
            "",
        ]
    )


def subroutine(name: str, lines: Iterator[str]) -> list[str]:
    return [f"sub {name} {{", *(f"    {line}" for line in lines), "}", ""]


def behaviour_lines(cdn: Cdn) -> Iterator[str]:
    word = "if"
    for it in cdn.behaviours():
        policy, origin = it["CachePolicyId"]["Ref"], it["TargetOriginId"]
        settings = f'{{ set req.http.Cdn-Policy = "{policy}"; set req.http.Cdn-Origin = "{origin}"; }}'
        pattern = expression(it["PathPattern"], "[^?]")
        yield f'{word} (req.url ~ "^{pattern}(\\?|$)") {settings}' if it["PathPattern"] != "*" else f"else {settings}"
        word = "elsif"


def key_lines(cdn: Cdn) -> Iterator[str]:
    forwarding = {it["CachePolicyId"]["Ref"] for it in cdn.behaviours() if "OriginRequestPolicyId" in it}
    for policy in keeping(cdn):
        names = "|".join(cdn.query_names(policy))
        yield f'if (req.http.Cdn-Policy == "{policy}") {{'
        yield f'    set req.http.Cdn-Key = regsuball(req.url, "(?<=[?&])(?!({names})(=|&|$))[^&]*(&|$)", "");'
        yield '    set req.http.Cdn-Key = regsub(req.http.Cdn-Key, "[?&]+$", "");'
        if policy not in forwarding:
            yield "    set req.url = req.http.Cdn-Key;"
            yield "    call drop_all;"
        if "CloudFront-Viewer-Country" in cdn.key_headers(policy):
            yield "    call set_country;"
        yield "}"


def hash_lines(cdn: Cdn) -> Iterator[str]:
    for policy in keeping(cdn):
        for header in cdn.key_headers(policy):
            yield f'if (req.http.Cdn-Policy == "{policy}") {{ hash_data(req.http.{header}); }}'


def bound_lines(cdn: Cdn) -> Iterator[str]:
    for policy in keeping(cdn):
        seconds = cdn.policy(policy)["MaxTTL"]
        yield f'if (bereq.http.Cdn-Policy == "{policy}" && beresp.ttl > {seconds}s) {{ set beresp.ttl = {seconds}s; }}'


def error_lines(cdn: Cdn) -> Iterator[str]:
    for it in cdn.distribution["CustomErrorResponses"]:
        if it["ErrorCachingMinTTL"]:
            seconds = it["ErrorCachingMinTTL"]
            yield f"if (beresp.status == {it['ErrorCode']}) {{ set beresp.ttl = {seconds}s; }}"


def keeping(cdn: Cdn) -> Iterator[str]:
    """Names of the cache policies that keep anything."""
    yield from (name for name in cdn.policies() if cdn.policy(name)["MaxTTL"])


# --- Rules: each yields what breaks it ---------------------------------------------------------------------------------


def each_route_has_the_behaviour_that_it_needs(cdn: Cdn) -> Iterator[str]:
    """Whatever a poll's id looks like."""
    for route in cdn.api["paths"]:
        policy = "Public" if route in PUBLIC else "Country" if route in COUNTRY else "Nothing"
        for poll_id in POLL_IDS:
            path = re.sub(r"\{\w+\}", OTHER_ID, route.replace("{poll_id}", poll_id))
            if (found := cdn.behaviour_of(path)["CachePolicyId"]) != {"Ref": policy}:
                yield f"{path}: {found}"
    for poll_id in POLL_IDS:
        for path, policy, origin in PAGES:
            it = cdn.behaviour_of(path.format(poll_id=poll_id))
            if (it["CachePolicyId"], it["TargetOriginId"]) != ({"Ref": policy}, origin):
                yield f"{path}: {it['CachePolicyId']} of {it['TargetOriginId']}"


def what_is_kept_asks_for_no_token(cdn: Cdn) -> Iterator[str]:
    """A route that reads tokens, or of what the caller alone may see, never has a policy without `Authorization` that keeps."""
    for route, verbs in cdn.api["paths"].items():
        policy = cdn.behaviour_of(route)["CachePolicyId"]["Ref"]
        keeps = cdn.policy(policy)["MaxTTL"] > 0 and "Authorization" not in cdn.key_headers(policy)
        reads_tokens = any(operation.get("security") for operation in verbs.values()) or "/mine" in route
        if keeps and reads_tokens:
            yield route


def the_key_is_the_path_and_listed_query_names(cdn: Cdn) -> Iterator[str]:
    for policy in keeping(cdn):
        key = cdn.key(policy)
        names = sorted([*QUERY_NAMES, *SIGN_IN_NAMES]) if policy == "Country" else QUERY_NAMES
        if key["QueryStringsConfig"] != {"QueryStringBehavior": "whitelist", "QueryStrings": names}:
            yield f"{policy}: query"
        if key["CookiesConfig"] != {"CookieBehavior": "none"}:
            yield f"{policy}: cookies"
        if key["EnableAcceptEncodingGzip"] or key["EnableAcceptEncodingBrotli"]:
            yield f"{policy}: encodings"
    if cdn.key("Public")["HeadersConfig"] != {"HeaderBehavior": "none"}:
        yield "Public: headers"
    if set(cdn.key_headers("Country")) != {"Authorization", "CloudFront-Viewer-Country"}:
        yield "Country: headers"


def the_key_has_what_answers_depend_on(cdn: Cdn) -> Iterator[str]:
    """Each query parameter of a route that is kept."""
    for route in PUBLIC:
        for parameter in cdn.api["paths"][route]["get"].get("parameters", []):
            if "$ref" in parameter:
                parameter = cdn.api["components"]["parameters"][parameter["$ref"].rsplit("/", 1)[1]]
            if parameter["in"] == "query" and parameter["name"] not in cdn.query_names("Public"):
                yield f"{route}: {parameter['name']}"


def the_api_alone_says_for_how_long(cdn: Cdn) -> Iterator[str]:
    """Nothing is kept unless the API says so, and results for as long as they may serve after an error."""
    wanted = {"Public": (0, 0, 60), "Country": (0, 0, 1), "Nothing": (0, 0, 0)}
    for policy in cdn.policies():
        times = tuple(cdn.policy(policy)[name] for name in ("MinTTL", "DefaultTTL", "MaxTTL"))
        if times != wanted.get(policy):
            yield f"{policy}: {times}"


def what_is_not_kept_goes_on_as_it_was_sent(cdn: Cdn) -> Iterator[str]:
    """But for Host, by which API Gateway finds an API. What is kept goes on without anything else."""
    wanted = {
        "CookiesConfig": {"CookieBehavior": "all"},
        "HeadersConfig": {"HeaderBehavior": "allExcept", "Headers": ["Host"]},
        "QueryStringsConfig": {"QueryStringBehavior": "all"},
    }
    found = cdn.template["Resources"]["AllButHost"]["Properties"]["OriginRequestPolicyConfig"]
    yield from (f"AllButHost: {name}" for name in wanted if found.get(name) != wanted[name])
    for it in cdn.behaviours():
        policy = None if it["CachePolicyId"] == {"Ref": "Public"} else {"Ref": "AllButHost"}
        if it.get("OriginRequestPolicyId") != policy:
            yield it["PathPattern"]


def every_method_reaches_the_api_and_two_are_kept(cdn: Cdn) -> Iterator[str]:
    for it in cdn.behaviours():
        if set(it["AllowedMethods"]) != METHODS or set(it["CachedMethods"]) != {"GET", "HEAD"}:
            yield it["PathPattern"]


def who_is_told_the_country_can_tell_that_it_is_true(cdn: Cdn) -> Iterator[str]:
    """The header that proves the way goes with the country that CloudFront sets, and with no other request."""
    proving = {it["Id"] for it in cdn.distribution["Origins"] if "OriginCustomHeaders" in it}
    if proving != {"Verified", "PagesVerified"}:
        yield f"origins: {sorted(proving)}"
    for it in cdn.behaviours():
        sets_country = "CloudFront-Viewer-Country" in cdn.key_headers(it["CachePolicyId"]["Ref"])
        if sets_country != (it["TargetOriginId"] in proving):
            yield it["PathPattern"]


def the_proof_is_a_secret_that_can_be_replaced(cdn: Cdn) -> Iterator[str]:
    value = "{{resolve:secretsmanager:${OriginVerifySecretArn}:SecretString:${OriginVerifyKey}}}"
    header = {"HeaderName": VERIFY_HEADER, "HeaderValue": {"Fn::Sub": value}}
    wanted = {"Fn::If": ["HasOriginVerify", [header], {"Ref": "AWS::NoValue"}]}
    for it in cdn.distribution["Origins"]:
        if it.get("OriginCustomHeaders", wanted) != wanted:
            yield it["Id"]
    if cdn.template["Parameters"]["OriginVerifyKey"].get("AllowedValues") != ["first", "second"]:
        yield "OriginVerifyKey"


def what_is_kept_passes_the_shield(cdn: Cdn) -> Iterator[str]:
    shielded = {it["Id"] for it in cdn.distribution["Origins"] if it.get("OriginShield", {}).get("Enabled") is True}
    for it in cdn.behaviours():
        if (it["CachePolicyId"] == {"Ref": "Public"}) != (it["TargetOriginId"] in shielded):
            yield it["PathPattern"]


def all_origins_are_the_apis(cdn: Cdn) -> Iterator[str]:
    api = {"Ref": "ApiDomainName"}
    pages = {"Fn::If": ["HasPages", {"Ref": "PagesDomainName"}, api]}
    for it in cdn.distribution["Origins"]:
        place = (it["DomainName"], it["OriginPath"])
        protocol = it["CustomOriginConfig"]
        if place != (pages if it["Id"].startswith("Pages") else api, {"Fn::Sub": "/${ApiStage}"}):
            yield f"{it['Id']}: {place}"
        if protocol != {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]}:
            yield f"{it['Id']}: {protocol}"


def nothing_is_sent_in_clear(cdn: Cdn) -> Iterator[str]:
    yield from (it["PathPattern"] for it in cdn.behaviours() if it["ViewerProtocolPolicy"] != "https-only")


def errors_are_forgotten_soon_and_stay_as_they_are(cdn: Cdn) -> Iterator[str]:
    found = {}
    for it in cdn.distribution["CustomErrorResponses"]:
        found[it["ErrorCode"]] = it.get("ErrorCachingMinTTL")
        if it.keys() - {"ErrorCode", "ErrorCachingMinTTL"}:
            yield f"{it['ErrorCode']}: has a page"
    yield from (f"{code}: {found.get(code)}" for code in sorted(found | ERRORS) if found.get(code) != ERRORS.get(code))


def what_is_asked_for_alone_is_there(cdn: Cdn) -> Iterator[str]:
    """Domain and firewall."""
    nothing = {"Ref": "AWS::NoValue"}
    if cdn.distribution["WebACLId"] != {"Fn::If": ["HasWebAcl", {"Ref": "WebAclArn"}, nothing]}:
        yield "WebACLId"
    if cdn.distribution["Aliases"] != {"Fn::If": ["HasDomain", [{"Ref": "DomainName"}], nothing]}:
        yield "Aliases"
    certificate = cdn.distribution["ViewerCertificate"]["Fn::If"]
    if certificate[0] != "HasDomain" or certificate[1].get("MinimumProtocolVersion") != "TLSv1.2_2021":
        yield "ViewerCertificate"
    if "DomainAndCertificate" not in cdn.template.get("Rules", {}):
        yield "DomainAndCertificate"


def varnish_has_the_same_rules(cdn: Cdn) -> Iterator[str]:
    if cdn.rules_vcl != rules_vcl(cdn):
        yield f"{RULES_VCL.relative_to(ROOT)} is stale: run `make check-template ARGS=--write`"


RULES: list[Callable[[Cdn], Iterator[str]]] = [
    rule
    for rule in list(globals().values())
    if getattr(rule, "__annotations__", {}) == {"cdn": Cdn, "return": Iterator[str]}
    and not rule.__name__.endswith("_lines")
    and rule.__name__ != "keeping"
]
"""Every function above that takes a CDN and yields offenders."""


def read(path: Path) -> Cdn:
    api = yaml.safe_load((ROOT / "infra/openapi.yaml").read_text())
    return Cdn(yaml_parse(path.read_text()), api, RULES_VCL.read_text() if RULES_VCL.exists() else "")


def main() -> int:
    cdn = read(Path(sys.argv[1]))
    if "--write" in sys.argv:
        cdn.rules_vcl = rules_vcl(cdn)
        RULES_VCL.write_text(cdn.rules_vcl)
    return report(RULES, cdn)


if __name__ == "__main__":
    sys.exit(main())
