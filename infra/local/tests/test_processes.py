"""A background process is found again, and ended with its children."""

import os
import socket
import sys
import tempfile
import time
import unittest
from pathlib import Path

from landslide_local import processes
from landslide_local.stages import Failure

PARENT = """import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


class ProcessesTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pid_file = Path(folder.name) / "cloud.json"
        self.log = Path(folder.name) / "log"
        script = Path(folder.name) / "parent.py"
        script.write_text(PARENT)
        environment = {"PATH": os.environ["PATH"]}
        self.running = processes.start(self.pid_file, "test", 1, "v", [sys.executable, str(script)], environment, self.log)
        self.addCleanup(processes.stop, self.pid_file, self.running)

    def test_it_is_found_again(self) -> None:
        self.assertEqual(processes.read(self.pid_file), self.running)

    def test_stopping_it_ends_its_children_too(self) -> None:
        child = self._child()
        processes.stop(self.pid_file, self.running)
        self.assertIsNone(processes.read(self.pid_file))
        self._assert_ends(child)

    def test_a_pid_that_another_process_has_got_is_not_taken_for_ours(self) -> None:
        stranger = processes.Running("test", 1, os.getpid(), marker="no such command line", version="v")
        self.assertFalse(stranger.is_alive())

    def test_a_port_in_use_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, self.assertRaisesRegex(Failure, "in use"):
            processes.require_free(server.getsockname()[1])

    def _child(self) -> int:
        for _ in range(200):
            if self.log.read_text().strip():
                return int(self.log.read_text())
            time.sleep(0.05)
        raise AssertionError("the parent started no child")

    def _assert_ends(self, pid: int) -> None:
        for _ in range(100):
            if processes.has_ended(pid):
                return
            time.sleep(0.05)
        raise AssertionError(f"{pid} still runs")


if __name__ == "__main__":
    unittest.main()
