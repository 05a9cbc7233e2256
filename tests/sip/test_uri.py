from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import LocalProtocolError, SipParseError
from sip.uri import RECALLED_CHARS, OtherUri, SipUri, parse_host_port, parse_uri, write_host_port


class TestParse:
    def test_every_part_is_found(self) -> None:
        uri = SipUri.parse("sip:carol:p4ss@gw.example.net:5070;transport=TCP;lr?Subject=hi&Priority=urgent")
        assert uri == SipUri(
            "sip",
            "carol",
            "p4ss",
            "gw.example.net",
            5070,
            (("transport", "TCP"), ("lr", None)),
            (("Subject", "hi"), ("Priority", "urgent")),
        )
        assert uri.transport == "tcp"
        assert uri.param("TRANSPORT") == "TCP"
        assert uri.has_param("lr")
        assert uri.param("lr") is None
        assert not uri.has_param("maddr")
        assert uri.param("maddr") is None

    def test_host_alone_is_enough(self) -> None:
        assert SipUri.parse("sip:example.net") == SipUri("sip", None, None, "example.net")

    def test_scheme_is_matched_in_any_case(self) -> None:
        assert SipUri.parse("SiPs:x@h").scheme == "sips"

    @pytest.mark.parametrize(
        ("text", "user"),
        [
            ("sip:dial;ext=7%40pbx@example.net", "dial;ext=7@pbx"),
            ("sip:a/b?c=d&e,f$g@example.net", "a/b?c=d&e,f$g"),
            ("sip:#31#0301234@example.net", "#31#0301234"),
            ("sip:%63%61rl@example.net", "carl"),
            ("sip:a%3Ab%20c@example.net", "a:b c"),
            ("sip:z%00z@example.net", "z\x00z"),
            ("sip:%E2%82%AC@example.net", "€"),
        ],
    )
    def test_user_part_is_unescaped_and_may_hold_delimiters(self, text: str, user: str) -> None:
        uri = SipUri.parse(text)
        assert uri.user == user
        assert uri.host == "example.net"
        assert str(uri) == text

    def test_escaped_parameters_are_unescaped(self) -> None:
        uri = SipUri.parse("sip:x@h;%6cr;na%6De=100%25")
        assert uri.has_param("lr")
        assert uri.param("name") == "100%"

    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [
            ("sip:[2001:db8::7]", "2001:db8::7", None),
            ("sip:[2001:db8::7]:5080", "2001:db8::7", 5080),
            ("sip:[2001:db8::7:5080]", "2001:db8::7:5080", None),
            ("sip:[::ffff:198.51.100.3]", "::ffff:198.51.100.3", None),
            ("sip:198.51.100.3:05060", "198.51.100.3", 5060),
            ("sip:my_host-1.example.", "my_host-1.example.", None),
        ],
    )
    def test_host_and_port(self, text: str, host: str, port: int | None) -> None:
        uri = SipUri.parse(text)
        assert (uri.host, uri.port) == (host, port)

    def test_a_third_colon_before_an_embedded_ipv4_address_is_forgiven_and_not_repeated(self) -> None:
        uri = SipUri.parse("sip:[2001:db8:::198.51.100.3]")
        assert uri.host == "2001:db8::198.51.100.3"
        assert str(uri) == "sip:[2001:db8::198.51.100.3]"

    @pytest.mark.parametrize(
        "text",
        [
            "sip:",
            "sip:@h",
            "sip::secret@h",
            "sip:a@",
            "sip:a@b@c",
            "sip:a@b;x=y@z",
            "sip:a@h#x",
            "sip:a@h:",
            "sip:a@h:0",
            "sip:a@h:65536",
            "sip:a@h:5060x",
            "sip:a@h:-1",
            "sip:a@h:٥٠٦٠",
            "sip:2001:db8::7",
            "sip:[2001:db8::7",
            "sip:[2001:db8::7]5060",
            "sip:[2001:db8::g]",
            "sip:[fe80::1%25eth0]",
            "sip:[1::2::3]",
            "sip:a@h;",
            "sip:a@h;;lr",
            "sip:a@h;=x",
            "sip:a@h?",
            "sip:a@h?Subject",
            "sip:a@h?=x",
            "sip:a%2@h",
            "sip:a%zz@h",
            "sip:a%@h",
            "sip:%ff@h",
            "sip:a b@h",
            " sip:a@h",
            "sip:a@h ",
            "sip:a@h\r\nX: y",
            "sip:a@h\x00",
            "sip:ä@h",
            "sip:a@hé",
            "sip:<a@h>",
            'sip:"a"@h',
            "sip:a@" + "h" * 256,
            "",
            "a@h",
            ":a@h",
            "1x:a",
            "te l:5",
            "tel:",
            "tel:5 5",
            "tel:5\n",
        ],
    )
    def test_malformed_uris_are_refused(self, text: str) -> None:
        with pytest.raises(SipParseError):
            parse_uri(text)

    def test_another_scheme_is_no_sip_uri(self) -> None:
        with pytest.raises(SipParseError) as caught:
            SipUri.parse("tel:+4930123456")
        assert caught.value.status == 416

    def test_a_uri_too_long_to_be_recalled_parses_the_same(self) -> None:
        user = "u" * RECALLED_CHARS
        assert SipUri.parse(f"sip:{user}@h").user == user

    @given(st.text(max_size=60))
    def test_any_text_parses_or_is_a_parse_error(self, text: str) -> None:
        for candidate in (text, f"sip:{text}", f"sip:{text}@h", f"sip:u@{text}", f"sip:u@h;{text}"):
            try:
                uri = parse_uri(candidate)
            except SipParseError:
                continue
            assert parse_uri(str(uri)) == uri
            assert str(uri).isprintable()
            assert str(uri).isascii()


class TestOtherSchemes:
    def test_scheme_is_lower_case_and_the_rest_as_sent(self) -> None:
        assert parse_uri("TEL:+49-30-123;phone-context=x") == OtherUri("tel", "+49-30-123;phone-context=x")
        assert str(parse_uri("urn:service:sos")) == "urn:service:sos"

    @pytest.mark.parametrize("uri", [OtherUri("tel", "5\r\nX: y"), OtherUri("tel", ""), OtherUri("t l", "5")])
    def test_what_cannot_be_a_uri_is_not_written(self, uri: OtherUri) -> None:
        with pytest.raises(LocalProtocolError):
            str(uri)


class TestWrite:
    def test_a_received_uri_is_written_octet_for_octet(self) -> None:
        text = "SIP:%61:%62@Host.Example;Transport=udp;X-Y=%7e?h=%20"
        assert str(SipUri.parse(text)) == text

    def test_a_changed_uri_is_written_from_its_parts(self) -> None:
        uri = SipUri.parse("sip:%61@host;a=1").with_params(A="2", lr=None)
        assert str(uri) == "sip:a@host;A=2;lr"
        assert str(uri.without_params("a")) == "sip:a@host;lr"
        assert str(uri.replace(host="2001:db8::1", port=5062)) == "sip:a@[2001:db8::1]:5062;A=2;lr"

    @given(
        user=st.none() | st.text(min_size=1, max_size=20),
        password=st.none() | st.text(max_size=10),
        params=st.lists(st.tuples(st.text(min_size=1, max_size=8), st.none() | st.text(max_size=8)), max_size=3),
        headers=st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), max_size=3),
    )
    def test_whatever_is_in_the_parts_comes_back_and_nothing_escapes(
        self,
        user: str | None,
        password: str | None,
        params: list[tuple[str, str | None]],
        headers: list[tuple[str, str]],
    ) -> None:
        uri = SipUri("sip", user, password if user else None, "h", 5060, tuple(params), tuple(headers))
        text = str(uri)
        assert text.isprintable()
        assert " " not in text
        assert SipUri.parse(text) == uri

    @pytest.mark.parametrize(
        "uri",
        [
            SipUri("sip", "a", host="h\r\nX: y"),
            SipUri("sip", "a", host="h x"),
            SipUri("sip", "a", host=""),
            SipUri("sip", "a", host="1:2"),
            SipUri("sip", "a", host="h", port=0),
            SipUri("sip", "a", host="h", port=70000),
            SipUri("http", "a", host="h"),
        ],
    )
    def test_what_cannot_be_a_uri_is_not_written(self, uri: SipUri) -> None:
        with pytest.raises(LocalProtocolError):
            str(uri)

    def test_a_lone_surrogate_in_the_user_part_is_written_as_ascii(self) -> None:
        assert str(SipUri("sip", "a\ud800", host="h")).isascii()

    def test_host_and_port_are_inverse(self) -> None:
        for text in ("h", "h:1", "[::1]", "[::1]:65535", "192.0.2.1:5060"):
            assert write_host_port(*parse_host_port(text)) == text


class TestEquivalence:
    """RFC 3261 §19.1.4."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("sip:%62ob@Example.NET;Transport=TCP", "sip:bob@example.net;transport=tcp"),
            ("sip:bob@example.net", "sip:bob@example.net;newparam=5"),
            ("sip:bob@h;a=1;b=2", "sip:bob@h;b=2;a=1"),
            ("sip:bob@h;lr", "sip:bob@h"),
            ("sip:bob@h?x=1&y=2", "sip:bob@h?Y=2&X=1"),
            ("sip:[2001:DB8::0:1]", "sip:[2001:db8::1]"),
        ],
    )
    def test_same(self, one: str, other: str) -> None:
        assert SipUri.parse(one).equivalent(SipUri.parse(other))
        assert SipUri.parse(other).equivalent(SipUri.parse(one))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("sip:BOB@h", "sip:bob@h"),
            ("sip:bob@h", "sips:bob@h"),
            ("sip:bob@h", "sip:bob@h:5060"),
            ("sip:bob@h", "sip:h"),
            ("sip:bob:x@h", "sip:bob:y@h"),
            ("sip:bob@h", "sip:bob@h;transport=udp"),
            ("sip:bob@h", "sip:bob@h;user=phone"),
            ("sip:bob@h;a=1", "sip:bob@h;a=2"),
            ("sip:bob@h", "sip:bob@h?Subject=x"),
            ("sip:bob@h1", "sip:bob@h2"),
            ("sip:[2001:db8::1]", "sip:[2001:db8::2]"),
        ],
    )
    def test_different(self, one: str, other: str) -> None:
        assert not SipUri.parse(one).equivalent(SipUri.parse(other))
        assert not SipUri.parse(other).equivalent(SipUri.parse(one))

    def test_what_is_no_ipv6_address_is_the_same_as_nothing(self) -> None:
        bad = SipUri("sip", None, host="1:2")
        assert not bad.equivalent(bad)

    def test_a_uri_of_another_scheme_is_never_the_same(self) -> None:
        assert not SipUri.parse("sip:5@h").equivalent(OtherUri("tel", "5"))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HOSTS = st.one_of(st.from_regex(r"[A-Za-z0-9_.\-]{1,40}", fullmatch=True), st.ip_addresses().map(str), TEXT)
PORTS = st.none() | st.integers(-1, 65536)


class TestConstruction:
    @given(
        scheme=st.sampled_from(["sip", "sips"]) | TEXT,
        user=st.none() | TEXT,
        password=st.none() | TEXT,
        host=HOSTS,
        port=PORTS,
        params=st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=3),
        headers=st.lists(st.tuples(TEXT, TEXT), max_size=3),
    )
    def test_what_can_be_written_reads_back_the_same(
        self,
        scheme: str,
        user: str | None,
        password: str | None,
        host: str,
        port: int | None,
        params: list[tuple[str, str | None]],
        headers: list[tuple[str, str]],
    ) -> None:
        try:
            uri = SipUri(scheme, user, password, host, port, tuple(params), tuple(headers))
            text = str(uri)
        except LocalProtocolError:
            return
        assert SipUri.parse(text) == uri

    @given(
        user=TEXT.filter(bool),
        password=st.none() | TEXT,
        params=st.lists(st.tuples(TEXT.filter(bool), st.none() | TEXT), max_size=3),
        headers=st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=3),
    )
    def test_any_text_has_its_place(
        self,
        user: str,
        password: str | None,
        params: list[tuple[str, str | None]],
        headers: list[tuple[str, str]],
    ) -> None:
        uri = SipUri("sip", user, password, "example.net", None, tuple(params), tuple(headers))
        assert SipUri.parse(str(uri)) == uri

    @pytest.mark.parametrize(
        "changes", [{"user": ""}, {"user": None}, {"params": (("", "x"),)}, {"headers": (("", "x"),)}]
    )
    def test_empty_parts_are_refused(self, changes: dict[str, object]) -> None:
        uri = SipUri.parse("sip:a:secret@h")
        with pytest.raises(LocalProtocolError):
            uri.replace(**changes)
