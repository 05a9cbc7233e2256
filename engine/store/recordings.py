"""Statements and queries about recordings; the audio itself is in files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from sqlalchemy import Row, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Recording, RecordingSource
from engine.store.database import Store
from engine.store.prepared import PreparedQuery, RowStatement
from engine.store.tables import recordings
from engine.store.times import from_ms, to_ms

INSERT_RECORDING: Final = RowStatement(45, insert(recordings))
"""A recording: parameters of `recording_values`. Its call is stored."""

_IN_ORDER: Final = (recordings.c.created_at, recordings.c.id)
_OF_CALL: Final = PreparedQuery(
    select(recordings).where(recordings.c.call_id == bindparam("call")).order_by(*_IN_ORDER), at_once=True
)
_COLUMNS: Final = tuple(column.name for column in recordings.columns)


def recording_values(recording: Recording) -> dict[str, object]:
    """The columns of a recording."""
    return {name: getattr(recording, name) for name in _COLUMNS} | {"created_at": to_ms(recording.created_at)}


async def recordings_of_call(store: Store, call_id: str) -> list[Recording]:
    """The recordings of a call, by its UUID, oldest first."""
    return [_recording(row) for row in await store.fetch(_OF_CALL, {"call": call_id})]


async def recordings_of_calls(connection: AsyncConnection, call_ids: Sequence[str]) -> list[Recording]:
    """The recordings of all these calls, oldest first."""
    query = select(recordings).where(recordings.c.call_id.in_(call_ids)).order_by(*_IN_ORDER)
    return [_recording(row) for row in await connection.execute(query)]


async def get_recording(connection: AsyncConnection, workspace_id: str | None, recording_id: str) -> Recording | None:
    """One recording of this workspace, or of any for None."""
    row = (await connection.execute(select(recordings).where(recordings.c.id == recording_id))).first()
    if row is None:
        return None
    recording = _recording(row)
    return recording if workspace_id is None or recording.workspace_id == workspace_id else None


async def delete_recording(connection: AsyncConnection, recording_id: str) -> None:
    """Deletes the row of a recording."""
    await connection.execute(delete(recordings).where(recordings.c.id == recording_id))


def _recording(row: Row[Any] | Sequence[Any]) -> Recording:
    values = dict(zip(_COLUMNS, row, strict=True))
    source = cast(RecordingSource, values["source"])
    return Recording(**(values | {"source": source, "created_at": from_ms(values["created_at"])}))
