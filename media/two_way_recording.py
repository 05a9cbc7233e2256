"""Records both directions of a session to a WAV file with two channels, in step to the tick: left what it receives,
right what it sends (contract §6.6).

Audio is taken from the session's tape about once a second and written on another thread. The file has a temporary name
until it is whole; what a killed process leaves behind can be played.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from media.session import MediaSession
from media.wav_file import PART_SUFFIX, RATE, SAMPLE_BYTES, RecordedFile, WavWriter

_log = logging.getLogger(__name__)

CHANNELS: Final = 2
WRITE_SECONDS: Final = 1.0
WAITING_SECONDS: Final = 60
"""What may wait for a disk that does not keep up; the recording fails beyond."""


class TwoWayRecording:
    """A recording of one session, from its making until `stop`. Several of one session do not disturb each other."""

    def __init__(self, session: MediaSession, path: Path, part: Path | None = None) -> None:
        """Records to `path`; until it is whole the file is `part`, else beside it."""
        self._path = path
        self._part = part or path.with_name(path.name + PART_SUFFIX)
        self._reader = session.tape()
        self._waiting: list[npt.NDArray[np.int16]] = []
        self._samples = self._unwritten = 0
        self._paused = self._keeps_time = False
        self._file: WavWriter | None = None
        self._ended = asyncio.Event()
        self._failed = asyncio.Event()
        self._running = asyncio.create_task(self._run(), name=f"recording {path.name}")

    @property
    def failed(self) -> bool:
        """Whether it could not be written, and was given up."""
        return self._failed.is_set()

    @property
    def paused(self) -> bool:
        """Whether what comes is left out."""
        return self._paused

    def pause(self, *, keep_time: bool = False) -> None:
        """Leaves out what comes from now on on both channels; with `keep_time` silence of the same length stands for
        it."""
        self._take()
        self._paused, self._keeps_time = True, keep_time

    def resume(self) -> None:
        """Goes on after `pause`."""
        self._take()
        self._paused = False

    async def stop(self) -> RecordedFile | None:
        """Ends the recording; the same result each time, which cancelling the wait does not lose.

        None, and no file, where it could not be written, or where there is no audio.
        """
        if not self._ended.is_set():
            self._take()
            self._reader.close()
            self._ended.set()
        await asyncio.shield(self._running)
        return self._running.result()

    def _take(self) -> None:
        if self._ended.is_set() or self.failed:
            return
        samples = self._reader.take()
        if not len(samples) or (self._paused and not self._keeps_time):
            return
        self._waiting.append(np.zeros_like(samples) if self._paused else samples)
        self._samples += len(samples)
        self._unwritten += len(samples)

    async def _run(self) -> RecordedFile | None:
        try:
            await self._write()
            if self._file is None or self._samples == 0:
                await asyncio.to_thread(self._discard)
                return None
            octets = self._samples * CHANNELS * SAMPLE_BYTES
            size = await asyncio.to_thread(self._file.finish, self._path, 0, octets)
        except OSError as error:
            await self._fail(str(error))
            return None
        return RecordedFile(self._path, self._samples / RATE, size, CHANNELS)

    async def _write(self) -> None:
        """Writes until the end, never more than one write at a time, and takes the audio in time all the while."""
        writing: asyncio.Future[None] = asyncio.ensure_future(asyncio.to_thread(self._open))
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._ended.wait()
            self._take()
            if writing.done():
                await writing
                writing = self._write_waiting()
            elif self._unwritten > WAITING_SECONDS * RATE:
                writing.add_done_callback(lambda done: done.cancelled() or done.exception())
                raise OSError("the disk does not keep up")
        await writing
        await self._write_waiting()

    def _open(self) -> None:
        self._file = WavWriter(self._part, CHANNELS)

    def _write_waiting(self) -> asyncio.Future[None]:
        waiting, self._waiting, self._unwritten = self._waiting, [], 0
        return asyncio.ensure_future(asyncio.to_thread(self._append, waiting))

    def _append(self, waiting: list[npt.NDArray[np.int16]]) -> None:
        if waiting and self._file is not None:
            self._file.append(np.concatenate(waiting))

    def _discard(self) -> None:
        if self._file is not None:
            self._file.discard()

    async def _fail(self, reason: str) -> None:
        self._failed.set()
        self._reader.close()
        self._waiting.clear()
        _log.error("the recording %s failed: %s", self._path, reason)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._discard)
