"""What strangers can make us do: never answer with more than 1.5 times what they sent, never keep anything for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import IncomingCall, RegisterRequest
from sip.core.config import UserAgentConfig
from sip.endpoint import Endpoint
from tests.sip.support import OFFER, Agent

METHODS = st.sampled_from(["INVITE", "OPTIONS", "REGISTER", "BYE", "MESSAGE", "SUBSCRIBE", "REFER", "CANCEL", "FOO"])
SHORT = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='<>";,:@?&=%\\/[]'), max_size=12)


def challenge(call: IncomingCall) -> None:
    call.challenge("example.net")


def agent_that_asks() -> Agent:
    """Every call and registration is challenged."""
    agent = Agent(on_call=challenge)

    def on_register(asking: RegisterRequest) -> None:
        asking.challenge("example.net")

    agent.core.serve_registrations(on_register)
    return agent


@given(
    method=METHODS,
    user=SHORT,
    branch=SHORT,
    fields=st.lists(
        st.sampled_from(
            [
                "Contact: <sip:a@192.0.2.99>",
                "Max-Forwards: 70",
                "Require: 100rel, nonsense",
                "Accept: text/plain",
                "Content-Type: text/plain",
                "Expires: 60",
                "Record-Route: <sip:192.0.2.1;lr>",
                "Timestamp: 1",
                "CSeq: 2 FOO",
                "Content-Length: 900",
                "Authorization: Digest x",
            ]
        ),
        max_size=6,
    ),
    compact=st.booleans(),
    tagged=st.booleans(),
)
def test_no_answer_is_larger_than_one_and_a_half_times_the_question(
    method: str, user: str, branch: str, fields: list[str], compact: bool, tagged: bool
) -> None:
    names = ("v", "f", "t", "i") if compact else ("Via", "From", "To", "Call-ID")
    to_tag = ";tag=no" if tagged else ""
    text = "\r\n".join(
        [
            f"{method} sip:{user}@h SIP/2.0",
            f"{names[0]}: SIP/2.0/UDP h;branch=z9hG4bK{branch}",
            f"{names[1]}: <sip:{user}@h>;tag=1",
            f"{names[2]}: <sip:{user}@h>{to_tag}",
            f"{names[3]}: 1{branch}",
            f"CSeq: 1 {method}",
            *fields,
            "",
            "",
        ]
    ).encode()
    agent = agent_that_asks()
    agent.receive(text)
    agent.deliver()
    for sent in agent.core.data_to_send():
        assert len(sent.data) <= 1.5 * len(text), sent.data


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS", "BYE", "SUBSCRIBE", "FOO"])
def test_thousands_of_strangers_leave_nothing_behind(method: str) -> None:
    agent = agent_that_asks()
    answered = 0
    for number in range(3000):
        source = Endpoint("udp", f"10.{number % 7}.{number >> 8}.{number & 255}", 5060)
        body = OFFER if method == "INVITE" else b""
        text = (
            f"{method} sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {source.host};branch=z9hG4bK{number};rport\r\n"
            f"From: <sip:a@{source.host}>;tag={number}\r\nTo: <sip:x@192.0.2.1>\r\nCall-ID: {number}\r\n"
            f"CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:a@{source.host}>\r\n"
            f"User-Agent: something with a long enough name\r\nContent-Length: {len(body)}\r\n"
            + ("Content-Type: application/sdp\r\n\r\n" if body else "\r\n")
        ).encode() + body
        agent.receive(text, source)
        agent.deliver()
        answered += len(agent.core.data_to_send())
        agent.calls.clear()
    assert answered == 3000
    core = agent.core
    assert core.registering is not None
    assert core.registering.pending == core.layer.server_count == core.calls == core.dialogs == 0
    # What timers remain were cancelled, and are bounded
    assert len(core.layer.timers) == 0
    assert core.layer.timers.heap_size < 3000


def test_bans_and_buckets_are_remembered_in_bounded_tables() -> None:
    agent = Agent(UserAgentConfig(source_rate=10, source_burst=20, tracked_sources=100))
    for number in range(2000):
        source = Endpoint("udp", f"10.0.{number >> 8}.{number & 255}", 5060)
        agent.receive(b"nonsense", source)
        for _ in range(5):
            agent.core.report_authentication_failure(source)
    assert len(agent.core.admission) <= 200
    assert len(agent.core.defence) <= 200
