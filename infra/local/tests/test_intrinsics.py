"""Intrinsic functions mean here what they mean to CloudFormation."""

import unittest

from ministack.intrinsics import Resolver

TEMPLATE = {
    "Parameters": {"Origin": {"Type": "String", "Default": "*"}, "Rate": {"Type": "Number", "Default": 5}},
    "Conditions": {
        "AnyOrigin": {"Fn::Equals": [{"Ref": "Origin"}, "*"]},
        "OneOrigin": {"Fn::Not": [{"Condition": "AnyOrigin"}]},
        "Slow": {"Fn::And": [{"Fn::Equals": [{"Ref": "Rate"}, 5]}, {"Condition": "AnyOrigin"}]},
    },
}
VARY = {"Vary": {"Fn::If": ["OneOrigin", "'Origin'", {"Ref": "AWS::NoValue"}]}, "Age": "'600'"}


class IntrinsicsTest(unittest.TestCase):
    def test_a_default_stands_for_a_parameter_that_is_not_given(self) -> None:
        self.assertEqual(Resolver(TEMPLATE, {}).resolve({"Fn::Sub": "'${Origin}'"}), "'*'")

    def test_a_given_parameter_wins(self) -> None:
        self.assertEqual(Resolver(TEMPLATE, {"Origin": "https://a.example"}).resolve({"Ref": "Origin"}), "https://a.example")

    def test_no_value_leaves_the_property_out(self) -> None:
        self.assertEqual(Resolver(TEMPLATE, {}).resolve(VARY), {"Age": "'600'"})

    def test_a_condition_chooses(self) -> None:
        resolved = Resolver(TEMPLATE, {"Origin": "https://a.example"}).resolve(VARY)
        self.assertEqual(resolved, {"Vary": "'Origin'", "Age": "'600'"})

    def test_a_number_equals_its_text(self) -> None:
        self.assertTrue(Resolver(TEMPLATE, {"Rate": "5"}).holds({"Condition": "Slow"}))

    def test_a_resource_stays_as_it_is(self) -> None:
        arn = {"Fn::Sub": "${AWS::Partition}:${CastVote.Arn}"}
        self.assertEqual(Resolver(TEMPLATE, {}).resolve(arn), arn["Fn::Sub"])


if __name__ == "__main__":
    unittest.main()
