"""The recordings of a live call: of the caller by `Record`, of both sides by `Dial` and as a whole (contract §6.6, §7,
§10.6, §10.7).

What was said is in the store, and its link works, before anybody hears that a recording is over. A call that ends
finishes its recordings first, within a bound; what is slower tells of itself by `recording.completed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from engine.calls.status_callback import StatusCallbacks
from engine.errors import Conflict, EngineError
from engine.model import PauseBehavior, RecordingSource
from engine.recording_files import RecordingFile, RecordingFiles
from engine.recordings import PAYLOAD_LINK_SECONDS, Recordings
from media import MediaSession, RecordedFile, Room, SessionRecording, TwoWayRecording, beep
from voyloml import told
from voyloml.capabilities import AUDIBLE_SECONDS, Recorded, RecordingOrder, RecordingRun

if TYPE_CHECKING:
    from engine.calls.call import Call
    from engine.calls.conference import Member

logger = structlog.get_logger(__name__)

FINISH_SECONDS: Final = 10.0
"""How long the end of a call waits for its recordings (contract §11.6)."""


class NothingRecorded:
    """voyloml's `RecordingRun` where there is none: it is over at once and leaves nothing."""

    async def silent(self) -> None:
        """Returns at once."""

    async def stop(self) -> Recorded | None:
        """None."""
        return None


class KeptRecording:
    """A recording under way, which is kept once it is over. `finish` ends the audio and gives its file."""

    def __init__(
        self,
        recordings: CallRecordings,
        made: RecordingFile,
        audio: SessionRecording | TwoWayRecording,
        finish: Callable[[], Awaitable[RecordedFile | None]],
        status_callback: str | None = None,
    ) -> None:
        self._recordings = recordings
        self._made = made
        self._audio = audio
        self._finish = finish
        self._status_callback = status_callback
        self._stopping: asyncio.Task[Recorded | None] | None = None

    @property
    def told(self) -> dict[str, object]:
        """Which recording it is, for the call's log."""
        return {"recordingId": self._made.id, "source": self._made.source}

    @property
    def in_progress(self) -> bool:
        """Whether it has been neither ended nor given up."""
        return self._stopping is None and not self._audio.failed

    @property
    def paused(self) -> bool:
        """Whether what is said is left out of it."""
        return self._audio.paused

    def pause(self, *, keep_time: bool) -> None:
        """Leaves out what is said from now on; with `keep_time` silence of the same length stands for it."""
        self._audio.pause(keep_time=keep_time)

    def resume(self) -> None:
        """Goes on after `pause`."""
        self._audio.resume()

    async def stop(self) -> Recorded | None:
        """Ends the recording; the same result each time, which cancelling the wait does not lose."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name=f"recording {self._made.id}")
        return await asyncio.shield(self._stopping)

    async def _stop(self) -> Recorded | None:
        whole = await self._finish()
        recorded = None if whole is None else await self._recordings.keep(self._made, whole, self._status_callback)
        self._recordings.over(self)
        return recorded


class LegRecording(KeptRecording):
    """voyloml's `RecordingRun`: a recording of the caller."""

    def __init__(
        self, recordings: CallRecordings, made: RecordingFile, audio: SessionRecording, order: RecordingOrder
    ) -> None:
        super().__init__(
            recordings, made, audio, lambda: audio.stop(trim=order.trim, least=AUDIBLE_SECONDS), order.status_callback
        )
        self._silent = audio.silent

    async def silent(self) -> None:
        """Returns when there was as much silence as ordered; what is left out in a pause is none."""
        await self._silent()


class CallRecordings:
    """The recordings of one call; several may run at a time."""

    def __init__(self, call: Call, recordings: Recordings, files: RecordingFiles, callbacks: StatusCallbacks) -> None:
        self._call = call
        self._recordings = recordings
        self._files = files
        self._callbacks = callbacks
        self._running: set[KeptRecording] = set()
        self._whole = False
        self._late = False
        self._closed = asyncio.Event()

    async def record(self, order: RecordingOrder) -> RecordingRun:
        """Begins a recording of the caller after the tone; nothing is recorded where `begin` gives nothing."""
        if self.allowed and order.beep:
            await _sound_tone(self._call.leg.session)
        begun = await self.begin(self._call.leg.session, "record", silence=order.silence)
        if begun is None:
            return NothingRecorded()
        run = LegRecording(self, *begun, order)
        self._running.add(run)
        return run

    @property
    def allowed(self) -> bool:
        """Whether the application lets its calls be recorded."""
        return self._call.recording_mode != "never"

    async def begin(
        self, heard: MediaSession | Room, source: RecordingSource, *, silence: float = 0.0
    ) -> tuple[RecordingFile, SessionRecording] | None:
        """Begins to record what is received or said there, on one channel, until its audio is stopped. None where the
        application forbids it, or where the file cannot be created, and the call's log says so."""
        if self._forbidden():
            return None
        made = self._new(source)
        try:
            return made, await SessionRecording.begin(heard, made.path, silence=silence, part=made.part)
        except OSError as error:
            logger.error("recording.not_begun", call=self._call.new.public_id, reason=str(error))  # noqa: TRY400
            self._call.log("recording_failed", {"warning": "the file could not be created"})
            return None

    def record_whole(self) -> None:
        """Records both sides of the call's leg from now until the call ends, once; not where the application forbids
        it. The leg has audio."""
        if not self._whole and not self._forbidden():
            self._whole = True
            self._begin("call")

    def record_dialled(self) -> KeptRecording | None:
        """Records both sides of the call's leg from now until it is stopped; None where the application forbids it."""
        return None if self._forbidden() else self._begin("dial")

    def _begin(self, source: RecordingSource) -> KeptRecording:
        made = self._new(source)
        audio = TwoWayRecording(self._call.leg.session, made.path, made.part)

        async def finish() -> RecordedFile | None:
            whole = await audio.stop()
            if audio.failed:
                self._call.log("recording_failed", {"warning": "the audio could not be written", "source": source})
            return whole

        run = KeptRecording(self, made, audio, finish)
        self._running.add(run)
        return run

    def pause(self, behavior: PauseBehavior) -> None:
        """Pauses every recording in progress that is not paused: `skip` leaves out what is said from now on, `silence`
        puts silence in its place. What begins later is not paused, and a conference's recording is not the call's.
        Raises Conflict where there is none, or none that is not paused."""
        running = self._in_progress()
        recorded = [run for run in running if not run.paused]
        if not recorded:
            raise Conflict("The recording is paused already")
        for run in recorded:
            run.pause(keep_time=behavior == "silence")
            self._call.log("recording_paused", {**run.told, "behavior": behavior})

    def resume(self) -> None:
        """Goes on with every recording that is paused. Raises Conflict where there is none."""
        paused = [run for run in self._in_progress() if run.paused]
        if not paused:
            raise Conflict("The recording is not paused")
        for run in paused:
            run.resume()
            self._call.log("recording_resumed", run.told)

    def _in_progress(self) -> list[KeptRecording]:
        running = [run for run in self._running if run.in_progress]
        if not running:
            raise Conflict("Nothing of this call is being recorded")
        return running

    def _forbidden(self) -> bool:
        if self.allowed:
            return False
        self._call.log("recording_off", {"applicationId": self._call.new.application_id})
        return True

    def _new(self, source: RecordingSource) -> RecordingFile:
        return self._files.new(self._call.new.id, self._call.new.workspace_id, source)

    async def keep(
        self, made: RecordingFile, whole: RecordedFile, status_callback: str | None = None
    ) -> Recorded | None:
        """Stores a recording whose file is whole as one of this call; None where the store does not take it, which the
        next start tries again."""
        call = self._call
        made = replace(made, call_id=call.new.id)
        if self._late:
            # Events of a call are stored in their order.
            await self._closed.wait()
        try:
            await self._files.keep(made, whole, after_end=call.now() if self._late else None)
        except EngineError as error:
            logger.error("recording.not_stored", call=call.new.public_id, reason=error.message)  # noqa: TRY400
            call.log("recording_failed", {"warning": "the recording could not be stored"})
            await asyncio.to_thread(Path.rename, whole.path, made.part)
            return None
        recorded = Recorded(made.id, self._recordings.link(made.id, PAYLOAD_LINK_SECONDS), whole.seconds)
        if status_callback is not None:
            self._callbacks.tell(call, "recording", status_callback, told.of_recording(recorded))
        return recorded

    def over(self, run: KeptRecording) -> None:
        """A recording is kept, or lost."""
        self._running.discard(run)

    async def close(self, member: Member | None = None) -> None:
        """Finishes what runs, and the recording of the conference of a member which ends with it; waits FINISH_SECONDS
        at most, after which they finish by themselves."""
        stopping = [asyncio.ensure_future(run.stop()) for run in self._running]
        if member is not None:
            stopping.append(asyncio.ensure_future(member.leave()))
        if not stopping:
            return
        _, late = await asyncio.wait(stopping, timeout=FINISH_SECONDS)
        if late:
            self._late = True
            logger.error("recording.slow", call=self._call.new.public_id, recordings=len(late))
            self._call.log("recording_late", {"warning": "a recording was not whole when the call was closed"})

    def call_closed(self) -> None:
        """The record of the call is closed, and its terminal event stored."""
        self._closed.set()


async def _sound_tone(session: MediaSession) -> None:
    group = session.new_group()
    try:
        await session.play(beep(), group=group).wait()
    except asyncio.CancelledError:
        session.stop(group)
        raise
