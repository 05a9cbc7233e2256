"""An inbound trunk as one party: its destinations are rung in their order, one at a time (contract §9.1).

What becomes of each is a routing attempt of the call; what became of the last one is what the party says of itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from engine.calls.audio_leg import LegSettings
from engine.calls.carriers import BUSY, REFUSED, SILENT
from engine.calls.outbound_leg import Destination, OutboundLeg
from engine.calls.party import UNREACHABLE, DialledParty
from engine.calls.prompting import CallLog, PromptSources
from engine.model import AttemptResult, Failover, InboundDestination, InboundTrunk, RoutingAttempt
from media import MediaPlane
from sip import SipParseError, UserAgent
from voyloml.capabilities import Unreached

RANG_OUT: Final = Unreached("no-answer", "no_answer", rang=True)
TOO_SLOW: Final = Unreached("failed", "unreachable")


@dataclass(slots=True)
class _Attempt:
    """A destination that is being rung; `setup_ms` from the INVITE to the first response above 100."""

    destination: InboundDestination
    started_at: datetime
    begun: float
    heard: asyncio.Future[None]
    setup_ms: int | None = None

    def hear(self) -> None:
        """There was a response."""
        if not self.heard.done():
            self.setup_ms = round((time.monotonic() - self.begun) * 1000)
            self.heard.set_result(None)

    def left(self, limit_ms: int) -> float:
        """Seconds until so long after the INVITE."""
        return max(0.0, self.begun + limit_ms / 1000 - time.monotonic())


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How an attempt ended; `unreached` is None for an answer, `goes_on` whether the next destination is tried."""

    result: AttemptResult
    unreached: Unreached | None
    goes_on: bool = True


_LEFT: Final = _Outcome("no_answer", RANG_OUT)
"""What a destination has come to that rings while the caller leaves."""


class TrunkParty(DialledParty):
    """voyloml's `Party` on the destinations of a trunk.

    `way_to` gives the way to a destination, `is_down` tells by its id whether it is known to be unreachable. Attempts
    are added to `attempts` as they end. `tried` is whether any destination was called at all; `on_abandoned` is told
    when one that was is given up.
    """

    def __init__(
        self,
        sid: str,
        address: str,
        trunk: InboundTrunk,
        way_to: Callable[[InboundDestination], tuple[Destination, LegSettings]],
        is_down: Callable[[str], bool],
        attempts: list[RoutingAttempt],
        user_agent: UserAgent,
        plane: MediaPlane,
        sources: PromptSources,
        log: CallLog,
        now: Callable[[], datetime],
    ) -> None:
        super().__init__(sid, address, (), user_agent, plane, sources, log)
        self.tried = False
        self.on_abandoned: Callable[[], object] = lambda: None
        self._trunk = trunk
        self._way_to = way_to
        self._is_down = is_down
        self._attempts = attempts
        self._now = now
        self._attempt: _Attempt | None = None
        self._given_up: set[OutboundLeg] = set()

    async def ring(self) -> Unreached | None:
        """Rings one destination after the other until one answers (None) or the trunk's failover has no other.
        Cancelled: nobody rings on."""
        self.log("dial_leg", {"to": self.address, "trunk": self._trunk.id, "ways": len(self._trunk.destinations)})
        last = UNREACHABLE
        for destination in self._trunk.destinations:
            skipped = self._skipped(destination)
            if skipped is not None:
                self._write_down(destination, self._now(), _Outcome(skipped, UNREACHABLE))
                continue
            outcome = await self._try(destination)
            if outcome.unreached is None:
                return None
            last = outcome.unreached
            if not outcome.goes_on:
                break
        return last

    def _skipped(self, destination: InboundDestination) -> AttemptResult | None:
        if not (self._trunk.enabled and destination.enabled):
            return "skipped_disabled"
        return "skipped_down" if self._is_down(destination.id) else None

    async def _try(self, destination: InboundDestination) -> _Outcome:
        loop = asyncio.get_running_loop()
        self.tried = True
        self._open, self._rang, self._refused, self._reached = 1, False, False, loop.create_future()
        attempt = _Attempt(destination, self._now(), time.monotonic(), loop.create_future())
        self._attempt = attempt
        outcome = _LEFT
        try:
            try:
                self._place(*self._way_to(destination))
            except SipParseError as error:
                self.log("dial_bad_uri", {"to": destination.uri[:256], "warning": str(error)})
                outcome = _Outcome("failed", UNREACHABLE)
            else:
                outcome = await self._outcome(attempt)
        finally:
            if outcome.unreached is not None:
                self._give_up()
            self._write_down(destination, attempt.started_at, outcome, attempt.setup_ms)
        if outcome.unreached is not None:
            await self._release_given_up()
        return outcome

    async def _outcome(self, attempt: _Attempt) -> _Outcome:
        failover = self._trunk.failover
        slow = failover.max_setup_latency_ms
        if slow is not None and slow < failover.no_answer_ms:
            signs: set[asyncio.Future[Any]] = {attempt.heard, self._reached}
            await asyncio.wait(signs, timeout=attempt.left(slow), return_when=asyncio.FIRST_COMPLETED)
            if not attempt.heard.done() and not self._reached.done():
                return _Outcome("latency_exceeded", TOO_SLOW)
        await asyncio.wait({self._reached}, timeout=attempt.left(failover.no_answer_ms))
        if not self._reached.done():
            return _Outcome("no_answer", RANG_OUT)
        unreached = self._reached.result()
        return _Outcome("answered", None) if unreached is None else _judged(unreached, failover)

    def _give_up(self) -> None:
        """CANCEL for what was rung last; should it answer all the same, it is hung up."""
        self._given_up.update(self._legs)
        self._hang_up(keep=None)
        self.on_abandoned()

    async def _release_given_up(self) -> None:
        for leg in self._given_up:
            await leg.close()

    def _progressed(self, leg: OutboundLeg, status: int) -> None:
        if leg in self._given_up:
            return
        if self._attempt is not None:
            self._attempt.hear()
        super()._progressed(leg, status)

    def _answered(self, leg: OutboundLeg) -> None:
        if leg in self._given_up:
            leg.hangup()
            return
        if self._attempt is not None:
            self._attempt.hear()
        super()._answered(leg)

    def _failed(self, leg: OutboundLeg, unreached: Unreached, reason: str) -> None:
        if leg in self._given_up:
            return
        if self._attempt is not None and unreached.code:
            self._attempt.hear()
        super()._failed(leg, unreached, reason)

    def _write_down(
        self, destination: InboundDestination, started_at: datetime, outcome: _Outcome, setup_ms: int | None = None
    ) -> None:
        code = 200 if outcome.unreached is None else outcome.unreached.code or None
        attempt = RoutingAttempt(
            order=len(self._attempts) + 1,
            destination_id=destination.id,
            label=destination.label,
            uri=destination.uri,
            started_at=started_at,
            ended_at=self._now(),
            setup_ms=setup_ms,
            sip_code=code,
            result=outcome.result,
        )
        self._attempts.append(attempt)
        told = {"order": attempt.order, "destinationId": destination.id, "uri": destination.uri}
        self.log("routing_attempt", {**told, "result": attempt.result, "sipCode": code, "setupMs": setup_ms})


def _judged(unreached: Unreached, failover: Failover) -> _Outcome:
    """What a destination's refusal means, and whether the next one is tried (contract §9.1, steps 3 and 4)."""
    code = unreached.code
    if code in BUSY:
        return _Outcome("busy", unreached, goes_on=failover.on_busy)
    if code in SILENT:
        return _Outcome("no_answer", unreached)
    if code in REFUSED:
        return _Outcome("rejected", unreached, goes_on=False)
    if 500 <= code < 600:
        return _Outcome("failed", unreached, goes_on=failover.on_5xx)
    # No response at all, or one that points elsewhere
    return _Outcome("failed", unreached, goes_on=code < 400)
