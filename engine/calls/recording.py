"""`Record` on a live call: voyloml's `Recorder` on the caller's audio (contract §10.7).

What was said is in the store, and its link works, before the interpreter hears that the recording is over. A call that
ends finishes its recording first, within a bound.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from engine.calls.status_callback import StatusCallbacks
from engine.errors import EngineError
from engine.model import RecordingSource
from engine.recordings import PAYLOAD_LINK_SECONDS, Recordings
from media import MediaSession, RecordedFile, Room, SessionRecording, beep
from voyloml import HttpExchange
from voyloml.capabilities import AUDIBLE_SECONDS, Recorded, RecordingOrder, RecordingRun

if TYPE_CHECKING:
    from engine.calls.call import Call
    from engine.calls.conference import Member

logger = structlog.get_logger(__name__)

FINISH_SECONDS: Final = 10.0
"""How long the end of a call waits for its recording (contract §11.6)."""

CHANNELS: Final = 1


class NothingRecorded:
    """voyloml's `RecordingRun` where there is none: it is over at once and leaves nothing."""

    async def silent(self) -> None:
        """Returns at once."""

    async def stop(self) -> Recorded | None:
        """None."""
        return None


class LegRecording:
    """voyloml's `RecordingRun`: a recording of the caller that is kept once it is over."""

    def __init__(
        self, recordings: CallRecordings, recording_id: str, audio: SessionRecording, order: RecordingOrder
    ) -> None:
        self._recordings = recordings
        self._id = recording_id
        self._audio = audio
        self._order = order
        self._stopping: asyncio.Task[Recorded | None] | None = None

    async def silent(self) -> None:
        """Returns when there was as much silence as ordered."""
        await self._audio.silent()

    async def stop(self) -> Recorded | None:
        """Ends the recording; the same result each time, which cancelling the wait does not lose."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name=f"recording {self._id}")
        return await asyncio.shield(self._stopping)

    async def _stop(self) -> Recorded | None:
        file = await self._audio.stop(trim=self._order.trim, least=AUDIBLE_SECONDS)
        return None if file is None else await self._recordings.keep(self._id, file, "record", self._order)


class CallRecordings:
    """The recordings of one call, one after the other."""

    def __init__(self, call: Call, recordings: Recordings, exchange: HttpExchange) -> None:
        self._call = call
        self._recordings = recordings
        self._callbacks = StatusCallbacks(exchange)
        self._running: LegRecording | None = None

    async def record(self, order: RecordingOrder) -> RecordingRun:
        """Begins a recording of the caller after the tone; nothing is recorded where `begin` gives nothing."""
        if self.allowed and order.beep:
            await _sound_tone(self._call.leg.session)
        begun = await self.begin(self._call.leg.session, silence=order.silence)
        if begun is None:
            return NothingRecorded()
        self._running = LegRecording(self, *begun, order)
        return self._running

    @property
    def allowed(self) -> bool:
        """Whether the application lets its calls be recorded."""
        return self._call.application.recording != "never"

    async def begin(self, heard: MediaSession | Room, *, silence: float = 0.0) -> tuple[str, SessionRecording] | None:
        """Begins to record what is received or said there: the recording's id, and its audio. None where the
        application forbids it, or where the file cannot be created, and the call's log says so."""
        if not self.allowed:
            self._call.log("recording_off", {"applicationId": self._call.application.id})
            return None
        recording_id, path = self._recordings.new_file(self._call.new.workspace_id)
        try:
            return recording_id, await SessionRecording.begin(heard, path, silence=silence)
        except OSError as error:
            logger.error("recording.not_begun", call=self._call.new.public_id, reason=str(error))  # noqa: TRY400
            self._call.log("recording_failed", {"warning": "the file could not be created"})
            return None

    async def keep(
        self, recording_id: str, file: RecordedFile, source: RecordingSource, order: RecordingOrder | None = None
    ) -> Recorded | None:
        """Stores a recording whose file is whole; None, and no file, where the store does not take it."""
        call = self._call.new
        try:
            await self._recordings.add(
                recording_id,
                file.path,
                call_id=call.id,
                workspace_id=call.workspace_id,
                source=source,
                seconds=file.seconds,
                channels=CHANNELS,
                size_bytes=file.size_bytes,
            )
        except EngineError as error:
            logger.error("recording.not_stored", call=call.public_id, reason=error.message)  # noqa: TRY400
            self._call.log("recording_failed", {"warning": "the recording could not be stored"})
            await asyncio.to_thread(Path.unlink, file.path, missing_ok=True)
            return None
        recorded = Recorded(recording_id, self._recordings.link(recording_id, PAYLOAD_LINK_SECONDS), file.seconds)
        if order is not None and order.status_callback is not None:
            form = {
                "RecordingSid": recorded.sid,
                "RecordingUrl": recorded.url,
                "RecordingDuration": str(round(recorded.seconds)),
                "RecordingStatus": "completed",
            }
            self._callbacks.tell(self._call, "recording", order.status_callback, form)
        return recorded

    async def close(self, member: Member | None = None) -> None:
        """Finishes the recording that runs, and that of the conference of a member which ends with it; waits
        FINISH_SECONDS at most, after which they finish by themselves."""
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                if self._running is not None:
                    await self._running.stop()
                if member is not None:
                    await member.leave()
        except TimeoutError:
            logger.error("recording.slow", call=self._call.new.public_id)  # noqa: TRY400
            self._call.log("recording_failed", {"warning": "the recording was not whole when the call was closed"})


async def _sound_tone(session: MediaSession) -> None:
    group = session.new_group()
    try:
        await session.play(beep(), group=group).wait()
    except asyncio.CancelledError:
        session.stop(group)
        raise
