"""Who calls, and who sent a call on, from Diversion (RFC 5806) and History-Info (RFC 7044)."""

from __future__ import annotations

import pytest

from engine.calls.addresses import caller_of, forwarded_from
from sip import Headers, NameAddr


@pytest.mark.parametrize(
    ("from_", "expected"),
    [
        ("<sip:15550177@carrier;user=phone>", "+15550177"),
        ("<tel:+15550177>", "+15550177"),
        ("<urn:service:sos>", "urn:service:sos"),
        ('"Anna" <sip:anna@[2001:db8::1]:5070;lr>', "sip:anna@[2001:db8::1]"),
        ("<sip:carrier>", "sip:carrier"),
    ],
)
def test_a_caller_is_its_number_where_it_has_one(from_: str, expected: str) -> None:
    assert caller_of(NameAddr.parse(from_, "From")) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["<sip:+15550177@carrier>;reason=no-answer", "<sip:+15550188@carrier>;reason=user-busy"], "+15550177"),
        (["<sip:0015550177;npdi@carrier;user=phone>;counter=2, <sip:+15550188@carrier>"], "+15550177"),
        (["<tel:+15550177>"], "+15550177"),
        (['"Desk" <sip:desk@pbx.example:5070;user=phone>;reason=away'], "sip:desk@pbx.example"),
        (["<sip:+15550177@carrier>;privacy=full", "<sip:+15550188@carrier>"], None),
        (["not an address <"], None),
        ([], None),
    ],
)
def test_the_newest_diversion_says_it(values: list[str], expected: str | None) -> None:
    assert forwarded_from(Headers(("Diversion", value) for value in values)) == expected


OURS = "<sip:+15550100@engine;cause=302>;index=1.1"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["<sip:+15550177@carrier>;index=1", OURS], "+15550177"),
        (["<sip:+15550177@carrier?Reason=SIP%3Bcause%3D486>;index=1", "<sip:+15550100@engine>;index=2"], "+15550177"),
        # The number called goes from proxy to proxy after it was forwarded to
        (["<sip:+15550177@carrier>;index=1", OURS, "<sip:15550100@edge>;index=1.1.1"], "+15550177"),
        (["<sip:+15550188@a>;index=1", "<sip:+15550177@a;cause=486>;index=1.1", OURS], "+15550177"),
        (["<sip:desk@pbx>;index=1", "<sip:desk@10.0.0.1>;index=1.1", OURS], "sip:desk@10.0.0.1"),
        (["<sip:+15550177@carrier?Privacy=history>;index=1", OURS], None),
        # Translated or passed on, by nobody in particular
        (["<sip:+18005550199@carrier>;index=1", "<sip:+15550100@engine>;index=1.1"], None),
        (["<sip:+15550100@carrier>;index=1", "<sip:15550100@engine;cause=302>;index=1.1"], None),
        ([OURS], None),
        ([], None),
    ],
)
def test_else_the_history_of_the_call(values: list[str], expected: str | None) -> None:
    assert forwarded_from(Headers(("History-Info", value) for value in values)) == expected


def test_a_diversion_comes_before_the_history() -> None:
    fields = [("History-Info", "<sip:+15550177@carrier>;index=1"), ("History-Info", OURS)]
    assert forwarded_from(Headers((*fields, ("Diversion", "<sip:+15550188@carrier>")))) == "+15550188"
