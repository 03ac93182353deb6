"""PostgreSQL's programs are found, and both servers are named by their addresses."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from landslide_local import postgres
from landslide_local.stages import Failure

SERVERS = postgres.Servers(5001, 5002, "a", "s", "p", "y")


class PostgresTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def _install(self, version: str) -> Path:
        folder = self.folder / version
        folder.mkdir()
        for name in postgres.NEEDED:
            (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Debian)'\n")
            (folder / name).chmod(0o755)
        return folder

    def _find(self, *folders: Path) -> postgres.Programs:
        with mock.patch.object(postgres, "_folders", return_value=list(folders)):
            return postgres.Programs.found()

    def test_the_newest_is_taken(self) -> None:
        folders = [self._install(version) for version in ("9.6.24", "17.2", "15.18", "16.1")]
        self.assertEqual(self._find(*folders).folder, self.folder / "17.2")

    def test_one_that_is_too_old_is_named(self) -> None:
        with self.assertRaisesRegex(Failure, r"No PostgreSQL >= 15 was found \(too old: .*/14.2\)"):
            self._find(self._install("14.2"))

    def test_without_any_it_says_how_to_get_one(self) -> None:
        with self.assertRaisesRegex(Failure, "apt-get install postgresql"):
            self._find(self.folder)

    def test_writes_go_to_the_primary_and_reads_to_the_replica(self) -> None:
        self.assertEqual(
            SERVERS.parameters(),
            {
                "AnalyticsWriteUrl": "postgresql://landslide_sync:s@127.0.0.1:5001/landslide?sslmode=disable",
                "AnalyticsReadUrl": "postgresql://landslide_api:p@127.0.0.1:5002/landslide?sslmode=disable",
            },
        )
        self.assertIn("PGPORT=5002 PGUSER=analyst", SERVERS.for_psql())
