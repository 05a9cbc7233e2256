"""What domain events of a call say to the outside: the payload of contract §13.3, complete from the first event on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.model import Call, CallLogEntry, EventType, GeneralEventType, Recording, RoutingAttempt, money, timestamp


def event_payload(event: EventType, event_id: str, created_at: datetime, call: Call) -> dict[str, object]:
    """The payload of an event about `call` as it stands after the event; members not known yet are None.

    `media` is told at the end of an answered call alone. `recording_url` is None: links are signed anew for each
    delivery (`delivery_attempt.with_recording`).
    """
    return {
        "event": event,
        "event_id": event_id,
        "created_at": timestamp(created_at),
        "workspace_id": call.workspace_id,
        "call_id": call.id,
        "public_id": call.public_id,
        "application_id": call.application_id,
        "number_id": call.number_id,
        "trunk_id": call.trunk_id,
        "direction": call.direction,
        "from": call.from_,
        "to": call.to,
        "status": call.status,
        "outcome": call.outcome,
        "hangup_by": call.hangup_by,
        "hangup_cause": call.hangup_cause,
        "sip_code": call.sip_code,
        "answered_by": call.answered_by,
        "destination_kind": call.destination_kind,
        "started_at": timestamp(call.started_at),
        "answered_at": _timestamp_or_none(call.answered_at),
        "ended_at": _timestamp_or_none(call.ended_at),
        "ring_s": call.ring_s,
        "duration_s": call.duration_s,
        "billed_s": call.billed_s,
        "recording_url": None,
        "routing_attempts": [_attempt(attempt) for attempt in call.routing_attempts],
        "variables": call.variables,
        "cost": money(call.cost),
        "currency": call.currency,
    } | ({"media": [leg.members() for leg in call.media]} if event == "call.completed" else {})


def recording_payload(event_id: str, created_at: datetime, call: Call, recording: Recording) -> dict[str, object]:
    """The payload of `recording.completed`: that of an event about the call, and which recording it is about."""
    return event_payload("recording.completed", event_id, created_at, call) | {
        "recording_id": recording.id,
        "recording_source": recording.source,
        "recording_channels": recording.channels,
        "recording_duration_s": recording.duration_s,
    }


def general_payload(
    event: GeneralEventType, event_id: str, created_at: datetime, workspace_id: str, data: Mapping[str, object]
) -> dict[str, object]:
    """The payload of an event that is not about a call: what it tells is in `data`."""
    return {
        "event": event,
        "event_id": event_id,
        "created_at": timestamp(created_at),
        "workspace_id": workspace_id,
        "data": data,
    }


def terminal_event(call: Call) -> EventType:
    """The event that tells of a call's end."""
    return "call.failed" if call.answered_at is None else "call.completed"


def state_change(payload: Mapping[str, Any]) -> CallLogEntry:
    """The entry that a stored event makes in the log of its call (contract §6.5)."""
    return CallLogEntry(
        at=datetime.fromisoformat(payload["created_at"]),
        type=payload["event"],
        data={
            "eventId": payload["event_id"],
            "status": payload["status"],
            "outcome": payload["outcome"],
            "hangupBy": payload["hangup_by"],
            "hangupCause": payload["hangup_cause"],
            "sipCode": payload["sip_code"],
        },
    )


def _attempt(attempt: RoutingAttempt) -> dict[str, object]:
    return {
        "order": attempt.order,
        "destination_id": attempt.destination_id,
        "label": attempt.label,
        "uri": attempt.uri,
        "started_at": timestamp(attempt.started_at),
        "ended_at": _timestamp_or_none(attempt.ended_at),
        "setup_ms": attempt.setup_ms,
        "sip_code": attempt.sip_code,
        "result": attempt.result,
    }


def _timestamp_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
