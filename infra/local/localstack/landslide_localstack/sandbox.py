"""An execution environment of Lambda on this machine: a function's process, started again when it has failed.

All of them live on one event loop, in a thread that never ends: so one thread serves all functions, what waits is woken
at once by an answer, an exit, a timeout or a stop, and processes can be bound to that thread (children.py).
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from landslide_localstack.function_process import Function, FunctionFailed, FunctionProcess, NotTaken
from landslide_localstack.runtime_api import InitialisationFailed, Invocation, Outcome

INIT_SECONDS_MAX = 10.0
"""Lambda's own limit."""
STARTS_MAX = 2
"""Of processes for one invocation: the first may have ended before it took the invocation."""


class EventLoop:
    """The event loop in its thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="landslide-sandboxes", daemon=True).start()

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine there and waits here."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class Stopped(Exception):
    """The environment was stopped while somebody waited for it."""


@dataclass(frozen=True)
class Result:
    """An invocation's outcome, and all that was written since the invocation before."""

    outcome: Outcome
    output: str
    failure: str | None
    """What befell the process: a crash, a timeout."""
    seconds: float


class Sandbox:
    """Takes one invocation at a time. All methods are called on the event loop."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._process: FunctionProcess | None = None
        self._output = bytearray()
        self._is_stopped = False

    async def initialise(self) -> None:
        """Starts the process. What fails is left to the first invocation, which starts it once more, within the function's
        timeout, and reports what fails then: so does Lambda. Stopped if that is what happens meanwhile."""
        with contextlib.suppress(FunctionFailed, InitialisationFailed):
            await self._start(time.monotonic() + INIT_SECONDS_MAX)

    async def invoke(self, invocation: Invocation) -> Result:
        """Runs an invocation. Whatever befalls the function is an outcome; Stopped if the environment is."""
        began = time.monotonic()
        failure = None
        try:
            outcome = await self._outcome(invocation, began + self._function.timeout_seconds)
        except FunctionFailed as error:
            self._raise_if_stopped()
            failure, outcome = error.message, error.outcome(invocation.request_id)
            self._end_process()
        except InitialisationFailed as error:
            failure, outcome = "the initialisation failed", Outcome(error.payload, is_error=True)
        return Result(outcome, self._take_output(), failure, time.monotonic() - began)

    async def stop(self) -> None:
        """Ends the process, for good."""
        self._is_stopped = True
        self._end_process()

    def output(self) -> str:
        """What was written since the last invocation."""
        return self._output.decode(errors="replace")

    async def _outcome(self, invocation: Invocation, deadline: float) -> Outcome:
        for _ in range(STARTS_MAX):
            self._raise_if_stopped()
            if self._process is None or self._process.has_ended():
                await self._start(deadline)
            with contextlib.suppress(NotTaken):
                return await self._process.answer(invocation, deadline)
        raise FunctionFailed("Runtime.ExitError", "Runtime exited before it took the invocation")

    async def _start(self, deadline: float) -> None:
        """Starts a process and waits for its initialisation; leaves none behind that failed."""
        self._end_process()
        process = FunctionProcess(self._function, self._output)
        await process.start()
        self._process = process
        try:
            self._raise_if_stopped()
            await process.initialised(deadline)
            self._raise_if_stopped()
        except Exception:
            self._end_process()
            self._raise_if_stopped()
            raise

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def _raise_if_stopped(self) -> None:
        if self._is_stopped:
            raise Stopped

    def _take_output(self) -> str:
        if self._process is not None:
            self._process.read_output()
        output = self.output()
        self._output.clear()
        return output
