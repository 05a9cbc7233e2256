"""Our own address on the way to a peer."""

from __future__ import annotations

import pytest

from sip.transport.addresses import REMEMBERED_ADDRESSES, REMEMBERED_SECONDS, LocalAddresses, is_numeric
from tests.sip.support import Clock


def test_loopback_is_reached_from_loopback() -> None:
    addresses = LocalAddresses(Clock())
    assert addresses.address_for("127.0.0.1") == "127.0.0.1"
    assert addresses.address_for("127.5.5.5") == "127.0.0.1"
    assert addresses.address_for("::1") == "::1"


def test_any_peer_gets_some_address() -> None:
    addresses = LocalAddresses(Clock())
    for host in ("192.0.2.55", "2001:db8::1", "name.example.com", "fe80::1%nosuch"):
        assert is_numeric(addresses.address_for(host))


def test_answers_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(host: str) -> str:
        asked.append(host)
        return "127.0.0.1"

    monkeypatch.setattr("sip.transport.addresses._ask_routing_table", ask)
    clock = Clock()
    addresses = LocalAddresses(clock)
    for _ in range(3):
        addresses.address_for("192.0.2.1")
    assert len(asked) == 1
    clock.now += REMEMBERED_SECONDS + 1
    addresses.address_for("192.0.2.1")
    assert len(asked) == 2
    for number in range(REMEMBERED_ADDRESSES + 10):
        addresses.address_for(str(number))
    assert len(addresses._known) == REMEMBERED_ADDRESSES


@pytest.mark.parametrize("host", ["192.0.2.1", "::1", "2001:db8::1", "fe80::1%eth0"])
def test_numbers(host: str) -> None:
    assert is_numeric(host)


@pytest.mark.parametrize(
    "host", ["localhost", "example.com", "1.2.3", "", "1.2.3.4.5", "nul\0byte", "gggg::1", "ü.example"]
)
def test_names(host: str) -> None:
    assert not is_numeric(host)
