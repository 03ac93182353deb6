"""docs/operate.md knows what an operator may meet: every alarm, and every state in which `make deploy` stops."""

import inspect
import re
import unittest

from landslide_local import deployment, paths

RUNBOOK = (paths.ROOT / "docs" / "operate.md").read_text()


class OperateTest(unittest.TestCase):
    def test_every_alarm_has_a_row(self) -> None:
        alarms = re.findall(r"^  (\w+Alarm):$", paths.TEMPLATE.read_text(), re.MULTILINE)
        self.assertGreater(len(alarms), 10)
        self.assertEqual([name for name in alarms if f"\n| `{name}` |" not in RUNBOOK], [])

    def test_every_state_that_a_deploy_explains_is_there(self) -> None:
        states = re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', inspect.getsource(deployment._explain))
        self.assertIn("ROLLBACK_FAILED", states)
        missing = [state for state in states if f"`{state}`" not in RUNBOOK and not state.startswith(("IMPORT", "_"))]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
