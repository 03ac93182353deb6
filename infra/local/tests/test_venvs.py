"""The Python of an environment that runs on one version only."""

import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from landslide_local import venvs
from landslide_local.stages import Failure

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
NONE = "2.0"
"""A version that no machine has."""


class InterpreterTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        nowhere = {"PATH": "/nowhere", "PYENV_ROOT": str(self.folder / "pyenv"), "UV_PYTHON_INSTALL_DIR": "/nowhere"}
        environment = mock.patch.dict(os.environ, nowhere)
        environment.start()
        self.addCleanup(environment.stop)
        os.environ.pop("PYTHON", None)

    def interpreter(self, version: str) -> str:
        with mock.patch.dict(venvs.PYTHONS, {"cloud": version}):
            return venvs._interpreter("cloud")

    def fake_of_pyenv(self, version: str, says: str) -> Path:
        """A program that says it is a Python of some version."""
        program = self.folder / "pyenv" / "versions" / f"{version}.9" / "bin" / f"python{version}"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho {says}\n")
        program.chmod(0o755)
        return program

    def test_the_running_one_is_taken_if_it_fits(self) -> None:
        self.assertEqual(self.interpreter(OWN), sys.executable)

    def test_one_of_pyenv_is_found(self) -> None:
        program = self.fake_of_pyenv(NONE, says=NONE)
        self.assertEqual(self.interpreter(NONE), str(program))

    def test_one_that_is_of_another_version_is_not_taken(self) -> None:
        self.fake_of_pyenv(NONE, says="2.1")
        with self.assertRaises(Failure):
            self.interpreter(NONE)

    def test_where_there_is_none_it_is_said_how_to_get_one(self) -> None:
        with self.assertRaisesRegex(Failure, f"needs Python {NONE} exactly.*pyenv install {NONE}"):
            self.interpreter(NONE)


if __name__ == "__main__":
    unittest.main()
