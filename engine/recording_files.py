"""Recordings from the first sample to the row in the store. The name of a file that is not whole says what it is of.

A killed process leaves `<id>.<source>.<call>.part` in the folder of a workspace, playable up to its last second; the
next start makes a recording of it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast, get_args

import structlog

from engine.errors import EngineError
from engine.model import Recording, RecordingSource
from engine.outbox import StoredEvent
from engine.recordings import Recordings
from engine.records import CallRecords
from engine.store import Row
from media import RecordedFile, finish_left_behind

logger = structlog.get_logger(__name__)

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PART: Final = re.compile(rf"({_UUID})\.({'|'.join(get_args(RecordingSource))})\.({_UUID})\.part")


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """A recording of a call that is being made; `path` is where its file belongs once it is whole."""

    id: str
    source: RecordingSource
    call_id: str
    workspace_id: str
    path: Path

    @property
    def part(self) -> Path:
        """Its file until it is whole."""
        return self.path.with_name(f"{self.id}.{self.source}.{self.call_id}.part")


class RecordingFiles:
    """The recordings of every call, from their making on."""

    def __init__(self, recordings: Recordings, records: CallRecords) -> None:
        self._recordings = recordings
        self._records = records

    def new(self, call_id: str, workspace_id: str, source: RecordingSource) -> RecordingFile:
        """A recording of a call that is to be made."""
        recording_id, path = self._recordings.new_file(workspace_id)
        return RecordingFile(recording_id, source, call_id, workspace_id, path)

    async def keep(
        self, made: RecordingFile, whole: RecordedFile, *, at: datetime | None = None, after_end: datetime | None = None
    ) -> Recording:
        """Stores a recording whose file is whole, as of `at`, else of this moment.

        `after_end` is now where the call is closed already: `recording.completed` is then stored in the same write.
        Raises Unavailable, and Conflict when the call is unknown.
        """
        call = None if after_end is None else await self._records.find(made.call_id)
        told: list[StoredEvent] = []

        def event_of(recording: Recording) -> Sequence[Row]:
            if call is None or after_end is None:
                return ()
            told.append(self._records.recording_completed(call, recording, after_end))
            return told[0].rows

        recording = await self._recordings.add(
            made.id,
            whole.path,
            call_id=made.call_id,
            workspace_id=made.workspace_id,
            source=made.source,
            seconds=whole.seconds,
            channels=whole.channels,
            size_bytes=whole.size_bytes,
            created_at=at,
            rows_with=event_of,
        )
        for event in told:
            self._records.tell(event)
        return recording

    async def finish_parts(self, now: datetime) -> int:
        """Finishes what a killed process was recording, with every sample that reached the disk; how many there were.

        For the start, before the calls that were left open are closed: their terminal events then have the links. Of a
        call that was closed already `recording.completed` tells. What cannot be finished stays, and is logged.
        """
        finished = 0
        for part in await asyncio.to_thread(lambda: sorted(self._recordings.folder.glob("*/*.part"))):
            try:
                finished += await self._finish(part, now)
            except (OSError, ValueError) as error:
                logger.error("recording.not_finished", file=str(part), reason=str(error))  # noqa: TRY400
            except EngineError as error:
                logger.error("recording.not_finished", file=str(part), reason=error.message)  # noqa: TRY400
        return finished

    async def _finish(self, part: Path, now: datetime) -> bool:
        name = _PART.fullmatch(part.name)
        if name is None:
            raise ValueError("the name does not say of which call it is")
        recording_id, source, call_id = name.groups()
        call = await self._records.find(call_id)
        if call is None or call.workspace_id != part.parent.name:
            raise ValueError("the call is not in the store")
        made = RecordingFile(
            recording_id,
            cast(RecordingSource, source),
            call_id,
            call.workspace_id,
            part.with_name(f"{recording_id}.wav"),
        )
        written, whole = await asyncio.to_thread(_finish_file, part, made.path)
        if whole is None:
            return False
        try:
            await self.keep(made, whole, at=written, after_end=None if call.pending else now)
        except EngineError:
            made.path.rename(part)  # for the next start
            raise
        return True


def _finish_file(part: Path, path: Path) -> tuple[datetime, RecordedFile | None]:
    written = datetime.fromtimestamp(part.stat().st_mtime, UTC)
    return written, finish_left_behind(part, path)
