"""The leg of a caller in a running call, given offers whose fate the test sees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.calls.leg import InboundLeg
from sip import Offer
from sip.sdp import SessionDescription, make_offer
from tests.support.engine import TestEngine, running_engine
from tests.support.phone import Phone, PhoneCall, a_phone

FLOW = '<Response><Play digits="w"/><Pause length="60"/></Response>'
G729 = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
)


class Responder:
    """What became of an offer."""

    def __init__(self) -> None:
        self.accepted: list[bytes] = []
        self.refused: list[tuple[int, tuple[tuple[str, str], ...]]] = []

    def accept(self, body: bytes) -> None:
        self.accepted.append(body)

    def reject(self, status: int = 488, reason: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.refused.append((status, tuple(headers)))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[TestEngine]:
    async with running_engine(tmp_path) as started:
        yield started


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with a_phone() as started:
        yield started


async def answered(engine: TestEngine, phone: Phone) -> tuple[PhoneCall, InboundLeg]:
    await engine.number("+15550100", await engine.application(xmlTemplate=FLOW))
    call = phone.call("+15550100", engine.sip)
    await call.answered()
    (running,) = engine.process.switchboard
    return call, running.leg


def renegotiated(leg: InboundLeg, body: bytes | SessionDescription) -> Responder:
    responder = Responder()
    leg.renegotiate(Offer(bytes(body), responder))
    return responder


async def test_a_refused_reinvite_says_why(engine: TestEngine, phone: Phone) -> None:
    _call, leg = await answered(engine, phone)
    before = leg.negotiated
    ((status, headers),) = renegotiated(leg, G729).refused
    assert status == 488
    ((name, value),) = headers
    assert name == "Warning"
    assert value.startswith('305 127.0.0.1 "')
    assert renegotiated(leg, b"v=0\r\nm=audio x RTP/AVP 0\r\n").refused == [(488, ())]
    assert leg.negotiated is before


async def test_a_refresh_is_answered_with_what_holds_and_leaves_the_audio_alone(
    engine: TestEngine, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, leg = await answered(engine, phone)
    negotiated = leg.negotiated
    monkeypatch.setattr(leg.session, "start", lambda _parameters: pytest.fail("the audio was started again"))
    (first,) = renegotiated(leg, call.offer).accepted
    (second,) = renegotiated(leg, replace(call.offer, name="another")).accepted
    assert first == second
    assert leg.negotiated is negotiated


async def test_an_offer_that_differs_is_no_refresh(engine: TestEngine, phone: Phone) -> None:
    call, leg = await answered(engine, phone)
    held = make_offer(replace(call.local, direction="sendonly"), previous=call.offer)
    assert b"a=recvonly" in renegotiated(leg, held).accepted[0]
    # after an offer of ours in between, the same description is an offer like any other
    renegotiated(leg, b"")
    assert b"a=recvonly" in renegotiated(leg, held).accepted[0]
    assert leg.negotiated is not None
    assert not leg.negotiated.sends
