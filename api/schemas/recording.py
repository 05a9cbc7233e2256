"""Bodies of `/v1/recordings` (contract §6.3, §6.6)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.fields import Timestamp, UuidOut
from api.services import ApiServices
from engine.model import PauseBehavior, Recording, RecordingSource
from engine.recordings import main_recording


class RecordingOut(Output):
    """A recording of a call; `url` is signed."""

    id: UuidOut
    source: RecordingSource
    duration_s: int
    channels: int
    format: str
    size_bytes: int
    created_at: Timestamp
    url: str


class RecordingPause(Input):
    """What becomes of the time of a pause."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"behavior": "skip"}]})

    behavior: PauseBehavior = Field(
        "silence",
        description="`silence`: the recording has silence of the same length; `skip`: the pause is left out of it",
    )


class LinkQuery(Input):
    """What a signed link has in its query; of any form, for what is not right is refused as a whole."""

    exp: str | None = Field(None, description="When the link ends, in seconds of the epoch")
    sig: str | None = Field(None, description="The signature of a link")


def recording_out(services: ApiServices, recording: Recording) -> RecordingOut:
    """A recording with a link that is good for an hour."""
    return RecordingOut.model_construct(
        id=recording.id,
        source=recording.source,
        duration_s=recording.duration_s,
        channels=recording.channels,
        format=recording.format,
        size_bytes=recording.size_bytes,
        created_at=recording.created_at,
        url=services.recordings.link(recording.id),
    )


def recordings_out(services: ApiServices, recordings: Sequence[Recording]) -> tuple[list[RecordingOut], str | None]:
    """The recordings of one call, and the link of the one that `recordingUrl` is about."""
    shown = [recording_out(services, recording) for recording in recordings]
    main = main_recording(recordings)
    return shown, None if main is None else next(out.url for out in shown if out.id == main.id)
