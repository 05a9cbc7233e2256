"""One child process and the pipes to it: start, one request at a time, end. Restarting it is `process`'s business."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from media.worker.child import ChildLimits
from media.worker.errors import WorkerCrashed, WorkerUnavailable
from media.worker.frames import Body, FrameError, Header, receive_frame, send_frame

_LAUNCH = Path(__file__).with_name("launch.py")
# A loaded machine may take this long to start Python and load the libraries.
START_SECONDS = 20.0
# How long a child gets to end by itself after its stdin is closed.
_END_SECONDS = 1.0
# Its stderr ends with it, unless it has left a process of its own behind.
_LAST_WORDS_SECONDS = 0.5
_STDERR_BYTES = 4096
_PIPE_BYTES = 1_048_576
# A child that parses files of strangers needs to find its libraries, and none of the secrets the engine was given.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")
_SETTINGS = {
    # numpy's threads reserve address space a child does not need.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Large blocks come from the kernel and go back to it: a child does not stay as large as its largest file, and Pico,
    # which reads memory before it writes it, finds zeros there and says the same text in the same way each time.
    "MALLOC_MMAP_THRESHOLD_": "1000000",
}


class NotBegun(Exception):
    """The child was gone before it looked at the request: another child may have it."""


class Child:
    """A running child. `exchange` serves one request at a time; after it raised, only `end` may be called."""

    def __init__(self, process: asyncio.subprocess.Process, limits: ChildLimits) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._limits = limits
        self._requests = process.stdin
        self._replies = process.stdout
        self._said = bytearray()
        self._listening = asyncio.create_task(self._listen(process.stderr))

    @classmethod
    async def start(cls, entry: str, limits: ChildLimits) -> Child:
        """Start a child and wait until it is ready. Raises WorkerUnavailable.

        `entry` is `module:function` of a handler (see `media.worker.child.serve`).
        """
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | _SETTINGS
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                str(_LAUNCH),
                entry,
                json.dumps(asdict(limits)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_PIPE_BYTES,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise WorkerUnavailable(f"the process {entry} cannot be started: {error}") from None
        child = cls(process, limits)
        try:
            async with asyncio.timeout(START_SECONDS):
                await child._receive("ready", True, 0)
        except (OSError, EOFError, FrameError, TimeoutError) as error:
            await child.end(at_once=isinstance(error, TimeoutError | FrameError))
            why = f"not ready within {START_SECONDS:g} s" if isinstance(error, TimeoutError) else child.epitaph()
            raise WorkerUnavailable(f"the process {entry} did not start: {why}") from None
        except BaseException:
            await child.end(at_once=True)
            raise
        return child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is not known to have ended."""
        return self._process.returncode is None

    async def exchange(self, number: int, header: Header, body: Body, reply_bytes: int) -> tuple[Header, bytearray]:
        """Send a request, return the frame that answers it.

        Raises NotBegun when the child was gone before it began, WorkerCrashed when it ended or misbehaved after that.
        """
        begun = False
        try:
            # A send that fails need not mean that nothing was begun; the replies tell.
            with contextlib.suppress(OSError):
                await send_frame(self._requests, {**header, "id": number}, body)
            while True:
                reply, result = await self._receive("id", number, reply_bytes)
                if not reply.get("begun"):
                    return reply, result
                begun = True
        except FrameError as error:
            raise WorkerCrashed(f"the process sent nonsense: {error}") from None
        except (OSError, EOFError):
            await self.end()
            if not begun:
                raise NotBegun(self.epitaph()) from None
            raise WorkerCrashed(f"the process {self.epitaph()}") from None

    async def _receive(self, name: str, value: object, max_body: int) -> tuple[Header, bytearray]:
        """A frame whose header has to say `value` under `name`."""
        header, body = await receive_frame(self._replies, max_body)
        if header.get(name) != value:
            raise FrameError(f"{name} is {header.get(name)!r} instead of {value!r}")
        return header, body

    async def end(self, *, at_once: bool = False) -> None:
        """End the process and wait for it: by closing its stdin, by SIGKILL when it takes too long or `at_once`."""
        if at_once:
            self._kill()
        self._requests.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            await self._process.wait()
        finally:
            # Cancelled while waiting: the process is not left behind either.
            self._kill()
            await asyncio.wait({self._listening}, timeout=_LAST_WORDS_SECONDS)
            self._listening.cancel()

    def _kill(self) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def epitaph(self) -> str:
        """How the process ended and the last thing it said, for a message."""
        said = self._said.decode(errors="replace").strip().rpartition("\n")[2]
        return _ending(self._process.returncode, self._limits) + (f": {said}" if said else "")

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while part := await stream.read(_STDERR_BYTES):
            self._said += part
            del self._said[:-_STDERR_BYTES]


def _ending(returncode: int | None, limits: ChildLimits) -> str:
    if returncode is None:
        return "closed its output"
    if returncode >= 0:
        return f"ended with status {returncode}"
    if -returncode == signal.SIGPROF:
        return f"used more than {limits.cpu_seconds} s of processor time"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return f"was ended by {name}"
