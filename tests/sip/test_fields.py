from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import LocalProtocolError, SipParseError
from sip.fields import CSeq, NameAddr, Via, parse_addresses, parse_call_id, parse_number, parse_vias
from sip.headers import Headers
from sip.uri import OtherUri, SipUri


class TestNameAddr:
    @pytest.mark.parametrize(
        ("value", "display", "uri", "params"),
        [
            ("sip:x@h", None, "sip:x@h", ()),
            ("sip:x@h;tag=1", None, "sip:x@h", (("tag", "1"),)),
            ("<sip:x@h;lr>;tag=1", None, "sip:x@h;lr", (("tag", "1"),)),
            ('"Ann Example" <sip:x@h>', "Ann Example", "sip:x@h", ()),
            ('"Ann"<sip:x@h>', "Ann", "sip:x@h", ()),
            ("Ann Example<sip:x@h>", "Ann Example", "sip:x@h", ()),
            ("Ann (home) O'Neil  <sip:x@h>", "Ann (home) O'Neil", "sip:x@h", ()),
            ("Jürgen <sip:x@h>", "Jürgen", "sip:x@h", ()),
            ('"<;,>" <sip:x@h>;tag=1', "<;,>", "sip:x@h", (("tag", "1"),)),
            (r'"a \"b\" \\" <sip:x@h>', 'a "b" \\', "sip:x@h", ()),
            ('"" <sip:x@h>', None, "sip:x@h", ()),
            ('"nul \\\x00 bel \\\x07" <sip:x@h>', "nul  bel ", "sip:x@h", ()),
            ("<sip:x@h> \t; tag \t= 1 ;  q=0.5", None, "sip:x@h", (("tag", "1"), ("q", "0.5"))),
            ("sip:x@h ; tag = 1", None, "sip:x@h", (("tag", "1"),)),
            ('sip:x@h;text="<b>;c,d"', None, "sip:x@h", (("text", '"<b>;c,d"'),)),
            ("<sip:x@h?Route=%3Csip:y%3E>", None, "sip:x@h?Route=%3Csip:y%3E", ()),
            ("<tel:+4930>", None, "tel:+4930", ()),
            ("sip:x@h;flag", None, "sip:x@h", (("flag", None),)),
            ("sip:x@h;empty=", None, "sip:x@h", (("empty", ""),)),
        ],
    )
    def test_parse(self, value: str, display: str | None, uri: str, params: tuple[tuple[str, str | None], ...]) -> None:
        parsed = NameAddr.parse(value)
        assert parsed.display == display
        assert str(parsed.uri) == uri
        assert parsed.params == params
        assert NameAddr.parse(str(parsed)) == parsed

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "*",
            "Ann",
            '"Ann"',
            '"Ann" sip:x@h',
            '"Ann <sip:x@h>',
            '"Ann\\" <sip:x@h>',
            "<sip:x@h",
            "sip:x@h>",
            "<>",
            "< sip:x@h >",
            "<sip:x@h >",
            "Bell, Ann <sip:x@h>",
            "Ann; <sip:x@h>",
            'An"n <sip:x@h>',
            "An\\n <sip:x@h>",
            "sip:x@h?Subject=y",
            "sip:a,b@h",
            "<sip:x@h>;;",
            "<sip:x@h>;",
            "<sip:x@h> x",
            "<sip:x@h>, <sip:y@h>",
            "<sip:x@h>;t g=1",
            "<sip:x@h>;tag=a b",
            '<sip:x@h>;text="open',
            '<sip:x@h>;text="a"b',
            "<sip:x@h>;ä=1",
            "<sip:x@h>;a=ä",
            "<sip:x@h>;tag",
            "<sip:x@h>;tag=",
            '<sip:x@h>;tag="q"',
            "<sip:x@h>;tag=1;tag=2",
            "<sip:x@h>;tag=1;TAG=2",
        ],
    )
    def test_malformed_values_are_refused_with_the_name_of_the_field(self, value: str) -> None:
        with pytest.raises(SipParseError) as caught:
            NameAddr.parse(value, "Contact")
        assert caught.value.field == "Contact"
        assert caught.value.status == 400

    def test_parameters_are_found_in_any_case_and_unquoted(self) -> None:
        contact = NameAddr.parse('<sip:x@h>;Expires=60;+sip.instance="<urn:uuid:\\"1\\">";q=0.1;TAG=t')
        assert contact.param("expires") == "60"
        assert contact.param("+SIP.Instance") == '<urn:uuid:"1">'
        assert contact.tag == "t"
        assert contact.has_param("Q")
        assert not contact.has_param("methods")
        assert contact.param("methods") is None

    def test_changes_make_copies(self) -> None:
        to = NameAddr.parse("Ann <sip:x@h>;a=1")
        assert str(to.with_tag("9")) == '"Ann" <sip:x@h>;a=1;tag=9'
        assert str(to.with_params(A="2")) == '"Ann" <sip:x@h>;A=2'
        assert str(to.without_params("A")) == '"Ann" <sip:x@h>'
        assert to.tag is None

    def test_values_are_quoted_where_they_need_it(self) -> None:
        uri = SipUri("sip", "x", host="h")
        assert str(NameAddr(None, uri, (("a", "b c"), ("d", '"e"'), ("f", 'g"'), ("h", '"i\\"')))) == (
            r'<sip:x@h>;a="b c";d="e";f="g\"";h="\"i\\\""'
        )

    def test_a_bad_parameter_name_is_our_bug(self) -> None:
        with pytest.raises(LocalProtocolError):
            str(NameAddr(None, SipUri("sip", "x", host="h"), (("a b", None),)))

    @given(
        display=st.none() | st.text(max_size=20),
        user=st.text(min_size=1, max_size=10),
        params=st.lists(st.tuples(st.from_regex(r"\A[a-s-]{1,6}\Z"), st.none() | st.text(max_size=10)), max_size=3),
    )
    def test_whatever_it_holds_it_can_be_put_into_a_header_and_parsed_again(
        self, display: str | None, user: str, params: list[tuple[str, str | None]]
    ) -> None:
        written = str(NameAddr(display, SipUri("sip", user, host="h"), tuple(params)))
        headers = Headers([("Contact", written)])
        parsed = NameAddr.parse(headers.get("Contact") or "")
        assert isinstance(parsed.uri, SipUri)
        assert parsed.uri.user == user
        assert [name for name, _ in parsed.params] == [name for name, _ in params]

    @given(st.text(alphabet='"<>;,=\\ \tsip:@hxtag\x00ä', max_size=40))
    def test_any_text_parses_or_is_a_parse_error(self, value: str) -> None:
        try:
            parsed = NameAddr.parse(value)
        except SipParseError:
            return
        assert NameAddr.parse(str(parsed)).uri == parsed.uri

    def test_a_display_name_with_escaped_controls_can_be_sent_on(self) -> None:
        to = NameAddr.parse('"a\\\x00\\\x1b" <sip:x@h>;text="\\\x07"')
        assert str(to) == '"a" <sip:x@h>;text=""'


class TestVia:
    @pytest.mark.parametrize(
        "value",
        [
            "SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKx;rport",
            "sip/2.0/udp 192.0.2.7:5070;branch=z9hG4bKx;rport",
            "SIP / 2.0 / UDP  192.0.2.7 : 5070 ; branch = z9hG4bKx ; rport",
            "SIP/2.0/ UDP\t192.0.2.7 :5070\t;branch=z9hG4bKx;\trport",
        ],
    )
    def test_white_space_and_case_make_no_difference(self, value: str) -> None:
        via = Via.parse(value)
        assert via == Via("SIP/2.0", "UDP", "192.0.2.7", 5070, (("branch", "z9hG4bKx"), ("rport", None)))
        assert str(via) == "SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKx;rport"

    def test_other_protocols_and_transports_are_kept(self) -> None:
        via = Via.parse("SIP/3.1/carrier-pigeon loft.example")
        assert (via.protocol, via.transport, via.host, via.port) == ("SIP/3.1", "CARRIER-PIGEON", "loft.example", None)

    def test_ipv6(self) -> None:
        via = Via.parse("SIP/2.0/TCP [2001:db8::1]:5061;received=[2001:db8::2];branch=z")
        assert (via.host, via.port, via.received) == ("2001:db8::1", 5061, "2001:db8::2")
        assert str(via).startswith("SIP/2.0/TCP [2001:db8::1]:5061;")
        assert Via.parse("SIP/2.0/UDP h;received=2001:db8::2").received == "2001:db8::2"

    @pytest.mark.parametrize(
        ("params", "wants", "port"),
        [
            ("", False, None),
            (";rport", True, None),
            (";RPORT=", True, None),
            (";rport=5070", True, 5070),
            (";rport=0", True, None),
            (";rport=65536", True, None),
            (";rport=x", True, None),
            (";rport=555555555555", True, None),
        ],
    )
    def test_rport_tells_absent_asked_and_answered_apart(self, params: str, wants: bool, port: int | None) -> None:
        via = Via.parse(f"SIP/2.0/UDP h{params}")
        assert (via.wants_rport, via.rport) == (wants, port)

    def test_received_and_rport_are_added_in_place(self) -> None:
        via = Via.parse("SIP/2.0/UDP h;rport;branch=z9hG4bKx")
        changed = via.with_params(received="192.0.2.9", rport="5080")
        assert str(changed) == "SIP/2.0/UDP h;rport=5080;branch=z9hG4bKx;received=192.0.2.9"
        assert changed.without_params("rport", "received").params == (("branch", "z9hG4bKx"),)
        assert via.param("received") is None
        assert via.has_param("rport")
        assert via.branch == "z9hG4bKx"

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "SIP/2.0",
            "SIP/2.0/",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0/UDP ;branch=x",
            "SIP/2.0 UDP h",
            "SIP/2.0/UD<P h",
            "SI P/2.0/UDP h",
            "/2.0/UDP h",
            "SIP/2.0/UDP h i",
            "SIP/2.0/UDP h:5060:5060",
            "SIP/2.0/UDP h:0",
            "SIP/2.0/UDP h:²",
            "SIP/2.0/UDP h:٥٠",
            "SIP/2.0/UDP ä",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP h;;branch=x",
            "SIP/2.0/UDP h;branch=x;",
            "SIP/2.0/UDP h;branch=x;Branch=y",
            "SIP/2.0/UDP h;branch=a b",
        ],
    )
    def test_malformed_values_are_refused(self, value: str) -> None:
        with pytest.raises(SipParseError) as caught:
            Via.parse(value)
        assert caught.value.field == "Via"

    @pytest.mark.parametrize(
        "via", [Via("SIP/2.0", "U P", "h"), Via("SIP/2.0", "UDP", "h\r\n"), Via("SIP/2.0", "UDP", "h", 0)]
    )
    def test_what_cannot_be_a_via_is_not_written(self, via: Via) -> None:
        with pytest.raises(LocalProtocolError):
            str(via)

    @given(st.text(alphabet='SIP/2.0UDP h:[];=,"\\\tbranch\x00ä', max_size=40))
    def test_any_text_parses_or_is_a_parse_error(self, value: str) -> None:
        for candidate in (value, f"SIP/2.0/UDP {value}", f"SIP/2.0/UDP h;{value}"):
            try:
                via = Via.parse(candidate)
            except SipParseError:
                continue
            assert Via.parse(str(via)) == via


class TestCSeq:
    @pytest.mark.parametrize(
        ("value", "number"),
        [("1 INVITE", 1), ("0 INVITE", 0), ("0009 \t INVITE", 9), ("2147483647 INVITE", 2147483647)],
    )
    def test_parse(self, value: str, number: int) -> None:
        assert CSeq.parse(value) == CSeq(number, "INVITE")
        assert str(CSeq.parse(value)) == f"{number} INVITE"

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "1",
            "INVITE",
            "1INVITE",
            "-1 INVITE",
            "+1 INVITE",
            "1_0 INVITE",
            "2147483648 INVITE",
            "9" * 5000 + " INVITE",
            "1 INV ITE",
            "1 INVITÉ",
            "١ INVITE",
            "² INVITE",
            "1\u00a0INVITE",
            "1 INVITE 2",
        ],
    )
    def test_malformed_or_out_of_range_values_are_refused(self, value: str) -> None:
        with pytest.raises(SipParseError) as caught:
            CSeq.parse(value)
        assert caught.value.field == "CSeq"


class TestSmallValues:
    def test_leading_zeros_do_not_count(self) -> None:
        assert parse_number("0" * 5000 + "68", "X", 70) == 68
        assert parse_number("0" * 50, "X", 70) == 0

    @pytest.mark.parametrize("value", ["", "71", "9" * 5000, "0x10", "1.5", " 1"])
    def test_numbers_out_of_range_are_refused(self, value: str) -> None:
        with pytest.raises(SipParseError):
            parse_number(value, "X", 70)

    def test_call_id(self) -> None:
        value = "w%Z-!.*_+'@word`~)(><:\\/\"][?}{"
        assert parse_call_id(value) == value
        for bad in ("", "a b", "a\tb", "ä", "a\x00"):
            with pytest.raises(SipParseError):
                parse_call_id(bad)


class TestLists:
    def test_commas_and_lines_make_one_list(self) -> None:
        lines = ['SIP/2.0/UDP a;x="1,2" , SIP/2.0/TCP b', "SIP/2.0/TLS c"]
        assert [via.host for via in parse_vias(lines)] == ["a", "b", "c"]

    def test_commas_in_quotes_and_brackets_do_not_split(self) -> None:
        routes = parse_addresses(['"a,\\",b" <sip:x,y@h>;p="1,2",<sip:z@h>', "sip:w@h"], "Route")
        assert [str(route.uri) for route in routes] == ["sip:x,y@h", "sip:z@h", "sip:w@h"]
        assert routes[0].display == 'a,",b'
        assert routes[0].param("p") == "1,2"

    @pytest.mark.parametrize(
        "line", ["<sip:a@h>,", ",<sip:a@h>", "<sip:a@h>,,<sip:b@h>", "<sip:a@h>,<sip:b@h", '"a,<sip:b>']
    )
    def test_empty_and_open_elements_are_refused(self, line: str) -> None:
        with pytest.raises(SipParseError):
            parse_addresses([line], "Route")

    def test_other_schemes_are_kept(self) -> None:
        assert parse_addresses(["<urn:service:sos>"], "Route")[0].uri == OtherUri("urn", "service:sos")
