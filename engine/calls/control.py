"""The interpreter's view of a live call: voyloml's `CallControl` on a SIP leg and its audio."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from engine.calls.conference import ConferenceRooms, Member
from engine.calls.dialling import CallingOut, Dialling, NoSound
from engine.calls.keys import KeyBuffer
from engine.calls.listening import CallHearing
from engine.calls.outcome import BUSY, REJECTED
from engine.calls.party import DialledParty
from engine.calls.prompting import LegPrompting, PromptSources
from engine.calls.queues import CallQueues, QueuedParty, WaitingCaller
from engine.calls.recording import CallRecordings
from engine.calls.refer import ReferEvent, Referral
from engine.calls.streaming import CallStreams
from voyloml import PromptItem
from voyloml.capabilities import (
    Bridge,
    ConferenceOrder,
    DialTarget,
    Listening,
    Membership,
    PartialOrder,
    Party,
    PromptingInARow,
    RecordingOrder,
    RecordingRun,
    Referred,
    Streaming,
    StreamOrder,
    Waiting,
)
from voyloml.control import Prompting

if TYPE_CHECKING:
    from engine.calls.call import Call


class LegControl:
    """Drives one call for the interpreter. Hang-up from outside is a cancellation of the task that runs it."""

    def __init__(
        self,
        call: Call,
        sources: PromptSources,
        calling: CallingOut,
        recordings: CallRecordings,
        conferences: ConferenceRooms,
        queues: CallQueues,
        streams: CallStreams,
        hearing: CallHearing,
    ) -> None:
        self._call = call
        self._recordings = recordings
        self._streams = streams
        self._hearing = hearing
        self._conferences = conferences
        self._queues = queues
        self._member: Member | None = None
        self._waiting: WaitingCaller | None = None
        self._dialling = Dialling(call, sources, calling, queues, recordings)
        self._referral: Referral | None = None
        self._sources = sources
        self._keys = KeyBuffer()
        self._prompting: LegPrompting | None = None
        self._announcement: LegPrompting | None = None

    @property
    def dialling(self) -> Dialling:
        """What reaches other parties."""
        return self._dialling

    @property
    def answered(self) -> bool:
        """True from our 200 on."""
        return self._call.leg.answered

    async def answer(self) -> None:
        """Answers the leg unless it is; returns once media may flow."""
        await self._call.answer()

    async def reject(self, reason: Literal["rejected", "busy"]) -> None:
        """Refuses an unanswered call with 603 or 486; an answered one is hung up."""
        self._call.end(BUSY if reason == "busy" else REJECTED)

    async def hangup(self) -> None:
        """The run of the document is over; the call closes with it, for the reason that the run gives."""

    def prompt_in_a_row(self, items: Sequence[PromptItem]) -> PromptingInARow:
        """Starts playing the `items` of several verbs back to back."""
        return self.prompt(items)

    def prompt(self, items: Sequence[PromptItem], *, interrupt_keys: str = "") -> PromptingInARow:
        """Starts playing `items` back to back; a key of `interrupt_keys` stops them in the media plane itself.

        On a leg without audio, for want of early media, nothing is played."""
        if not self._call.leg.has_audio:
            return NoSound()
        prompting = LegPrompting(self._call.leg.session, self._sources, items, interrupt_keys, self.log)
        self._prompting = prompting
        return prompting

    def announce(self, items: Sequence[PromptItem]) -> None:
        """Plays `items` at once, over a bridge and in place of what plays, which then begins anew."""
        if not self._call.leg.has_audio:
            return
        if self._prompting is None or not self._prompting.interject(items):
            self._announcement = LegPrompting(self._call.leg.session, self._sources, items, "", self.log)

    async def key(self) -> str:
        """The next key pressed, oldest first."""
        return await self._keys.next()

    def pending_keys(self) -> int:
        """How many keys are pressed and not yet read."""
        return len(self._keys)

    def press(self, key: str) -> None:
        """A key arrived from the caller."""
        prompting = self._prompting
        if prompting is not None and key in prompting.interrupt_keys:
            prompting.interrupt()
        self._keys.press(key)
        self._streams.press(key)
        self._dialling.on_caller_key(key)
        if self._waiting is not None:
            self._waiting.press(key)

    def listen(
        self, *, language: str, hints: str | None, end_silence: float, partials: PartialOrder | None = None
    ) -> Listening:
        """See `CallHearing.listen`."""
        return self._hearing.listen(language=language, hints=hints, end_silence=end_silence, partials=partials)

    async def pre_answer(self) -> None:
        """Opens early media; without an offer of the caller there is none, and the call's log says so."""
        await self._call.open_early_media()

    async def parties(
        self, targets: Sequence[DialTarget], *, caller_id: str | None, headers: Sequence[str]
    ) -> Sequence[Party]:
        """See `Dialling.parties`. Raises DialRefused."""
        return self._dialling.parties(targets, caller_id=caller_id, headers=headers)

    def ringback(self, *, real: bool) -> Prompting:
        """See `Dialling.ringback`."""
        return self._dialling.ringback(real=real)

    async def bridge(self, party: Party, *, record: bool) -> Bridge:
        """Connects the caller with a party that `parties` gave."""
        assert isinstance(party, DialledParty | QueuedParty)
        return self._dialling.bridge(party, record=record)

    async def record(self, order: RecordingOrder) -> RecordingRun:
        """See `CallRecordings.record`."""
        return await self._recordings.record(order)

    async def join(self, order: ConferenceOrder) -> Membership | None:
        """See `ConferenceRooms.join`."""
        self._member = await self._conferences.join(self._call, order, self.prompt)
        return self._member

    async def enqueue(self, queue: str, *, most: int) -> Waiting | None:
        """See `CallQueues.enqueue`."""
        self._waiting = self._queues.enqueue(self._call, queue, most=most)
        return self._waiting

    async def stream(self, order: StreamOrder) -> Streaming:
        """See `CallStreams.stream`. Raises StreamFailed."""
        return await self._streams.stream(order)

    async def refer(self, uri: str) -> Referred:
        """Sends REFER on the caller's leg and returns what its NOTIFYs say."""
        self._referral = Referral()
        return await self._referral.outcome(self._call.leg.sip, uri)

    def referred(self) -> Referred:
        """What is known of the last REFER."""
        return Referred(accepted=False, code=0) if self._referral is None else self._referral.so_far

    def refer_told(self, event: ReferEvent) -> None:
        """What the caller's phone says of our REFER."""
        if self._referral is not None:
            self._referral.told(event)

    async def close(self) -> None:
        """Ends every stream, every leg that a Dial has made, and finishes the recordings that run."""
        self._streams.close()
        if not self._dialling.has_parties:
            await self._recordings.close(self._member)
            return
        # At the same time: nobody stays on the line until a file is whole.
        await asyncio.gather(self._recordings.close(self._member), self._dialling.close())

    def release(self) -> None:
        """Stops whatever plays, and leaves conference and queue; the call is over."""
        if self._member is not None:
            self._member.part()
        if self._waiting is not None:
            self._waiting.part()
        for prompting in (self._prompting, self._announcement):
            if prompting is not None:
                prompting.stop()
        self._prompting = self._announcement = None

    def log(self, type: str, data: Mapping[str, object]) -> None:  # noqa: A002
        """One entry in the call's log (contract §6.5)."""
        self._call.log(type, data)
