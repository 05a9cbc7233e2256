"""A telephone as a party of a Dial: it is called over a number of the workspace, reserved for before it rings, and paid
for with the call from its answer to its end (contract §10.6, §15.1)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from engine.billing.metering import Metering, Telephone
from engine.calls.metered import CallMeter, MeterTiming
from engine.calls.outbound_leg import OutboundLeg
from engine.calls.outcome import End
from engine.calls.party import DialledParty
from engine.errors import EngineError
from voyloml.capabilities import Unreached

if TYPE_CHECKING:
    from engine.calls.call import Call

logger = structlog.get_logger(__name__)

UNPAID: Final = Unreached("failed", "insufficient_funds")
NOT_METERED: Final = Unreached("failed", "network_error")


class TelephoneParty(DialledParty):
    """A party that `metering` reserves for and stores; `telephone` is what is charged for."""

    def __init__(
        self, call: Call, telephone: Telephone, metering: Metering, timing: MeterTiming, *arguments: Any
    ) -> None:
        """`arguments` are those of `DialledParty`."""
        super().__init__(*arguments)
        self._call = call
        self._telephone = telephone
        self._metering = metering
        self._meter = CallMeter(call, metering, timing, telephone)
        self._answered_at: float | None = None
        self._over = False

    async def ring(self) -> Unreached | None:
        """As `DialledParty.ring`, once its first minute is reserved; not at all when that cannot be paid."""
        try:
            if not await self._meter.admit():
                self.log("dial_leg_failed", {"sipCode": 0, "cause": UNPAID.cause, "reason": "the wallet is empty"})
                return UNPAID
        except EngineError as error:
            logger.warning("call.leg_not_metered", call=self._call.new.public_id, reason=error.message)
            return NOT_METERED
        try:
            return await super().ring()
        finally:
            if self._answered_at is None and self._meter.reserved:
                self._metering.unanswered(self._telephone)

    async def hangup(self) -> None:
        """As `DialledParty.hangup`; from now on it costs nothing more."""
        self._hung_up()
        await super().hangup()

    def _answered(self, leg: OutboundLeg) -> None:
        super()._answered(leg)
        if leg is self._winner and self._answered_at is None:
            self._answered_at = time.monotonic()
            self._call.telephones = True
            self._metering.answered(self._telephone, self._call.now())
            self._meter.start()

    def _lost(self, leg: OutboundLeg, end: End) -> None:
        super()._lost(leg, end)
        if leg is self._winner:
            self._hung_up()

    def _hung_up(self) -> None:
        if self._over or self._answered_at is None:
            return
        self._over = True
        self._meter.stop()
        seconds = max(0, int(time.monotonic() - self._answered_at + 0.5))
        self._metering.hung_up(self._telephone, self._call.now(), seconds)
