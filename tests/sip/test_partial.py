from __future__ import annotations

import pytest

from sip.errors import SipParseError
from sip.limits import MessageLimits
from sip.message import parse_message
from sip.model import Request, response_to
from sip.partial import NO_URI
from sip.uri import SipUri

GOOD = {
    "Via": "SIP/2.0/UDP pc.example:5070;branch=z9hG4bKp1",
    "From": "<sip:a@h>;tag=f",
    "To": "<sip:b@h>",
    "Call-ID": "p1@h",
    "CSeq": "3 OPTIONS",
}


def request(start: str = "OPTIONS sip:b@h SIP/2.0", /, body: str = "", **changes: str | None) -> bytes:
    fields: dict[str, str | None] = dict(GOOD)
    fields |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [start, *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def refused(data: bytes, limits: MessageLimits | None = None) -> SipParseError:
    with pytest.raises(SipParseError) as caught:
        parse_message(data, limits or MessageLimits())
    return caught.value


def partial_of(data: bytes, limits: MessageLimits | None = None) -> Request:
    partial = refused(data, limits).partial
    assert partial is not None
    return partial


def test_what_was_good_comes_back_as_it_was() -> None:
    partial = partial_of(request(Max_Forwards="300"))
    assert dict(partial.headers) == GOOD
    assert (partial.method, str(partial.uri)) == ("OPTIONS", "sip:b@h")
    assert partial.top_via.port == 5070
    response = response_to(partial, 400, to_tag="t")
    assert response.headers.get("To") == "<sip:b@h>;tag=t"
    assert parse_message(bytes(response)).cseq.number == 3


@pytest.mark.parametrize(
    "start",
    [
        "OPTIONS sip:b@h SIP/7.0",
        "OPTIONS <sip:b@h> SIP/2.0",
        "OPTIONS sip:b@h ; lr SIP/2.0",
        "OPTIONS  sip:b@h  SIP/2.0",
        "OPTIONS sip:b@h SIP/2.0  ",
        "OPTIONS sip:b@h SIP/x",
        "OPTIONS sip:b@h?Route=%3Csip:x%3E SIP/2.0",
        "OPTIONS SIP/2.0",
    ],
)
def test_a_faulty_request_line_can_be_answered(start: str) -> None:
    partial = partial_of(request(start))
    assert partial.method == "OPTIONS"
    assert dict(partial.headers) == GOOD


def test_a_request_uri_that_does_not_parse_has_a_placeholder() -> None:
    assert partial_of(request("OPTIONS <sip:b@h> SIP/2.0")).uri == NO_URI
    assert partial_of(request("OPTIONS sip:b@h SIP/7.0")).uri == SipUri.parse("sip:b@h")


@pytest.mark.parametrize("field", ["From", "To", "Call-ID", "CSeq"])
def test_missing_fields_are_missing_in_the_answer_too(field: str) -> None:
    data = request().replace(f"{field}: {GOOD[field]}\r\n".encode(), b"")
    partial = partial_of(data)
    assert field not in partial.headers
    assert field not in response_to(partial, 400, to_tag="t").headers
    assert partial.top_via.host == "pc.example"


@pytest.mark.parametrize(
    ("field", "value"),
    [("From", '"A <sip:a@h>;tag=1'), ("To", "< sip:b@h >"), ("Call-ID", "a b"), ("CSeq", "99999999999 OPTIONS")],
)
def test_malformed_fields_are_answered_as_they_are(field: str, value: str) -> None:
    partial = partial_of(request(**{field.replace("-", "_"): value}))
    assert partial.headers.get(field) == value


def test_a_tag_in_a_malformed_to_is_not_joined_by_another() -> None:
    partial = partial_of(request(To="< sip:b@h >; tag = 1"))
    assert response_to(partial, 400, to_tag="t").headers.get("To") == "< sip:b@h >; tag = 1"


def test_the_first_of_repeated_fields_is_taken() -> None:
    data = request().replace(b"Call-ID: p1@h", b"Call-ID: p1@h\r\nCall-ID: p2@h")
    assert partial_of(data).headers.get_all("Call-ID") == ["p1@h"]


@pytest.mark.parametrize(
    ("via", "repaired"),
    [
        ("SIP/2.0/UDP pc.example;;,;,,", ["SIP/2.0/UDP pc.example"]),
        ("SIP/2.0/UDP pc.example:5080;bad name;branch=z;rport;;x=<", ["SIP/2.0/UDP pc.example:5080;branch=z;rport"]),
        ("SIP/2.0/UDP pc.example;branch=z;Branch=y", ["SIP/2.0/UDP pc.example;branch=z"]),
        ("SIP/2.0/UDP pc.example;branch=z, junk, SIP/2.0/UDP b", ["SIP/2.0/UDP pc.example;branch=z", "SIP/2.0/UDP b"]),
        ('SIP/2.0/UDP pc.example;x="open', ["SIP/2.0/UDP pc.example"]),
        ('SIP/2.0/UDP pc.example, "open', ["SIP/2.0/UDP pc.example"]),
    ],
)
def test_the_via_is_repaired(via: str, repaired: list[str]) -> None:
    partial = partial_of(request(Via=via))
    assert partial.headers.get_all("Via") == repaired
    assert partial.top_via.host == "pc.example"


@pytest.mark.parametrize("via", [None, "", "junk", "SIP/2.0/UDP", "SIP/2.0/UDP 2001:db8::1"])
def test_without_a_via_there_is_no_answer(via: str | None) -> None:
    assert refused(request(Via=via)).partial is None


def test_a_response_is_never_answered() -> None:
    assert refused(request("SIP/2.0 999 No")).partial is None
    assert refused(request("SIP/2.0 200 OK", To=None)).partial is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0\1\2",
        b"hello\r\nVia: SIP/2.0/UDP h\r\n\r\n",
        b"A@B sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n",
    ],
)
def test_what_is_no_request_is_never_answered(data: bytes) -> None:
    assert refused(data).partial is None


def test_folded_compact_and_latin_1_fields_are_found() -> None:
    data = "OPTIONS x SIP/2.0\nv:SIP/2.0/UDP\n h;branch=z\nF : Zoë\n <sip:a@h>\nt:<sip:b@h>\ni:1\nCSEQ:1 OPTIONS\n\n"
    partial = partial_of(data.encode("latin-1"))
    assert dict(partial.headers) == {
        "Via": "SIP/2.0/UDP h;branch=z",
        "From": "Zoë <sip:a@h>",
        "To": "<sip:b@h>",
        "Call-ID": "1",
        "CSeq": "1 OPTIONS",
    }


def test_fields_with_bare_controls_are_left_out() -> None:
    partial = partial_of(request(From="<sip:a@h>;tag=f\x1b[2J"))
    assert "From" not in partial.headers
    assert b"\x1b" not in bytes(response_to(partial, 400))


def test_a_message_cut_off_in_its_head_can_be_answered() -> None:
    assert dict(partial_of(request()[:-2]).headers) == GOOD


class TestLimits:
    def test_an_oversized_message_is_answered_from_its_beginning(self) -> None:
        error = refused(request(body="x" * 5000), MessageLimits(message_bytes=1000))
        assert error.status == 513
        assert error.partial is not None
        assert dict(error.partial.headers) == GOOD

    def test_vias_are_bounded(self) -> None:
        via = ", ".join(["SIP/2.0/UDP h"] * 500)
        partial = partial_of(request(Via=via), MessageLimits(list_values=20))
        assert len(partial.via) == 20

    def test_long_fields_are_left_out(self) -> None:
        partial = partial_of(request(Call_ID="x" * 9000))
        assert "Call-ID" not in partial.headers
        partial = partial_of(request(Call_ID="x" * 5000 + "\r\n " + "y" * 5000))
        assert partial.top_via.host == "pc.example"
