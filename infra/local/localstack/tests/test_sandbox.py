"""A function's process: reused, ended in time, started again, and woken from by a stop."""

import concurrent.futures
import json
import os
import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from landslide_localstack.function_process import Function
from landslide_localstack.runtime_api import RESPONSE_BYTES_MAX, Invocation
from landslide_localstack.sandbox import EventLoop, Result, Sandbox, Stopped

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
TIMEOUT_SECONDS = 20
SHORT_TIMEOUT_SECONDS = 5  # and longer than a process takes to start on a busy machine
WAIT_SECONDS_MAX = 20
MEMORY_MB = 128

LOOP = EventLoop()


class SandboxTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        program = self.root / "bootstrap"
        program.write_text(f"#!{sys.executable} -S\n{BOOTSTRAP.read_text()}")
        program.chmod(0o755)

    def sandbox(self, timeout_seconds: float = TIMEOUT_SECONDS, **environment: str) -> Sandbox:
        sandbox = Sandbox(Function(self.root, {"NAME": "value", **environment}, timeout_seconds, MEMORY_MB))
        self.addCleanup(lambda: LOOP.run(sandbox.stop()))
        LOOP.run(sandbox.initialise())
        return sandbox

    def invoke(self, sandbox: Sandbox, do: str, **further: Any) -> Result:
        return LOOP.run(sandbox.invoke(invocation(do, **further)))

    def answer(self, sandbox: Sandbox, do: str, **further: Any) -> Any:
        result = self.invoke(sandbox, do, **further)
        self.assertFalse(result.outcome.is_error, result)
        return json.loads(result.outcome.payload)

    def error(self, sandbox: Sandbox, do: str, **further: Any) -> Any:
        result = self.invoke(sandbox, do, **further)
        self.assertTrue(result.outcome.is_error, result)
        return json.loads(result.outcome.payload)

    # --- what works ---

    def test_one_process_takes_one_invocation_after_the_other(self) -> None:
        sandbox = self.sandbox()
        first, second = self.answer(sandbox, "echo", n=1), self.answer(sandbox, "echo", n=2)
        self.assertEqual((first["pid"], first["count"] + 1), (second["pid"], second["count"]))
        self.assertEqual(second["event"], {"do": "echo", "n": 2})

    def test_an_invocation_has_the_headers_of_the_runtime_api(self) -> None:
        headers = self.answer(self.sandbox(), "headers")
        self.assertEqual(headers["Lambda-Runtime-Aws-Request-Id"], "request-1")
        self.assertEqual(headers["Lambda-Runtime-Deadline-Ms"], "123456")
        self.assertEqual(headers["Lambda-Runtime-Invoked-Function-Arn"], "arn:f")
        self.assertEqual(headers["Lambda-Runtime-Trace-Id"], "Root=1")

    def test_the_process_sees_the_function_s_variables_and_nothing_of_ours(self) -> None:
        os.environ["OF_LOCALSTACK"] = "1"
        self.addCleanup(os.environ.pop, "OF_LOCALSTACK")
        environment = self.answer(self.sandbox(), "environment")
        self.assertEqual((environment["NAME"], environment["LAMBDA_TASK_ROOT"]), ("value", str(self.root)))
        self.assertNotIn("OF_LOCALSTACK", environment)

    def test_what_it_writes_belongs_to_the_invocation(self) -> None:
        sandbox = self.sandbox()
        self.assertEqual(self.invoke(sandbox, "print", text="one").output, "initialises\none\n")
        self.assertEqual(self.invoke(sandbox, "print", text="two").output, "two\n")
        self.assertEqual(self.invoke(sandbox, "echo").output, "")

    def test_output_beyond_the_pipe_s_size_holds_nothing_up(self) -> None:
        text = "x" * 1_000_000
        self.assertIn(text, self.invoke(self.sandbox(), "print", text=text).output)

    def test_a_descendant_that_keeps_the_output_open_is_not_waited_for_and_ends_with_the_process(self) -> None:
        sandbox = self.sandbox()
        child = self.answer(sandbox, "spawn")["child"]
        LOOP.run(sandbox.stop())
        self.assert_ends(child)

    # --- what fails ---

    def test_an_error_of_the_handler_is_its_own_document(self) -> None:
        sandbox = self.sandbox()
        self.assertEqual(self.error(sandbox, "fail"), {"errorType": "Oops", "errorMessage": "no"})
        self.assertEqual(self.answer(sandbox, "echo")["count"], 2)

    def test_an_exit_is_an_error_with_the_last_words_and_the_next_invocation_works(self) -> None:
        sandbox = self.sandbox()
        result = self.invoke(sandbox, "exit", status=7)
        document = json.loads(result.outcome.payload)
        self.assertEqual(document["errorType"], "Runtime.ExitError")
        self.assertEqual(document["errorMessage"], "RequestId: request-1 Error: Runtime exited with error: exit status 7")
        self.assertIn("last words", result.output)
        self.assertEqual(self.answer(sandbox, "echo")["count"], 1)

    def test_a_signal_is_named(self) -> None:
        self.assertIn("signal: aborted", self.error(self.sandbox(), "abort")["errorMessage"])

    def test_a_timeout_ends_the_process_and_the_next_invocation_works(self) -> None:
        sandbox = self.sandbox(timeout_seconds=SHORT_TIMEOUT_SECONDS)
        pid = self.answer(sandbox, "echo")["pid"]
        result = self.invoke(sandbox, "hang")
        self.assertEqual(json.loads(result.outcome.payload)["errorType"], "Sandbox.Timedout")
        self.assertIn("Task timed out after 5.00 seconds", result.failure)
        self.assertIn("hangs", result.output)
        self.assert_ends(pid)
        self.assertNotEqual(self.answer(sandbox, "echo")["pid"], pid)

    def test_a_process_that_ended_between_two_invocations_is_replaced(self) -> None:
        sandbox = self.sandbox()
        self.assertIsNone(self.answer(sandbox, "answer and exit"))
        self.assertEqual(self.answer(sandbox, "echo")["count"], 1)

    def test_a_process_killed_while_idle_is_replaced(self) -> None:
        sandbox = self.sandbox()
        pid = self.answer(sandbox, "echo")["pid"]
        os.kill(pid, signal.SIGKILL)
        self.assert_ends(pid)
        self.assertNotEqual(self.answer(sandbox, "echo")["pid"], pid)

    def test_more_memory_than_the_function_has_ends_it(self) -> None:
        self.assertEqual(self.error(self.sandbox(), "allocate", mb=MEMORY_MB * 2)["errorType"], "Runtime.OutOfMemory")

    def test_a_response_that_is_too_large_is_an_error(self) -> None:
        sandbox = self.sandbox()
        result = self.invoke(sandbox, "large", bytes=RESPONSE_BYTES_MAX)  # and its quotes
        self.assertEqual(json.loads(result.outcome.payload)["errorType"], "Function.ResponseSizeTooLarge")
        self.assertIn("refused with 413", result.output + self.invoke(sandbox, "echo").output)

    def test_the_largest_response_passes(self) -> None:
        text = self.answer(self.sandbox(), "large", bytes=RESPONSE_BYTES_MAX - 2)  # and its quotes
        self.assertEqual(len(text), RESPONSE_BYTES_MAX - 2)

    # --- initialisation ---

    def test_an_initialisation_that_exits_is_an_error_of_the_function(self) -> None:
        result = self.invoke(self.sandbox(INIT="exit"), "echo")
        self.assertTrue(result.outcome.is_error)
        self.assertIn("exit status 3", json.loads(result.outcome.payload)["errorMessage"])
        self.assertIn("initialises", result.output)

    def test_an_initialisation_s_own_error_is_what_the_caller_gets(self) -> None:
        self.assertEqual(self.error(self.sandbox(INIT="error"), "echo"), {"errorType": "Config", "errorMessage": "no table"})

    def test_code_without_a_bootstrap_is_an_error_of_the_function(self) -> None:
        (self.root / "bootstrap").unlink()
        self.assertEqual(self.error(self.sandbox(), "echo")["errorType"], "Runtime.InvalidEntrypoint")

    # --- stop ---

    def test_a_stop_wakes_whoever_waits_for_an_initialisation(self) -> None:
        sandbox = Sandbox(Function(self.root, {"INIT": "hang"}, TIMEOUT_SECONDS, MEMORY_MB))
        self.assert_woken(sandbox, sandbox.initialise(), until="initialises")

    def test_a_stop_wakes_whoever_waits_for_an_answer(self) -> None:
        sandbox = self.sandbox()
        self.assert_woken(sandbox, sandbox.invoke(invocation("hang")), until="hangs")

    def test_nothing_runs_after_a_stop(self) -> None:
        sandbox = self.sandbox()
        LOOP.run(sandbox.stop())
        with self.assertRaises(Stopped):
            self.invoke(sandbox, "echo")

    def assert_woken(self, sandbox: Sandbox, work: Any, until: str) -> None:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(LOOP.run, work)
            eventually(lambda: until in sandbox.output())
            LOOP.run(sandbox.stop())
            with self.assertRaises(Stopped):
                waiting.result(WAIT_SECONDS_MAX)

    def assert_ends(self, pid: int) -> None:
        eventually(lambda: not is_alive(pid))


def invocation(do: str, **further: Any) -> Invocation:
    payload = json.dumps({"do": do, **further}).encode()
    return Invocation("request-1", payload, deadline_ms=123456, function_arn="arn:f", trace_id="Root=1")


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def eventually(holds: Any) -> None:
    give_up = time.monotonic() + WAIT_SECONDS_MAX
    while not holds():
        if time.monotonic() > give_up:
            raise AssertionError("not within the time")
        time.sleep(0.02)
