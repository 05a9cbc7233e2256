"""Coverage-guided fuzzing of what a registrar reads of strangers: their credentials, and whole REGISTER requests.

The peer has a nonce of ours and the user name, and not the password. Nothing may be raised and nobody let in, and who
does know the password has to be let in afterwards. NONCE in an input stands for the nonce; in `credentials` RESPONSE
stands for the right response, which may let in once and never again.

    python tests/fuzz/fuzz_registrar.py credentials|register [libFuzzer options]
"""

from __future__ import annotations

from collections.abc import Callable

import atheris
from seeded import fuzz

with atheris.instrument_imports(include=["sip"]):
    from sip.digest import (
        MD5,
        SHA_256,
        SHA_512_256,
        Challenge,
        Credentials,
        DigestAuthenticator,
        answer_challenge,
        parse_auth_params,
    )
    from sip.endpoint import Endpoint
    from sip.message import Response
    from tests.sip.registration_support import Carrier
    from tests.sip.support import Clock

REALM = "carrier"
ALICE = Credentials("alice", "what no input holds")
URI = "sip:carrier.example"
STRANGER = Endpoint("udp", "192.0.2.50", 5060)
PHONE = Endpoint("udp", "192.0.2.51", 5060)

SECRET = b"the secret of the nonces"
NOW = 1000.0

PADDING = "x" * 300
"""A stranger is sent little more than came from it: this is room for a challenge."""


def authenticator(*, strict_uri: bool = False) -> DigestAuthenticator:
    """One of many with the same secret, of which each knows the nonces of all."""
    return DigestAuthenticator(REALM, SECRET, algorithms=(MD5, SHA_256, SHA_512_256), strict_uri=strict_uri)


def answer(challenges: list[str]) -> str:
    """Right credentials."""
    made = answer_challenge(challenges, ALICE.username, ALICE.password or "", "REGISTER", URI, cnonce="c")
    assert made is not None
    return made


CHALLENGES = authenticator().challenge(None, STRANGER.host, NOW)
NONCE = Challenge.parse(CHALLENGES[0]).nonce
RESPONSE = parse_auth_params(answer(CHALLENGES[:1]))[1]["response"]


def credentials(data: bytes) -> None:
    """The Authorization values of one request, a line each."""
    right = b"RESPONSE" in data
    text = data.decode("latin-1").replace("NONCE", NONCE).replace("RESPONSE", RESPONSE)
    values = text.split("\n")
    known = {ALICE.username: ALICE}
    for strict in (False, True):
        checked = authenticator(strict_uri=strict)
        first, second = (checked.verify(values, "REGISTER", None, STRANGER.host, NOW, known.get, URI) for _ in range(2))
        assert not first.ok or (right and first.username == ALICE.username)
        assert not second.ok
        assert first.username in {None, checked.claimed_username(values)}
        assert not checked.verify(values, "REGISTER", None, PHONE.host, NOW, ALICE, URI).ok
        after = checked.challenge(None, PHONE.host, NOW)
        assert checked.verify([answer(after)], "REGISTER", None, PHONE.host, NOW, ALICE, URI).ok


def ask(carrier: Carrier, source: Endpoint, number: int, fields: bytes) -> None:
    """A REGISTER with these header fields arrives."""
    head = (
        f"REGISTER {URI} SIP/2.0\r\nVia: SIP/2.0/UDP {source.host}:{source.port};rport;branch=z9hG4bK{number}\r\n"
        f"From: <sip:alice@carrier.example>;tag=1\r\nTo: <sip:alice@carrier.example>\r\nCall-ID: {source.host}\r\n"
        f"CSeq: {number} REGISTER\r\nMax-Forwards: 70\r\nUser-Agent: {PADDING}\r\n"
    )
    carrier.receive(head.encode() + fields + b"Content-Length: 0\r\n\r\n", source)


def challenged(carrier: Carrier, source: Endpoint) -> list[str]:
    """A REGISTER without credentials is challenged."""
    ask(carrier, source, 1, b"")
    (response,) = carrier.sent()
    assert isinstance(response, Response)
    assert response.status == 401
    return response.headers.get_all("WWW-Authenticate")


def register(data: bytes) -> None:
    """A challenge, and then REGISTER requests with any header fields, seconds apart."""
    carrier = Carrier(Clock())
    carrier.password = ALICE.password or ""
    nonce = Challenge.parse(challenged(carrier, STRANGER)[0]).nonce.encode()
    for number, fields in enumerate(data.split(b"\xff\xfe"), 2):
        ask(carrier, STRANGER, number, fields.replace(b"NONCE", nonce))
        carrier.statuses()
        carrier.pass_time(1.0)
    carrier.statuses()
    assert len(carrier.registrar) == 0
    assert carrier.changes == []
    proof = answer(challenged(carrier, PHONE))
    ask(carrier, PHONE, 2, f"Contact: <sip:alice@192.0.2.51>;expires=60\r\nAuthorization: {proof}\r\n".encode())
    assert carrier.statuses() == [200]
    assert carrier.contacts() == ["sip:alice@192.0.2.51"]


PARAMS = (
    'Digest username="alice", realm="carrier", nonce="NONCE", uri="sip:carrier.example", '
    'response="{response}", qop=auth, nc=00000001, cnonce="c"'
)
RIGHT = PARAMS.format(response="RESPONSE").encode()
WRONG = PARAMS.format(response="0" * 32).encode()
FIELDS = b"Contact: <sip:alice@192.0.2.50:5060;ob>;expires=60;q=0.5\r\nAuthorization: " + WRONG + b"\r\n"

TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "credentials": (
        credentials,
        [
            RIGHT,
            WRONG + b", algorithm=SHA-256\n" + RIGHT,
            RIGHT.replace(b", qop=auth, nc=00000001, cnonce=", b", userhash=true, username*=UTF-8''a, opaque="),
            WRONG.replace(b"NONCE", NONCE.encode()) + b', algorithm=SHA-512-256, realm="\\c"',
        ],
    ),
    "register": (
        register,
        [
            FIELDS,
            FIELDS + b"\xff\xfe" + FIELDS.replace(b";expires=60", b"") + b"Expires: 0\r\n",
            b"Contact: *\r\nExpires: 0\r\n\xff\xfe"
            + FIELDS
            + b"Path: <sip:p@192.0.2.7;lr;ob>\r\nSupported: path, gruu\r\n",
        ],
    ),
}


if __name__ == "__main__":
    fuzz(TARGETS)
