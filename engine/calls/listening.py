"""`Gather` with speech on a live call: voyloml's `SpeechInput` on the caller's audio (contract §10.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.calls.partial_results import PartialTelling
from engine.calls.status_callback import StatusCallbacks
from media import ActivityDetectors, MediaSession, Recogniser, SpeechListener
from voyloml.capabilities import Listening, PartialOrder, Utterance

if TYPE_CHECKING:
    from engine.calls.call import Call


class Hearing:
    """What every call that listens needs of the engine: a recogniser, and detectors of speech."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser = recogniser
        self.detectors = ActivityDetectors()


class CallHearing:
    """The listening of one call."""

    def __init__(self, call: Call, hearing: Hearing, callbacks: StatusCallbacks) -> None:
        self._call = call
        self._hearing = hearing
        self._callbacks = callbacks

    def listen(
        self, *, language: str, hints: str | None, end_silence: float, partials: PartialOrder | None
    ) -> Listening:
        """Listens to the caller; where nothing can be understood the call's log says why."""
        call = self._call
        refusal = self._hearing.recogniser.refusal(language)
        if refusal is not None:
            call.log("speech_unavailable", {"warning": refusal})
            return Deaf()
        telling = None if partials is None else PartialTelling(call, self._callbacks, partials)
        return LegListening(call.leg.session, self._hearing, call.log, language, hints, end_silence, telling)


class Deaf:
    """voyloml's `Listening` where there is nobody to understand."""

    async def began(self) -> None:
        """Never returns."""
        await asyncio.Event().wait()

    async def result(self) -> Utterance | None:
        """Never returns."""
        await self.began()
        return None

    def stop(self) -> None:
        """Nothing to do."""


class LegListening:
    """voyloml's `Listening` on an audio session."""

    def __init__(
        self,
        session: MediaSession,
        hearing: Hearing,
        log: Callable[[str, Mapping[str, object]], None],
        language: str,
        hints: str | None,
        end_silence: float,
        partials: PartialTelling | None,
    ) -> None:
        self._partials = partials
        self._listener = SpeechListener(
            session,
            hearing.recogniser,
            hearing.detectors,
            language=language,
            hints=hints,
            end_silence=end_silence,
            on_problem=lambda problem: log("speech_problem", {"warning": problem}),
            on_partial=None if partials is None else partials.tell,
        )

    async def began(self) -> None:
        """Returns when the caller has begun to speak."""
        await self._listener.began()

    async def result(self) -> Utterance | None:
        """Returns when the silence after it is over; None where nothing was understood."""
        understood = await self._listener.result()
        return None if understood is None else Utterance(understood.text, understood.confidence)

    def stop(self) -> None:
        """Listens no longer."""
        self._listener.stop()
        if self._partials is not None:
            self._partials.stop()
