"""Text from users and customers, wherever it can be put into a message: it is refused or stays within its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sip import Credentials
from sip.digest import DigestAuthenticator
from sip.errors import SipError
from sip.fields import NameAddr
from sip.message import Response, parse_message
from sip.uri import SipUri
from tests.sip.support import ANSWER, PEER, Agent, request

ATTACK = "x\r\nX-Injected: 1\r\n\r\nBYE sip:b@h SIP/2.0"
TEXT = st.text(
    st.sampled_from('\r\n\t\0\x07\x0b\x1b\x7f\x85\u2028\ud800 :;,<>@"\\\\%?&=aX\u00e9'), min_size=1, max_size=30
)


def call_with(**changes: object) -> Agent:
    agent = Agent()
    settings = {"from_": NameAddr(None, SipUri("sip", "me", host="example.net")), **changes}
    target = settings.pop("target", SipUri("sip", "you", host="192.0.2.99"))
    agent.core.place_call(target, **settings).start(PEER)  # type: ignore[arg-type]
    return agent


def answered() -> Agent:
    agent = Agent()
    call = agent.call()
    call.answer(ANSWER)
    (ok,) = [message for message in agent.sent() if isinstance(message, Response) and message.status == 200]
    agent.receive(request("ACK", branch="z9hG4bKack", to_tag=ok.to.tag))
    return agent


def reject(text: str, **how: object) -> Agent:
    agent = Agent()
    agent.call().reject(486, **{name: text if value is ... else value for name, value in how.items()})  # type: ignore[arg-type]
    return agent


def hang_up(text: str) -> Agent:
    agent = answered()
    agent.calls[-1].hangup(reason=text)
    return agent


def challenge(text: str) -> Agent:
    agent = Agent()
    agent.call().challenge(text)
    return agent


def log_in(text: str) -> Agent:
    agent = Agent()
    agent.place(credentials=Credentials(text, "secret"))
    (invite,) = agent.sent()
    asked = DigestAuthenticator("r", b"k" * 32).challenge(None, "192.0.2.1", 0.0)
    response = invite.build_response(401, to_tag="t")  # type: ignore[union-attr]
    response.headers.add("WWW-Authenticate", asked[0])
    agent.receive(response)
    return agent


PLACES: dict[str, Callable[[str], Agent]] = {
    "header of a call": lambda text: call_with(headers=(("X-Custom", text),)),
    "name of a header": lambda text: call_with(headers=((text, "value"),)),
    "display name": lambda text: call_with(from_=NameAddr(text, SipUri("sip", "me", host="example.net"))),
    "user of the caller": lambda text: call_with(from_=NameAddr(None, SipUri("sip", text, host="example.net"))),
    "host of the caller": lambda text: call_with(from_=NameAddr(None, SipUri("sip", "me", host=text))),
    "user of the callee": lambda text: call_with(target=SipUri("sip", text, host="192.0.2.99")),
    "parameter of the callee": lambda text: call_with(
        target=SipUri("sip", "a", host="192.0.2.99", params=(("x", text), (text, "x")))
    ),
    "header in the URI of the callee": lambda text: call_with(
        target=SipUri("sip", "a", host="192.0.2.99", headers=(("Referred-By", text), ("Replaces", text)))
    ),
    "content type": lambda text: call_with(body=ANSWER, content_type=text),
    "reason phrase": lambda text: reject(text, reason=...),
    "header of a refusal": lambda text: reject(text, headers=(("X-Custom", text),)),
    "reason of a hang-up": hang_up,
    "realm": challenge,
    "user name": log_in,
}


@pytest.mark.parametrize("place", PLACES)
@given(text=TEXT)
@example(text=ATTACK)
@example(text="\n X-Injected: 1")
def test_text_is_refused_or_stays_in_its_place(place: str, text: str) -> None:
    try:
        agent = PLACES[place](text)
    except SipError:
        return
    agent.deliver()
    for datagram in agent.core.data_to_send():
        head, _, _ = datagram.data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        controls = [line for line in lines if any((byte < 32 and byte != 9) or byte == 127 for byte in line)]
        assert controls == []
        message = parse_message(datagram.data)
        assert "X-Injected" not in message.headers
        assert len(message.headers) == len(lines) - 1


@pytest.mark.parametrize("place", PLACES)
def test_harmless_text_is_sent(place: str) -> None:
    agent = PLACES[place]("abc")
    agent.deliver()
    assert agent.core.data_to_send()
