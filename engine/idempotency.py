"""Requests with an Idempotency-Key: a repetition gets the first one's answer and does nothing (contract §6.2).

A request holds its key while it is carried out; its duplicates wait. Whatever a request makes is stored together with
its key, in one transaction: after a crash both are there or neither. The key of a call leads to its id, that of
everything else to the answer (`IdempotentRequests`), encrypted, for some answers hold a secret that is shown once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from engine.errors import Conflict
from engine.secrets import SecretBox
from engine.store import Row, Store
from engine.store.idempotency import FORGET_KEYS, INSERT_KEY, StoredKey, find_key, key_values
from engine.store.times import to_ms

T = TypeVar("T")

Keep = Callable[[T], Sequence[Row]]
"""From what a request makes, the rows that store its key with the answer: one transaction takes both."""

DUPLICATE_SECONDS: Final = 10.0
"""How long a request waits for another one with the same key that is being carried out."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """An Idempotency-Key, where it was used, and the request that it stands for in a comparable form."""

    method: str
    path: str
    key: str
    request: str


class StillRunning(Conflict):
    """The first request with the same key has not been answered yet."""

    retry_after: Final = 1

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is being carried out")


def no_key(_made: object) -> Sequence[Row]:
    """The rows of a request without a key."""
    return ()


def _utc_now() -> datetime:
    return datetime.now(UTC)


class RequestKeys:
    """The keys that were used within the last `hours`, and those in use."""

    def __init__(self, store: Store, hours: int, now: Callable[[], datetime] = _utc_now) -> None:
        self._store = store
        self._hours = hours
        self._now = now
        # A lock lives as long as a request holds it or waits for it
        self._locks: WeakValueDictionary[tuple[str, str, str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, workspace_id: str, key: RequestKey) -> AsyncIterator[None]:
        """Holds a key against others of this process. Raises StillRunning when another request has it for too long."""
        name = (workspace_id, key.method, key.path, key.key)
        lock = self._locks.setdefault(name, asyncio.Lock())
        try:
            async with asyncio.timeout(DUPLICATE_SECONDS):
                await lock.acquire()
        except TimeoutError:
            raise StillRunning from None
        try:
            yield
        finally:
            lock.release()

    async def earlier(self, workspace_id: str, key: RequestKey) -> str | None:
        """What an earlier request with this key led to. Raises Conflict when that was another request."""
        stored: StoredKey | None = await find_key(self._store, workspace_id, key.method, key.path, key.key)
        if stored is None or stored.created_at < self._oldest():
            return None
        if stored.request != key.request:
            raise Conflict("This Idempotency-Key was used with a different request")
        return stored.result

    def rows(self, workspace_id: str, key: RequestKey, result: str) -> Sequence[Row]:
        """What stores a key with its result; stored already, by another process, it is a Conflict."""
        values = key_values(workspace_id, key.method, key.path, key.key, key.request, to_ms(self._now()))
        return (FORGET_KEYS, {"oldest": self._oldest()}), (INSERT_KEY, {**values, "result": result})

    def _oldest(self) -> int:
        return to_ms(self._now() - timedelta(hours=self._hours))


class IdempotentRequests:
    """Carries out requests whose answer is a text."""

    def __init__(self, store: Store, secrets: SecretBox, hours: int, now: Callable[[], datetime] = _utc_now) -> None:
        self._store = store
        self._secrets = secrets
        self._keys = RequestKeys(store, hours, now)

    async def once(self, workspace_id: str, key: RequestKey, make: Callable[[], Awaitable[str]]) -> tuple[str, bool]:
        """The answer of `make`, or of the first request with this key, and whether it is that.

        `make` stores the `rows` of its answer with what it makes. What it raises is not kept, so that a corrected
        request may use the key again. Raises Conflict for a key that stands for another request, StillRunning when the
        first one takes too long, Unavailable when the store fails.
        """
        async with self._keys.held(workspace_id, key):
            earlier = await self._earlier(workspace_id, key)
            if earlier is not None:
                return earlier, True
            try:
                return await make(), False
            except Conflict:
                # Another process was quicker with the same key
                earlier = await self._earlier(workspace_id, key)
                if earlier is None:
                    raise
                return earlier, True

    def rows(self, workspace_id: str, key: RequestKey, answer: str) -> Sequence[Row]:
        """What stores a key with its answer; stored already, by another process, it is a Conflict."""
        return self._keys.rows(workspace_id, key, self._secrets.encrypt(answer, _context(workspace_id, key)))

    async def _earlier(self, workspace_id: str, key: RequestKey) -> str | None:
        earlier = await self._keys.earlier(workspace_id, key)
        return None if earlier is None else self._secrets.decrypt(earlier, _context(workspace_id, key))


def _context(workspace_id: str, key: RequestKey) -> str:
    return f"idempotency:{workspace_id}:{key.method}:{key.path}"
