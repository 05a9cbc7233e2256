"""A worker: a child process, started when first needed, asked one thing after the other, replaced when it dies.

Requests wait in a bounded queue. One that crashes its child or takes too long fails; those behind it go to the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from media.worker.child import ChildLimits
from media.worker.errors import Refused, WorkerBusy, WorkerCrashed, WorkerError, WorkerTimeout, WorkerUnavailable
from media.worker.frames import Body, Header
from media.worker.spawn import Child, NotBegun

MEBIBYTE = 1024 * 1024
# A child that cannot be started is tried again after this long, doubled each time, up to the second value.
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
# A request whose child was gone before it looked at it gets this many children in all.
_CHILDREN_PER_REQUEST = 3

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker runs and how far it may go.

    `entry` is `module:function` of the handler in the child. `request_seconds` bounds the time one request takes,
    waiting in the queue not counted; `cpu_seconds` its processor time; `memory_bytes` the address space of the child;
    `body_bytes` and `reply_bytes` the bodies of a request and of a reply; `pending` the requests waiting. After
    `idle_seconds` without a request the child ends and gives its memory back; None keeps it.
    """

    name: str
    entry: str
    request_seconds: float = 10.0
    cpu_seconds: int = 10
    memory_bytes: int = 512 * MEBIBYTE
    body_bytes: int = MEBIBYTE
    reply_bytes: int = 64 * MEBIBYTE
    pending: int = 64
    idle_seconds: float | None = None
    niceness: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A child's answer: the header its handler returned, and the body."""

    header: Header
    body: bytearray


@dataclass(slots=True)
class WorkerStatistics:
    """Counters since construction. `refused` are bad inputs, `crashed` and `timed_out` cost a child each."""

    requests: int = 0
    answered: int = 0
    refused: int = 0
    crashed: int = 0
    timed_out: int = 0
    turned_away: int = 0
    children: int = 0


@dataclass(slots=True)
class _Job:
    number: int
    header: Header
    body: Body
    future: asyncio.Future[Reply]


class WorkerProcess:
    """Runs requests in a child process. All methods are called on the event loop's thread."""

    def __init__(self, spec: WorkerSpec, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.spec = spec
        self.statistics = WorkerStatistics()
        self._clock = clock
        self._limits = ChildLimits(
            cpu_seconds=spec.cpu_seconds,
            memory_bytes=spec.memory_bytes,
            body_bytes=spec.body_bytes,
            niceness=spec.niceness,
        )
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(spec.pending)
        self._serving: asyncio.Task[None] | None = None
        self._child: Child | None = None
        self._pause = 0.0
        self._start_after = 0.0
        self._reason = ""
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the child, None while there is none."""
        return self._child.pid if self._child is not None else None

    async def request(self, header: Header, body: Body = b"") -> Reply:
        """Have the child handle a request.

        Raises Refused when the handler refuses the input; WorkerBusy, WorkerUnavailable, WorkerCrashed, WorkerTimeout.
        A caller that is cancelled leaves the queue; what the child has begun it finishes unheard.
        """
        if self._closed:
            raise WorkerUnavailable(f"the {self.spec.name} process is closed")
        if len(body) > self.spec.body_bytes:
            raise Refused(f"{len(body)} bytes; at most {self.spec.body_bytes} are taken")
        self.statistics.requests += 1
        job = _Job(self.statistics.requests, header, body, asyncio.get_running_loop().create_future())
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            self.statistics.turned_away += 1
            raise WorkerBusy(f"{self.spec.pending} requests already wait for the {self.spec.name} process") from None
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name=f"worker {self.spec.name}")
        return await job.future

    async def close(self) -> None:
        """End the child; requests that still wait fail with WorkerUnavailable. Safe to call twice."""
        self._closed = True
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait({self._serving})
        while not self._jobs.empty():
            self._fail(self._jobs.get_nowait(), self._gone())
        child, self._child = self._child, None
        if child is not None:
            await child.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _serve(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self.spec.idle_seconds if self._child is not None else None):
                    job = await self._jobs.get()
            except TimeoutError:
                await self._replace()
                continue
            if job.future.done():
                continue
            try:
                await self._handle(job)
            except asyncio.CancelledError:
                # The worker is being closed; a child in the middle of a request would not see its stdin end.
                self._fail(job, self._gone())
                await self._replace(at_once=True)
                raise
            except Exception as fault:
                _log.exception("worker.fault", worker=self.spec.name)
                self._fail(job, WorkerCrashed(f"fault in the engine: {type(fault).__name__}"))
                await self._replace(at_once=True)

    async def _handle(self, job: _Job) -> None:
        try:
            async with asyncio.timeout(None) as limit:
                header, body = await self._ask(job, limit)
        except TimeoutError:
            await self._replace(at_once=True)
            self.statistics.timed_out += 1
            error: Exception = WorkerTimeout(f"took longer than {self.spec.request_seconds:g} s")
        except WorkerUnavailable as unavailable:
            error = unavailable
        except WorkerCrashed as crash:
            await self._replace(at_once=True)
            self.statistics.crashed += 1
            error = crash
        else:
            answer = self._judge(header, body)
            if isinstance(answer, Reply):
                self.statistics.answered += 1
                if not job.future.done():
                    job.future.set_result(answer)
                return
            error = answer
        if isinstance(error, WorkerError):
            _log.warning("worker.request_failed", worker=self.spec.name, reason=str(error))
        self._fail(job, error)

    async def _ask(self, job: _Job, limit: asyncio.Timeout) -> tuple[Header, bytearray]:
        """Have a child answer `job`, another when it turns out to be gone. `limit` is armed once a child is there."""
        loop = asyncio.get_running_loop()
        gone = ""
        for _ in range(_CHILDREN_PER_REQUEST):
            child = await self._ready_child()
            limit.reschedule(loop.time() + self.spec.request_seconds)
            try:
                return await child.exchange(job.number, job.header, job.body, self.spec.reply_bytes)
            except NotBegun as error:
                gone = str(error)
                limit.reschedule(None)
                await self._replace(at_once=True)
        raise WorkerCrashed(f"{_CHILDREN_PER_REQUEST} processes went before they began; the last one {gone}")

    def _judge(self, header: Header, body: bytearray) -> Reply | Exception:
        refused, failed, reply = header.get("refused"), header.get("failed"), header.get("reply")
        if refused is not None:
            self.statistics.refused += 1
            return Refused(str(refused))
        if isinstance(reply, dict):
            return Reply(reply, body)
        self.statistics.crashed += 1
        return WorkerCrashed(f"fault in the {self.spec.name} process: {failed or 'a reply without content'}")

    async def _ready_child(self) -> Child:
        if self._child is not None and self._child.alive:
            return self._child
        await self._replace()
        wait = self._start_after - self._clock()
        if wait > 0:
            raise WorkerUnavailable(f"{self._reason}; tried again in {wait:.1f} s")
        try:
            child = await Child.start(self.spec.entry, self._limits)
        except WorkerUnavailable as error:
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
            self._start_after = self._clock() + self._pause
            self._reason = str(error)
            raise
        self._pause = 0.0
        self.statistics.children += 1
        self._child = child
        _log.debug("worker.started", worker=self.spec.name, pid=child.pid)
        return child

    async def _replace(self, *, at_once: bool = False) -> None:
        """Let go of the child, so that the next request starts another."""
        child, self._child = self._child, None
        if child is not None:
            await child.end(at_once=at_once)

    def _gone(self) -> WorkerUnavailable:
        return WorkerUnavailable(f"the {self.spec.name} process was closed")

    @staticmethod
    def _fail(job: _Job, error: Exception) -> None:
        if not job.future.done():
            job.future.set_exception(error)
