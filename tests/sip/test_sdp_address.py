"""Addresses of SDP: told apart safely, so that nothing odd reaches a resolver or a socket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.sdp.address import IP4, IP6, NAME, address_kind, is_unicast, is_unspecified


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("192.0.2.1", IP4),
        ("0.0.0.0", IP4),
        ("2001:db8::10", IP6),
        ("::", IP6),
        ("::ffff:192.0.2.1", IP6),
        ("media.example.com", NAME),
        ("localhost", NAME),
        ("rtp_1.xn--bcher-kva.example", NAME),
    ],
)
def test_addresses_and_names_are_told_apart(text: str, kind: str) -> None:
    assert address_kind(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "256.0.0.1",
        "192.0.2",
        "127.1",
        "2130706433",
        "0x7f000001",
        "192.0.2.01",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "2001:db8:::1",
        "host name",
        "-a.example.com",
        "example..com",
        "example.com.",
        "exa\u00admple.com",
        "a" * 64 + ".example",
        "a." * 127 + "example",
        "a\nb",
    ],
)
def test_what_a_resolver_could_read_otherwise_is_no_address(text: str) -> None:
    assert address_kind(text) is None
    assert not is_unicast(text)
    assert not is_unspecified(text)


@pytest.mark.parametrize("text", ["0.0.0.0", "::", "::ffff:0.0.0.0", "hold.invalid", "X.INVALID"])
def test_hold_addresses_are_recognised(text: str) -> None:
    assert is_unspecified(text)


@pytest.mark.parametrize("text", ["192.0.2.1", "127.0.0.1", "2001:db8::1", "notinvalid", "invalid.example"])
def test_ordinary_addresses_are_no_hold(text: str) -> None:
    assert not is_unspecified(text)
    assert is_unicast(text)


@pytest.mark.parametrize("text", ["224.2.1.1", "239.255.255.255", "255.255.255.255", "ff02::1", "::ffff:224.0.0.1"])
def test_multicast_and_broadcast_are_not_unicast(text: str) -> None:
    assert not is_unicast(text)


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    assert address_kind(text) in {None, IP4, IP6, NAME}
    assert is_unicast(text) in {True, False}
