"""The one task that writes: it groups what is pending into one transaction and resolves each waiter after the commit.

Two kinds of writes. Rows are statements known beforehand with their parameters; equal statements of a batch go to the
driver together, which is what makes calls cheap. Work is a function that gets the connection and may read, decide and
write. A write that fails does so alone: its batch is rolled back and every write of it gets a savepoint of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import Conflict, EngineError, Unavailable
from engine.store.prepared import DATABASE_ERRORS, INTEGRITY_ERRORS, Parameters, RowStatement, execute_rows
from engine.store.sqlite_rows import SqliteRows

logger = structlog.get_logger(__name__)

T = TypeVar("T")

BATCH_WRITES: Final = 256
"""Writes in one transaction at most."""

PENDING_WRITES: Final = 20_000
"""Writes that may wait; more are refused, so that a database that hangs cannot fill the memory."""

COMMIT_INTERVAL: Final = 0.02
"""Seconds between the starts of two transactions while several writes come at a time. A transaction costs about 0.5 ms
of CPU whatever is in it, so that under load a few milliseconds of waiting are worth it. Writes that come one by one,
each after the last was committed, do not wait."""

CROWDED: Final = 24
CROWDED_INTERVAL: Final = 0.04
"""The interval after a transaction of so many writes: half as many transactions under load, for calls that wait 20 ms
longer at most."""

SOON_INTERVAL: Final = 0.008
"""The same where somebody waits who is not a call: an answer of the API has 50 ms for everything."""

Work = Callable[[AsyncConnection], Awaitable[T]]


Row = tuple[RowStatement, Parameters]


class _Pending:
    __slots__ = ("future", "rows", "work")

    def __init__(self, future: asyncio.Future[Any], rows: Sequence[Row], work: Work[Any] | None) -> None:
        self.future = future
        self.rows = rows
        self.work = work


class Writer:
    """Owns the writing connection of `engine`. `start`, then `rows` and `work`, then `close`, which drains."""

    def __init__(self, engine: AsyncEngine, fast: SqliteRows | None = None) -> None:
        """With `fast`, transactions of nothing but rows go through it."""
        self._engine = engine
        self._fast = fast
        self._pending: deque[_Pending] = deque()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the writing task on the running loop."""
        self._task = asyncio.create_task(self._run(), name="store writer")

    def rows(self, rows: Sequence[Row], *, soon: bool = False) -> asyncio.Future[None]:
        """Queues `rows` as one write: all of them are committed or none; with `soon` the transaction waits for less
        company. Raises Unavailable when too much waits.

        The future gets Conflict when a constraint is violated, Unavailable when the database fails. Cancelling it does
        not take the write back.
        """
        future = self._submit(rows, None)
        if soon:
            self._hurry.set()
        return future

    def work(self, work: Work[T]) -> asyncio.Future[T]:
        """Queues `work` as one write; the future gets its result once it is committed. Raises as `rows`.

        `work` may run a second time after a rollback, so it must do nothing but use the connection. What it raises
        rolls its own writes back and is raised to the waiter.
        """
        return self._submit((), work)

    def _submit(self, rows: Sequence[Row], work: Work[Any] | None) -> asyncio.Future[Any]:
        if self._closed:
            raise Unavailable("the store is closed")
        if len(self._pending) >= PENDING_WRITES:
            raise Unavailable("the database does not keep up")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(future, rows, work))
        self._wake.set()
        return future

    async def close(self) -> None:
        """Refuses further writes, commits those that wait, and ends the task."""
        self._closed = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._fast is not None:
            self._fast.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        began, interval = float("-inf"), COMMIT_INTERVAL
        while True:
            await self._wake.wait()
            if not self._pending:
                if self._closed:
                    return
                self._wake.clear()
                continue
            if len(self._pending) < BATCH_WRITES and not self._closed:
                await self._pause(began, interval)
            self._hurry.clear()
            batch = [self._pending.popleft() for _ in range(min(BATCH_WRITES, len(self._pending)))]
            began = loop.time() if len(batch) > 1 else float("-inf")
            interval = COMMIT_INTERVAL if len(batch) < CROWDED else CROWDED_INTERVAL
            for write, result in zip(batch, await self._commit(batch), strict=True):
                _resolve(write.future, result)

    async def _pause(self, began: float, interval: float) -> None:
        """Waits for company until `interval` seconds after a transaction that began then, where nobody is in a
        hurry."""
        loop = asyncio.get_running_loop()
        if (pause := began + SOON_INTERVAL - loop.time()) > 0:
            await asyncio.sleep(pause)
        if (pause := began + interval - loop.time()) > 0:
            try:
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            except TimeoutError:
                return

    async def _commit(self, batch: Sequence[_Pending]) -> Sequence[object]:
        """The result of each write, an exception for those that failed."""
        try:
            return await self._together(batch)
        except Exception as error:  # whatever a write raises goes to its waiter, it never ends the task
            if len(batch) == 1:
                return [_outside(error)]
        try:
            return await self._one_by_one(batch)
        except Exception as error:  # the transaction itself failed: every waiter learns it
            return [_outside(error)] * len(batch)

    async def _together(self, batch: Sequence[_Pending]) -> list[object]:
        if self._fast is not None and all(write.work is None for write in batch):
            groups = _groups([row for write in batch for row in write.rows])
            await self._fast.commit([(statement.sqlite_text, rows) for statement, rows in groups])
            return [None] * len(batch)
        results: list[object] = []
        async with self._engine.begin() as connection:
            for rows, work in _segments(batch):
                if work is not None:
                    results.append(await work(connection))
                    continue
                await run_rows(connection, [row for write in rows for row in write.rows])
                results.extend([None] * len(rows))
        return results

    async def _one_by_one(self, batch: Sequence[_Pending]) -> list[object]:
        results: list[object] = []
        async with self._engine.begin() as connection:
            for write in batch:
                try:
                    async with connection.begin_nested():
                        if write.work is not None:
                            results.append(await write.work(connection))
                        else:
                            await run_rows(connection, write.rows)
                            results.append(None)
                except Exception as error:  # goes to the waiter of this write alone
                    results.append(_outside(error))
        return results


def _segments(batch: Sequence[_Pending]) -> Iterator[tuple[Sequence[_Pending], Work[Any] | None]]:
    """The batch in its order: stretches of row writes, and between them the single works."""
    stretch: list[_Pending] = []
    for write in batch:
        if write.work is None:
            stretch.append(write)
            continue
        if stretch:
            yield stretch, None
            stretch = []
        yield (), write.work
    if stretch:
        yield stretch, None


def _groups(rows: Sequence[Row]) -> list[tuple[RowStatement, list[Parameters]]]:
    """Equal statements together, in the order of their ranks."""
    groups: dict[RowStatement, list[Parameters]] = {}
    for statement, parameters in rows:
        groups.setdefault(statement, []).append(parameters)
    return sorted(groups.items(), key=lambda group: group[0].rank)


async def run_rows(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Writes rows in the transaction of `connection`, for work that has some beside its own statements."""
    for statement, parameters in _groups(rows):
        await execute_rows(connection, statement, parameters)


def _outside(error: Exception) -> Exception:
    """What the waiter gets to see of `error`."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, INTEGRITY_ERRORS):
        return Conflict("it clashes with what is stored")
    if isinstance(error, DATABASE_ERRORS):
        logger.error("store.write_failed", reason=str(error)[:500])
        return Unavailable("the database did not accept the write")
    return error


def _resolve(future: asyncio.Future[Any], result: object) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
