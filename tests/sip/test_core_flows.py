"""What Contact says (RFC 3261 §8.1.1.8, §12.1.1, RFC 7118)."""

from __future__ import annotations

import pytest

from sip.core.flows import Flow
from sip.endpoint import Endpoint
from sip.message import Request, Response
from tests.sip.support import OFFER, Agent, invite, only_request

TLS = Endpoint("tls", "192.0.2.1", 5061)
PEER_TLS = Endpoint("tls", "192.0.2.99", 5061)


@pytest.mark.parametrize(
    ("transport", "secure", "contact"),
    [
        ("udp", False, "<sip:a@192.0.2.1:5060>"),
        ("udp", True, "<sip:a@192.0.2.1:5060>"),  # it would promise what the flow does not keep
        ("tcp", True, "<sip:a@192.0.2.1:5060;transport=tcp>"),
        ("tls", False, "<sip:a@192.0.2.1:5060;transport=tls>"),
        ("tls", True, "<sips:a@192.0.2.1:5060>"),
        ("wss", False, "<sip:a@192.0.2.1:5060;transport=wss>"),
        ("wss", True, "<sips:a@192.0.2.1:5060;transport=ws>"),
    ],
)
def test_a_contact_is_secure_where_it_has_to_and_can_be(transport: str, secure: bool, contact: str) -> None:
    flow = Flow(Endpoint(transport, "192.0.2.1", 5060), "192.0.2.1")
    assert flow.contact("a", secure=secure) == contact


class TestOutgoing:
    @pytest.mark.parametrize(
        ("target", "headers", "contact"),
        [
            ("sips:x@192.0.2.99", [], "sips:me@192.0.2.1:5061"),
            ("sip:x@192.0.2.99;transport=tls", [], "sip:me@192.0.2.1:5061;transport=tls"),
            ("sip:x@192.0.2.99", [("Route", "<sips:192.0.2.99;lr>")], "sips:me@192.0.2.1:5061"),
        ],
    )
    def test_a_sips_target_or_route_is_given_a_sips_contact(
        self, target: str, headers: list[tuple[str, str]], contact: str
    ) -> None:
        agent = Agent(local=TLS)
        agent.place(target=target, headers=headers, remotes=(PEER_TLS,))
        assert str(only_request(agent.sent()).contacts[0].uri) == contact


class TestIncoming:
    @pytest.mark.parametrize(
        ("uri", "contact", "headers", "secure"),
        [
            ("sips:x@192.0.2.1", "<sip:a@192.0.2.99;transport=tls>", [], True),
            ("sip:x@192.0.2.1", "<sips:a@192.0.2.99>", [], True),
            ("sip:x@192.0.2.1", "<sip:a@192.0.2.99>", ["Record-Route: <sips:192.0.2.99;lr>"], True),
            ("sip:x@192.0.2.1", "<sips:a@192.0.2.99>", ["Record-Route: <sip:192.0.2.99;lr>"], False),
            ("sip:x@192.0.2.1", "<sip:a@192.0.2.99;transport=tls>", [], False),
        ],
    )
    def test_who_calls_with_sips_is_answered_with_it(
        self, uri: str, contact: str, headers: list[str], secure: bool
    ) -> None:
        agent = Agent(local=TLS)
        agent.receive(invite(uri=uri, contact=contact, headers=headers, body=OFFER), PEER_TLS)
        agent.calls[0].answer(OFFER)
        answer: Request | Response = agent.sent()[-1]
        assert answer.contacts[0].uri.scheme == ("sips" if secure else "sip")
