"""Recordings of calls: files under the data directory, a row for each, and links that anybody may follow (§6.6).

A link carries when it ends and a signature with the media key, a file of its own beside the key of secrets: whoever
replaces it makes every link that was given out invalid.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from engine.errors import Forbidden, NotFound
from engine.ids import new_uuid
from engine.model import Recording, RecordingSource
from engine.secrets import open_key_file
from engine.store import Row, Store
from engine.store import recordings as queries
from engine.store.recordings import INSERT_RECORDING, recording_values

logger = structlog.get_logger(__name__)

KEY_FILE: Final = "media.key"
FOLDER: Final = "recordings"
LINK_SECONDS: Final = 3600
"""How long a link in an answer of the API is good."""

PAYLOAD_LINK_SECONDS: Final = 86_400
"""The same for a link in what is sent to an application's server: actions, webhooks, finished URLs."""

EXPIRY_DIGITS: Final = 15
BAD_LINK: Final = "The link is not valid or has expired"


class Recordings:
    """The recordings of every workspace. `base_url` gives the base of links, without a slash at the end."""

    def __init__(
        self,
        store: Store,
        data_dir: Path,
        base_url: Callable[[], str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises KeyFileInvalid, or OSError when the media key can be neither read nor created."""
        self._store = store
        self._data_dir = data_dir
        self._base_url = base_url
        self._clock = clock
        self._keys = open_key_file(data_dir / KEY_FILE)

    def new_file(self, workspace_id: str) -> tuple[str, Path]:
        """The id of a recording that is to be made, and where its file belongs."""
        recording_id = new_uuid()
        return recording_id, self.folder / workspace_id / f"{recording_id}.wav"

    @property
    def folder(self) -> Path:
        """Where the files of all workspaces are, each in a folder of its own."""
        return self._data_dir / FOLDER

    async def add(
        self,
        recording_id: str,
        path: Path,
        *,
        call_id: str,
        workspace_id: str,
        source: RecordingSource,
        seconds: float,
        channels: int,
        size_bytes: int,
        created_at: datetime | None = None,
        rows_with: Callable[[Recording], Sequence[Row]] = lambda _recording: (),
    ) -> Recording:
        """Stores a recording whose file is whole, and what goes into the same write.

        Raises Unavailable, and Conflict when its call is unknown.
        """
        recording = Recording(
            id=recording_id,
            call_id=call_id,
            workspace_id=workspace_id,
            source=source,
            duration_ms=round(seconds * 1000),
            channels=channels,
            format="wav",
            size_bytes=size_bytes,
            created_at=created_at or self._clock(),
            path=path.relative_to(self._data_dir).as_posix(),
        )
        await self._store.write_rows([(INSERT_RECORDING, recording_values(recording)), *rows_with(recording)])
        return recording

    async def get(self, workspace_id: str, recording_id: str) -> Recording:
        """One recording. Raises NotFound when this workspace has none with the id."""
        return await self._get(workspace_id, recording_id)

    async def of_call(self, call_id: str) -> Sequence[Recording]:
        """The recordings of a call, by its UUID, oldest first."""
        return await queries.recordings_of_call(self._store, call_id)

    async def of_calls(self, call_ids: Sequence[str]) -> Mapping[str, Sequence[Recording]]:
        """The recordings of each of these calls, oldest first; nothing for a call without."""
        found: defaultdict[str, list[Recording]] = defaultdict(list)
        if call_ids:
            for recording in await self._store.read(
                lambda connection: queries.recordings_of_calls(connection, call_ids)
            ):
                found[recording.call_id].append(recording)
        return found

    async def delete(self, workspace_id: str, recording_id: str) -> None:
        """Deletes a recording and its file. Raises NotFound."""
        recording = await self.get(workspace_id, recording_id)
        await self._store.write(lambda connection: queries.delete_recording(connection, recording.id))
        await asyncio.to_thread(self.path(recording).unlink, missing_ok=True)

    async def delete_files_of(self, workspace_id: str) -> None:
        """Deletes the files of a workspace whose rows are gone."""
        await asyncio.to_thread(shutil.rmtree, self.folder / workspace_id, ignore_errors=True)

    def path(self, recording: Recording) -> Path:
        """Where the file of a recording lies."""
        return self._data_dir / recording.path

    def link(self, recording_id: str, seconds: int = LINK_SECONDS) -> str:
        """A URL at which anybody gets the audio for so many seconds."""
        expiry = str(int(self._clock().timestamp()) + seconds)
        return (
            f"{self._base_url()}/v1/recordings/{recording_id}/audio"
            f"?exp={expiry}&sig={_signature(self._keys[0], recording_id, expiry)}"
        )

    async def by_link(self, recording_id: str, expiry: str, signature: str) -> Recording:
        """The recording that a link is for. Raises Forbidden for a link that is wrong or over, NotFound for one whose
        recording is deleted."""
        expected = [_signature(key, recording_id, expiry) for key in self._keys]
        valid = any(hmac.compare_digest(each.encode(), signature.encode()) for each in expected)
        if not valid or len(expiry) > EXPIRY_DIGITS or int(expiry) <= self._clock().timestamp():
            raise Forbidden(BAD_LINK)
        return await self._get(None, recording_id)

    async def payload_link(self, call_id: str, recording_id: str | None = None) -> str | None:
        """`recording_url` of what is sent about a call, or about one recording of it, signed anew; None when there is
        none."""
        found = await self.of_call(call_id)
        named = next((recording for recording in found if recording.id == recording_id), None)
        recording = main_recording(found) if recording_id is None else named
        return None if recording is None else self.link(recording.id, PAYLOAD_LINK_SECONDS)

    async def _get(self, workspace_id: str | None, recording_id: str) -> Recording:
        found = await self._store.read(lambda connection: queries.get_recording(connection, workspace_id, recording_id))
        if found is None:
            raise NotFound("Recording not found")
        return found


def main_recording(recordings: Sequence[Recording]) -> Recording | None:
    """The recording that `recordingUrl` is about: the first of the whole call, else the first one (contract §6.3)."""
    whole = next((recording for recording in recordings if recording.source == "call"), None)
    return whole or next(iter(recordings), None)


def _signature(key: bytes, recording_id: str, expiry: str) -> str:
    return hmac.new(key, f"{recording_id}.{expiry}".encode(), hashlib.sha256).hexdigest()
