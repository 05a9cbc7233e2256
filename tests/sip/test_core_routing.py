"""Where responses and requests go (RFC 3261 §18.2, §8.1.2; RFC 3581)."""

from __future__ import annotations

import pytest

from sip.core.routing import hop_endpoint, is_address, note_source, response_endpoint
from sip.endpoint import Endpoint
from sip.fields import Via
from sip.message import Request, parse_message
from sip.uri import SipUri
from tests.sip.support import request

SOURCE = Endpoint("udp", "203.0.113.7", 40000)


def noted(via: str, source: Endpoint = SOURCE) -> Via:
    made = parse_message(request("OPTIONS", branch="z9hG4bK1", via=via))
    assert isinstance(made, Request)
    note_source(made, source)
    return made.top_via


class TestNotingTheSource:
    @pytest.mark.parametrize(
        ("via", "received", "rport"),
        [
            ("203.0.113.7:5060", None, None),
            ("10.0.0.5:5060", "203.0.113.7", None),
            ("phone.example.com", "203.0.113.7", None),
            ("203.0.113.7:5060;rport", "203.0.113.7", 40000),
            ("10.0.0.5;rport", "203.0.113.7", 40000),
            ("10.0.0.5;rport=1;received=192.0.2.66", "203.0.113.7", 40000),
            ("203.0.113.7;received=192.0.2.66", None, None),
        ],
    )
    def test_received_and_rport(self, via: str, received: str | None, rport: int | None) -> None:
        made = noted(via)
        assert (made.received, made.rport) == (received, rport)

    def test_two_spellings_of_an_ipv6_address_are_one(self) -> None:
        assert noted("[2001:db8:0:0::1]:5060", Endpoint("udp", "2001:db8::1", 5060)).received is None

    def test_a_zone_is_not_told(self) -> None:
        assert noted("[2001:db8::9];rport", Endpoint("udp", "fe80::1%eth0", 5060)).received == "fe80::1"

    def test_the_other_vias_stay(self) -> None:
        data = request(
            "OPTIONS", branch="z9hG4bK1", via="10.0.0.5", headers=["Via: SIP/2.0/UDP 10.0.0.4;branch=z9hG4bK0"]
        )
        made = parse_message(data)
        assert isinstance(made, Request)
        note_source(made, SOURCE)
        assert [via.host for via in made.via] == ["10.0.0.5", "10.0.0.4"]
        assert made.via[0].received == "203.0.113.7"


class TestResponses:
    @pytest.mark.parametrize(
        ("via", "host", "port"),
        [
            ("10.0.0.5:5066", "203.0.113.7", 5066),
            ("10.0.0.5", "203.0.113.7", 5060),
            ("10.0.0.5:5066;rport", "203.0.113.7", 40000),
            ("10.0.0.5:5066;maddr=192.0.2.9", "203.0.113.7", 5066),
            ("10.0.0.5:5066;maddr=somewhere.example.com", "203.0.113.7", 5066),
        ],
    )
    def test_they_follow_the_top_via(self, via: str, host: str, port: int) -> None:
        assert response_endpoint(noted(via), SOURCE) == Endpoint("udp", host, port)

    def test_over_a_connection_they_go_back_on_it(self) -> None:
        source = Endpoint("tcp", "203.0.113.7", 40000)
        assert response_endpoint(noted("10.0.0.5:5066;maddr=192.0.2.9", source), source) == source

    @pytest.mark.parametrize(
        ("transport", "via", "fallback"),
        [
            ("tcp", "10.0.0.5:5066;rport", Endpoint("tcp", "203.0.113.7", 5066)),
            ("tcp", "10.0.0.5", Endpoint("tcp", "203.0.113.7", 5060)),
            ("tls", "10.0.0.5", Endpoint("tls", "203.0.113.7", 5061)),
            ("ws", "df7jal.invalid", None),
        ],
    )
    def test_a_connection_that_is_gone_is_made_again_to_the_port_of_sent_by(
        self, transport: str, via: str, fallback: Endpoint | None
    ) -> None:
        source = Endpoint(transport, "203.0.113.7", 40000)
        assert response_endpoint(noted(via, source), source).fallback == fallback

    def test_over_tls_the_name_in_sent_by_is_what_the_certificate_is_checked_for(self) -> None:
        source = Endpoint("tls", "203.0.113.7", 40000)
        fallback = response_endpoint(noted("sip.example.com", source), source).fallback
        assert fallback is not None
        assert fallback.name == "sip.example.com"


class TestRequests:
    @pytest.mark.parametrize(
        ("uri", "wanted"),
        [
            ("sip:a@192.0.2.9", Endpoint("udp", "192.0.2.9", 5060)),
            ("sip:a@192.0.2.9:5090;transport=UDP", Endpoint("udp", "192.0.2.9", 5090)),
            ("sip:a@[2001:db8::1]", Endpoint("udp", "2001:db8::1", 5060)),
            ("sip:a@host.example.com;maddr=192.0.2.10", Endpoint("udp", "192.0.2.10", 5060)),
            ("sip:a@192.0.2.9;transport=tcp", Endpoint("tcp", "192.0.2.9", 5060)),
            ("sip:a@192.0.2.9;transport=sctp", Endpoint("udp", "192.0.2.9", 5060)),
            ("sips:a@192.0.2.9", Endpoint("tls", "192.0.2.9", 5061)),
        ],
    )
    def test_the_uri_names_the_next_hop(self, uri: str, wanted: Endpoint) -> None:
        assert hop_endpoint(SipUri.parse(uri), frozenset({"udp", "tcp", "tls"})) == wanted

    def test_without_the_transport_udp_is_tried(self) -> None:
        only = frozenset({"udp"})
        assert hop_endpoint(SipUri.parse("sip:a@192.0.2.9;transport=tcp"), only).transport == "udp"
        # never for one that asks for security
        assert hop_endpoint(SipUri.parse("sips:a@192.0.2.9"), only) == Endpoint("tls", "192.0.2.9", 5061)
        assert hop_endpoint(SipUri.parse("sip:a@192.0.2.9"), frozenset({"tcp"})).transport == "tcp"

    def test_a_name_stays_with_its_endpoint_for_tls_to_check(self) -> None:
        assert hop_endpoint(SipUri.parse("sips:a@sip.example.com"), frozenset({"tls"})).name == "sip.example.com"


def test_addresses_and_names_are_told_apart() -> None:
    assert is_address("192.0.2.1")
    assert is_address("2001:db8::1")
    assert is_address("[2001:db8::1]")
    assert not is_address("example.com")
    assert not is_address("1.2.3")
    assert not is_address("[192.0.2.1")
