"""Records what a session receives, or what is said in a room, to a WAV file (contract §6.6, §10.7).

It is 8 kHz, 16 bit PCM, one channel.

Samples are written about once a second on another thread. The file has a temporary name and a header that is right
after every write, so that what a killed process leaves behind can be played; it gets its own name when it is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from media.room import Room
from media.session import MediaSession
from media.wav_file import PART_SUFFIX, RATE, SAMPLE_BYTES, RecordedFile, WavWriter

_log = logging.getLogger(__name__)

FRAMES_PER_SECOND: Final = 50
"""Frames that a session's tap gives in a second, of 160 samples each."""

WRITE_SECONDS: Final = 1.0
WAITING_FRAMES: Final = 60 * FRAMES_PER_SECOND
"""What may wait for a disk that does not keep up, a minute; the recording fails beyond."""

SILENCE_RMS: Final = 200.0
"""A frame below this is silence: -44 dB of full scale, above the noise of a quiet line and below a quiet voice."""

MARGIN_FRAMES: Final = 5
"""What trimming leaves before and after sound, 100 ms: words begin and end more quietly than they are."""

_FRAME_BYTES: Final = RATE // FRAMES_PER_SECOND * SAMPLE_BYTES

Tapped: TypeAlias = MediaSession | Room


class SessionRecording:
    """A recording of one session or room, which it taps. `begin`, then `silent` and `stop`."""

    def __init__(self, session: Tapped, path: Path, writer: WavWriter, silence: float) -> None:
        self._session = session
        self._path = path
        self._file = writer
        self._silence_frames = round(silence * FRAMES_PER_SECOND)
        self._waiting: list[npt.NDArray[np.int16]] = []
        self._frames = self._quiet = 0
        self._first_loud: int | None = None
        self._after_loud = 0
        self._paused = self._keeps_time = self._failed = False
        self._silent = asyncio.Event()
        self._ended = asyncio.Event()
        self._writing = asyncio.create_task(self._write(), name=f"recording {path.name}")
        self._stopping: asyncio.Task[RecordedFile | None] | None = None
        session.tap(self._hear)

    @classmethod
    async def begin(
        cls, session: Tapped, path: Path, *, silence: float = 0.0, part: Path | None = None
    ) -> SessionRecording:
        """Starts to record to `path`; until it is whole the file is `part`, else beside it.

        After `silence` seconds of silence in a row `silent` returns; 0: never. Raises OSError when the file cannot
        be created.
        """
        part = part or path.with_name(path.name + PART_SUFFIX)
        opening = asyncio.ensure_future(asyncio.to_thread(WavWriter, part))
        try:
            writer = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # Nobody is going to record to it, but it is on its way to the disk.
            opening.add_done_callback(_discard)
            raise
        return cls(session, path, writer, silence)

    @property
    def audible_seconds(self) -> float:
        """From the first sound to the last one so far."""
        return 0.0 if self._first_loud is None else (self._after_loud - self._first_loud) / FRAMES_PER_SECOND

    @property
    def failed(self) -> bool:
        """Whether it could not be written, and was given up."""
        return self._failed

    @property
    def paused(self) -> bool:
        """Whether what comes is left out."""
        return self._paused

    def pause(self, *, keep_time: bool = False) -> None:
        """Leaves out what is received from now on; with `keep_time` silence of the same length stands for it. A pause
        is no silence that ends the recording."""
        self._paused, self._keeps_time = True, keep_time

    def resume(self) -> None:
        """Goes on after `pause`; the silence is counted anew."""
        self._paused = False
        self._quiet = 0

    async def silent(self) -> None:
        """Returns when there was as much silence as `begin` was told. Cancelling the wait stops nothing."""
        await self._silent.wait()

    async def stop(self, *, trim: bool = False, least: float = 0.0) -> RecordedFile | None:
        """Ends the recording; the same result each time, which cancelling the wait does not lose.

        `trim` leaves out silence at both ends. None, and no file, where it could not be written, or where less than
        `least` seconds of it are audible.
        """
        if self._stopping is None:
            self._session.tap(None)
            self._ended.set()
            self._stopping = asyncio.create_task(self._finish(trim, least), name=f"recording {self._path.name}")
        return await asyncio.shield(self._stopping)

    def _hear(self, frame: npt.NDArray[np.int16]) -> None:
        if self._failed or (self._paused and not self._keeps_time):
            return
        if len(self._waiting) >= WAITING_FRAMES:
            self._fail("the disk does not keep up")
            return
        self._waiting.append(np.zeros_like(frame) if self._paused else frame.copy())
        self._frames += 1
        if self._paused:
            return
        wide = frame.astype(np.float32)
        if float(np.dot(wide, wide)) >= SILENCE_RMS * SILENCE_RMS * len(frame):
            if self._first_loud is None:
                self._first_loud = self._frames - 1
            self._after_loud = self._frames
            self._quiet = 0
            return
        self._quiet += 1
        if self._quiet == self._silence_frames:
            self._silent.set()

    async def _write(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._ended.wait()
            await self._flush()
        # What came while the last write was under way, or before the first one.
        await self._flush()

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting or self._failed:
            return
        try:
            await asyncio.to_thread(self._file.append, np.concatenate(waiting))
        except OSError as error:
            self._fail(str(error))

    def _fail(self, reason: str) -> None:
        self._failed = True
        self._waiting.clear()
        self._session.tap(None)
        _log.error("the recording %s failed: %s", self._path, reason)

    async def _finish(self, trim: bool, least: float) -> RecordedFile | None:
        await self._writing
        first, after = 0, self._frames
        if trim and self._first_loud is not None:
            first = max(0, self._first_loud - MARGIN_FRAMES)
            after = min(self._frames, self._after_loud + MARGIN_FRAMES)
        try:
            if self._failed or self.audible_seconds < least:
                await asyncio.to_thread(self._file.discard)
                return None
            octets = (after - first) * _FRAME_BYTES
            size = await asyncio.to_thread(self._file.finish, self._path, first * _FRAME_BYTES, octets)
        except OSError as error:
            self._fail(str(error))
            return None
        return RecordedFile(self._path, (after - first) / FRAMES_PER_SECOND, size)


def _discard(opened: asyncio.Future[WavWriter]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().discard()
