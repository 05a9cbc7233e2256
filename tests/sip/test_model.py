from __future__ import annotations

import pytest

from sip.errors import LocalProtocolError, SipParseError
from sip.fields import NameAddr
from sip.headers import Headers
from sip.message import parse_message
from sip.model import REASONS, Request, Response, response_to
from sip.reasons import reason_phrase
from sip.uri import OtherUri, SipUri


def invite(*extra: tuple[str, str], method: str = "INVITE", to: str = "<sip:b@h>") -> Request:
    headers = [
        ("Via", "SIP/2.0/UDP a.example;branch=z9hG4bK1;rport, SIP/2.0/TCP b.example"),
        ("From", '"Ann" <sip:a@h>;tag=f1'),
        ("To", to),
        ("Call-ID", "c1@h"),
        ("CSeq", f"7 {method}"),
        *extra,
    ]
    return Request(method, SipUri("sip", "b", host="h"), Headers(headers))


class TestViews:
    def test_typed_values(self) -> None:
        request = invite(
            ("Contact", "<sip:a@1.example>, <sip:a@2.example>"),
            ("Route", "<sip:p1;lr>"),
            ("Route", "<sip:p2;lr>"),
            ("Record-Route", "<sip:r1;lr>,<sip:r2;lr>"),
            ("Max-Forwards", "70"),
            ("Expires", "300"),
            ("c", "Application / SDP ; charset=UTF-8"),
            ("k", "100rel, Timer"),
            ("Supported", "replaces,"),
            ("Require", "X-one,two"),
            ("Allow", "INVITE,ACK"),
        )
        assert [via.host for via in request.via] == ["a.example", "b.example"]
        assert request.top_via.branch == "z9hG4bK1"
        assert request.from_.display == "Ann"
        assert request.to.tag is None
        assert request.call_id == "c1@h"
        assert (request.cseq.number, request.cseq.method) == (7, "INVITE")
        assert [str(contact.uri) for contact in request.contacts] == ["sip:a@1.example", "sip:a@2.example"]
        assert [str(route.uri) for route in request.route] == ["sip:p1;lr", "sip:p2;lr"]
        assert [str(route.uri) for route in request.record_route] == ["sip:r1;lr", "sip:r2;lr"]
        assert request.max_forwards == 70
        assert request.expires == 300
        assert request.content_type == "application/sdp"
        assert request.supported == {"100rel", "timer", "replaces"}
        assert request.require == ("X-one", "two")
        assert request.allow == {"INVITE", "ACK"}
        assert not request.contact_wildcard

    def test_absent_fields_are_empty(self) -> None:
        request = invite()
        assert request.contacts == request.route == request.record_route == []
        assert request.max_forwards is None
        assert request.expires is None
        assert request.content_type is None
        assert request.supported == request.allow == frozenset()
        assert request.require == ()

    def test_a_wildcard_contact_is_no_address(self) -> None:
        request = invite(("Contact", "*"))
        assert request.contact_wildcard
        assert request.contacts == []

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [("0", 0), ("007", 7), ("4294967295", 2**32 - 1), ("9" * 99, 2**32 - 1), ("x", None), ("-1", None)],
    )
    def test_expires_is_cut_and_forgiving(self, value: str, seconds: int | None) -> None:
        assert invite(("Expires", value)).expires == seconds

    def test_a_change_of_headers_shows_in_the_views(self) -> None:
        request = invite(("Max-Forwards", "70"), ("Route", "<sip:p1>"))
        assert (request.max_forwards, len(request.route), len(request.via)) == (70, 1, 2)
        request.headers.set("Max-Forwards", "69")
        request.headers.prepend("Route", "<sip:p0>")
        request.headers.remove("Via")
        request.headers.add("Via", "SIP/2.0/TLS c.example")
        assert request.max_forwards == 69
        assert [str(route.uri) for route in request.route] == ["sip:p0", "sip:p1"]
        assert request.top_via.host == "c.example"
        request.headers = Headers([("To", "<sip:new@h>")])
        assert str(request.to.uri) == "sip:new@h"

    def test_a_view_is_parsed_once_and_cannot_be_spoilt(self) -> None:
        request = invite()
        assert request.from_ is request.from_
        request.via.clear()
        assert len(request.via) == 2

    @pytest.mark.parametrize("field", ["Via", "From", "To", "Call-ID", "CSeq"])
    def test_a_missing_field_is_named(self, field: str) -> None:
        request = invite()
        request.headers.remove(field)
        view = {"Via": "top_via", "From": "from_", "To": "to", "Call-ID": "call_id", "CSeq": "cseq"}[field]
        with pytest.raises(SipParseError) as caught:
            getattr(request, view)
        assert caught.value.field == field

    def test_setting_the_top_via_leaves_the_others_alone(self) -> None:
        request = invite()
        request.set_top_via(request.top_via.with_params(received="192.0.2.1", rport="5060"))
        assert request.headers.get_all("Via") == [
            "SIP/2.0/UDP a.example;branch=z9hG4bK1;rport=5060;received=192.0.2.1, SIP/2.0/TCP b.example"
        ]
        assert request.top_via.rport == 5060
        assert [via.host for via in request.via] == ["a.example", "b.example"]


class TestBytes:
    def test_request_line_headers_and_the_right_length(self) -> None:
        request = Request(
            "MESSAGE",
            SipUri("sip", "b", host="::1", port=5070),
            Headers([("Subject", "Zoë"), ("l", "999"), ("X-A", "")]),
            b"hi\r\n",
        )
        assert bytes(request) == (
            "MESSAGE sip:b@[::1]:5070 SIP/2.0\r\nSubject: Zoë\r\nX-A: \r\nContent-Length: 4\r\n\r\nhi\r\n".encode()
        )

    def test_status_line(self) -> None:
        assert bytes(Response(200, "", Headers())) == b"SIP/2.0 200 \r\nContent-Length: 0\r\n\r\n"

    def test_what_is_sent_parses_to_the_same(self) -> None:
        request = invite(("Contact", "<sip:a@h>"), ("X-Any", "\u2028 ü"))
        request.body = b"\x00\r\n\r\n"
        parsed = parse_message(bytes(request))
        assert isinstance(parsed, Request)
        assert bytes(parsed) == bytes(request)
        assert parsed.from_ == request.from_
        assert parsed.body == request.body

    def test_the_start_line_cannot_be_broken(self) -> None:
        with pytest.raises(LocalProtocolError):
            bytes(Response(200, "OK\r\nEvil: x", Headers()))
        with pytest.raises(LocalProtocolError):
            Request("INVITE sip:x SIP/2.0\r\nA: b", SipUri("sip", None, host="h"), Headers())
        with pytest.raises(LocalProtocolError):
            bytes(Request("INVITE", OtherUri("tel", "5\r\n"), Headers()))
        request = Request("INVITE", OtherUri("tel", "5"), Headers())
        request.method = "A\r\nB"
        with pytest.raises(LocalProtocolError):
            bytes(request)

    @pytest.mark.parametrize("status", [99, 700, 0, -200])
    def test_a_status_outside_of_the_classes_is_our_bug(self, status: int) -> None:
        with pytest.raises(LocalProtocolError):
            Response(status, "", Headers())

    def test_a_representation_never_raises(self) -> None:
        assert "INVITE" in repr(Request("INVITE", OtherUri("t l", "\r"), Headers()))
        assert "200" in repr(Response(200, "\r\n", Headers()))


class TestResponseTo:
    def test_the_five_fields_are_copied_as_they_are(self) -> None:
        request = invite(("Subject", "x"), ("Contact", "<sip:a@h>"), ("Via", "SIP/2.0/UDP c.example"))
        response = response_to(request, 404, to_tag="t1")
        assert list(response.headers) == [
            ("Via", "SIP/2.0/UDP a.example;branch=z9hG4bK1;rport, SIP/2.0/TCP b.example"),
            ("From", '"Ann" <sip:a@h>;tag=f1'),
            ("To", "<sip:b@h>;tag=t1"),
            ("Call-ID", "c1@h"),
            ("CSeq", "7 INVITE"),
            ("Via", "SIP/2.0/UDP c.example"),
        ]
        assert (response.status, response.reason) == (404, "Not Found")
        assert response.to.tag == "t1"
        assert request.to.tag is None

    def test_a_tag_that_is_there_stays(self) -> None:
        response = response_to(invite(to="sip:b@h;TAG=old"), 200, to_tag="new")
        assert response.headers.get("To") == "sip:b@h;TAG=old"

    def test_the_tag_goes_behind_an_address_without_brackets(self) -> None:
        assert response_to(invite(to="sip:b@h"), 200, to_tag="new").to == NameAddr.parse("sip:b@h;tag=new")

    def test_100_gets_the_timestamp_and_no_tag(self) -> None:
        request = invite(("Timestamp", "54.21"), ("Record-Route", "<sip:r;lr>"))
        response = response_to(request, 100, to_tag="t1")
        assert response.to.tag is None
        assert response.headers.get("Timestamp") == "54.21"
        assert "Record-Route" not in response.headers
        assert "Timestamp" not in response_to(request, 180).headers

    @pytest.mark.parametrize(
        ("method", "status", "copied"),
        [
            ("INVITE", 180, True),
            ("INVITE", 200, True),
            ("INVITE", 404, False),
            ("INVITE", 302, False),
            ("BYE", 200, False),
            ("OPTIONS", 200, False),
            ("SUBSCRIBE", 200, True),
        ],
    )
    def test_record_route_goes_where_a_dialog_may_begin(self, method: str, status: int, copied: bool) -> None:
        request = invite(("Record-Route", "<sip:r2;lr>, <sip:r1;lr>"), ("Record-Route", "<sip:r0;lr>"), method=method)
        lines = ["<sip:r2;lr>, <sip:r1;lr>", "<sip:r0;lr>"] if copied else []
        assert response_to(request, status, to_tag="t").headers.get_all("Record-Route") == lines

    def test_further_headers_and_reason(self) -> None:
        response = invite().build_response(486, "Gone fishing", to_tag="t", headers=[("Retry-After", "60")])
        assert response.reason == "Gone fishing"
        assert response.headers.get("Retry-After") == "60"

    def test_bad_headers_and_tags_are_our_bug(self) -> None:
        with pytest.raises(LocalProtocolError):
            response_to(invite(), 200, headers=[("X", "a\r\nb")])
        with pytest.raises(LocalProtocolError):
            response_to(invite(), 200, to_tag="a b")

    def test_every_code_has_a_phrase(self) -> None:
        assert reason_phrase(486) == REASONS[486] == "Busy Here"
        assert reason_phrase(499) == REASONS[400]
        assert reason_phrase(299) == REASONS[200]
        assert all(100 <= code <= 699 and phrase.isascii() for code, phrase in REASONS.items())
