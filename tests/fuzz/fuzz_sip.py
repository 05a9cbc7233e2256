"""Coverage-guided fuzzing of everything that reads what a SIP peer sent: `make fuzz SECONDS=60`.

One target per reader, and the whole user agent core. Nothing may come out but the one error of each reader; the core
may not raise at all and still has to answer an OPTIONS. The corpus is made of messages written here.

    python tests/fuzz/fuzz_sip.py TARGET [libFuzzer options]
"""

from __future__ import annotations

from collections.abc import Callable

import atheris
from seeded import fuzz

with atheris.instrument_imports(include=["sip"]):
    from sip.core.agent import CallReceived, UserAgentCore
    from sip.core.config import UserAgentConfig
    from sip.core.incoming import IncomingCall
    from sip.digest.client import Challenge, answer_challenge
    from sip.digest.params import parse_auth_params
    from sip.endpoint import Endpoint
    from sip.errors import SipParseError
    from sip.message import parse_message
    from sip.sdp import PCMA, PCMU, Fingerprint, Ice, LocalAudio, LocalDtls, SdpRejected, answer_offer, parse_sdp
    from sip.stream import MessageStream
    from sip.uri import parse_uri

LOCAL = Endpoint("udp", "192.0.2.1", 5060)
PEER = Endpoint("udp", "192.0.2.99", 5060)

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nb=AS:64\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    b"a=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp:4001\r\na=sendrecv\r\nm=video 0 RTP/AVP 31\r\n"
)
BROWSER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 126\r\n"
    b"c=IN IP4 0.0.0.0\r\na=candidate:1 1 udp 2113937151 192.0.2.9 4000 typ srflx raddr 10.0.0.1 rport 9\r\n"
    b"a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=ice-lite\r\na=setup:actpass\r\na=rtcp-mux\r\na=mid:0\r\n"
    b"a=fingerprint:sha-256 " + bytes(32).hex(":").encode() + b"\r\na=rtpmap:126 telephone-event/8000\r\n"
)
OURS = LocalAudio(
    "192.0.2.1",
    6000,
    (PCMU, PCMA),
    session_id=1,
    session_version=1,
    dtls=LocalDtls(Fingerprint("sha-256", bytes(32)), Ice("ours", "o" * 22, lite=True)),
)
HEAD = (
    b"{method} sip:+15550100@192.0.2.1;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKx;rport\r\n"
    b'From: "A \\" B" <sip:a@example.com;transport=udp>;tag=1\r\nTo: <sip:b@example.com>{tag}\r\nCall-ID: abc@x\r\n'
    b"CSeq: 7 {method}\r\nContact: <sip:a@192.0.2.99:5070;ob>;q=0.5;expires=60\r\nMax-Forwards: 70\r\n"
    b"Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com>\r\nSupported: 100rel, timer, replaces\r\n"
    b'Authorization: Digest username="a", realm="x", nonce="n", uri="sip:b", response="0", qop=auth, nc=1, '
    b'cnonce="c"\r\n'
)
METHODS = (
    b"INVITE",
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"OPTIONS",
    b"REGISTER",
    b"INFO",
    b"UPDATE",
    b"PRACK",
    b"REFER",
    b"NOTIFY",
)


def messages() -> list[bytes]:
    """One request of each method, and responses."""
    made = []
    for method in METHODS:
        body = SDP if method in {b"INVITE", b"UPDATE"} else b""
        head = HEAD.replace(b"{method}", method).replace(b"{tag}", b"" if method != b"BYE" else b";tag=2")
        content = b"Content-Type: application/sdp\r\n" if body else b""
        made.append(head + content + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    start = made[0].index(b"\r\n")
    made += [
        b"SIP/2.0 " + status + made[0][start:] for status in (b"100 Trying", b"183 S", b"200 OK", b"401 U", b"302 M")
    ]
    return made


def message(data: bytes) -> None:
    """A datagram; what parses is written and parses again to the same."""
    try:
        parsed = parse_message(data)
    except SipParseError:
        return
    again = parse_message(bytes(parsed))
    assert bytes(again) == bytes(parsed)


def stream(data: bytes) -> None:
    """A stream cut in two gives the messages of the whole one."""
    whole = MessageStream().feed(data)
    halves = MessageStream()
    first = halves.feed(data[: len(data) // 2])
    second = halves.feed(data[len(data) // 2 :])
    if not halves.broken:
        assert first.messages + second.messages == whole.messages


def uri(data: bytes) -> None:
    """A URI."""
    try:
        parsed = parse_uri(data.decode("latin-1"))
    except SipParseError:
        return
    assert str(parse_uri(str(parsed))) == str(parsed)


def sdp(data: bytes) -> None:
    """A session description, and the answer to it."""
    try:
        parsed = parse_sdp(data)
    except SipParseError:
        return
    parse_sdp(bytes(parsed))
    try:
        answer, _ = answer_offer(parsed, OURS)
    except (SdpRejected, SipParseError):
        return
    assert len(parse_sdp(bytes(answer)).media) == len(parsed.media)


def digest(data: bytes) -> None:
    """Credentials and challenges."""
    text = data.decode("latin-1")
    for read in (parse_auth_params, Challenge.parse):
        try:
            read(text)
        except SipParseError:
            continue
    answer_challenge([text], "user", "password", "INVITE", "sip:b@example.com")


def core(data: bytes) -> None:
    """A few datagrams into one core, with time passing between them."""
    now = 0.0
    agent = UserAgentCore(UserAgentConfig(), clock=lambda: now, local_address_for=lambda _host: "192.0.2.1")
    agent.sender.add_listener(LOCAL)

    def turn() -> None:
        for call, event in agent.events():
            if isinstance(event, CallReceived):
                assert isinstance(call, IncomingCall)
                call.on_event = lambda _event: None
                call.ring()
                call.answer(SDP)
            else:
                call.deliver(event)
        agent.data_to_send()

    for piece in data.split(b"\xff\xfe"):
        agent.receive_datagram(piece, PEER, LOCAL)
        turn()
        now += 1.0
        agent.handle_timeout()
        turn()
    probe = messages()[4].replace(b"abc@x", b"probe").replace(b"z9hG4bKx", b"z9hG4bKprobe")
    agent.receive_datagram(probe, Endpoint("udp", "192.0.2.98", 5060), LOCAL)
    assert agent.data_to_send()


TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "message": (message, messages()),
    "stream": (stream, [b"".join(messages()), b"\r\n\r\n" + messages()[0]]),
    "uri": (uri, [b"sip:a:b@[2001:db8::1]:5060;lr;transport=tcp?Subject=x&b=%20", b"tel:+1-555;phone-context=+1"]),
    "sdp": (sdp, [SDP, BROWSER, SDP.replace(b"IP4 192.0.2.9", b"IP6 2001:db8::1")]),
    "digest": (
        digest,
        [b'Digest realm="a", nonce="b", qop="auth,auth-int", algorithm=SHA-256, stale=true, opaque="x"'],
    ),
    "core": (core, [*messages(), b"\xff\xfe".join(messages())]),
}


if __name__ == "__main__":
    fuzz(TARGETS)
