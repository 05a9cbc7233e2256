"""Payloads of webhooks and finished URLs (contract §13.2, §13.3): snake_case, one model for each event.

They describe what `engine.call_events` makes; nothing is validated by them on its way out.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Timestamp, UuidOut
from engine.model import (
    AnsweredBy,
    AttemptResult,
    CallStatus,
    DestinationKind,
    Direction,
    HangupBy,
    HangupCause,
    Outcome,
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


class CallFailedEvent(_EndedEvent):
    """A call has ended that was never answered."""

    event: Literal["call.failed"]


class GeneralEvent(Event):
    """Something that is not a change of a call's state; what it tells is in `data`."""

    data: dict[str, Any]


class RecordingCompletedEvent(GeneralEvent):
    """A recording became available after the terminal event of its call."""

    event: Literal["recording.completed"]


class TrunkDestinationDownEvent(GeneralEvent):
    """A destination of an inbound trunk does not answer any more."""

    event: Literal["trunk.destination.down"]


class TrunkDestinationUpEvent(GeneralEvent):
    """A destination of an inbound trunk answers again."""

    event: Literal["trunk.destination.up"]


class TrunkRegisteredEvent(GeneralEvent):
    """An outbound trunk has registered."""

    event: Literal["trunk.registered"]


class TrunkUnregisteredEvent(GeneralEvent):
    """An outbound trunk is no more registered."""

    event: Literal["trunk.unregistered"]


class NumberActivatedEvent(GeneralEvent):
    """A number became active."""

    event: Literal["number.activated"]


class RentalKycUpdatedEvent(GeneralEvent):
    """What is known of the holder of a rented number has changed."""

    event: Literal["rental.kyc.updated"]


class WalletLowEvent(GeneralEvent):
    """The wallet is nearly empty."""

    event: Literal["wallet.low"]


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
