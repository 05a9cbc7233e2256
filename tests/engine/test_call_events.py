"""The payload of contract §13.3, member by member."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from engine.call_events import event_payload, state_change
from engine.leg_media import LegMedia
from engine.model import Call, CallLogEntry, RoutingAttempt, money, timestamp
from tests.engine.opened import START

PENDING = Call(
    id="9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d",
    public_id="cl_a1b2c3d4e5f6",
    workspace_id="ws_0123456789ab",
    direction="outbound",
    from_="+2004446",
    to="+201091447677",
    status="dialing",
    number_id="n",
    application_id="a",
    trunk_id=None,
    destination_kind="application",
    destination_id="a",
    variables={"order_id": "ORD-1234"},
    created_at=START,
    started_at=START,
)
ENDED = replace(
    PENDING,
    status="completed",
    answered_at=START + timedelta(seconds=6),
    ended_at=START + timedelta(seconds=48, milliseconds=5),
    outcome="answered",
    hangup_by="callee",
    hangup_cause="normal",
    sip_code=200,
    answered_by="human",
    ring_s=6,
    duration_s=42,
    billed_s=60,
    cost=125_000,
    routing_attempts=(
        RoutingAttempt(1, "d", "primary", "sip:a@b", START, START + timedelta(seconds=1), 31, 486, "busy"),
    ),
    media=(LegMedia(None, 2100, 2099, 3, 1, 1.25, 60, 41.5, 4.29, 2, 0.75, 4.31),),
)


def test_at_the_start_everything_about_the_end_is_null() -> None:
    assert event_payload("call.placed", "evt_5c4d3e2f1a0b", START, PENDING) == {
        "event": "call.placed",
        "event_id": "evt_5c4d3e2f1a0b",
        "created_at": "2026-06-23T10:31:00.000Z",
        "workspace_id": "ws_0123456789ab",
        "call_id": "9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d",
        "public_id": "cl_a1b2c3d4e5f6",
        "application_id": "a",
        "number_id": "n",
        "trunk_id": None,
        "direction": "outbound",
        "from": "+2004446",
        "to": "+201091447677",
        "status": "dialing",
        "outcome": None,
        "hangup_by": None,
        "hangup_cause": None,
        "sip_code": None,
        "answered_by": None,
        "destination_kind": "application",
        "started_at": "2026-06-23T10:31:00.000Z",
        "answered_at": None,
        "ended_at": None,
        "ring_s": None,
        "duration_s": None,
        "billed_s": None,
        "recording_url": None,
        "routing_attempts": [],
        "variables": {"order_id": "ORD-1234"},
        "cost": "0.0000",
        "currency": "USD",
    }


def test_at_the_end_everything_is_there() -> None:
    payload = event_payload("call.completed", "evt_5c4d3e2f1a0b", START + timedelta(minutes=1), ENDED)
    pending = event_payload("call.placed", "evt_5c4d3e2f1a0b", START, PENDING)
    assert payload.keys() == pending.keys() | {"media"}
    assert payload.pop("media") == [
        {
            "leg": None,
            "packets_in": 2100,
            "packets_out": 2099,
            "lost": 3,
            "late": 1,
            "jitter_ms": 1.25,
            "concealed_ms": 60,
            "round_trip_ms": 41.5,
            "mos": 4.29,
            "remote_lost": 2,
            "remote_jitter_ms": 0.75,
            "remote_mos": 4.31,
        }
    ]
    assert {name: value for name, value in payload.items() if value != pending[name]} == {
        "event": "call.completed",
        "created_at": "2026-06-23T10:32:00.000Z",
        "status": "completed",
        "outcome": "answered",
        "hangup_by": "callee",
        "hangup_cause": "normal",
        "sip_code": 200,
        "answered_by": "human",
        "answered_at": "2026-06-23T10:31:06.000Z",
        "ended_at": "2026-06-23T10:31:48.005Z",
        "ring_s": 6,
        "duration_s": 42,
        "billed_s": 60,
        "routing_attempts": [
            {
                "order": 1,
                "destination_id": "d",
                "label": "primary",
                "uri": "sip:a@b",
                "started_at": "2026-06-23T10:31:00.000Z",
                "ended_at": "2026-06-23T10:31:01.000Z",
                "setup_ms": 31,
                "sip_code": 486,
                "result": "busy",
            }
        ],
        "cost": "12.5000",
    }


def test_an_event_is_an_entry_in_the_log_of_its_call() -> None:
    payload = event_payload("call.completed", "evt_5c4d3e2f1a0b", START, ENDED)
    assert state_change(payload) == CallLogEntry(
        at=START,
        type="call.completed",
        data={
            "eventId": "evt_5c4d3e2f1a0b",
            "status": "completed",
            "outcome": "answered",
            "hangupBy": "callee",
            "hangupCause": "normal",
            "sipCode": 200,
        },
    )


def test_money_has_four_digits_after_the_point_and_times_have_milliseconds() -> None:
    assert [money(amount) for amount in (0, 1, 125_000, -15_000)] == ["0.0000", "0.0001", "12.5000", "-1.5000"]
    assert timestamp(START + timedelta(microseconds=999_999)) == "2026-06-23T10:31:00.999Z"
