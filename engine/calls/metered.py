"""A running call and its account's money: a minute more is reserved each minute (contract §15.1).

A telephone that a call dials has a meter of its own; when its money is used up, the call ends.

When the account cannot pay for the next minute the call has a minute of grace, near whose end whoever is on the line is
told; money that comes meanwhile lets it go on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from engine.billing.metering import Answer, Metering, Telephone, Traffic
from engine.calls import outcome
from engine.errors import EngineError, PaymentRequired
from voyloml import Speak

if TYPE_CHECKING:
    from engine.calls.call import Call

logger = structlog.get_logger(__name__)

WARNING: Final = "Your credit is used up. This call will end in a few seconds."
WARNING_LANGUAGE: Final = "en-US"


@dataclass(frozen=True, slots=True)
class MeterTiming:
    """Seconds of a minute that is reserved, of the grace of a call whose wallet is empty, and how long before its end
    it is told."""

    minute: float = 60.0
    grace: float = 60.0
    warning: float = 15.0


MINUTES: Final = MeterTiming()


class CallMeter:
    """The meter of one call, or of a `telephone` that it dials. `admit` before it rings, or `admitted` by somebody
    else; then `start` and `stop`."""

    def __init__(
        self, call: Call, metering: Metering | None, timing: MeterTiming, telephone: Telephone | None = None
    ) -> None:
        self._timing = timing
        self._call = call
        self._traffic: Traffic = call.new if telephone is None else telephone
        self._metering = metering
        self._answer: Answer = "free"
        self._task: asyncio.Task[None] | None = None

    async def admit(self) -> bool:
        """Reserves the first minute; False when the account cannot pay for it. Raises what the store raises."""
        if self._metering is None:
            return True
        try:
            self._answer = await self._metering.admit(self._traffic)
        except PaymentRequired:
            return False
        return True

    def admitted(self, answer: Answer) -> None:
        """The first minute is reserved already, or costs nothing."""
        self._answer = answer

    @property
    def reserved(self) -> bool:
        """Whether something is reserved; what costs nothing reserves nothing."""
        return self._answer == "reserved"

    def start(self) -> None:
        """The call was answered: time counts from now."""
        if self._metering is not None and self.reserved and self._task is None:
            self._task = asyncio.create_task(self._run(self._metering), name=f"meter {self._call.new.public_id}")

    def stop(self) -> None:
        """Nothing more is reserved."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, metering: Metering) -> None:
        timing, loop = self._timing, asyncio.get_running_loop()
        began, minutes = loop.time(), 1
        while True:
            await _until(began + minutes * timing.minute)
            if await self._reserves(metering, minutes + 1):
                minutes += 1
                continue
            self._call.log("credit_used_up", {"graceSeconds": timing.grace})
            end = loop.time() + timing.grace
            await _until(end - timing.warning)
            # The minute of grace is to be paid as well
            if not await self._reserves(metering, minutes + 2):
                self._call.announce([Speak(WARNING, None, WARNING_LANGUAGE)])
                await _until(end)
                if not await self._reserves(metering, minutes + 2):
                    break
            minutes += 2
        logger.info("call.out_of_funds", call=self._call.new.public_id)
        self._call.end(outcome.INSUFFICIENT_FUNDS)

    async def _reserves(self, metering: Metering, minutes: int) -> bool:
        try:
            return await metering.reserve(self._traffic, minutes) != "refused"
        except EngineError as error:
            # A store in trouble cuts nobody off; what the call costs is charged at its end.
            logger.warning("call.not_metered", call=self._call.new.public_id, reason=error.message)
            return True


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
