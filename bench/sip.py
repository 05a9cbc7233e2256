"""What one typical INVITE costs: parsing it, and building its 200 with SDP."""

from __future__ import annotations

import timeit

from sip import parse_message
from sip.message import Request, response_to
from sip.sdp import Codec, LocalAudio, answer_offer, parse_sdp

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
MESSAGE = INVITE % (len(OFFER), OFFER)


def build_200(request: Request, local: LocalAudio) -> bytes:
    """The whole answer: SDP parsed and negotiated, response built and serialised."""
    answer, _ = answer_offer(parse_sdp(request.body), local)
    response = response_to(request, 200, to_tag="a6c85cf")
    response.headers.add("Contact", "<sip:192.0.2.4:5060>")
    response.headers.add("Content-Type", "application/sdp")
    response.body = bytes(answer)
    return bytes(response)


def microseconds(statement: object, number: int) -> float:
    """Best of five, per run of `statement`."""
    return min(timeit.repeat(statement, number=number, repeat=5)) / number * 1e6  # type: ignore[arg-type]


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns the figures."""
    number = 1_000 if quick else 5_000
    local = LocalAudio(
        "192.0.2.4", 10_000, (Codec("PCMU", 8000, 0), Codec("PCMA", 8000, 8)), session_id=1, session_version=1
    )
    request = parse_message(MESSAGE)
    assert isinstance(request, Request)
    parse = microseconds(lambda: parse_message(MESSAGE), number)
    bare = microseconds(lambda: bytes(response_to(request, 200, to_tag="a6c85cf")), number)
    built = microseconds(lambda: build_200(request, local), number)
    print(f"parse a typical INVITE ({len(MESSAGE)} octets)   {parse:6.1f} µs")
    print(f"build a bare 200                         {bare:6.1f} µs")
    print(f"negotiate SDP and build the 200          {built:6.1f} µs")
    return {"parse_us": parse, "bare_200_us": bare, "answer_us": built}
