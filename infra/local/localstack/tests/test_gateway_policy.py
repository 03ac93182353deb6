"""What a policy says of a method."""

import unittest
from typing import Any

from landslide_localstack.gateway_policy import Decision, MalformedPolicy, decide

ARN = "arn:aws:execute-api:us-east-1:000000000000:api/prod/GET/v1/polls"


def policy(*statements: tuple[str, Any, Any]) -> dict[str, Any]:
    return {"Statement": [{"Effect": effect, "Action": action, "Resource": where} for effect, action, where in statements]}


class PolicyTest(unittest.TestCase):
    def check(self, decision: Decision, *statements: tuple[str, Any, Any]) -> None:
        self.assertIs(decide(policy(*statements), ARN), decision)

    def test_wildcards_match_as_in_iam(self) -> None:
        self.check(Decision.ALLOW, ("Allow", "execute-api:Invoke", "arn:aws:execute-api:us-east-1:000000000000:api/prod/*"))
        self.check(Decision.ALLOW, ("Allow", "EXECUTE-API:*", ["nothing", ARN]))
        self.check(Decision.ALLOW, ("Allow", ["other:Do", "*"], ARN.replace("GET", "?ET")))
        self.check(Decision.NO_ALLOW, ("Allow", "*", ARN.replace("GET", "[G]ET")))
        self.check(Decision.NO_ALLOW, ("Allow", "*", f"{ARN}?"))
        self.check(Decision.NO_ALLOW, ("Allow", "*", ARN.replace(".", "x").replace("/prod", ".prod")))

    def test_another_action_says_nothing(self) -> None:
        self.check(Decision.NO_ALLOW, ("Allow", "execute-api:ManageConnections", "*"))
        self.check(Decision.ALLOW, ("Allow", "*", "*"), ("Deny", "execute-api:ManageConnections", "*"))

    def test_a_deny_goes_before_an_allow(self) -> None:
        self.check(Decision.DENY, ("Allow", "*", "*"), ("Deny", "*", ARN))
        self.check(Decision.DENY, ("Deny", "*", ARN), ("Allow", "*", "*"))

    def test_one_statement_need_not_be_in_a_list(self) -> None:
        statement = {"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": "*"}
        self.assertIs(decide({"Version": "2012-10-17", "Statement": statement}, ARN), Decision.ALLOW)

    def test_what_can_not_be_read_is_no_decision(self) -> None:
        whole = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        broken = (
            {},
            "text",
            whole | {"Effect": "allow"},
            whole | {"Action": 1},
            whole | {"NotResource": "*"},
            {"Effect": "Deny"},
        )
        for statement in broken:
            with self.subTest(statement=statement), self.assertRaises(MalformedPolicy):
                decide({"Statement": [statement]}, ARN)
        with self.assertRaises(MalformedPolicy):
            decide({"Statement": []}, ARN)
