"""A function's process, its Runtime API and its output."""

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from landslide_localstack.children import bound
from landslide_localstack.runtime_api import Invocation, Outcome, RuntimeApi, error_document

OUTPUT_BYTES_MAX = 8 * 1024 * 1024
"""Of what one invocation writes; the rest is lost."""
READ_BYTES = 64 * 1024
MEMORY_LOOK_SECONDS = 0.1
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
BYTES_PER_MB = 1024 * 1024
PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Function:
    """What a process is started from."""

    root: Path
    """The unpacked code, with `bootstrap`."""
    environment: dict[str, str]
    timeout_seconds: float
    memory_mb: int


class FunctionFailed(Exception):
    """The function's process gave no answer. `kind` is one of Lambda's error types, such as Runtime.ExitError."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind, self.message = kind, message

    def outcome(self, request_id: str) -> Outcome:
        """What the caller gets."""
        return Outcome(error_document(self.kind, f"RequestId: {request_id} Error: {self.message}"), is_error=True)


class NotTaken(Exception):
    """The process ended before it took the invocation, so another one may have it."""


class FunctionProcess:
    """One process from its start to its end. All methods are called on the event loop.

    Its output is appended to `output`, up to a limit. Nobody waits for output: what was written before an answer lies in
    the pipe by then, and a descendant that keeps the pipe open holds nothing up.
    """

    def __init__(self, function: Function, output: bytearray) -> None:
        self._function = function
        self._output = output
        self._api = RuntimeApi()
        self._process: asyncio.subprocess.Process | None = None
        self._exit: asyncio.Task[int] | None = None
        self._pipe: int | None = None
        self._out_of_memory = False

    async def start(self) -> None:
        """Starts it; FunctionFailed if there is nothing to start."""
        environment = self._function.environment | {
            "PATH": PATH,
            "LAMBDA_TASK_ROOT": str(self._function.root),
            "AWS_LAMBDA_RUNTIME_API": self._api.address(),
        }
        self._pipe, write_end = os.pipe()
        os.set_blocking(self._pipe, False)
        asyncio.get_running_loop().add_reader(self._pipe, self.read_output)
        bootstrap = self._function.root / "bootstrap"
        try:
            if not os.access(bootstrap, os.X_OK):
                raise FunctionFailed("Runtime.InvalidEntrypoint", f"no program {bootstrap.name} in the function's code")
            self._process = await asyncio.create_subprocess_exec(
                *bound([str(bootstrap)]),
                cwd=self._function.root,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                process_group=0,
            )
        except BaseException:
            self.end()
            raise
        finally:
            os.close(write_end)
        self._exit = asyncio.create_task(self._process.wait())

    async def initialised(self, deadline: float) -> None:
        """Returns when it asks for its first invocation. Else FunctionFailed or InitialisationFailed. Times here are those
        of time.monotonic()."""
        await self._wait(self._api.ready, deadline)

    async def answer(self, invocation: Invocation, deadline: float) -> Outcome:
        """Runs an invocation. FunctionFailed if it ends or takes too long, NotTaken if it has ended before."""
        answer = self._api.offer(invocation)
        watch = asyncio.create_task(self._watch_memory())
        try:
            return await self._wait(answer, deadline)
        except FunctionFailed:
            if self.has_ended() and not self._api.was_taken():
                raise NotTaken from None
            raise
        finally:
            watch.cancel()

    def has_ended(self) -> bool:
        """Whether the process is gone, even if the event loop has not seen that yet."""
        if self._exit.done():
            return True
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def read_output(self) -> None:
        """Takes what it has written so far."""
        with contextlib.suppress(BlockingIOError):
            while self._pipe is not None and (written := os.read(self._pipe, READ_BYTES)):
                self._output += written[: max(0, OUTPUT_BYTES_MAX - len(self._output))]
            self._close_pipe()  # at its end: no process has it open

    def end(self) -> None:
        """Kills it and its descendants, which wakes what waits for it. Its output is read."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self.read_output()
        self._close_pipe()
        self._api.close()

    async def _wait[T](self, wanted: asyncio.Future[T], deadline: float) -> T:
        """The wanted value; FunctionFailed if the process ends or the time is over first."""
        seconds = max(0.0, deadline - time.monotonic())
        await asyncio.wait({wanted, self._exit}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            return wanted.result()
        if self._exit.done():
            raise self._why_it_ended(self._exit.result())
        raise FunctionFailed("Sandbox.Timedout", f"Task timed out after {self._function.timeout_seconds:.2f} seconds")

    def _why_it_ended(self, status: int) -> FunctionFailed:
        if self._out_of_memory:
            return FunctionFailed("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
        if status == 0:
            return FunctionFailed("Runtime.ExitError", "Runtime exited without providing a reason")
        reason = f"signal: {signal.strsignal(-status)}".lower() if status < 0 else f"exit status {status}"
        return FunctionFailed("Runtime.ExitError", f"Runtime exited with error: {reason}")

    async def _watch_memory(self) -> None:
        """Kills it when it takes more than the function's memory. Looks now and then: a limit of address space would count
        what a program reserves and never touches, and a control group needs root."""
        while not self.has_ended():
            await asyncio.sleep(MEMORY_LOOK_SECONDS)
            if _resident_bytes(self._process.pid) > self._function.memory_mb * BYTES_PER_MB:
                self._out_of_memory = True
                self.end()

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None


def _resident_bytes(pid: int) -> int:
    """Nothing for a process that is gone, and where there is no /proc."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0
