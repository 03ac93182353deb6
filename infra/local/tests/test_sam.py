"""The SAM CLI is told region and parameters, whatever its environment says."""

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from landslide_local import paths, sam
from landslide_local.stages import Failure

PARAMETERS = {"Issuers": '[{"issuer": "https://id.example.org"}]', "DeletionProtection": "true"}


class SamTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def deploy(self, exit_code: int = 0) -> list[str]:
        """What a program in the SAM CLI's place was called with."""
        program, called = self.folder / "sam", self.folder / "called"
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {called}\necho its last words\nexit {exit_code}\n')
        program.chmod(0o755)
        with (
            mock.patch.object(paths, "STATE", self.folder),
            mock.patch.object(paths, "venv_bin", return_value=program),
        ):
            sam.deploy("landslide", "eu-west-1", PARAMETERS, {"PATH": "/usr/bin:/bin"}, self.folder / "log")
        return called.read_text().splitlines()

    def test_it_goes_to_the_region_that_was_shown(self) -> None:
        called = self.deploy()
        self.assertEqual(called[called.index("--region") + 1], "eu-west-1")
        self.assertEqual(called[called.index("--stack-name") + 1], "landslide")

    def test_parameters_come_with_their_quotes(self) -> None:
        called = self.deploy()
        file = called[called.index("--parameter-overrides") + 1].removeprefix("file://")
        self.assertEqual(json.loads(Path(file).read_text()), PARAMETERS)

    def test_a_failure_names_the_log(self) -> None:
        with self.assertRaisesRegex(Failure, "sam deploy failed.*log"):
            self.deploy(exit_code=1)


if __name__ == "__main__":
    unittest.main()
