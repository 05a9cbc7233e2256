from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import REASON_CHARS, SipParseError
from sip.limits import MessageLimits
from sip.message import KNOWN_METHODS, Request, Response, parse_message
from sip.uri import OtherUri, SipUri
from tests.support.effort import effort_below

HEAD = """\
INVITE sip:+4930123456@pbx.example.net;user=phone SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5062;branch=z9hG4bKa7f3;rport
Max-Forwards: 70
From: "Nora Beispiel" <sip:nora@example.net>;tag=7f31
To: <sip:+4930123456@pbx.example.net>
Call-ID: 5b1d@198.51.100.7
CSeq: 21 INVITE
Contact: <sip:nora@198.51.100.7:5062>
Content-Type: application/sdp
"""
BODY = b"v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\n"


def message(head: str = HEAD, body: bytes = BODY, length: str | None = "") -> bytes:
    """``head`` and ``body`` joined; Content-Length is right when ``length`` is empty, absent when it is None."""
    if length is not None:
        head += f"Content-Length: {length or len(body)}\n"
    return head.encode().replace(b"\n", b"\r\n") + b"\r\n" + body


def without(name: str) -> str:
    return "".join(line for line in HEAD.splitlines(keepends=True) if not line.startswith(f"{name}:"))


def replaced(name: str, value: str) -> str:
    return without(name) + f"{name}: {value}\n"


def parse_request(data: bytes, limits: MessageLimits | None = None) -> Request:
    parsed = parse_message(data, limits or MessageLimits())
    assert isinstance(parsed, Request)
    return parsed


def refused(data: bytes, limits: MessageLimits | None = None, *, stream: bool = False) -> SipParseError:
    with pytest.raises(SipParseError) as caught:
        parse_message(data, limits or MessageLimits(), stream=stream)
    return caught.value


class TestRequest:
    def test_every_part_is_there(self) -> None:
        request = parse_request(message())
        assert request.method == "INVITE"
        assert request.uri == SipUri.parse("sip:+4930123456@pbx.example.net;user=phone")
        assert request.body == BODY
        assert request.top_via.port == 5062
        assert request.top_via.wants_rport
        assert request.max_forwards == 70
        assert request.from_.display == "Nora Beispiel"
        assert request.from_.tag == "7f31"
        assert request.to.tag is None
        assert request.call_id == "5b1d@198.51.100.7"
        assert (request.cseq.number, request.cseq.method) == (21, "INVITE")
        assert str(request.contacts[0].uri) == "sip:nora@198.51.100.7:5062"
        assert request.content_type == "application/sdp"
        assert len(request.headers) == 9

    def test_max_forwards_contact_and_tags_are_optional(self) -> None:
        head = without("Max-Forwards").replace(";tag=7f31", "").replace(";branch=z9hG4bKa7f3", "")
        request = parse_request(message(head.replace("Contact", "X-Contact")))
        assert request.max_forwards is None
        assert request.from_.tag is None
        assert request.top_via.branch is None
        assert request.contacts == []

    @pytest.mark.parametrize("value", ["0", "255", "0068"])
    def test_max_forwards_range(self, value: str) -> None:
        assert parse_request(message(replaced("Max-Forwards", value))).max_forwards == int(value)

    def test_other_schemes_are_left_to_the_user_agent(self) -> None:
        request = parse_request(message(HEAD.replace("sip:+4930123456@pbx.example.net;user=phone", "soap.x://h/a", 1)))
        assert request.uri == OtherUri("soap.x", "//h/a")

    def test_the_version_is_matched_in_any_case(self) -> None:
        assert parse_request(message(HEAD.replace("SIP/2.0\n", "sip/2.0\n", 1))).method == "INVITE"

    def test_methods_are_case_sensitive_tokens(self) -> None:
        head = HEAD.replace("INVITE", "Invite!%*'~")
        assert parse_request(message(head)).method == "Invite!%*'~"

    @pytest.mark.parametrize(
        "line",
        [
            "INVITE",
            "INVITE sip:b@h",
            "INVITE sip:b@h SIP/2.0 ",
            " INVITE sip:b@h SIP/2.0",
            "INVITE  sip:b@h SIP/2.0",
            "INVITE sip:b@h  SIP/2.0",
            "INVITE\tsip:b@h SIP/2.0",
            "INVITE sip:b@h; lr SIP/2.0",
            "INVITE <sip:b@h> SIP/2.0",
            "INVITE sip:b@h SIP",
            "INVITE sip:b@h SIP/2",
            "INVITE sip:b@h HTTP/1.1",
            "INVITE sip:b@h SIP/²,0",
            "INV@TE sip:b@h SIP/2.0",
            "INVITE sip:b@h?Subject=x SIP/2.0",
            "INVITE sip:2001:db8::1 SIP/2.0",
            "INVITE b@h SIP/2.0",
            "",
        ],
    )
    def test_malformed_request_lines_are_400(self, line: str) -> None:
        assert refused(message(line + "\n" + HEAD.partition("\n")[2])).status == 400

    @pytest.mark.parametrize("version", ["SIP/7.0", "SIP/2.1", "sip/1.0", "SIP/3.14"])
    def test_other_versions_are_505(self, version: str) -> None:
        assert refused(message(HEAD.replace("SIP/2.0\n", f"{version}\n", 1))).status == 505

    @pytest.mark.parametrize("field", ["Via", "From", "To", "Call-ID", "CSeq"])
    def test_mandatory_fields(self, field: str) -> None:
        error = refused(message(without(field)))
        assert (error.status, error.field) == (400, field)
        assert "Missing" in error.reason

    @pytest.mark.parametrize("field", ["From", "To", "Call-ID", "CSeq", "Max-Forwards"])
    def test_single_fields_stand_once_even_when_they_agree(self, field: str) -> None:
        line = next(line for line in HEAD.splitlines() if line.startswith(field))
        error = refused(message(f"{HEAD}{line}\n"))
        assert (error.status, error.field) == (400, field)
        compact = {"From": "f", "To": "T", "Call-ID": "i"}.get(field)
        if compact:
            assert refused(message(f"{HEAD}{compact}:{line.partition(':')[2]}\n")).field == field

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("Via", ""),
            ("Via", "SIP/2.0/UDP h;;,;,,"),
            ("Via", "SIP/2.0/UDP h,junk"),
            ("From", ""),
            ("From", '"open <sip:a@h>'),
            ("To", '"W, T" < sip:t@h >'),
            ("To", "W, T <sip:t@h>"),
            ("To", "<sip:t@h>;tag="),
            ("Call-ID", "a b"),
            ("Call-ID", ""),
            ("CSeq", "2147483648 INVITE"),
            ("CSeq", "36893488147419103232 INVITE"),
            ("CSeq", "INVITE 1"),
            ("CSeq", "1 OPTIONS"),
            ("Max-Forwards", "256"),
            ("Max-Forwards", "-1"),
            ("Max-Forwards", ""),
            ("Max-Forwards", "7O"),
            ("Contact", "sip:a@h?Route=%3Csip:x%3E"),
            ("Contact", '"Joe" <sip:joe@h>;;;;'),
            ("Contact", "*, <sip:a@h>"),
            ("Contact", ""),
            ("Route", "<sip:a@h>,"),
            ("Route", "*"),
            ("Record-Route", "<sip:a@h"),
        ],
    )
    def test_malformed_fields_are_400_and_named(self, field: str, value: str) -> None:
        error = refused(message(replaced(field, value)))
        assert (error.status, error.field) == (400, field)

    def test_a_wildcard_contact_parses(self) -> None:
        assert parse_request(message(replaced("Contact", "*"))).contact_wildcard

    def test_a_cseq_of_another_method_is_400_for_known_methods_and_501_for_unknown_ones(self) -> None:
        for method in KNOWN_METHODS - {"INVITE"}:
            assert refused(message(HEAD.replace("INVITE", method, 1))).status == 400
        assert refused(message(HEAD.replace("INVITE", "FROBNICATE", 1))).status == 501


class TestResponse:
    head = "SIP/2.0 180 Ringing\n" + HEAD.partition("\n")[2]

    def test_status_and_reason(self) -> None:
        response = parse_message(message(self.head))
        assert isinstance(response, Response)
        assert (response.status, response.reason) == (180, "Ringing")

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("SIP/2.0 200 ", ""),
            ("SIP/2.0 200", ""),
            ("sip/2.0 200 OK", "OK"),
            ("SIP/2.0 200 Всё хорошо: 100 %", "Всё хорошо: 100 %"),
        ],
    )
    def test_the_phrase_may_be_anything_or_nothing(self, line: str, reason: str) -> None:
        response = parse_message(message(line + "\n" + HEAD.partition("\n")[2]))
        assert isinstance(response, Response)
        assert (response.status, response.reason) == (200, reason)

    @pytest.mark.parametrize(
        "line",
        [
            "SIP/2.0",
            "SIP/2.0 ",
            "SIP/2.0 20 OK",
            "SIP/2.0 2000 OK",
            "SIP/2.0 099 OK",
            "SIP/2.0 700 OK",
            "SIP/2.0 4294967301 OK",
            "SIP/2.0 +20 OK",
            "SIP/2.0 ٢٠٠ OK",
            "SIP/2.0  200 OK",
            "SIP/2.0 200 a\\\x07b",
        ],
    )
    def test_malformed_status_lines_are_refused(self, line: str) -> None:
        assert refused(message(line + "\n" + HEAD.partition("\n")[2])).partial is None

    def test_another_version_is_refused(self) -> None:
        assert refused(message(self.head.replace("2.0", "7.0", 1))).status == 505

    def test_what_only_matters_in_requests_is_not_checked(self) -> None:
        head = self.head.replace("Max-Forwards: 70", "Max-Forwards: none").replace("21 INVITE", "21 WHATEVER")
        assert isinstance(parse_message(message(head)), Response)


class TestHeaderLines:
    def test_folding_white_space_and_compact_forms(self) -> None:
        data = (
            "OPTIONS sip:b@h SIP/2.0\r\n"
            "TO :\r\n sip:b@h ;  tag   = t1\r\n"
            'f   : "N \\\\\\""   <sip:n@h>\r\n  ;\r\n\ttag = f1\r\n'
            "cseq: 0009\r\n  OPTIONS\r\n"
            "I:c1\r\n"
            "v:  SIP  / 2.0  / TCP     b.example   ;\r\n branch  =   z9hG4bK2  ,\r\n"
            " SIP  / 2.0/ UDP  192.0.2.4   ; branch=\r\n z9hG4bK1\r\n"
            "Via  : SIP/2.0/UDP\r\n\t192.0.2.3;branch=z0\r\n"
            "Strange-But-Legal: ;;,,;;,;\r\n"
            "s :\r\n"
            'm:"Q \\"\\"" <sip:j@h> ; p =\r\n  v ;\r\n  q = 0.33\r\n'
            "l   : 0\r\n"
            "\r\n"
        )
        request = parse_request(data.encode())
        assert request.to.tag == "t1"
        assert request.from_.display == 'N \\"'
        assert request.from_.tag == "f1"
        assert request.cseq.number == 9
        assert [(via.transport, via.host, via.branch) for via in request.via] == [
            ("TCP", "b.example", "z9hG4bK2"),
            ("UDP", "192.0.2.4", "z9hG4bK1"),
            ("UDP", "192.0.2.3", "z0"),
        ]
        assert request.headers.get("Strange-But-Legal") == ";;,,;;,;"
        assert request.headers.get("Subject") == ""
        assert request.contacts[0].param("q") == "0.33"

    def test_line_ends_of_lf_alone(self) -> None:
        data = HEAD.encode() + b"Content-Length: 3\n\nabc"
        assert parse_request(data).body == b"abc"

    def test_line_ends_before_the_message_are_skipped(self) -> None:
        assert parse_request(b"\r\n\r\n\n" + message()).method == "INVITE"

    @pytest.mark.parametrize(
        "line",
        [
            "NoColon",
            "Subject",
            ": no name",
            "Sub ject: x",
            "Sub\tject: x",
            "Súbject: x",
            "<x>: y",
            "X(y): z",
            "X@y: z",
        ],
    )
    def test_header_names_are_tokens(self, line: str) -> None:
        assert refused(message(f"{HEAD}{line}\n")).status == 400

    @pytest.mark.parametrize("value", ["a\x00b", "a\x1bb", "a\x7fb", "a\rb", "\\\\\x07", "\\\r"])
    def test_bare_controls_are_400(self, value: str) -> None:
        assert refused(message(f"{HEAD}Subject: {value}\n")).status == 400

    def test_escaped_controls_are_legal_and_echoed(self) -> None:
        request = parse_request(message(replaced("To", '"\\\x00\\\x07\\\x7f" <sip:b@h>')))
        assert request.to.display is None
        response = parse_message(bytes(request.build_response(200, to_tag="t")))
        assert response.headers.get("To") == '"\\\x00\\\x07\\\x7f" <sip:b@h>;tag=t'

    def test_a_head_that_is_not_utf_8_is_latin_1(self) -> None:
        data = message(replaced("From", '"Jürgen" <sip:j@h>;tag=1')).replace("ü".encode(), b"\xfc")
        request = parse_request(data)
        assert request.from_.display == "Jürgen"
        assert "Jürgen".encode() in bytes(request)

    def test_the_first_line_cannot_be_a_continuation(self) -> None:
        assert refused(message(HEAD.replace("\nVia", "\n Via"))).status == 400


class TestBody:
    def test_octets_beyond_content_length_are_ignored_in_a_datagram(self) -> None:
        assert parse_request(message(body=b"abcINVITE sip:x SIP/2.0\r\n", length="3")).body == b"abc"

    def test_without_content_length_the_body_reaches_to_the_end(self) -> None:
        assert parse_request(message(body=b"a\r\n\r\nb\n\nc", length=None)).body == b"a\r\n\r\nb\n\nc"
        assert parse_request(message(body=b"", length=None)).body == b""

    @pytest.mark.parametrize(
        "length",
        ["37", "9999", "-1", "+5", "5 5", "5, 5", "0x5", "", "9" * 5000, "٣", "5\nContent-Length: 6", "5\nl: 6"],
    )
    def test_a_length_that_cannot_be_is_400_and_closes_a_stream(self, length: str) -> None:
        head = f"{HEAD}Content-Length: {length}\n"
        error = refused(message(head, b"x" * 36, None))
        assert (error.status, error.field, error.framing) == (400, "Content-Length", True)
        assert error.partial is not None

    def test_the_same_length_twice_is_one_length(self) -> None:
        assert parse_request(message(HEAD + "Content-Length: 3\nl: 3\n", b"abcd", None)).body == b"abc"

    def test_a_stream_needs_content_length(self) -> None:
        assert refused(message(length=None), stream=True).framing
        assert parse_message(message(), stream=True).body == BODY

    @pytest.mark.parametrize("data", [b"", b"\r\n", b"INVITE", message()[:60], HEAD.replace("\n", "\r\n").encode()])
    def test_a_head_that_does_not_end_is_refused(self, data: bytes) -> None:
        assert refused(data).framing

    def test_faults_inside_of_the_message_leave_the_framing_alone(self) -> None:
        assert not refused(message(without("To"))).framing


class TestLimits:
    def test_message_bytes(self) -> None:
        data = message()
        assert parse_request(data, MessageLimits(message_bytes=len(data))).body == BODY
        error = refused(data, MessageLimits(message_bytes=len(data) - 1))
        assert (error.status, error.framing) == (513, True)

    def test_the_default_message_is_as_large_as_a_datagram(self) -> None:
        data = message(body=b"")
        assert len(parse_request(message(body=b"x" * (65535 - len(data) - 4))).body) > 65000

    def test_headers(self) -> None:
        head = HEAD + "X-A: 1\n X\n" * 119
        assert len(parse_request(message(head)).headers) == 128
        assert refused(message(head + "X-A: 1\n")).status == 400

    def test_header_bytes(self) -> None:
        line = "X-A: " + "x" * (8192 - 5)
        assert parse_request(message(f"{HEAD}{line}\n")).headers.get("X-A") == line[5:]
        assert refused(message(f"{HEAD}{line}x\n")).status == 400
        assert refused(message(f"{HEAD}X-A: {'ä' * 4094}\n")).status == 400

    def test_folding_does_not_get_around_header_bytes(self) -> None:
        assert refused(message(HEAD + "X-A: " + ("x" * 4096 + "\n ") * 2 + "x\n")).status == 400

    def test_uri_bytes(self) -> None:
        uri = "sip:" + "u" * (2048 - 6) + "@h"
        assert (
            str(parse_request(message(HEAD.replace("sip:+4930123456@pbx.example.net;user=phone", uri, 1))).uri) == uri
        )
        error = refused(message(HEAD.replace("sip:+4930123456@pbx.example.net;user=phone", uri + "h", 1)))
        assert error.status == 414

    @pytest.mark.parametrize(
        ("field", "value"),
        [("Via", "SIP/2.0/UDP h"), ("Contact", "<sip:a@h>"), ("Route", "<sip:h>"), ("Record-Route", "<sip:h>")],
    )
    def test_list_values(self, field: str, value: str) -> None:
        limits = MessageLimits(list_values=30)
        head = without(field) + f"{field}: {value}\n" * 10
        assert parse_request(message(head + f"{field}: " + ",".join([value] * 20) + "\n"), limits).method == "INVITE"
        error = refused(message(head + f"{field}: " + ",".join([value] * 21) + "\n"), limits)
        assert (error.status, error.field) == (400, field)

    def test_commas_elsewhere_do_not_count(self) -> None:
        head = HEAD + "Allow: " + ",".join(["X"] * 500) + "\n"
        assert len(parse_request(message(head)).allow) == 1


class TestErrors:
    def test_the_reason_is_safe_as_a_reason_phrase(self) -> None:
        error = SipParseError("a\r\nb\x00ü" + "x" * 500, field="X")
        assert error.reason == "a??b??" + "x" * (REASON_CHARS - 6)
        assert isinstance(error, ValueError)

    def test_reasons_never_quote_the_peer(self) -> None:
        assert "Evil" not in refused(message(f"{HEAD}Evil Name: x\n")).reason


HOSTILE = {
    "spaces": HEAD + "X: " + " " * 60000 + "x\n",
    "empty folds": HEAD + "X: " + "x" * 8000 + "\n " * 18000 + "\n",
    "short folds": HEAD + "X: x" + "\n x" * 14000 + "\n",
    "backslashes": replaced("To", '"' + "\\" * 8000 + '" <sip:a@h>'),
    "quotes": replaced("To", '"' * 8000 + " <sip:a@h>"),
    "parameters": replaced("To", "<sip:a@h>" + ";a" * 4000),
    "bad via parameters": without("Via") + ("Via: SIP/2.0/UDP h" + ";a b" * 2000 + "\n") * 7,
    "via values": without("Via") + ("Via: " + "a," * 4000 + "\n") * 7,
    "contacts": without("Contact") + ("Contact: " + "<a:b>," * 1300 + "<a:b>\n") * 7,
    "uri parameters": replaced("To", "<sip:a@h" + ";%61=%62" * 1000 + ">"),
    "uri headers": replaced("To", "<sip:a@h?" + "a=b&" * 2000 + "a=b>"),
    "brackets": replaced("Route", "<" * 8000),
    "escaped controls": replaced("To", '"' + "\\\x01" * 4000 + '" <sip:a@h>'),
    "colons": replaced("Via", "SIP/2.0/UDP h" + " :" * 4000),
    "digits": replaced("CSeq", "0" * 8000 + "1 INVITE"),
    "header lines": HEAD + "a:b\n" * 12000,
    "no line end": "x" * 65000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_for_a_hostile_message_grows_with_its_size_only(name: str) -> None:
    data = message(HOSTILE[name])[:65535]
    # Linear work takes some milliseconds; anything quadratic takes tens of seconds.
    with effort_below(1400), suppress(SipParseError):
        parse_message(data)


PIECES = st.sampled_from(
    [
        *(line.encode() + b"\r\n" for line in HEAD.splitlines()),
        b"SIP/2.0 200 OK\r\n",
        b"\r\n",
        b"\n",
        b" ",
        b"\t",
        b"Content-Length: 5\r\n",
        b"Via: ",
        b"t:",
        b"Route: <sip:a;lr>,",
        b'"',
        b"<",
        b">",
        b";",
        b",",
        b"\\",
        b"\x00",
        b"\xff",
        b"sip:",
        b"%4",
        b"[::1]",
        b"*",
    ]
)


def check_stable(data: bytes) -> None:
    """``data`` parses or is a SipParseError; what parses is stable, and neither it nor the answer to it can fail."""
    try:
        parsed = parse_message(data)
    except SipParseError as error:
        if error.partial is not None:
            assert error.partial.top_via.host
            bytes(error.partial.build_response(error.status, error.reason, to_tag="t"))
        return
    sent = bytes(parsed)
    again = parse_message(sent)
    assert bytes(again) == sent
    assert type(again) is type(parsed)
    assert (again.via, again.from_, again.to, again.cseq) == (parsed.via, parsed.from_, parsed.to, parsed.cseq)
    assert (again.contacts, again.route, again.record_route) == (parsed.contacts, parsed.route, parsed.record_route)
    assert (again.body, again.call_id, again.expires) == (parsed.body, parsed.call_id, parsed.expires)
    assert (again.supported, again.require, again.allow) == (parsed.supported, parsed.require, parsed.allow)
    repr(parsed)
    if isinstance(parsed, Request):
        bytes(parse_message(bytes(parsed.build_response(200, to_tag="t"))))


@given(st.binary(max_size=300))
def test_any_octets_parse_or_are_a_parse_error(data: bytes) -> None:
    check_stable(data)


@given(st.lists(PIECES, max_size=30))
def test_any_sequence_of_pieces_parses_or_is_a_parse_error(pieces: list[bytes]) -> None:
    check_stable(b"".join(pieces))
    check_stable(HEAD.replace("\n", "\r\n").encode() + b"".join(pieces) + b"\r\n\r\n")


@given(st.integers(0, len(message())), st.integers(0, 20), st.binary(max_size=8) | PIECES)
def test_any_damage_to_a_good_message_parses_or_is_a_parse_error(at: int, cut: int, insert: bytes) -> None:
    data = message()
    check_stable(data[:at] + insert + data[at + cut :])
