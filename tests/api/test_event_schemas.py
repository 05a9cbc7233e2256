"""The documented payloads of events are what the engine sends, member by member."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from api.schemas.event import EVENT_MODELS, name_of
from engine.call_events import event_payload, general_payload
from engine.model import EventType
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


def problems(name: str, payload: Any) -> list[str]:
    """What the document has against a payload; a member that it does not name counts too."""
    made = document()
    schema = made["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]["schema"]
    inner = dict(made["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], additionalProperties=False)
    validator = Draft202012Validator({**inner, "components": made["components"]})
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


def test_other_events_have_their_data() -> None:
    data = {"webhook_id": PENDING.id, "message": "Deliveries to this URL work"}
    test = general_payload("webhook.test", "evt_5c4d3e2f1a0b", START, PENDING.workspace_id, data)
    assert problems("webhook.test", test) == []
    down = {"subject_id": PENDING.id, "message": "No answer", "trunk_id": PENDING.id}
    payload = general_payload("trunk.destination.down", "evt_5c4d3e2f1a0b", START, PENDING.workspace_id, down)
    assert problems("trunk.destination.down", payload) == []
