"""The speech engine that comes with the install: SVOX Pico (py-nanotts) in a child process, with what it said kept.

Six languages, one voice each. Text goes in piece by piece; a piece that was said before is not rendered again.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np

from media.library import PromptLibrary
from media.prompt import PromptAudio
from media.speech.interface import NATURAL, Manner, SpeechUnavailable, Voice, choose_voice
from media.speech.store import MAX_BYTES, PieceStore
from media.speech.text import pieces, speakable
from media.worker.errors import Refused, WorkerError
from media.worker.process import MEBIBYTE, WorkerProcess, WorkerSpec, WorkerStatistics

_VOICES = tuple(
    Voice(id=language, language=language, gender="female")
    for language in ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")
)
_DISTRIBUTION = "py-nanotts"
# Part of the key of what is kept: raise it when the same text comes out otherwise (level, trimming, resampling).
_RENDERING = 1
MIN_FACTOR = 0.5
MAX_FACTOR = 2.0
MIN_DECIBELS = -40.0
MAX_DECIBELS = 10.0
# Pieces being rendered while the listener has not asked for them: one, so that none waits and texts take turns.
_AHEAD = 2
# Pieces on their way to the disk; what comes beyond is kept when it is said again.
_SAVES = 8


@dataclass(frozen=True, slots=True)
class SpeechLimits:
    """How much speech may ask for.

    `text_chars` is the longest text (contract §10.4); `piece_seconds` and `cpu_seconds` the time to render a piece of
    it, which takes about ten milliseconds; `pending` the pieces of all calls that wait; `memory_bytes` and `disk_bytes`
    what is kept of rendered speech.
    """

    text_chars: int = 4000
    piece_seconds: float = 10.0
    cpu_seconds: int = 10
    pending: int = 256
    memory_bytes: int = 32 * MEBIBYTE
    disk_bytes: int = MAX_BYTES


class EmbeddedSpeech:
    """A `SpeechEngine`. `folder` keeps pieces over a restart, those that were said more than once; None keeps none.

    What is said once, such as a code read to one caller, stays off the disk. The child process starts with the first
    text, or with `start`.
    """

    name = "embedded"

    def __init__(self, folder: Path | None = None, limits: SpeechLimits | None = None) -> None:
        self.limits = limits or SpeechLimits()
        self._library: PromptLibrary[None] = PromptLibrary(
            max_bytes=self.limits.memory_bytes, fresh_seconds=None, failure_seconds=0
        )
        self._store = PieceStore(folder, self.limits.disk_bytes) if folder is not None else None
        self._saving: dict[str, asyncio.Task[None]] = {}
        self._engine = f"{_DISTRIBUTION} {metadata.version(_DISTRIBUTION)} {_RENDERING}"
        self._worker = WorkerProcess(
            WorkerSpec(
                name="speech",
                entry="media.worker.speech:handle",
                request_seconds=self.limits.piece_seconds,
                cpu_seconds=self.limits.cpu_seconds,
                pending=self.limits.pending,
            )
        )

    @property
    def pid(self) -> int | None:
        """Process id of the child that renders, None while there is none."""
        return self._worker.pid

    @property
    def statistics(self) -> WorkerStatistics:
        """Counters of the child process; what comes from memory or disk is not among its requests."""
        return self._worker.statistics

    def voices(self) -> Sequence[Voice]:
        """One voice for each of six languages."""
        return _VOICES

    async def start(self) -> None:
        """Start the child and have it speak, so that the first caller does not wait for that.

        Raises SpeechUnavailable when the engine does not work on this machine.
        """
        if await self._render("Hello.", _VOICES[0], NATURAL) is None:
            raise SpeechUnavailable("the speech engine says nothing")

    async def synthesise(
        self, text: str, voice: str | None = None, language: str = "en-US", manner: Manner = NATURAL
    ) -> AsyncIterator[PromptAudio]:
        """The sound of `text` at 8 kHz, piece after piece; the first is there before the last is rendered.

        `voice` is the id of a voice; one that Pico does not have counts as none. Of `manner`, the factors are brought
        to between 0.5 and 2, the level to between -40 and 10 dB. Raises SpeechUnavailable (see `SpeechEngine`).
        """
        if len(text) > self.limits.text_chars:
            raise SpeechUnavailable(f"a text of {len(text)} characters; at most {self.limits.text_chars} are spoken")
        chosen = choose_voice(_VOICES, voice, language)
        manner = _bounded(manner)
        parts = pieces(speakable(text), chosen.language)
        # Whatever follows is after the last piece only.
        texts = (
            (part, replace(manner, runs_on=manner.runs_on and at == len(parts))) for at, part in enumerate(parts, 1)
        )
        ahead: deque[asyncio.Task[PromptAudio | None]] = deque()
        spoken = silent = False
        try:
            for piece, how in itertools.islice(texts, _AHEAD):
                ahead.append(self._begin(piece, chosen, how))
            while ahead:
                audio = await ahead.popleft()
                for piece, how in itertools.islice(texts, 1):
                    ahead.append(self._begin(piece, chosen, how))
                if audio is None:
                    silent = True
                    continue
                spoken = True
                yield audio
        finally:
            for task in ahead:
                task.cancel()
        if silent and not spoken:
            raise SpeechUnavailable(f"the voice {chosen.id} can speak nothing of this text")

    async def close(self) -> None:
        """End the child process; texts being spoken end with SpeechUnavailable."""
        await self._worker.close()
        if self._saving:
            await asyncio.wait(self._saving.values())

    def _begin(self, piece: str, voice: Voice, manner: Manner) -> asyncio.Task[PromptAudio | None]:
        task = asyncio.create_task(self._piece(piece, voice, manner))
        # A listener who left does not ask how it ended.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _piece(self, text: str, voice: Voice, manner: Manner) -> PromptAudio | None:
        """One piece, from memory, from disk or rendered; None when nothing in it can be spoken."""
        how = f"{manner.speed:.2f} {manner.pitch:.2f} {manner.decibels:.1f} {manner.runs_on:d}"
        key = hashlib.sha256("\0".join((self._engine, voice.id, how, text)).encode()).hexdigest()
        said_before = key in self._library

        async def produce() -> PromptAudio:
            audio = await self._kept(key, voice)
            if audio is None:
                audio = await self._render(text, voice, manner)
            if audio is None:
                raise _Silent
            return audio

        try:
            audio = await self._library.get(key, produce)
        except _Silent:
            return None
        if said_before:
            self._keep(key, audio)
        return audio

    async def _render(self, text: str, voice: Voice, manner: Manner) -> PromptAudio | None:
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
        if not reply.body:
            return None
        if len(reply.body) % 2:
            raise SpeechUnavailable("not rendered: the engine gave half a sample")
        return _audio(np.frombuffer(reply.body, np.int16), voice)

    async def _kept(self, key: str, voice: Voice) -> PromptAudio | None:
        samples = await asyncio.to_thread(self._store.load, key) if self._store is not None else None
        return _audio(samples, voice) if samples is not None else None

    def _keep(self, key: str, audio: PromptAudio) -> None:
        store = self._store
        if store is None or store.holds(key) or key in self._saving or len(self._saving) >= _SAVES:
            return
        task = asyncio.create_task(asyncio.to_thread(store.save, key, audio.samples))
        self._saving[key] = task
        task.add_done_callback(lambda _: self._saving.pop(key))


def _bounded(manner: Manner) -> Manner:
    decibels = manner.decibels
    if decibels != -math.inf:
        decibels = round(min(max(decibels, MIN_DECIBELS), MAX_DECIBELS), 1) if math.isfinite(decibels) else 0.0
    return replace(manner, speed=_factor(manner.speed), pitch=_factor(manner.pitch), decibels=decibels)


def _factor(value: float) -> float:
    return round(min(max(value, MIN_FACTOR), MAX_FACTOR), 2) if math.isfinite(value) else 1.0


class _Silent(Exception):
    """Nothing in a piece can be spoken."""


def _audio(samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]], voice: Voice) -> PromptAudio:
    # The text is not part of the name: names go into logs, and what a caller is told does not belong there.
    return PromptAudio(samples, f"speech {voice.id}")
