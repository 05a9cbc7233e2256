"""The text of credentials and challenges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.digest.params import MAX_AUTH_PARAMS, MAX_CREDENTIAL_CHARS, parse_auth_params, quoted
from sip.errors import LocalProtocolError, SipParseError
from tests.support.effort import effort_below


class TestParsing:
    def test_quoted_and_bare_values_and_names_in_any_case(self) -> None:
        scheme, params = parse_auth_params(
            'Digest Realm="a b", NC=00000001,qop=auth ,\turi = "sip:x@y;a=b" , algorithm=MD5'
        )
        assert scheme == "Digest"
        assert params == {"realm": "a b", "nc": "00000001", "qop": "auth", "uri": "sip:x@y;a=b", "algorithm": "MD5"}

    def test_escapes_and_commas_within_quotes(self) -> None:
        assert parse_auth_params(r'Digest a="x\"y\\z", b="1,2=3"')[1] == {"a": 'x"y\\z', "b": "1,2=3"}

    def test_empty_values_and_text_beyond_ascii(self) -> None:
        assert parse_auth_params('Digest opaque="", username="jörg"')[1] == {"opaque": "", "username": "jörg"}

    @pytest.mark.parametrize(
        "value", ["Digest uri=sip:bob@example.com;x=1, a=b", "  Digest uri=sip:bob@example.com;x=1,, a=b,  "]
    )
    def test_sloppy_lists_and_unquoted_uris_are_taken(self, value: str) -> None:
        assert parse_auth_params(value)[1] == {"uri": "sip:bob@example.com;x=1", "a": "b"}

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "Digest",
            "Digest ",
            "Digest realm",
            "Digest realm=",
            'Digest realm="open',
            'Digest realm="open\\"',
            'Digest realm="a" nonce="b"',
            'Digest realm="a"x',
            'Digest realm="a", realm="b"',
            'Digest realm="a", REALM="b"',
            "Digest =a",
            "Digest , a=b",
            "Digest a b=c",
            'Digest a="\x00"',
            'Digest a="\\\n"',
            'Digest a="b\r\nc"',
            "Digest a=b\x7f",
            "Basic dXNlcjpwYXNz",
        ],
    )
    def test_anything_else_is_refused(self, value: str) -> None:
        with pytest.raises(SipParseError):
            parse_auth_params(value)

    def test_limits(self) -> None:
        params = [f"p{n}=1" for n in range(MAX_AUTH_PARAMS + 1)]
        assert len(parse_auth_params("Digest " + ",".join(params[:-1]))[1]) == MAX_AUTH_PARAMS
        with pytest.raises(SipParseError):
            parse_auth_params("Digest " + ",".join(params))
        room = MAX_CREDENTIAL_CHARS - len('Digest a=""')
        assert parse_auth_params(f'Digest a="{"x" * room}"')[1]
        with pytest.raises(SipParseError):
            parse_auth_params(f'Digest a="{"x" * (room + 1)}"')

    @pytest.mark.parametrize("filler", ["\\", "\\\\", "a=", " ", ",", '"', "a=b,", "\t,"])
    def test_no_text_takes_long(self, filler: str) -> None:
        text = ('Digest a="' + filler * MAX_CREDENTIAL_CHARS)[:MAX_CREDENTIAL_CHARS]
        with effort_below(150), pytest.raises(SipParseError):
            parse_auth_params(text)

    @given(st.one_of(st.text(max_size=120), st.text(max_size=80).map("Digest ".__add__)))
    def test_nothing_raises_but_a_parse_error(self, value: str) -> None:
        try:
            _, params = parse_auth_params(value)
        except SipParseError:
            return
        assert not any(c < " " and c != "\t" for text in params.values() for c in text)


class TestQuoting:
    @given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40))
    def test_what_is_quoted_reads_back_the_same(self, text: str) -> None:
        assert parse_auth_params(f"Digest a={quoted(text)}, b=c")[1] == {"a": text, "b": "c"}

    @pytest.mark.parametrize("text", ["a\r\nb", "\0", "\x7f", "\x1b"])
    def test_control_characters_cannot_be_sent(self, text: str) -> None:
        with pytest.raises(LocalProtocolError):
            quoted(text)
