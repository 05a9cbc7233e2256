"""A party of a Dial: the legs that ring it, and the one that answered (contract §10.6).

An agent has a leg for each registered contact, every other party has one. The first leg to answer is the party; the
others are cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from engine.calls import outcome
from engine.calls.audio_leg import LegSettings
from engine.calls.carriers import end_of
from engine.calls.info_keys import key_of_info
from engine.calls.keys import KeyBuffer, KeyWays
from engine.calls.media_report import media_report
from engine.calls.outbound_leg import Destination, OutboundLeg
from engine.calls.outcome import End
from engine.calls.prompting import CallLog, LegPrompting, PromptSources
from media import (
    DigitStarted,
    MediaEvent,
    MediaPlane,
    MediaSession,
    MediaTimeout,
    MediaUnsecured,
    PortsExhausted,
    SessionStatistics,
    detect,
)
from sip import (
    Answered,
    CallEvent,
    Failed,
    HungUp,
    Info,
    LocalProtocolError,
    Progress,
    Referred,
    Rejected,
    RemoteHangup,
    UserAgent,
)
from voyloml.capabilities import AnsweredBy, Unreached
from voyloml.control import PromptItem

logger = structlog.get_logger(__name__)

UNREACHABLE = Unreached("failed", "unreachable")
RINGING = frozenset({180, 181, 182, 183})


class DialledParty:
    """voyloml's `Party` on SIP legs. `sid` is the public id of the leg; `unreached` is said of one without `ways`.

    `on_progress`, set before it is rung, is told each leg's provisional responses, and early media is then taken.
    """

    def __init__(
        self,
        sid: str,
        address: str,
        ways: Sequence[tuple[Destination, LegSettings]],
        user_agent: UserAgent,
        plane: MediaPlane,
        sources: PromptSources,
        log: CallLog,
        unreached: Unreached = UNREACHABLE,
    ) -> None:
        self.sid = sid
        self.address = address
        self.on_key: Callable[[str], object] = lambda _key: None
        self.on_progress: Callable[[OutboundLeg, int], object] | None = None
        self.on_audio_over: Callable[[SessionStatistics], object] = lambda _statistics: None
        self._ways = ways
        self._user_agent = user_agent
        self._plane = plane
        self._sources = sources
        self._write = log
        self._unreached = unreached
        self._legs: list[OutboundLeg] = []
        self._winner: OutboundLeg | None = None
        self._open = 0
        self._rang = self._refused = False
        self._ended = self._reported = False
        self._reached: asyncio.Future[Unreached | None] = asyncio.get_running_loop().create_future()
        self._gone = asyncio.Event()
        self._left: End = outcome.CALLEE_HUNG_UP
        self._keys = KeyBuffer()
        self._key_ways = KeyWays()
        self._prompting: LegPrompting | None = None

    @property
    def session(self) -> MediaSession:
        """The audio of the leg that answered. Raises RuntimeError while none has."""
        if self._winner is None:
            raise RuntimeError("the party has not answered")
        return self._winner.session

    @property
    def left(self) -> End:
        """Why a party that had answered is gone."""
        return self._left

    async def ring(self) -> Unreached | None:
        """Rings every way to the party until one answers (None) or all have failed. Cancelled: nobody rings on."""
        self.log("dial_leg", {"to": self.address, "ways": len(self._ways)})
        self._open = len(self._ways)
        if not self._open:
            return self._unreached
        try:
            for destination, settings in self._ways:
                self._place(destination, settings)
            return await asyncio.shield(self._reached)
        except asyncio.CancelledError:
            self._hang_up(keep=None)
            raise

    def prompt(self, items: Sequence[PromptItem], *, interrupt_keys: str = "") -> LegPrompting:
        """Plays to this party as `LegControl.prompt` does to the caller."""
        self._prompting = LegPrompting(self.session, self._sources, items, interrupt_keys, self.log)
        return self._prompting

    async def key(self) -> str:
        """The next key that the party pressed."""
        return await self._keys.next()

    async def detect(self, *, message_end: bool, timeout: float) -> AnsweredBy:
        """Who answered (contract §10.6), which the call's log keeps. With `message_end`, for a machine, returns when
        its message is over."""
        answered_by = await detect(self.session, message_end=message_end, timeout=timeout)
        self.log("machine_detection", {"answeredBy": answered_by})
        return answered_by

    async def gone(self) -> None:
        """Returns when the party has hung up, or its audio or signalling has failed."""
        await self._gone.wait()

    async def hangup(self) -> None:
        """Ends its legs with CANCEL or BYE and releases their audio. Safe at any time and more than once."""
        if self._prompting is not None:
            self._prompting.stop()
            self._prompting = None
        if self._legs and not self._ended:
            self._ended = True
            self.log("dial_leg_ended", {"answered": self._winner is not None})
        self._hang_up(keep=None)
        for leg in self._legs:
            statistics = await leg.close()
            leg.part()
            if statistics is not None and leg.answered and not self._reported:
                self._reported = True
                self.log("media", media_report(statistics))
                self.on_audio_over(statistics)

    def log(self, kind: str, data: Mapping[str, object]) -> None:
        """One entry in the call's log that names this leg."""
        self._write(kind, {"leg": self.sid, **data})

    def _place(self, destination: Destination, settings: LegSettings) -> None:
        leg = OutboundLeg(self._user_agent, self._plane, settings, lambda event: self._on_media(leg, event))
        self._legs.append(leg)
        try:
            leg.place(
                destination,
                lambda event: self._on_sip(leg, event),
                lambda reason: self._failed(leg, Unreached("failed", "rejected", 488, self._rang), reason),
                early_media=self.on_progress is not None,
            )
        except PortsExhausted as error:
            logger.error("media.ports_exhausted", reason=str(error), hint="widen media.rtp_ports")  # noqa: TRY400
            self._failed(leg, Unreached("failed", "network_error"), str(error))
        except LocalProtocolError as error:
            self._failed(leg, UNREACHABLE, str(error))

    def _on_sip(self, leg: OutboundLeg, event: CallEvent) -> None:
        match event:
            case Progress():
                self._progressed(leg, event.status)
            case Answered():
                self._answered(leg)
            case Rejected():
                end = end_of(event)
                self._failed(leg, unreached_of(end, event.status or 0, rang=self._rang), event.reason)
            case Info():
                key = key_of_info(event.content_type, event.body)
                if key is not None:
                    self._press(leg, key, "info")
            case Referred():
                event.respond.reject(603)
                self.log("transfer_declined", {"target": str(event.target)[:256]})
            case RemoteHangup():
                self._lost(leg, outcome.CALLEE_HUNG_UP)
            case Failed() | HungUp():
                self._lost(leg, outcome.NETWORK_ERROR)
            case _:
                pass

    def _progressed(self, leg: OutboundLeg, status: int) -> None:
        self._rang = self._rang or status in RINGING
        if self.on_progress is not None and self._winner is None:
            self.on_progress(leg, status)

    def _answered(self, leg: OutboundLeg) -> None:
        if self._winner is not None or self._reached.done():
            leg.hangup()
            return
        self._winner = leg
        self._hang_up(keep=leg)
        self._reached.set_result(None)

    def _failed(self, leg: OutboundLeg, unreached: Unreached, reason: str) -> None:
        self._open -= 1
        if self._winner is not None or self._ended or self._reached.done():
            return
        self.log("dial_leg_failed", {"sipCode": unreached.code, "cause": unreached.cause, "reason": reason[:128]})
        # Of several contacts a busy one says more than one that does not answer its door
        if not self._refused or unreached.status == "busy":
            self._refused = True
            self._unreached = unreached
        if self._open == 0:
            self._reached.set_result(self._unreached)

    def _lost(self, leg: OutboundLeg, end: End) -> None:
        if leg is self._winner and not self._gone.is_set():
            self._left = end
            self._gone.set()

    def _hang_up(self, keep: OutboundLeg | None) -> None:
        for leg in self._legs:
            if leg is not keep:
                leg.hangup()

    def _on_media(self, leg: OutboundLeg, event: MediaEvent) -> None:
        match event:
            case DigitStarted():
                self._press(leg, event.key, "inband" if event.inband else "event")
            case MediaTimeout() if not leg.held:
                self._lost(leg, outcome.MEDIA_TIMEOUT)
            case MediaUnsecured():
                logger.warning("media.unsecured", call_id=leg.call_id, reason=event.reason)
                self.log("media_unsecured", {"reason": event.reason})
                self._lost(leg, outcome.MEDIA_UNSECURED)
            case _:
                pass

    def _press(self, leg: OutboundLeg, key: str, way: str) -> None:
        if leg is not self._winner or not self._key_ways.is_new(key, way, time.monotonic()):
            return
        if self._prompting is not None and key in self._prompting.interrupt_keys:
            self._prompting.interrupt()
        self._keys.press(key)
        self.on_key(key)


def unreached_of(end: End, code: int, *, rang: bool) -> Unreached:
    """What a Dial says of a party that refused, in the words of contract §14.3."""
    if end.outcome == "busy":
        return Unreached("busy", end.cause, code, rang)
    return Unreached("no-answer" if end.outcome == "no_answer" else "failed", end.cause, code, rang)
