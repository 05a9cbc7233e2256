"""A call that no application runs: its caller is put through to one party, an inbound trunk's destinations or whom an
outbound trunk or an agent has called (contract §9.1, §9.2, §17)."""

from __future__ import annotations

import asyncio
from typing import Final

from engine.calls import outcome
from engine.calls.call import Call, CallServices
from engine.calls.carriers import end_for_caller
from engine.calls.leg import InboundLeg
from engine.calls.outbound_leg import OutboundLeg
from engine.calls.outcome import End
from engine.calls.party import DialledParty
from engine.calls.trunk_party import TrunkParty
from engine.model import NewCall, Number
from media import PortsExhausted
from sip.sdp import SdpRejected
from voyloml.capabilities import DialTarget, Unreached

RINGING: Final = 180
SESSION_PROGRESS: Final = 183

RING_SECONDS: Final = 180.0
"""A party that only rings is given up after so long, as a proxy would (RFC 3261 §16.6, timer C)."""


class ConnectedCall(Call):
    """A caller of ours and the party `target`, who hear each other and each other's keys until one of them leaves.

    `number` is the number that was called, or for a call from an outbound trunk or an agent the one that it is made
    from; None between agents, of whom the calling one is shown by `name`. With `record` the trunk orders a recording.
    """

    leg: InboundLeg

    def __init__(
        self,
        new: NewCall,
        number: Number | None,
        services: CallServices,
        target: DialTarget,
        *,
        record: bool,
        name: str | None = None,
    ) -> None:
        super().__init__(new, number, None, services)
        self._name = name
        self._target = target
        self._record = record

    @property
    def recorded_whole(self) -> bool:
        """Whether the trunk has its calls recorded."""
        return self._record

    def end(self, end: End) -> None:
        """Ends the call for this reason; the first reason given stays. Safe from any callback."""
        canceled = end is outcome.API_HANGUP and self.new.direction == "outbound" and not self.answered
        super().end(outcome.API_CANCELED if canceled else end)

    def _announce(self) -> None:
        """The caller is told that it rings when the party says so."""

    async def _carry_out(self) -> None:
        party = self._control.dialling.party(self._target, self.own_number, name=self._name)
        party.on_progress = self._relay
        if isinstance(party, TrunkParty):
            party.on_abandoned = self._silence
            unreached = await party.ring()
        else:
            ringing = asyncio.get_running_loop().call_later(RING_SECONDS, self.end, outcome.RANG_OUT)
            try:
                unreached = await party.ring()
            finally:
                ringing.cancel()
        if unreached is not None:
            self.end(_end_of(party, unreached))
            return
        await self.answer()
        await self._control.bridge(party, record=False)
        await party.gone()
        self.end(party.left)

    def _relay(self, leg: OutboundLeg, status: int) -> None:
        """Passes 180 and 183 on to the caller, with the early media of the leg where it has some."""
        self._rings()
        if leg.negotiated is not None:
            self._let_hear(leg)
        if status == SESSION_PROGRESS and not self.leg.has_audio:
            self.leg.incoming.progress(b"")
        if status == RINGING:
            self.leg.incoming.ring()

    def _let_hear(self, leg: OutboundLeg) -> None:
        try:
            self.leg.open_early_media()
        except (PortsExhausted, SdpRejected) as error:
            self.log("early_media_unavailable", {"warning": str(error)})
        if self.leg.has_audio:
            self.leg.session.hear(leg.session)

    def _silence(self) -> None:
        """What a destination let hear ends with it."""
        if self.leg.has_audio:
            self.leg.session.hear(None)


def _end_of(party: DialledParty, unreached: Unreached) -> End:
    if isinstance(party, TrunkParty) and not party.tried:
        return outcome.NOT_REACHED
    return end_for_caller(unreached)
