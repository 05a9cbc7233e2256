"""The log of each call, gathered in memory and stored in chunks (contract §6.5): adding an entry waits for nothing.

What was added less than `FLUSH_SECONDS` before the process is killed is lost; the call's record and events never are.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog

from engine.errors import EngineError
from engine.store import Row, Store
from engine.store.calls import INSERT_LOG
from engine.store.json_text import dump_json
from engine.store.times import to_ms

logger = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 0.5
ENTRIES_PER_CALL: Final = 1000
"""Entries kept of one call; the one after the last says that the log ends there."""
ENTRY_CHARS: Final = 8192
"""Size of one entry's data as JSON; larger data has its texts cut to TEXT_CHARS."""
TEXT_CHARS: Final = 2048
ENTRIES_BUFFERED: Final = 100_000
"""Entries of all calls that may wait for the store; more are dropped, which is logged."""
CALLS_COUNTED: Final = 20_000
"""Calls whose entries are counted; the oldest are forgotten first."""


class CallLogBuffer:
    """Collects entries and hands them to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: dict[str, list[str]] = {}
        self._buffered = 0
        self._dropped = 0
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call_id: str, kind: str, data: Mapping[str, object], at: datetime) -> None:
        """Adds one entry; beyond the limits it is dropped."""
        if self._buffered >= ENTRIES_BUFFERED:
            self._dropped += 1
            return
        count = self._count(call_id)
        if count > ENTRIES_PER_CALL:
            return
        if count == ENTRIES_PER_CALL:
            kind, data = "log_truncated", {"entries": ENTRIES_PER_CALL}
        text = dump_json({"at": to_ms(at), "type": kind, "data": data})
        if len(text) > ENTRY_CHARS:
            text = dump_json({"at": to_ms(at), "type": kind, "data": _cut(data)})
        self._entries.setdefault(call_id, []).append(text)
        self._buffered += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._on_timer)

    def take(self, call_id: str) -> list[Row]:
        """The rows of what one call has waiting, which the caller now stores."""
        entries = self._entries.pop(call_id, None)
        if not entries:
            return []
        self._buffered -= len(entries)
        return [_row(call_id, entries)]

    async def flush(self) -> None:
        """Stores what waits. Raises Unavailable."""
        rows = self._take_all()
        if rows:
            await self._store.write_rows(rows)

    def _count(self, call_id: str) -> int:
        count = self._counts.get(call_id, 0)
        if count == 0 and len(self._counts) >= CALLS_COUNTED:
            self._counts.popitem(last=False)
        self._counts[call_id] = count + 1
        return count

    def _take_all(self) -> list[Row]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rows = [_row(call_id, entries) for call_id, entries in self._entries.items()]
        self._entries.clear()
        self._buffered = 0
        if self._dropped:
            logger.warning("call_log.dropped", entries=self._dropped, hint="the database does not keep up")
            self._dropped = 0
        return rows

    def _on_timer(self) -> None:
        self._timer = None
        rows = self._take_all()
        if not rows:
            return
        try:
            stored = self._store.write_rows(rows)
        except EngineError as error:
            logger.warning("call_log.lost", calls=len(rows), reason=error.message)
            return
        stored.add_done_callback(_report)


def _report(stored: asyncio.Future[None]) -> None:
    if not stored.cancelled() and (error := stored.exception()) is not None:
        logger.warning("call_log.lost", reason=str(error))


def _row(call_id: str, entries: list[str]) -> Row:
    return INSERT_LOG, {"call_id": call_id, "entries": f"[{','.join(entries)}]"}


def _cut(data: Mapping[str, object]) -> dict[str, object]:
    shortened = {
        str(name)[:TEXT_CHARS]: value[:TEXT_CHARS] if isinstance(value, str) else value for name, value in data.items()
    }
    if len(dump_json(shortened)) > ENTRY_CHARS:
        return {"truncated": True, "text": dump_json(shortened)[:TEXT_CHARS]}
    return shortened
