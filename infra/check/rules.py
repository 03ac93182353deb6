"""Checks by rules, and the proof that each rule can fail.

A rule is a function that takes what is checked and yields what breaks it. A spoil breaks what is checked in one way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import yaml

Rule = Callable[[Any], Iterator[str]]


def report(rules: Iterable[Rule], checked: Any) -> int:
    """Prints one line a rule, and what breaks it. Returns the exit status: 1 if any rule is broken."""
    broken = 0
    for rule in rules:
        offenders = list(rule(checked))
        broken += bool(offenders)
        print("FAIL" if offenders else "ok  ", rule.__name__.replace("_", " "))
        for offender in offenders:
            print("      ", offender)
    return 1 if broken else 0


def report_spoils(rules: Iterable[Rule], spoils: Mapping[Rule, list[Any]], offenders: Callable[[Rule, Any], list[str]]) -> int:
    """Prints which rules have no spoil, and which spoils their rule misses. Returns the exit status: 1 if there is any.

    `offenders` gives what a rule yields once a spoil is done.
    """
    silent = [f"no spoil for {rule.__name__}" for rule in rules if rule not in spoils]
    for rule, edits in spoils.items():
        for number, edit in enumerate(edits):
            if not offenders(rule, edit):
                silent.append(f"{rule.__name__} does not notice spoil {number}")
    print(*silent or [f"{sum(map(len, spoils.values()))} spoils noticed, {len(spoils)} rules"], sep="\n")
    return 1 if silent else 0


def in_copies(whole: Any) -> Callable[[Rule, Any], list[str]]:
    """What a rule yields once a spoil is done to a copy of what is checked."""

    def offenders(rule: Rule, spoil: Callable[[Any], None]) -> list[str]:
        spoiled = deepcopy(whole)
        spoil(spoiled)
        return list(rule(spoiled))

    return offenders


def not_includable(text: str) -> Iterator[str]:
    """What AWS::Include refuses in a document."""
    for token in yaml.scan(text):
        if isinstance(token, (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken)):
            yield f"line {token.start_mark.line + 1}: anchor, alias or short form, which AWS::Include refuses"


def tls_unlike_the_parameter(document: Any) -> Iterator[str]:
    """Settings of an API's document that are not as the template's parameter TlsPolicy says."""
    nothing = {"Ref": "AWS::NoValue"}
    wanted = {
        "x-amazon-apigateway-security-policy": {"Fn::If": ["HasTlsPolicy", {"Ref": "TlsPolicy"}, nothing]},
        "x-amazon-apigateway-endpoint-access-mode": {"Fn::If": ["HasTlsPolicy", "BASIC", nothing]},
    }
    yield from (name for name, value in wanted.items() if document.get(name) != value)


def set_value(node: Any, path: list[str], value: Any) -> None:
    """Sets what lies at a path of keys and of places in lists; `None` takes it away."""
    *parents, last = path
    for part in parents:
        node = node[int(part) if isinstance(node, list) else part]
    key: Any = int(last) if isinstance(node, list) else last
    if value is None:
        del node[key]
    else:
        node[key] = value
