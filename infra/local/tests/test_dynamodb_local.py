"""DynamoDB Local is used only as it is pinned, and with a Java that runs it."""

import hashlib
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from landslide_local import dynamodb_local
from landslide_local.stages import Failure


class DynamoDbLocalTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    # --- checksums ---

    def require(self, fetched: dict[str, str], pinned: dict[str, str]) -> None:
        jars = self.folder / "jars"
        jars.mkdir()
        for name, contents in fetched.items():
            (jars / name).write_text(contents)
        sums = self.folder / "sums"
        sums.write_text("".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in pinned.items()))
        with (
            mock.patch.multiple(dynamodb_local, JARS=jars, CHECKSUMS=sums),
            mock.patch.object(dynamodb_local.paths, "ROOT", self.folder),
        ):
            dynamodb_local._require_checksums()

    def test_what_is_pinned_passes(self) -> None:
        self.require({"a.jar": "A", "b.jar": "B"}, {"b.jar": "B", "a.jar": "A"})

    def test_another_content_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(Failure, "b.jar$"):
            self.require({"a.jar": "A", "b.jar": "X"}, {"a.jar": "A", "b.jar": "B"})

    def test_a_file_too_many_is_refused(self) -> None:
        with self.assertRaisesRegex(Failure, "b.jar$"):
            self.require({"a.jar": "A", "b.jar": "B"}, {"a.jar": "A"})

    def test_a_file_that_is_missing_is_refused(self) -> None:
        with self.assertRaisesRegex(Failure, "b.jar$"):
            self.require({"a.jar": "A"}, {"a.jar": "A", "b.jar": "B"})

    # --- Java ---

    def java_that_says(self, version: str) -> str:
        program = self.folder / "bin" / "java"
        program.parent.mkdir()
        program.write_text(f"""#!/bin/sh\necho 'openjdk version "{version}"' >&2\n""")
        program.chmod(0o755)
        with mock.patch.dict(os.environ, {"JAVA_HOME": str(self.folder)}):
            return dynamodb_local.java()

    def test_java_17_and_newer_are_taken(self) -> None:
        self.assertEqual(self.java_that_says("17.0.15"), str(self.folder / "bin" / "java"))

    def test_java_11_is_too_old(self) -> None:
        with self.assertRaisesRegex(Failure, "too old.*Java 17 or newer"):
            self.java_that_says("11.0.2")

    def test_java_8_which_calls_itself_1_8_is_too_old(self) -> None:
        with self.assertRaisesRegex(Failure, "too old"):
            self.java_that_says("1.8.0_402")

    def test_where_there_is_none_it_is_said_how_to_get_one(self) -> None:
        with (
            mock.patch.dict(os.environ, {"PATH": "/nowhere", "JAVA_HOME": ""}),
            self.assertRaisesRegex(Failure, "No java was found.*Install Java 17"),
        ):
            dynamodb_local.java()


if __name__ == "__main__":
    unittest.main()
