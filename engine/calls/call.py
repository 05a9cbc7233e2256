"""One call from its arrival to its closed record, run by an application's VoyloML (contract §11).

A call is one asyncio task. Whatever ends it from outside (the caller, a limit, the operator) is noted with `end`, which
cancels the task; the task then closes the leg, the audio and the record, in this order, whatever happened before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from engine.billing.metering import Metering
from engine.calls import outcome
from engine.calls.audio_leg import AudioLeg
from engine.calls.conference import ConferenceRooms
from engine.calls.control import LegControl
from engine.calls.dialling import CallingOut
from engine.calls.info_keys import key_of_info
from engine.calls.keys import KeyWays
from engine.calls.leg import InboundLeg
from engine.calls.listening import CallHearing, Hearing
from engine.calls.media_report import leg_media, media_report
from engine.calls.metered import MINUTES, CallMeter, MeterTiming
from engine.calls.outcome import End
from engine.calls.prompting import PromptSources
from engine.calls.queues import CallQueues
from engine.calls.recording import CallRecordings
from engine.calls.status_callback import StatusCallbacks
from engine.calls.streaming import CallStreams, StreamServices
from engine.errors import EngineError
from engine.leg_media import LegMedia
from engine.model import (
    AnsweredBy,
    Application,
    CallOutcome,
    EventType,
    NewCall,
    Number,
    RecordingMode,
    RoutingAttempt,
)
from engine.recording_files import RecordingFiles
from engine.recordings import Recordings
from engine.records import CallRecords
from media import DigitStarted, MediaEvent, MediaTimeout, MediaUnsecured, PortsExhausted, SessionStatistics
from sip import (
    CallEvent,
    Cancelled,
    Confirmed,
    Failed,
    HungUp,
    Info,
    Offer,
    OfferAnswered,
    ReferAccepted,
    ReferEnded,
    ReferFailed,
    ReferProgress,
    Referred,
    RemoteHangup,
    SipParseError,
)
from sip.sdp import SdpRejected
from voyloml import ApplicationScript, CallFacts, HttpExchange, Interpreter, LanguageLimits, PromptItem, RunResult

logger = structlog.get_logger(__name__)

STORE_SECONDS = 5.0
"""How long a new call waits for the store to take its record."""

LEGS_KEPT = 32
"""Of so many dialled legs the record of a call says how their audio went; its log says it of each."""

FINISH_RETRIES = (0.5, 2.0, 5.0, 15.0)
"""Seconds between attempts to store the end of a call; what the last one fails to store, the next start closes."""


@dataclass(frozen=True, slots=True)
class CallServices:
    """What every call needs of the engine."""

    records: CallRecords
    sources: PromptSources
    exchange: HttpExchange
    language: LanguageLimits
    call_seconds: float
    calling: CallingOut
    recordings: Recordings
    recording_files: RecordingFiles
    callbacks: StatusCallbacks
    hearing: Hearing
    conferences: ConferenceRooms
    queues: CallQueues
    streams: StreamServices
    metering: Metering | None = None
    meter_timing: MeterTiming = MINUTES
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Call:
    """A call to a number of a workspace; `outbound.OutboundCall` is one from a number, `connected.ConnectedCall` one
    that is put through without an application.

    `run` is the whole life of the call; `end` is what anyone outside says to it. `new` is what the record starts from.
    `on_stored` is called when the record of the new call is stored, `on_released` when the leg and its audio are gone,
    while the end of the record may still be waiting for the store.
    """

    def __init__(
        self, new: NewCall, number: Number | None, application: Application | None, services: CallServices
    ) -> None:
        self.new = new
        self.own_number = number
        self.leg: AudioLeg
        self.routing_attempts: list[RoutingAttempt] = []
        self._media: list[LegMedia] = []
        self._application = application
        self._services = services
        self.recordings = CallRecordings(self, services.recordings, services.recording_files, services.callbacks)
        self._control = LegControl(
            self,
            services.sources,
            services.calling,
            self.recordings,
            services.conferences,
            services.queues,
            CallStreams(self, services.streams, services.callbacks),
            CallHearing(self, services.hearing, services.callbacks),
        )
        self.on_stored: Callable[[], object] = lambda: None
        self.on_released: Callable[[], None] = lambda: None
        self.telephones = False
        """Whether a telephone that the call dialled has answered."""
        self.over = False
        """Whether its record is closed, and nothing of it is left to act upon."""
        self.meter = CallMeter(self, services.metering, services.meter_timing)
        self._ways = KeyWays()
        self._task: asyncio.Task[None] | None = None
        self._end: End | None = None
        self._running = False
        self._began = time.monotonic()
        self._answered_at: float | None = None
        self.answered_by: AnsweredBy | None = None
        self.forwarded_from: str | None = None
        """Who sent the call on to our number, where its caller's network says so."""
        self._answer_stored: asyncio.Task[None] | None = None
        self._ringing_stored: asyncio.Task[None] | None = None
        self._interpreter: Interpreter | None = None
        self._limit: asyncio.TimerHandle | None = None

    @property
    def number(self) -> Number:
        """The number that was called, or that the call is made from; `own_number` is None where there is none. Raises
        RuntimeError for such a call, which is one between agents."""
        if self.own_number is None:
            raise RuntimeError("no number takes part in this call")
        return self.own_number

    @property
    def application(self) -> Application:
        """The application that runs the call. Raises RuntimeError for a call without one."""
        if self._application is None:
            raise RuntimeError("no application runs this call")
        return self._application

    @property
    def _log(self) -> structlog.typing.FilteringBoundLogger:
        bound: structlog.typing.FilteringBoundLogger = logger.bind(call=self.new.public_id)
        return bound

    @property
    def answered(self) -> bool:
        """True from our 200 on."""
        return self._answered_at is not None

    @property
    def metering(self) -> tuple[Metering | None, MeterTiming]:
        """What reserves for the call, and by which minutes."""
        return self._services.metering, self._services.meter_timing

    @property
    def recording_mode(self) -> RecordingMode:
        """Whether the application has every call recorded, none, or leaves it to the call."""
        return "per_call" if self._application is None else self._application.recording

    @property
    def recorded_whole(self) -> bool:
        """Whether the call is recorded from its answer to its end without being asked to."""
        return self.recording_mode == "always"

    def record_whole(self) -> None:
        """Records both sides of the call's leg from now until the call ends, once, unless the application forbids it:
        left the party of the leg, right what it hears. The leg has audio."""
        self.recordings.record_whole()

    def attach(self, leg: InboundLeg) -> None:
        """Binds the leg; its SIP events arrive here from now on."""
        self.leg = leg
        leg.incoming.on_event = self._on_sip

    def start(self) -> asyncio.Task[None]:
        """Runs the call in a task of its own."""
        self._task = asyncio.create_task(self.run(), name=f"call {self.new.public_id}")
        return self._task

    def end(self, end: End) -> None:
        """Ends the call for this reason; the first reason given stays. Safe from any callback."""
        if self._end is not None:
            return
        self._end = end
        # A task that has not begun would be cancelled without a trace; it looks for the end itself.
        if self._running and self._task is not None and asyncio.current_task() is not self._task:
            self._task.cancel()

    def now(self) -> datetime:
        """The current time."""
        return self._services.now()

    def log(self, kind: str, data: Mapping[str, object]) -> None:
        """One entry in the call's log (contract §6.5)."""
        self._services.records.log(self.new.id, kind, data, self._services.now())

    def dialled_audio_over(self, leg: str, statistics: SessionStatistics) -> None:
        """How the audio of a leg that this call dialled went, for the record, which keeps the first `LEGS_KEPT`."""
        if len(self._media) < LEGS_KEPT:
            self._media.append(leg_media(statistics, leg))

    async def answer(self) -> None:
        """Answers the caller unless already done, and stores that it was. Raises nothing: a failure ends the call."""
        if self._answered_at is not None:
            return
        self._open(self.leg.answer)
        self._was_answered()

    def _was_answered(self) -> None:
        self._answered_at = time.monotonic()
        self.meter.start()
        self._answer_stored = asyncio.create_task(
            self._services.records.answered(self.new.id, self._services.now(), tuple(self.routing_attempts)),
            name=f"answered {self.new.public_id}",
        )
        if self.recorded_whole:
            self.record_whole()

    def _rings(self) -> None:
        """The far end of a call out rings; stored once."""
        if self._ringing_stored is None:
            self._ringing_stored = asyncio.create_task(self._store_ringing(), name=f"ringing {self.new.public_id}")

    async def _store_ringing(self) -> None:
        try:
            await self._services.records.ringing(self.new.id)
        except EngineError as error:
            self._log.warning("call.ringing_not_stored", reason=error.message)

    def announce(self, items: Sequence[PromptItem]) -> None:
        """Says something to whoever is on the line, now; what played begins anew after it."""
        self._control.announce(items)

    async def open_early_media(self) -> None:
        """Opens early media to a caller who is not answered. Raises nothing: a failure ends the call."""
        if not isinstance(self.leg, InboundLeg) or not self.leg.offered:
            self.log("early_media_unavailable", {"warning": "the INVITE carries no offer"})
            return
        self._open(self.leg.open_early_media)

    def _open(self, open_audio: Callable[[], None]) -> None:
        try:
            open_audio()
        except PortsExhausted as error:
            self._log.error("media.ports_exhausted", reason=str(error), hint="widen media.rtp_ports")
            self.end(outcome.PORTS_EXHAUSTED)
            raise asyncio.CancelledError from None
        except SdpRejected as error:
            self._log.warning("sip.unreachable_media", reason=str(error))
            self.end(outcome.NO_COMMON_MEDIA)
            raise asyncio.CancelledError from None

    def replace_document(self, *, url: str | None = None, xml: str | None = None) -> bool:
        """Interrupts the running verb and goes on with another document (contract §6.5); False when there is nothing
        to interrupt: not answered, or over. Raises voyloml.DocumentError when `xml` is no document."""
        if not self.answered or self._end is not None or self._interpreter is None:
            return False
        return self._interpreter.replace(url=url, xml=xml)

    async def run(self) -> None:
        """Stores the call, rings, runs the application, and closes everything. Never raises."""
        self._running = True
        try:
            await self._begin()
            await self._carry_out()
        except EngineError as error:
            self._log.error("call.not_stored", reason=error.message)
            self.end(outcome.STORE_UNAVAILABLE)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            self.end(outcome.NETWORK_ERROR)
        except Exception:
            self._log.exception("call.failed")
            self.end(outcome.INTERNAL_ERROR)
        finally:
            if self._limit is not None:
                self._limit.cancel()
        await self._close()

    def _limit_to(self, seconds: float) -> None:
        self._limit = asyncio.get_running_loop().call_later(seconds, self.end, outcome.TIME_LIMIT)

    async def _carry_out(self) -> None:
        """What the call is for, from the stored record to the end."""
        self._finish_run(await self._interpret())

    def _announce(self) -> None:
        """Tells the caller at once that it rings."""
        if isinstance(self.leg, InboundLeg):
            self.leg.incoming.ring()

    def _store_late(self) -> None:
        self._log.error("call.not_stored", reason=f"the store did not answer within {STORE_SECONDS:g} s")
        self.end(outcome.STORE_UNAVAILABLE)

    async def _begin(self) -> None:
        if not await self.meter.admit():
            self.end(outcome.INSUFFICIENT_FUNDS)
        if self._end is None:
            self._announce()
        event: EventType = "call.placed" if self.new.direction == "outbound" else "call.received"
        self._limit = asyncio.get_running_loop().call_later(STORE_SECONDS, self._store_late)
        await self._services.records.create(self.new, event)
        self._limit.cancel()
        self._limit_to(self._services.call_seconds)
        self.on_stored()
        if self._end is not None:
            raise asyncio.CancelledError

    async def _interpret(self) -> RunResult:
        new, application = self.new, self.application
        self._interpreter = Interpreter(
            control=self._control,
            facts=CallFacts(
                call_sid=new.public_id,
                call_uuid=new.id,
                application_id=application.id,
                workspace_id=new.workspace_id,
                from_=new.from_,
                to=new.to,
                direction=new.direction,
                status=self._status,
                variables=new.variables,
                answered_by=self.answered_by,
                forwarded_from=self.forwarded_from,
            ),
            script=ApplicationScript(
                action_url=application.action_url,
                action_url_headers=application.action_url_headers,
                xml_template=application.xml_template,
                signing_secret=application.signing_secret,
            ),
            exchange=self._services.exchange,
            limits=self._services.language,
        )
        return await self._interpreter.run()

    def _status(self) -> str:
        if self._end is None:
            return "in-progress" if self.answered else "ringing"
        if self.answered:
            return "completed"
        return {"busy": "busy", "no_answer": "no-answer", "canceled": "canceled"}.get(self._end.outcome, "failed")

    def _finish_run(self, result: RunResult) -> None:
        if result.reason == "application_error":
            self._log.warning("call.application_error", detail=result.detail)
            self.log("application_error", {"detail": result.detail})
            self.end(outcome.APPLICATION_ERROR)
        else:
            self.end(outcome.DOCUMENT_ENDED)

    async def _close(self) -> None:
        end = self._end or outcome.INTERNAL_ERROR
        answered_at, ended_at, ended = self._answered_at, time.monotonic(), self._services.now()
        self.meter.stop()
        self._control.release()
        try:
            self.leg.hangup(end.sip_code)
        except Exception:
            self._log.exception("call.hangup_failed")
        try:
            await self._control.close()
        except Exception:
            self._log.exception("call.parties_not_closed")
        try:
            statistics = await self.leg.close()
            if statistics is not None:
                self.log("media", media_report(statistics))
                if self.leg.answered:
                    self._media.insert(0, leg_media(statistics, None))
        except Exception:
            self._log.exception("call.audio_not_closed")
        self.on_released()
        await self._store_end(self._outcome(end, answered_at, ended_at, ended))
        self.recordings.call_closed()
        logger.info(
            "call.ended",
            call=self.new.public_id,
            outcome="answered" if answered_at else end.outcome,
            by=end.by,
            cause=end.cause,
        )
        await self._request_what_is_due()
        self._part()

    def _part(self) -> None:
        """Lets go of what points back at the call: its memory is free now, not at the garbage collector's leisure."""
        if self._interpreter is not None:
            self._interpreter.part()
        self._interpreter = None
        self.leg.part()
        self.over = True
        del self._control, self.meter, self.recordings

    async def _request_what_is_due(self) -> None:
        """The action of the verb that the end of the call has interrupted (contract §10.6)."""
        if self._interpreter is None:
            return
        try:
            await self._interpreter.finish()
        except Exception:
            self._log.exception("call.action_failed")

    async def _store_end(self, ended: CallOutcome) -> None:
        if self._answer_stored is not None:
            # Should it have failed: the end carries the time of the answer.
            if not self._answer_stored.done():
                await asyncio.wait({self._answer_stored})
            if not self._answer_stored.cancelled() and (error := self._answer_stored.exception()) is not None:
                self._log.warning("call.answer_not_stored", reason=str(error))
        for wait in (*FINISH_RETRIES, None):
            try:
                await self._services.records.finish(self.new.id, ended)
            except Exception as error:
                self._log.warning("call.end_not_stored", reason=str(error), retry_seconds=wait)
            else:
                return
            if wait is not None:
                await asyncio.sleep(wait)
        self._services.records.abandon(self.new.id)

    def _outcome(self, end: End, answered_at: float | None, ended_at: float, ended: datetime) -> CallOutcome:
        answered = answered_at is not None
        return CallOutcome(
            outcome="answered" if answered else end.outcome,
            hangup_by=end.by,
            hangup_cause=end.cause,
            sip_code=200 if answered else end.sip_code or None,
            ended_at=ended,
            ring_seconds=(answered_at if answered_at is not None else ended_at) - self._began,
            duration_seconds=ended_at - answered_at if answered_at is not None else 0.0,
            answered_by=self.answered_by,
            routing_attempts=tuple(self.routing_attempts),
            telephones=self.telephones,
            media=tuple(self._media),
        )

    def _on_sip(self, event: CallEvent) -> None:
        match event:
            case RemoteHangup():
                self.end(outcome.CALLER_HUNG_UP)
            case Cancelled():
                self.end(outcome.CALLER_CANCELED)
            case Confirmed() | OfferAnswered():
                self._confirmed(event)
            case Info():
                key = key_of_info(event.content_type, event.body)
                if key is not None:
                    self._press(key, "info")
            case Offer():
                self.leg.renegotiate(event)
            case ReferAccepted() | ReferProgress() | ReferFailed() | ReferEnded():
                self._control.refer_told(event)
            case Referred():
                # A transfer that the far end asks for is not carried out
                event.respond.reject(603)
                self.log("transfer_declined", {"target": str(event.target)[:256]})
            case Failed():
                self.end(outcome.NETWORK_ERROR)
            case HungUp():
                # Ours, or the user agent's own after a fault; the first reason given stays.
                self.end(outcome.NETWORK_ERROR)
            case _:
                self._log.debug("sip.event_ignored", event_type=type(event).__name__)

    def _press(self, key: str, way: str) -> None:
        if self._ways.is_new(key, way, time.monotonic()):
            self._control.press(key)

    def _confirmed(self, event: Confirmed | OfferAnswered) -> None:
        try:
            self.leg.confirmed(event)
        except (SdpRejected, SipParseError) as error:
            self._log.warning("sip.bad_answer", reason=str(error))
            self.end(outcome.NO_COMMON_MEDIA)

    def on_media(self, event: MediaEvent) -> None:
        """Events of the leg's audio session."""
        match event:
            case DigitStarted():
                self._press(event.key, "inband" if event.inband else "event")
            case MediaTimeout() if self.answered and not self.leg.held:
                self._log.warning("media.timeout")
                self.end(outcome.MEDIA_TIMEOUT)
            case MediaUnsecured():
                self._log.warning("media.unsecured", reason=event.reason)
                self.log("media_unsecured", {"reason": event.reason})
                if self.answered:  # before that, the answer is what fails
                    self.end(outcome.MEDIA_UNSECURED)
            case _:
                pass
