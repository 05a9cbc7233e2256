"""Payloads of webhooks and finished URLs (contract §13.2, §13.3): snake_case, one model for each event.

They describe what `engine.call_events` and those who tell of other things make; nothing is validated by them on its way
out.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Timestamp, UuidOut
from api.schemas.leg_media import LegMedia
from engine.billing.rental_states import RentalStatus
from engine.model import (
    AnsweredBy,
    AttemptResult,
    CallStatus,
    DestinationKind,
    Direction,
    HangupBy,
    HangupCause,
    Outcome,
    RecordingSource,
    VariableValue,
)


class Payload(BaseModel):
    """Base of what is sent to others: names are as in Python, every member is present."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class EventAttempt(Payload):
    """A destination that was tried or passed over."""

    order: int
    destination_id: UuidOut | None
    label: str | None
    uri: str
    started_at: Timestamp
    ended_at: Timestamp | None
    setup_ms: int | None
    sip_code: int | None
    result: AttemptResult


class EventMedia(LegMedia, Payload):
    """How the audio of one leg of a call went."""


class Event(Payload):
    """What every event has."""

    event: str
    event_id: str = Field(description="Stays the same however often the event is sent", examples=["evt_5c4d3e2f1a0b"])
    created_at: Timestamp
    workspace_id: str = Field(examples=["ws_0123456789ab"])


class CallEvent(Event):
    """A call as it stands after the event; what is not known yet is null."""

    call_id: UuidOut
    public_id: str = Field(description="As `POST /v1/calls` answered it", examples=["cl_a1b2c3d4e5f6"])
    application_id: UuidOut | None
    number_id: UuidOut | None
    trunk_id: UuidOut | None
    direction: Direction
    from_: str = Field(alias="from", examples=["+2004446"])
    to: str = Field(examples=["+201091447677"])
    status: CallStatus
    outcome: Outcome | None
    hangup_by: HangupBy | None
    hangup_cause: HangupCause | None
    sip_code: int | None
    answered_by: AnsweredBy | None
    destination_kind: DestinationKind
    started_at: Timestamp
    answered_at: Timestamp | None
    ended_at: Timestamp | None
    ring_s: int | None
    duration_s: int | None
    billed_s: int | None
    recording_url: str | None = Field(description="Signed anew for each delivery; good for 24 hours")
    routing_attempts: list[EventAttempt]
    variables: dict[str, VariableValue]
    cost: str = Field(description="Four digits after the point", examples=["0.0000"])
    currency: str = Field(examples=["USD"])


class CallPlacedEvent(CallEvent):
    """A call out was accepted."""

    event: Literal["call.placed"]


class CallReceivedEvent(CallEvent):
    """A call came in on a number."""

    event: Literal["call.received"]


class CallAnsweredEvent(CallEvent):
    """The callee, the application or the destination answered."""

    event: Literal["call.answered"]
    answered_at: Timestamp


class _EndedEvent(CallEvent):
    outcome: Outcome
    hangup_by: HangupBy
    hangup_cause: HangupCause
    ended_at: Timestamp
    ring_s: int
    duration_s: int
    billed_s: int


class CallCompletedEvent(_EndedEvent):
    """An answered call has ended."""

    event: Literal["call.completed"]
    answered_at: Timestamp
    media: list[EventMedia] = Field(description="One entry for each leg that answered, the call's own first")


class CallFailedEvent(_EndedEvent):
    """A call has ended that was never answered."""

    event: Literal["call.failed"]


class RecordingCompletedEvent(_EndedEvent):
    """A recording became available after the terminal event of its call, which is told as it ended."""

    event: Literal["recording.completed"]
    recording_id: UuidOut
    recording_source: RecordingSource
    recording_channels: int
    recording_duration_s: int


class EventData(Payload):
    """What an event tells that is not about a call."""

    subject_id: UuidOut = Field(description="What it happened to")
    message: str = Field(description="A sentence for people")


class DestinationData(EventData):
    """A destination of an inbound trunk and how its last check went."""

    trunk_id: UuidOut
    name: str = Field(description="Of the trunk")
    destination_id: UuidOut
    label: str | None
    uri: str
    state: Literal["up", "down"]
    latency_ms: int | None = Field(description="From the check to its answer; null without one")
    reason: str = Field(description="What the last check met")


class TrunkDestinationDownEvent(Event):
    """A destination of an inbound trunk does not answer any more."""

    event: Literal["trunk.destination.down"]
    data: DestinationData


class TrunkDestinationUpEvent(Event):
    """A destination of an inbound trunk answers again."""

    event: Literal["trunk.destination.up"]
    data: DestinationData


class TrunkRegistrationData(EventData):
    """An outbound trunk, and the device that has registered or is gone."""

    trunk_id: UuidOut
    name: str = Field(description="Of the trunk")
    contact: str = Field(examples=["sip:pbx@203.0.113.20:5060"])
    source_ip: str = Field(examples=["203.0.113.20"])


class TrunkRegisteredEvent(Event):
    """An outbound trunk has registered."""

    event: Literal["trunk.registered"]
    data: TrunkRegistrationData


class TrunkUnregisteredEvent(Event):
    """An outbound trunk is no more registered."""

    event: Literal["trunk.unregistered"]
    data: TrunkRegistrationData


class NumberActivatedData(EventData):
    """A rented number that calls can use."""

    number_id: UuidOut
    rental_id: UuidOut
    e164: str = Field(examples=["+97142345678"])


class NumberActivatedEvent(Event):
    """A number became active."""

    event: Literal["number.activated"]
    data: NumberActivatedData


class RentalKycData(EventData):
    """How far a rental is."""

    rental_id: UuidOut
    status: RentalStatus
    note: str | None = Field(description="What the operator wrote")


class RentalKycUpdatedEvent(Event):
    """What is known of the holder of a rented number has changed."""

    event: Literal["rental.kyc.updated"]
    data: RentalKycData


class WalletLowData(EventData):
    """A wallet whose balance fell below its threshold."""

    account_id: UuidOut
    balance: str = Field(description="Four digits after the point", examples=["4.9100"])
    threshold: str = Field(examples=["5.0000"])
    currency: str = Field(examples=["USD"])


class WalletLowEvent(Event):
    """The wallet is nearly empty."""

    event: Literal["wallet.low"]
    data: WalletLowData


class WebhookTestData(Payload):
    """Of which webhook it is a test."""

    webhook_id: UuidOut
    message: str


class WebhookTestEvent(Event):
    """A test of a webhook."""

    event: Literal["webhook.test"]
    data: WebhookTestData


EVENT_MODELS: Final[tuple[type[Event], ...]] = (
    CallPlacedEvent,
    CallReceivedEvent,
    CallAnsweredEvent,
    CallCompletedEvent,
    CallFailedEvent,
    RecordingCompletedEvent,
    TrunkDestinationDownEvent,
    TrunkDestinationUpEvent,
    TrunkRegisteredEvent,
    TrunkUnregisteredEvent,
    NumberActivatedEvent,
    RentalKycUpdatedEvent,
    WalletLowEvent,
    WebhookTestEvent,
)
"""The model of each event, in the order of `engine.webhooks.EVENTS`."""


def name_of(model: type[Event]) -> str:
    """The name of the event that a model describes."""
    (name,) = model.model_fields["event"].annotation.__args__  # type: ignore[union-attr]
    return str(name)
