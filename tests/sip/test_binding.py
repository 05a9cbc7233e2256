"""Bindings: where requests for a contact go, how a contact is told, and its form for a store."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.binding import Binding, BindingTarget, parse_q, write_q
from sip.endpoint import Endpoint
from sip.fields import NameAddr
from sip.uri import SipUri

SOURCE = Endpoint("udp", "198.51.100.7", 40000)
LOCAL = Endpoint("udp", "192.0.2.1", 5060)
PATH = (NameAddr.parse("<sip:edge.example;lr;ob>"),)


def binding(contact: str = "sip:bob@10.0.0.5:5060", **changes: object) -> Binding:
    made = Binding("bob", SipUri.parse(contact), 1060.0, "call-1", 7, SOURCE, LOCAL)
    return replace(made, **changes)  # type: ignore[arg-type]


class TestTarget:
    def test_behind_a_nat_it_is_where_the_registration_came_from(self) -> None:
        target = binding().target()
        assert (target.uri, target.remote, target.local) == (SipUri.parse("sip:bob@10.0.0.5:5060"), SOURCE, LOCAL)

    def test_a_contact_that_spoke_for_itself_is_reached_as_it_says(self) -> None:
        contact = "sip:bob@198.51.100.7:5070"
        assert binding(contact).target() == BindingTarget(SipUri.parse(contact))

    def test_ipv6_is_the_same_host_in_any_spelling(self) -> None:
        source = Endpoint("udp", "2001:db8::1", 5060)
        assert not binding("sip:bob@[2001:DB8:0::1]", source=source).behind_nat

    @pytest.mark.parametrize("host", ["phone.local", "df7jal23ls0d.invalid"])
    def test_a_name_goes_by_the_flow(self, host: str) -> None:
        assert binding(f"sip:bob@{host}").target().remote == SOURCE

    def test_a_connection_is_used_again_whatever_the_contact_says(self) -> None:
        """RFC 5626 §5.3: the port of the contact need not be listening."""
        source = Endpoint("tcp", "198.51.100.7", 40000)
        assert binding("sip:bob@198.51.100.7;transport=tcp", source=source).target().remote == source

    def test_a_path_leads_through_its_proxies(self) -> None:
        """RFC 3327 §5.3."""
        target = binding(path=PATH).target()
        assert (target.route_set, target.remote) == (PATH, None)


class TestContact:
    def test_it_is_told_with_what_it_has_left(self) -> None:
        told = binding(q=500, instance="<urn:uuid:1>", reg_id=2).header_value(1000.4)
        assert told == '<sip:bob@10.0.0.5:5060>;q=0.5;+sip.instance="<urn:uuid:1>";reg-id=2;expires=60'
        parsed = NameAddr.parse(told)
        assert (parsed.param("+sip.instance"), parsed.param("expires")) == ("<urn:uuid:1>", "60")

    @pytest.mark.parametrize(
        ("text", "q"),
        [
            (None, 1000),
            ("1", 1000),
            ("1.000", 1000),
            ("0", 0),
            ("0.", 0),
            ("0.5", 500),
            ("0.05", 50),
            ("0.123", 123),
            (".7", 700),
            ("1.5", 1000),
            ("0.1234", 1000),
            ("x", 1000),
            ("", 1000),
            (".", 1000),
            ("0.²", 1000),
        ],
    )
    def test_q(self, text: str | None, q: int) -> None:
        assert parse_q(text) == q

    @given(st.integers(0, 1000))
    def test_q_is_read_as_it_was_written(self, q: int) -> None:
        assert parse_q(write_q(q)) == q


class TestRecord:
    def test_what_was_stored_comes_back(self) -> None:
        kept = binding(path=PATH, instance="<urn:uuid:1>", reg_id=2, outbound=True, q=3, user_agent="x")
        back = Binding.from_record(kept.to_record(1000.0), 5000.0)
        assert back == replace(kept, expires_at=5060.0)

    @pytest.mark.parametrize("change", [{"contact": "mailto:x"}, {"source": [1]}, {"cseq": None}, {"path": [1]}])
    def test_anything_else_is_no_record(self, change: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=r"."):
            Binding.from_record({**binding().to_record(0.0), **change}, 0.0)
