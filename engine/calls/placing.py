"""Calls that the API asks for: may they be made, and through which carrier (contract §6.1, §6.2).

The record is stored, with the key that makes a repetition of the request harmless, before anything is dialled.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from engine.billing.metering import Answer
from engine.calls import outcome
from engine.calls.call import Call, CallServices
from engine.calls.carriers import legs_of, merged, through_number, to_uri, voylo_headers
from engine.calls.leg import LegSettings
from engine.calls.outbound import MachineDetection, OutboundCall, RingOrder
from engine.calls.outbound_leg import Destination, OutboundLeg
from engine.calls.pacing import Pacing
from engine.calls.switchboard import Switchboard, take_off
from engine.calls.turns import DialTurns
from engine.directory import NumberDirectory
from engine.errors import (
    Conflict,
    EngineError,
    FieldError,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unavailable,
    ValidationFailed,
)
from engine.idempotency import RequestKey, RequestKeys
from engine.ids import new_call_id
from engine.limits import Limits
from engine.model import Application, NewCall, Number, PauseBehavior, VariableValue
from engine.model import Call as CallRecord
from engine.phone import PhoneNumberError, normalise
from engine.records import CallRecords
from engine.store import Row, Store
from media import MediaPlane
from sip import SipParseError, SipUri, UserAgent

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A call to be made. `to` is an E.164 number or a SIP URI, `from_` a number; both checked for shape only."""

    from_: str
    to: str
    application_id: str
    variables: Mapping[str, VariableValue] = field(default_factory=dict)
    timeout: int = 45
    time_limit: int = 14400
    record: bool = False
    sip_headers: Mapping[str, str] = field(default_factory=dict)
    machine_detection: MachineDetection = "none"


@dataclass(frozen=True, slots=True)
class Placed:
    """A call that is being made; `replayed` when an earlier request with the same key made it."""

    public_id: str
    replayed: bool = False


class OutgoingCalls:
    """Makes calls. Give it the user agent with `bind` before the first one."""

    def __init__(
        self,
        store: Store,
        directory: NumberDirectory,
        switchboard: Switchboard,
        plane: MediaPlane,
        legs: LegSettings,
        services: CallServices,
        limits: Limits,
        realm: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._switchboard = switchboard
        self._plane = plane
        self._legs = legs
        self._services = services
        self._limits = limits
        self._realm = realm
        self._pacing = Pacing(limits.calls_per_second, clock)
        self._turns = DialTurns(clock)
        self._beginning: Counter[str] = Counter()
        self._keys = RequestKeys(store, limits.idempotency_hours, services.now)
        self._user_agent: UserAgent

    @property
    def _records(self) -> CallRecords:
        return self._services.records

    def bind(self, user_agent: UserAgent) -> None:
        """The user agent that sends the calls."""
        self._user_agent = user_agent

    async def place(self, workspace_id: str, order: CallOrder, key: RequestKey | None = None) -> Placed:
        """Stores the call and starts to dial.

        Raises ValidationFailed for a `from` that is none of the workspace's or not allowed to the application,
        Forbidden for one that may not call out, NotFound for an unknown application, TooManyRequests at a limit,
        PaymentRequired when the wallet does not cover a minute, Conflict for a key that stands for another request,
        Unavailable while the engine stops or its store fails.
        """
        if key is None:
            return Placed(await self._place(workspace_id, order, None))
        async with self._keys.held(workspace_id, key):
            earlier = await self._keys.earlier(workspace_id, key)
            if earlier is not None:
                return Placed(earlier, replayed=True)
            try:
                return Placed(await self._place(workspace_id, order, key))
            except Conflict:
                # Another process was quicker with the same key
                earlier = await self._keys.earlier(workspace_id, key)
                if earlier is None:
                    raise
                return Placed(earlier, replayed=True)

    async def _place(self, workspace_id: str, order: CallOrder, key: RequestKey | None) -> str:
        number = self._number(workspace_id, order.from_)
        application = self._directory.application(order.application_id)
        if application is None or application.workspace_id != workspace_id:
            raise NotFound("Application not found")
        if application.allowed_caller_ids and number.e164 not in application.allowed_caller_ids:
            raise ValidationFailed.of("from", "must be one of the application's allowedCallerIds")
        if number.status != "active" or not number.outbound_enabled:
            raise Forbidden("This number cannot call out: it is not active, or outbound is switched off")
        if self._user_agent.draining:
            raise Unavailable("The engine is stopping", retry_after=max(1, math.ceil(self._limits.drain_seconds)))
        self._check_limits(workspace_id, number)
        call_uuid, public_id = new_call_id()
        new = NewCall(
            id=call_uuid,
            public_id=public_id,
            workspace_id=workspace_id,
            direction="outbound",
            from_=number.e164,
            to=order.to,
            number_id=number.id,
            application_id=application.id,
            destination_kind="application",
            destination_id=application.id,
            variables=order.variables,
            status="dialing",
            created_at=self._services.now(),
        )
        further = () if key is None else self._keys.rows(workspace_id, key, public_id)
        self._beginning.update((workspace_id, number.e164))
        try:
            answer = await self._store_paid(new, further)
        finally:
            take_off(self._beginning, workspace_id, number.e164)
        self._dial(new, number, application, order, answer)
        return public_id

    async def _store_paid(self, new: NewCall, further: Sequence[Row]) -> Answer:
        """Reserves the call's first minute and stores the call, or neither."""
        metering = self._services.metering
        answer: Answer = "free" if metering is None else await metering.admit(new)
        try:
            await self._records.create(new, "call.placed", further, soon=True)
        except EngineError:
            if metering is not None and answer == "reserved":
                await metering.release(new.id)
            raise
        return answer

    def _dial(self, new: NewCall, number: Number, application: Application, order: CallOrder, answer: Answer) -> None:
        destination = self._destination(new, number, order)
        ring = RingOrder(destination, order.timeout, order.time_limit, order.record, order.machine_detection)
        call = OutboundCall(new, number, application, self._services, ring, self._turns)
        call.meter.admitted(answer)
        call.call_by(OutboundLeg(self._user_agent, self._plane, legs_of(number, self._legs), call.on_media))
        logger.info("call.placed", call=new.public_id, number=number.e164, application=application.id)
        self._switchboard.connect(call)

    def _destination(self, new: NewCall, number: Number, order: CallOrder) -> Destination | None:
        headers = merged(voylo_headers(new, self._realm()), order.sip_headers)
        if order.to.startswith("+"):
            return through_number(number, order.to, headers, self._services.calling.service_route(number.id))
        return to_uri(SipUri.parse(order.to), number.e164, headers, self._realm())

    def _number(self, workspace_id: str, e164: str) -> Number:
        number = self._directory.lookup(e164)
        if number is None or number.workspace_id != workspace_id:
            raise ValidationFailed.of("from", "must be a number of this workspace")
        return number

    def from_error(self, workspace_id: str, e164: str) -> FieldError | None:
        """What is wrong with a number, in whatever form, that a call is to be made from; None for one of the
        workspace."""
        try:
            self._number(workspace_id, normalise(e164))
        except PhoneNumberError:
            return FieldError("from", "must be an E.164 number")
        except ValidationFailed as fault:
            return fault.errors[0]
        return None

    def _check_limits(self, workspace_id: str, number: Number) -> None:
        running = self._switchboard.calls_of(workspace_id) + self._beginning[workspace_id]
        if running >= self._limits.concurrent_calls:
            raise TooManyRequests(f"{self._limits.concurrent_calls} calls of this workspace are running")
        on_number = self._switchboard.channels_of(number.e164) + self._beginning[number.e164]
        if number.channels is not None and on_number >= number.channels:
            raise TooManyRequests(f"All {number.channels} channels of {number.e164} are in use")
        wait = self._pacing.take(workspace_id)
        if wait:
            raise TooManyRequests(
                f"More than {self._limits.calls_per_second} calls a second in this workspace", retry_after=wait
            )

    def hang_up(self, record: CallRecord) -> None:
        """Ends a call with all its legs. Raises Conflict for a call that is over."""
        self._running(record).end(outcome.API_HANGUP)

    def redirect(self, record: CallRecord, *, url: str | None = None, xml: str | None = None) -> None:
        """Goes on with another document. Raises Conflict for a call that is not answered or over, and
        voyloml.DocumentError for a text that is none."""
        if not self._running(record).replace_document(url=url, xml=xml):
            raise Conflict("The call is not answered, or its application has ended")

    def pause_recording(self, record: CallRecord, behavior: PauseBehavior) -> None:
        """Pauses what is recorded of a call. Raises Conflict for a call that is over, and as `CallRecordings.pause`."""
        self._running(record).recordings.pause(behavior)

    def resume_recording(self, record: CallRecord) -> None:
        """Goes on with what is paused. Raises Conflict for a call that is over, and as `CallRecordings.resume`."""
        self._running(record).recordings.resume()

    def _running(self, record: CallRecord) -> Call:
        call = self._switchboard.get(record.public_id)
        if call is None or call.over or not record.pending:
            raise Conflict("The call has ended")
        return call


def callee(text: str) -> str | None:
    """Whom a call may be made to, in its stored form: an E.164 number, or a SIP URI; None for neither."""
    if text[:4].lower() == "sip:" or text[:5].lower() == "sips:":
        try:
            return str(SipUri.parse(text))
        except SipParseError:
            return None
    try:
        return normalise(text)
    except PhoneNumberError:
        return None
