import unittest

from landslide_local import integration

OUTPUT = """
failures:

---- votes::a stdout ----
thread 'votes::a' panicked at tests/it/votes.rs:1:1:
no answer
failures:
    looks like a name

failures:
    votes::a
    polls::b_c

test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
"""


class Failures(unittest.TestCase):
    def test_names_are_those_of_the_last_list(self) -> None:
        self.assertEqual(integration.failures(OUTPUT), ["votes::a", "polls::b_c"])

    def test_a_run_that_passed_or_was_not_built_has_none(self) -> None:
        self.assertEqual(integration.failures("test result: ok. 3 passed"), [])
        self.assertEqual(integration.failures("error: could not compile"), [])


if __name__ == "__main__":
    unittest.main()
