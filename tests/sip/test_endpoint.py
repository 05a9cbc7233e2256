"""Transport addresses."""

from __future__ import annotations

import pytest

from sip.endpoint import Endpoint


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        (Endpoint("udp", "192.0.2.1", 5060), "udp:192.0.2.1:5060"),
        (Endpoint("tls", "2001:db8::1", 5061), "tls:[2001:db8::1]:5061"),
    ],
)
def test_it_is_shown_as_people_write_it(endpoint: Endpoint, shown: str) -> None:
    assert str(endpoint) == shown


def test_udp_alone_loses_what_it_carries() -> None:
    assert not Endpoint("udp", "192.0.2.1", 5060).reliable
    assert all(Endpoint(name, "192.0.2.1", 5060).reliable for name in ("tcp", "tls", "ws", "wss"))
