"""What the engines have in common that speak in a child process on this machine."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from media.prompt import PromptAudio
from media.resample import Samples
from media.speech.interface import NATURAL, Manner, SpeechUnavailable, Voice
from media.speech.piecewise import SpeechLimits, SpokenPieces
from media.worker.errors import Refused, WorkerError
from media.worker.process import MEBIBYTE, WorkerProcess, WorkerSpec, WorkerStatistics


class ChildSpeech:
    """A child process with the handler `entry`, which starts with the first text or with `start`.

    `identity` and `folder` are those of `SpokenPieces`; `first` is the voice that `start` tries.
    """

    def __init__(
        self,
        entry: str,
        *,
        identity: str,
        first: Voice,
        folder: Path | None = None,
        limits: SpeechLimits | None = None,
        memory_bytes: int = 512 * MEBIBYTE,
    ) -> None:
        self.limits = limits or SpeechLimits()
        self._first = first
        self._worker = WorkerProcess(
            WorkerSpec(
                name="speech",
                entry=entry,
                request_seconds=self.limits.piece_seconds,
                cpu_seconds=self.limits.cpu_seconds,
                memory_bytes=memory_bytes,
                pending=self.limits.pending,
            )
        )
        self._pieces = SpokenPieces(identity, self._render, folder, self.limits)

    @property
    def pid(self) -> int | None:
        """Process id of the child that renders, None while there is none."""
        return self._worker.pid

    @property
    def statistics(self) -> WorkerStatistics:
        """Counters of the child process; what comes from memory or disk is not among its requests."""
        return self._worker.statistics

    def leaves_out(self, manner: Manner) -> str | None:
        """Every manner is carried out."""
        return None

    async def start(self) -> None:
        """Start the child and have it speak, so that the first caller does not wait for that.

        Raises SpeechUnavailable when the engine does not work on this machine.
        """
        if await self._render("Hello.", self._first, NATURAL) is None:
            raise SpeechUnavailable("the speech engine says nothing")

    def speak(self, text: str, voice: Voice, manner: Manner) -> AsyncIterator[PromptAudio]:
        """The sound of `text` in one of the engine's voices. Raises SpeechUnavailable (see `SpeechEngine`)."""
        return self._pieces.speak(text, voice, manner)

    async def close(self) -> None:
        """End the child process; texts being spoken end with SpeechUnavailable."""
        await self._worker.close()
        await self._pieces.close()

    async def _render(self, text: str, voice: Voice, manner: Manner) -> Samples | None:
        asked = {
            "voice": voice.id,
            "speed": manner.speed,
            "pitch": manner.pitch,
            # JSON has no infinity.
            "decibels": None if manner.decibels == -math.inf else manner.decibels,
            "runs_on": manner.runs_on,
        }
        try:
            reply = await self._worker.request(asked, text.encode())
        except Refused as error:
            raise SpeechUnavailable(str(error)) from None
        except WorkerError as error:
            raise SpeechUnavailable(f"not rendered: {error}") from None
        if len(reply.body) % 2:
            raise SpeechUnavailable("not rendered: the engine gave half a sample")
        return np.frombuffer(reply.body, np.int16) if reply.body else None
