"""What one typical INVITE costs: parsing it, and building its 200 with SDP; and whole calls on the protocol floor.

The floor has no sockets: two user agent cores hand each other their datagrams, so the figure is that of both sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sip.core.agent import CallReceived, UserAgentCore
from sip.core.config import UserAgentConfig
from sip.core.incoming import IncomingCall
from sip.endpoint import Endpoint
from sip.fields import NameAddr
from sip.message import Request, parse_message, response_to
from sip.sdp import PCMA, PCMU, LocalAudio, answer_offer, parse_sdp
from sip.uri import SipUri

INVITE = (
    b"INVITE sip:+15550100@192.0.2.4 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK74bf9aa81f;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Anna Example" <sip:+4930123456@carrier.example>;tag=9fxced76sl\r\n'
    b"To: <sip:+15550100@192.0.2.4>\r\n"
    b"Call-ID: 3848276298220188511@192.0.2.20\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Contact: <sip:+4930123456@192.0.2.20:5060;transport=udp>\r\n"
    b"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, INFO, NOTIFY, REFER\r\n"
    b"Supported: replaces, timer, 100rel\r\n"
    b"User-Agent: Example PBX 4.2\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: %d\r\n\r\n%b"
)
OFFER = (
    b"v=0\r\no=- 20518 0 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n"
    b"m=audio 30012 RTP/AVP 8 0 9 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:9 G722/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
)
VARIED = 4096
"""Messages that differ in caller, branch, tag and Call-ID, more than any cache of the parser holds."""


def messages() -> list[bytes]:
    """INVITEs of as many callers, each with an offer."""
    template = INVITE % (len(OFFER), OFFER)
    return [
        template.replace(b"+4930123456", b"+49301%06d" % n)
        .replace(b"74bf9aa81f", b"74bf%06d" % n)
        .replace(b"9fxced76sl", b"9fxc%06d" % n)
        .replace(b"3848276298220188511", b"3848276298220%06d" % n)
        for n in range(VARIED)
    ]


def build_200(request: Request, local: LocalAudio) -> bytes:
    """The whole answer: SDP parsed and negotiated, response built and serialised."""
    answer, _ = answer_offer(parse_sdp(request.body), local)
    response = response_to(request, 200, to_tag="a6c85cf")
    response.headers.add("Contact", "<sip:192.0.2.4:5060>")
    response.headers.add("Content-Type", "application/sdp")
    response.body = bytes(answer)
    return bytes(response)


def microseconds(work: Callable[[int], object]) -> float:
    """Best of five rounds over all messages, for one."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for n in range(VARIED):
            work(n)
        best = min(best, time.process_time() - began)
    return best / VARIED * 1e6


def floor_calls(calls: int) -> float:
    """Seconds of CPU for so many calls between two cores: INVITE, 180, 200, ACK, BYE, 200, with their timers."""
    now = 0.0
    offer = OFFER
    sides = [
        UserAgentCore(UserAgentConfig(), clock=lambda: now, local_address_for=lambda _: "192.0.2.1") for _ in range(2)
    ]
    ends = [Endpoint("udp", "192.0.2.1", 5060), Endpoint("udp", "192.0.2.2", 5060)]
    for side, end in zip(sides, ends, strict=True):
        side.sender.add_listener(end)
    caller, callee = sides
    target = SipUri("sip", "15550100", host=ends[1].host, port=ends[1].port)
    from_ = NameAddr(None, SipUri("sip", "anna", host="example.net"))

    def exchange() -> None:
        moved = True
        while moved:
            moved = False
            for side, here, there, other in ((caller, *ends, callee), (callee, *reversed(ends), caller)):
                for call, event in side.events():
                    if isinstance(event, CallReceived):
                        assert isinstance(call, IncomingCall)
                        call.on_event = lambda _event: None
                        call.ring()
                        call.answer(offer)
                    else:
                        call.deliver(event)
                for datagram in side.data_to_send():
                    moved = True
                    other.receive_datagram(datagram.data, here, there)

    began = time.process_time()
    for number in range(calls):
        call = caller.place_call(target, from_=from_, body=offer)
        call.on_event = lambda _event: None
        call.start(ends[1])
        exchange()
        call.hangup()
        exchange()
        now += 0.002
        if number % 64 == 0:
            for side in sides:
                side.handle_timeout()
    used = time.process_time() - began
    assert callee.statistics.calls_received == calls
    assert caller.calls == callee.calls == 0
    return used


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns the figures."""
    local = LocalAudio("192.0.2.4", 10_000, (PCMU, PCMA), session_id=1, session_version=1)
    raw = messages()
    requests = [message for message in map(parse_message, raw) if isinstance(message, Request)]
    parse = microseconds(lambda n: parse_message(raw[n]))
    same = microseconds(lambda _: parse_message(raw[0]))
    bare = microseconds(lambda n: bytes(response_to(requests[n], 200, to_tag="a6c85cf")))
    built = microseconds(lambda n: build_200(requests[n], local))
    print(f"parse a typical INVITE ({len(raw[0])} octets), each of another caller   {parse:6.1f} µs")
    print(f"parse the same one again and again                           {same:6.1f} µs")
    print(f"build a bare 200                                             {bare:6.1f} µs")
    print(f"parse its SDP, negotiate, and build the 200 with the answer  {built:6.1f} µs")
    calls = 2_000 if quick else 10_000
    floor = min(floor_calls(calls) for _ in range(3)) / calls
    rate = 4 / floor  # an INVITE and a BYE, each with its client and its server transaction
    print(f"protocol floor, a whole call, both sides                     {floor * 1e6:6.1f} µs")
    print(f"protocol floor, transactions a second on one core            {rate:6.0f}")
    return {
        "floor_call_us": floor * 1e6,
        "transactions_per_second": rate,
        "parse_us": parse,
        "parse_repeated_us": same,
        "bare_200_us": bare,
        "answer_us": built,
    }
