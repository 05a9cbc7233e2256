"""`/v1/recordings` (contract §6.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.file_answer import FilePart, open_part
from api.operation import ApiRequest, Operation
from api.schemas.recording import LinkQuery, RecordingOut, recording_out


async def get_recording(request: ApiRequest) -> RecordingOut:
    """One recording."""
    recording = await request.services.recordings.get(request.workspace_id, request.path["id"])
    return recording_out(request.services, recording)


async def delete_recording(request: ApiRequest) -> None:
    """Deletes a recording with its audio."""
    await request.services.recordings.delete(request.workspace_id, request.path["id"])


async def get_audio(request: ApiRequest) -> FilePart:
    """The audio, to who has a key of the workspace or a link."""
    recordings, recording_id = request.services.recordings, request.path["id"]
    if request.caller is None:
        link = request.query(LinkQuery)
        recording = await recordings.by_link(recording_id, link.exp or "", link.sig or "")
    else:
        recording = await recordings.get(request.workspace_id, recording_id)
    return await open_part(recordings.path(recording), request.range)


_TAG: Final = "Recordings"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/recordings/{id}",
        "getRecording",
        "Read a recording",
        _TAG,
        get_recording,
        description="The link in it is good for an hour.",
        path_parameters={"id": "uuid"},
        out=RecordingOut,
    ),
    Operation(
        "DELETE",
        "/v1/recordings/{id}",
        "deleteRecording",
        "Delete a recording",
        _TAG,
        delete_recording,
        access="write",
        status=204,
        description="With its audio; links to it end.",
        path_parameters={"id": "uuid"},
    ),
    Operation(
        "GET",
        "/v1/recordings/{id}/audio",
        "getRecordingAudio",
        "Fetch the audio of a recording",
        _TAG,
        get_audio,
        description=(
            "WAV, 8 kHz, 16 bit. With a key, or without one by a link: `exp` and `sig` of a recording's `url`. "
            "One that is wrong or over is refused with 403."
        ),
        path_parameters={"id": "uuid"},
        query=LinkQuery,
        out=bytes,
        media_type="audio/wav",
        example="RIFF…WAVEfmt …",
        file=True,
        linked=True,
    ),
)
