"""A call that the platform makes: rung at a carrier or a SIP URI, then run by its application (contract §6.1)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

from engine.calls import outcome
from engine.calls.call import Call, CallServices
from engine.calls.carriers import end_of
from engine.calls.outbound_leg import Destination, OutboundLeg
from engine.calls.outcome import End
from engine.calls.turns import DialTurns
from engine.model import Application, NewCall, Number
from media import PortsExhausted, detect
from sip import Answered, CallEvent, LocalProtocolError, Progress, Rejected, RemoteHangup

MachineDetection = Literal["none", "enable", "detectMessageEnd"]
DETECTION_SECONDS: Final = 30.0
"""How long it may take to tell who answered (contract §10.6)."""

RINGING_STATUSES = frozenset({180, 183})


@dataclass(frozen=True, slots=True)
class RingOrder:
    """How a party is called: where, for how many seconds it may ring, for how many it may then last, and whether that
    is recorded.

    `destination` None: the number has no way out, and the call fails without a try. `detection`: whether it is found
    out who answered before the application runs.
    """

    destination: Destination | None
    timeout: float
    time_limit: float
    record: bool = False
    detection: MachineDetection = "none"


class OutboundCall(Call):
    """A call from a number of a workspace, whose record is stored already. Nothing of the application runs before the
    answer."""

    leg: OutboundLeg

    def __init__(
        self,
        new: NewCall,
        number: Number,
        application: Application,
        services: CallServices,
        order: RingOrder,
        turns: DialTurns,
    ) -> None:
        super().__init__(new, number, application, services)
        self._order = order
        self._turns = turns
        self._picked_up = asyncio.Event()

    @property
    def recorded_whole(self) -> bool:
        """Whether the call is recorded from its answer to its end without being asked to."""
        return super().recorded_whole or self._order.record

    def call_by(self, leg: OutboundLeg) -> None:
        """Binds the leg, which is placed when the call runs."""
        self.leg = leg

    def end(self, end: End) -> None:
        """Ends the call for this reason; the first reason given stays. Safe from any callback."""
        super().end(outcome.API_CANCELED if end is outcome.API_HANGUP and not self.answered else end)

    async def _begin(self) -> None:
        self.on_stored()
        if self._end is None:
            await self._turns.take()
            self._place()
        if self._end is not None:
            raise asyncio.CancelledError
        ring = asyncio.get_running_loop().call_later(self._order.timeout, self.end, outcome.RING_TIMEOUT)
        try:
            await self._picked_up.wait()
        finally:
            ring.cancel()
        self._limit_to(min(self._order.time_limit, self._services.call_seconds))
        if self._order.detection != "none":
            message_end = self._order.detection == "detectMessageEnd"
            self.answered_by = await detect(self.leg.session, message_end=message_end, timeout=DETECTION_SECONDS)
            self.log("machine_detection", {"answeredBy": self.answered_by})

    def _place(self) -> None:
        if self._order.destination is None:
            self.log("carrier_missing", {"number": self.number.e164})
            self.end(outcome.NO_CARRIER)
            return
        try:
            self.leg.place(self._order.destination, self._on_sip, self._unusable)
        except PortsExhausted as error:
            self._log.error("media.ports_exhausted", reason=str(error), hint="widen media.rtp_ports")
            self.end(outcome.PORTS_EXHAUSTED)
        except LocalProtocolError as error:
            self._log.warning("sip.not_sent", reason=str(error))
            self.log("invite_not_sent", {"reason": str(error)})
            self.end(outcome.NO_CARRIER)

    def _unusable(self, reason: str) -> None:
        self.log("unusable_answer", {"reason": reason})
        self.end(outcome.NO_COMMON_MEDIA)

    def _on_sip(self, event: CallEvent) -> None:
        match event:
            case Progress():
                if event.status in RINGING_STATUSES:
                    self._rings()
            case Answered():
                self._was_answered()
                self._picked_up.set()
            case Rejected():
                self.end(end_of(event))
            case RemoteHangup():
                self.end(outcome.CALLEE_HUNG_UP)
            case _:
                super()._on_sip(event)
