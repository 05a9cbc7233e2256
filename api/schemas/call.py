"""Bodies of `/v1/calls`: a call in progress and a call record have different shapes (contract §6.3, §6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from api.schemas.common import DEFAULT_CALLS, Envelope, Input, Output, PageNumber, PageSize
from api.schemas.fields import (
    SIP_TARGET_PATTERN,
    Moment,
    PhoneNumber,
    SipHeaders,
    TextRule,
    Timestamp,
    Url,
    Uuid,
    UuidOut,
    whole,
)
from api.schemas.leg_media import LegMedia
from api.schemas.recording import RecordingOut
from api.schemas.voyloml import Variables
from engine.calls.placing import callee
from engine.limits import CALL_SECONDS_MAX
from engine.model import (
    AnsweredBy,
    AttemptResult,
    Call,
    DestinationKind,
    Direction,
    HangupBy,
    HangupCause,
    Outcome,
    VariableValue,
    money,
    timestamp,
)
from engine.phone import PhoneNumberError, normalise


def _party(text: str) -> str:
    try:
        return normalise(text)
    except PhoneNumberError:
        return text


def _callee(text: str) -> str:
    found = callee(text)
    if found is None:
        raise PhoneNumberError(text)
    return found


PublicId = Annotated[str, TextRule("must be the public id of a call", 15, 15, pattern="^cl_[0-9a-f]{12}$")]
Party = Annotated[str, TextRule("must be at most 256 characters", 256, pattern="^[^\\u0000]*$", convert=_party)]


class CallQuery(Input):
    """Parameters of the list of calls."""

    limit: PageSize = Field(DEFAULT_CALLS, description="Larger values than 100 count as that")
    before: PublicId | None = Field(None, description="Only calls older than this one")
    page: PageNumber | None = Field(None, description="Answer with a numbered page in the standard envelope")
    direction: Direction | None = None
    outcome: Outcome | None = None
    from_: Party | None = Field(None, alias="from")
    to: Party | None = None
    application_id: Uuid | None = None
    number_id: Uuid | None = None
    trunk_id: Uuid | None = None
    pending: Literal["true", "false"] | None = None
    started_after: Moment | None = None
    started_before: Moment | None = None


Callee = Annotated[
    str,
    TextRule(
        "must be an E.164 number or a SIP URI",
        256,
        pattern=(
            r"^(?:[ .()-]*(?:\+[ .()-]*)?[1-9](?:[ .()-]*[0-9]){2,14}[ .()-]*"
            rf"|{SIP_TARGET_PATTERN})$"
        ),
        convert=_callee,
        extra={"examples": ["+201091447677"]},
    ),
]


RingSeconds = Annotated[int, Field(strict=True, ge=5, le=120), BeforeValidator(whole)]
CallSeconds = Annotated[int, Field(strict=True, ge=1, le=CALL_SECONDS_MAX), BeforeValidator(whole)]


class CallCreate(Input):
    """A call to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "from": "+2004446",
                    "to": "+201091447677",
                    "applicationId": "9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d",
                    "variables": {"order_id": "ORD-1234"},
                }
            ]
        }
    )

    from_: PhoneNumber = Field(alias="from", description="A number of this workspace")
    to: Callee
    application_id: Uuid
    variables: Variables = Field(default_factory=dict)
    timeout: RingSeconds = Field(45, description="Seconds to ring")
    time_limit: CallSeconds = Field(CALL_SECONDS_MAX, description="Seconds after the answer")
    record: bool = Field(
        False, description="Record the call from its answer on, where the application leaves that to its calls"
    )
    machine_detection: Literal["none", "enable", "detectMessageEnd"] = Field(
        "none",
        description=(
            "Finds out who answered before the application runs, for 30 s at most; `detectMessageEnd` also waits until "
            "a machine has ended its message. It is in `answeredBy`, and in `AnsweredBy` of the first request"
        ),
    )
    sip_headers: SipHeaders = Field(default_factory=dict)


class CallPlaced(Output):
    """A call that is being made."""

    public_id: str
    status: Literal["dialing"]


class CallRedirect(Input):
    """Where a running call goes on: exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"actionUrl": "https://flows.example/voylo"}],
            "oneOf": [{"required": ["actionUrl"]}, {"required": ["xml"]}],
        }
    )

    action_url: Url | None = None
    xml: str | None = Field(None, description="A document of at most `limits.document_bytes`")


class PendingCall(Output):
    """A call in progress."""

    pending: Literal[True]
    pending_status: Literal["dialing", "ringing", "answered"]
    public_id: str
    id: UuidOut
    direction: Direction
    from_: str = Field(alias="from")
    to: str
    application_id: UuidOut | None
    created_at: Timestamp
    answered_at: Timestamp | None


class AttemptOut(Output):
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


class LegMediaOut(LegMedia, Output):
    """How the audio of one leg of a call went."""


_MEDIA_MEMBERS = tuple((name, field.alias or name) for name, field in LegMediaOut.model_fields.items())
"""Each name, and as it is written: the record of a call is made without a model in between."""


class CallRecord(Output):
    """The record of a call that has ended."""

    pending: Literal[False]
    public_id: str
    id: UuidOut
    direction: Direction
    from_: str = Field(alias="from")
    to: str
    number_id: UuidOut | None
    application_id: UuidOut | None
    trunk_id: UuidOut | None
    destination_kind: DestinationKind
    destination_id: UuidOut | None
    outcome: Outcome
    hangup_by: HangupBy
    hangup_cause: HangupCause
    sip_code: int | None
    answered_by: AnsweredBy | None
    started_at: Timestamp
    answered_at: Timestamp | None
    ended_at: Timestamp
    ring_s: int
    duration_s: int
    billed_s: int
    recording_url: str | None
    recordings: list[RecordingOut]
    routing_attempts: list[AttemptOut]
    variables: dict[str, VariableValue]
    cost: str
    currency: str
    created_at: Timestamp
    media: list[LegMediaOut] = Field(description="One entry for each leg that answered, the call's own first")


AnyCall = PendingCall | CallRecord
CallList = list[AnyCall] | Envelope[AnyCall]


class LogEntry(Output):
    """One entry of a call's log."""

    at: Timestamp
    type: str
    data: dict[str, Any]


def call_json(call: Call, recordings: Sequence[RecordingOut] = (), recording_url: str | None = None) -> dict[str, Any]:
    """A PendingCall or CallRecord, whichever is the call's state, as its JSON; a call in progress shows no recordings.

    This is the busiest answer of the API, and the models take five times as long for it.
    """
    if call.ended_at is None:
        return {
            "pending": True,
            "pendingStatus": call.status,
            "publicId": call.public_id,
            "id": call.id,
            "direction": call.direction,
            "from": call.from_,
            "to": call.to,
            "applicationId": call.application_id,
            "createdAt": timestamp(call.created_at),
            "answeredAt": None if call.answered_at is None else timestamp(call.answered_at),
        }
    return {
        "pending": False,
        "publicId": call.public_id,
        "id": call.id,
        "direction": call.direction,
        "from": call.from_,
        "to": call.to,
        "numberId": call.number_id,
        "applicationId": call.application_id,
        "trunkId": call.trunk_id,
        "destinationKind": call.destination_kind,
        "destinationId": call.destination_id,
        "outcome": call.outcome,
        "hangupBy": call.hangup_by,
        "hangupCause": call.hangup_cause,
        "sipCode": call.sip_code,
        "answeredBy": call.answered_by,
        "startedAt": timestamp(call.started_at),
        "answeredAt": None if call.answered_at is None else timestamp(call.answered_at),
        "endedAt": timestamp(call.ended_at),
        "ringS": call.ring_s,
        "durationS": call.duration_s,
        "billedS": call.billed_s,
        "recordingUrl": recording_url,
        "recordings": [recording.model_dump(by_alias=True) for recording in recordings],
        "routingAttempts": [
            AttemptOut.model_validate(attempt).model_dump(by_alias=True) for attempt in call.routing_attempts
        ],
        "variables": call.variables,
        "cost": money(call.cost),
        "currency": call.currency,
        "createdAt": timestamp(call.created_at),
        "media": [{shown: getattr(leg, name) for name, shown in _MEDIA_MEMBERS} for leg in call.media],
    }
