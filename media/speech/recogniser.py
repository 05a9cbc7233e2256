"""What a recogniser of speech is to the rest of the house, the one that has none, and the ones in child processes.

The embedded recogniser (PocketSphinx) hears phrases: the hints of a Gather, digits, yes and no, in English. vosk hears
what the model knows that the operator has got. Others, such as one over HTTP, fit `Recogniser`.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from media.resample import Samples
from media.worker.errors import Refused, WorkerError
from media.worker.process import MEBIBYTE, WorkerProcess, WorkerSpec

MAX_SECONDS: Final = 60.0
"""Of one utterance that is recognised."""

PAUSE_SECONDS: Final = 0.6
"""A pause that parts what is said where each part is to be a phrase."""

_SAMPLE_BYTES = 2
_RATE = 8000
_MOST_PROCESSES = 2
_LANGUAGE = "en"


class RecogniserUnavailable(RuntimeError):
    """Speech cannot be recognised; the message says why."""


@dataclass(frozen=True, slots=True)
class Understood:
    """What was said, as far as it was understood: no words, `text` is empty. `confidence` is 0 to 1.

    `unknown` are hints that the recogniser cannot hear, for want of their words.
    """

    text: str
    confidence: float
    unknown: tuple[str, ...] = ()


class Recogniser(Protocol):
    """Turns utterances into words. All methods are called on the event loop's thread and none blocks it."""

    @property
    def name(self) -> str:
        """Name of the engine, for logs."""

    @property
    def pause(self) -> float:
        """Seconds of a pause that part what is said into utterances recognised each by itself; infinite for none."""

    async def start(self) -> None:
        """Make the first utterance as quick as later ones; optional. Raises RecogniserUnavailable."""

    def refusal(self, language: str) -> str | None:
        """Why nothing in `language` (BCP 47) will ever be understood, None where something may be."""

    async def recognise(self, samples: Samples, *, language: str, hints: str | None) -> Understood:
        """What `(n,) int16` samples at 8 kHz say. Raises RecogniserUnavailable."""

    async def guess(self, samples: Samples, *, part: int, language: str, hints: str | None) -> str | None:
        """What an utterance that goes on says so far; None where nobody has time for it or it cannot be told.

        `samples` are all of it, and `part` a number of its own while it grows. Raises RecogniserUnavailable.
        """

    async def close(self) -> None:
        """Let go of everything."""


class NoRecogniser:
    """The recogniser of a house that has none."""

    name = "none"
    pause = math.inf

    async def start(self) -> None:
        """Nothing to do."""

    def refusal(self, language: str) -> str | None:
        """There is no recogniser."""
        return "no recogniser is configured (speech.stt)"

    async def recognise(self, samples: Samples, *, language: str, hints: str | None) -> Understood:
        """Raises RecogniserUnavailable."""
        raise RecogniserUnavailable("no recogniser is configured (speech.stt)")

    async def guess(self, samples: Samples, *, part: int, language: str, hints: str | None) -> str | None:
        """Nothing is guessed."""
        return None

    async def close(self) -> None:
        """Nothing to do."""


class WorkerRecogniser:
    """A recogniser in child processes, which start with the first utterance or with `start`. See `grammar_recogniser`
    and `vosk_recogniser`."""

    def __init__(self, spec: WorkerSpec, *, processes: int, request: Mapping[str, str] | None = None) -> None:
        self.name = spec.name
        self.pause = PAUSE_SECONDS
        self._request = dict(request or {})
        self._workers = [WorkerProcess(spec) for _ in range(processes)]
        self._waiting = [0] * processes

    async def start(self) -> None:
        """Starts a child where none runs. Raises RecogniserUnavailable when it does not work on this machine."""
        if any(worker.pid is not None for worker in self._workers):
            return
        await self._ask(bytes(_RATE * _SAMPLE_BYTES), None)

    def refusal(self, language: str) -> str | None:
        """Only English is understood by the embedded recogniser; of a model nobody here knows the language."""
        if self._request or language.partition("-")[0].lower() == _LANGUAGE:
            return None
        return f"the embedded recogniser understands English only, not {language[:40]!r}"

    async def recognise(self, samples: Samples, *, language: str, hints: str | None) -> Understood:
        """See `Recogniser`."""
        refusal = self.refusal(language)
        if refusal is not None:
            raise RecogniserUnavailable(refusal)
        return await self._ask(samples[: round(MAX_SECONDS * _RATE)].tobytes(), hints)

    async def guess(self, samples: Samples, *, part: int, language: str, hints: str | None) -> str | None:
        """See `Recogniser`. Whole utterances go first: a guess is made by a child that nobody else waits for."""
        if self.refusal(language) is not None or min(self._waiting):
            return None
        return (await self._ask(samples[: round(MAX_SECONDS * _RATE)].tobytes(), hints, part=part)).text

    async def close(self) -> None:
        """Ends the child processes."""
        for worker in self._workers:
            await worker.close()

    async def _ask(self, body: bytes, hints: str | None, *, part: int | None = None) -> Understood:
        free = min(range(len(self._workers)), key=self._waiting.__getitem__)
        self._waiting[free] += 1
        try:
            reply = await self._workers[free].request({**self._request, "hints": hints, "part": part}, body)
        except (Refused, WorkerError) as error:
            raise RecogniserUnavailable(f"not recognised: {error}") from None
        finally:
            self._waiting[free] -= 1
        header = reply.header
        return Understood(str(header["text"]), float(header["confidence"]), tuple(header["unknown"]))


def grammar_recogniser() -> WorkerRecogniser:
    """The embedded one. Each of its processes takes about 100 MB while there is speech to recognise."""
    return WorkerRecogniser(_spec("embedded", "media.worker.grammar:handle", 1024), processes=_processes())


def vosk_recogniser(model: Path) -> WorkerRecogniser:
    """vosk with the model in the folder `model`."""
    return WorkerRecogniser(
        _spec("vosk", "media.worker.vosk:handle", 8192), processes=1, request={"model": str(model.absolute())}
    )


def _spec(name: str, entry: str, mebibytes: int) -> WorkerSpec:
    return WorkerSpec(
        name=name,
        entry=entry,
        request_seconds=20.0,
        cpu_seconds=20,
        memory_bytes=mebibytes * MEBIBYTE,
        body_bytes=round(MAX_SECONDS * _RATE) * _SAMPLE_BYTES,
        reply_bytes=MEBIBYTE,
        idle_seconds=600.0,
    )


def _processes() -> int:
    with contextlib.suppress(OSError):
        return min(_MOST_PROCESSES, len(os.sched_getaffinity(0)))
    return 1
