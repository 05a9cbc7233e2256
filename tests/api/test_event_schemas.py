"""The documented payloads of events are what the engine sends, member by member."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from api.schemas.event import EVENT_MODELS, name_of
from engine.call_events import event_payload, general_payload, recording_payload
from engine.model import EventType, GeneralEventType, Recording
from engine.webhooks import EVENTS
from tests.api.documented import document
from tests.engine.opened import START
from tests.engine.test_call_events import ENDED, PENDING

FAILED = replace(ENDED, status="failed", outcome="busy", answered_at=None, answered_by=None)
CALLS: dict[EventType, Any] = {
    "call.placed": PENDING,
    "call.received": replace(PENDING, direction="inbound", status="ringing", application_id=None, number_id=None),
    "call.answered": replace(PENDING, status="answered", answered_at=START),
    "call.completed": ENDED,
    "call.failed": FAILED,
}

RECORDING = Recording(
    PENDING.id, PENDING.id, PENDING.workspace_id, "dial", 1500, 2, "wav", 24_044, START, f"recordings/{PENDING.id}"
)


def problems(name: str, payload: Any) -> list[str]:
    """What the document has against a payload; a member that it does not name counts too, inside as well."""
    made = document()
    schema = made["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]["schema"]
    closed = {
        each: of | {"additionalProperties": False} if "properties" in of else of
        for each, of in made["components"]["schemas"].items()
    }
    validator = Draft202012Validator({**schema, "components": {"schemas": closed}})
    return [error.message for error in validator.iter_errors(payload)]


def test_every_event_is_documented_in_its_order() -> None:
    assert tuple(name_of(model) for model in EVENT_MODELS) == EVENTS
    assert tuple(document()["webhooks"]) == EVENTS


@pytest.mark.parametrize("name", CALLS)
def test_events_of_calls_are_as_documented(name: EventType) -> None:
    payload = event_payload(name, "evt_5c4d3e2f1a0b", START, CALLS[name])
    assert problems(name, payload) == []
    assert problems(name, payload | {"more": 1})
    assert problems(name, {member: value for member, value in payload.items() if member != "cost"})


def test_an_ended_call_says_how_and_when() -> None:
    for name in ("call.completed", "call.failed"):
        assert problems(name, event_payload(name, "evt_5c4d3e2f1a0b", START, PENDING))  # type: ignore[arg-type]


def test_a_recording_is_told_with_its_call() -> None:
    for call in (ENDED, FAILED):
        payload = recording_payload("evt_5c4d3e2f1a0b", START, call, RECORDING)
        assert problems("recording.completed", payload) == []
        assert problems("recording.completed", payload | {"data": {}})


GENERAL: dict[GeneralEventType, dict[str, Any]] = {
    "trunk.destination.down": {
        "subject_id": PENDING.id, "message": "desk of PBX does not answer", "trunk_id": PENDING.id, "name": "PBX",
        "destination_id": PENDING.id, "label": None, "uri": "sip:a@198.51.100.1", "state": "down", "latency_ms": None,
        "reason": "no answer",
    },
    "trunk.registered": {
        "subject_id": PENDING.id, "message": "PBX registered", "trunk_id": PENDING.id, "name": "PBX",
        "contact": "sip:a@198.51.100.1", "source_ip": "198.51.100.1",
    },
    "number.activated": {
        "subject_id": PENDING.id, "message": "+97142345678 is live", "number_id": PENDING.id, "rental_id": PENDING.id,
        "e164": "+97142345678",
    },
    "rental.kyc.updated": {
        "subject_id": PENDING.id, "message": "In review", "rental_id": PENDING.id, "status": "in_review", "note": None,
    },
    "wallet.low": {
        "subject_id": PENDING.id, "message": "The balance is low", "account_id": PENDING.id, "balance": "4.9100",
        "threshold": "5.0000", "currency": "USD",
    },
    "webhook.test": {"webhook_id": PENDING.id, "message": "Deliveries to this URL work"},
}  # fmt: skip
GENERAL["trunk.destination.up"] = GENERAL["trunk.destination.down"] | {"state": "up", "latency_ms": 3, "label": "desk"}
GENERAL["trunk.unregistered"] = GENERAL["trunk.registered"]
"""What other events tell; that the engine's are like these is shown where they happen."""


@pytest.mark.parametrize("name", GENERAL)
def test_other_events_have_their_data(name: GeneralEventType) -> None:
    data = GENERAL[name]
    payload = general_payload(name, "evt_5c4d3e2f1a0b", START, PENDING.workspace_id, data)
    assert problems(name, payload) == []
    assert problems(name, payload | {"data": data | {"more": 1}})
    assert problems(name, payload | {"data": {member: data[member] for member in data if member != "message"}})
