"""Which number a call of a trunk or an agent goes out on: the four steps of contract §9.2."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.calls.caller_ids import number_for
from engine.egress import CallerIdNotAllowed, agent_number
from engine.model import Agent, Number, OutboundTrunk, RoutingRule
from sip import Headers, Request, SipUri

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def number(name: str, **changes: object) -> Number:
    made = Number(
        id=f"id-{name}", workspace_id="ws", e164=f"+1555{name}", label=None, kind="byo", country=None, status="active",
        inbound_enabled=True, outbound_enabled=True, destination=None, channels=None, rental_id=None, sip=None,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


class Book:
    def __init__(self, *numbers: Number) -> None:
        self.numbers = numbers

    def lookup(self, e164: str) -> Number | None:
        return next((each for each in self.numbers if each.e164 == e164), None)

    def number(self, number_id: str) -> Number | None:
        return next((each for each in self.numbers if each.id == number_id), None)


A, B, C, D = (number(f"000{digit}") for digit in "1234")
BOOK = Book(A, B, C, D)


def trunk(**changes: object) -> OutboundTrunk:
    made = OutboundTrunk(
        id="t", workspace_id="ws", name="PBX", enabled=True, username="t_0", password="x", allowed_source_ips=(),
        allowed_number_ids=(), default_number_id=None, routing_rules=(), max_channels=10, record=False,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def invite(from_: str, *asserted: str) -> Request:
    """An INVITE from this user, who is another one by P-Asserted-Identity."""
    fields = [("P-Asserted-Identity", f"<sip:{user}@pbx.example>") for user in asserted]
    return Request(
        "INVITE",
        SipUri.parse("sip:callee@voice.example"),
        Headers((("From", f"<sip:{from_}@pbx.example>;tag=1"), *fields)),
    )


RULES = (RoutingRule("+20", A.id), RoutingRule("+2010", B.id), RoutingRule("+4", C.id))


def test_the_rule_with_the_longest_matching_prefix_comes_first_of_all() -> None:
    ruled = trunk(routing_rules=RULES, default_number_id=D.id)
    assert number_for(ruled, "+20109", invite(C.e164, D.e164), BOOK) == B
    assert number_for(ruled, "+2022", invite(C.e164, D.e164), BOOK) == A


def test_then_the_asserted_identity_then_from() -> None:
    ruled = trunk(routing_rules=RULES, default_number_id=D.id)
    assert number_for(ruled, "+331", invite(C.e164, "anonymous", B.e164), BOOK) == B
    assert number_for(ruled, "+331", invite(C.e164.removeprefix("+")), BOOK) == C
    assert number_for(ruled, "+331", invite("00" + C.e164.removeprefix("+")), BOOK) == C
    assert number_for(ruled, "+331", invite(f"{C.e164};npdi"), BOOK) == C


def test_an_identity_has_to_be_an_allowed_number() -> None:
    only_b = trunk(allowed_number_ids=(B.id,), default_number_id=D.id)
    assert number_for(only_b, "+331", invite(B.e164, A.e164), BOOK) == B
    assert number_for(only_b, "+331", invite(C.e164, A.e164), BOOK) == D


def test_then_the_default_then_nothing() -> None:
    assert number_for(trunk(default_number_id=D.id), "+331", invite("+19995550000"), BOOK) == D
    assert number_for(trunk(), "+331", invite("+19995550000"), BOOK) is None


@pytest.mark.parametrize("unusable", [{"status": "suspended"}, {"outbound_enabled": False}, {"workspace_id": "other"}])
def test_a_number_that_cannot_call_out_is_passed_over_at_each_step(unusable: dict[str, object]) -> None:
    book = Book(number("0001", **unusable), B)
    ruled = trunk(routing_rules=(RoutingRule("+2", "id-0001"),), default_number_id=B.id)
    assert number_for(ruled, "+20", invite("+15550001", "+15550001"), book) == B
    assert number_for(trunk(default_number_id="id-0001"), "+20", invite("+15550001"), book) is None


def test_an_agent_calls_out_with_its_number() -> None:
    agent = Agent("a", "ws", "anna", "x", None, "a@b.example", A.id, NOW)
    assert agent_number(agent, BOOK) == A
    for number_id in (None, "gone"):
        with pytest.raises(CallerIdNotAllowed):
            agent_number(replace(agent, outbound_number_id=number_id), BOOK)
