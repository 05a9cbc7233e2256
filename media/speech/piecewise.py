"""Speaks a text piece by piece, whatever renders a piece: the first is heard while the next is made, and what was said
before is not rendered again, from memory or from disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from media.library import PromptLibrary
from media.prompt import PromptAudio
from media.resample import Samples
from media.speech.interface import Manner, SpeechUnavailable, Voice
from media.speech.store import MAX_BYTES, PieceStore
from media.speech.text import pieces, speakable
from media.worker.process import MEBIBYTE

MIN_FACTOR = 0.5
MAX_FACTOR = 2.0
MIN_DECIBELS = -40.0
MAX_DECIBELS = 10.0
# Pieces being rendered while the listener has not asked for them: one, so that none waits and texts take turns.
_AHEAD = 2
# Pieces on their way to the disk; what comes beyond is kept when it is said again.
_SAVES = 8
# A document may name a voice at any length.
_NAME_CHARS = 40

Render = Callable[[str, Voice, Manner], Awaitable[Samples | None]]
"""The sound of one piece of text at 8 kHz, None when nothing in it can be spoken. Raises SpeechUnavailable."""


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


class SpokenPieces:
    """Texts through `render`. `folder` keeps pieces over a restart, those that were said more than once; None keeps
    none.

    `identity` names what renders, and is part of the key of what is kept: another one when the same text comes out
    otherwise. What is said once, such as a code read to one caller, stays off the disk.
    """

    def __init__(self, identity: str, render: Render, folder: Path | None, limits: SpeechLimits) -> None:
        self._identity = identity
        self._render = render
        self._limits = limits
        self._library: PromptLibrary[None] = PromptLibrary(
            max_bytes=limits.memory_bytes, fresh_seconds=None, failure_seconds=0
        )
        self._store = PieceStore(folder, limits.disk_bytes) if folder is not None else None
        self._saving: dict[str, asyncio.Task[None]] = {}

    async def speak(self, text: str, voice: Voice, manner: Manner) -> AsyncIterator[PromptAudio]:
        """The sound of `text` at 8 kHz, piece after piece; the first is there before the last is rendered.

        Of `manner`, the factors are brought to between 0.5 and 2, the level to between -40 and 10 dB. Raises
        SpeechUnavailable (see `SpeechEngine`).
        """
        if len(text) > self._limits.text_chars:
            raise SpeechUnavailable(f"a text of {len(text)} characters; at most {self._limits.text_chars} are spoken")
        manner = _bounded(manner)
        parts = pieces(speakable(text), voice.language)
        # Whatever follows is after the last piece only.
        texts = (
            (part, replace(manner, runs_on=manner.runs_on and at == len(parts))) for at, part in enumerate(parts, 1)
        )
        ahead: deque[asyncio.Task[PromptAudio | None]] = deque()
        spoken = silent = False
        try:
            for piece, how in itertools.islice(texts, _AHEAD):
                ahead.append(self._begin(piece, voice, how))
            while ahead:
                audio = await ahead.popleft()
                for piece, how in itertools.islice(texts, 1):
                    ahead.append(self._begin(piece, voice, how))
                if audio is None:
                    silent = True
                    continue
                spoken = True
                yield audio
        finally:
            for task in ahead:
                task.cancel()
        if silent and not spoken:
            raise SpeechUnavailable(f"the voice {voice.id[:_NAME_CHARS]} can speak nothing of this text")

    async def close(self) -> None:
        """Wait for what is on its way to the disk."""
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
        named = "\0".join((self._identity, voice.id, voice.language, how, text))
        key = hashlib.sha256(named.encode()).hexdigest()
        said_before = key in self._library

        async def produce() -> PromptAudio:
            samples = await self._kept(key)
            if samples is None:
                samples = await self._render(text, voice, manner)
            if samples is None or not len(samples):
                raise _Silent
            # The text is not part of the name: names go into logs, and what a caller is told does not belong there.
            return PromptAudio(samples, f"speech {voice.id[:_NAME_CHARS]}")

        try:
            audio = await self._library.get(key, produce)
        except _Silent:
            return None
        if said_before:
            self._keep(key, audio)
        return audio

    async def _kept(self, key: str) -> Samples | None:
        return await asyncio.to_thread(self._store.load, key) if self._store is not None else None

    def _keep(self, key: str, audio: PromptAudio) -> None:
        store = self._store
        if store is None or store.holds(key) or key in self._saving or len(self._saving) >= _SAVES:
            return
        task = asyncio.create_task(asyncio.to_thread(store.save, key, audio.samples))
        self._saving[key] = task
        task.add_done_callback(lambda _: self._saving.pop(key))


class _Silent(Exception):
    """Nothing in a piece can be spoken."""


def _bounded(manner: Manner) -> Manner:
    decibels = manner.decibels
    if decibels != -math.inf:
        decibels = round(min(max(decibels, MIN_DECIBELS), MAX_DECIBELS), 1) if math.isfinite(decibels) else 0.0
    return replace(manner, speed=_factor(manner.speed), pitch=_factor(manner.pitch), decibels=decibels)


def _factor(value: float) -> float:
    return round(min(max(value, MIN_FACTOR), MAX_FACTOR), 2) if math.isfinite(value) else 1.0
