from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import LocalProtocolError, SipParseError
from sip.grammar import (
    change_params,
    closing_quote,
    drop_params,
    find_control,
    get_param,
    has_param,
    is_token,
    parse_params,
    quote,
    split_list,
    unquote,
    write_params,
)


def test_a_token_is_what_rfc_3261_says() -> None:
    assert is_token("AZaz09-.!%*_+`'~")
    for bad in ("", "a b", "a:", "a/", "(a)", '"a"', "ä", "a\n"):
        assert not is_token(bad)


def test_controls_and_surrogates_are_found_but_tab_and_other_languages_are_not() -> None:
    for bad in ("\x00", "\r", "\n", "\x1f", "\x7f", "\ud800", "\udfff"):
        assert find_control(f"a{bad}b")
    assert not find_control("a\tb ä 東 🎉")


class TestQuotedStrings:
    def test_the_closing_quote_is_not_an_escaped_one(self) -> None:
        assert closing_quote(r'"a\"b\\"c"', 0, "X") == 7

    @pytest.mark.parametrize("text", ['"', '"a', r'"a\"', r'"a\\\"'])
    def test_an_open_quote_is_an_error(self, text: str) -> None:
        with pytest.raises(SipParseError) as caught:
            closing_quote(text, 0, "X")
        assert caught.value.field == "X"

    @given(st.text(max_size=30))
    def test_quote_and_unquote_are_inverse_but_for_controls(self, text: str) -> None:
        quoted = quote(text)
        assert not find_control(quoted)
        assert closing_quote(quoted, 0, "X") == len(quoted) - 1
        assert unquote(quoted[1:-1]) == "".join(c for c in text if c == "\t" or not find_control(c)).replace("\t", "")


class TestLists:
    @pytest.mark.parametrize(
        ("value", "parts"),
        [
            ("a", ["a"]),
            (" a , b\t", ["a", "b"]),
            ('"a,b",c', ['"a,b"', "c"]),
            ("<a,b>,c", ["<a,b>", "c"]),
            ('<a">,b', ['<a">', "b"]),
            ('"<",b', ['"<"', "b"]),
            (",", ["", ""]),
        ],
    )
    def test_split(self, value: str, parts: list[str]) -> None:
        assert split_list(value, "X") == parts

    @pytest.mark.parametrize("value", ['a,"b', "a,<b"])
    def test_open_delimiters_are_refused(self, value: str) -> None:
        with pytest.raises(SipParseError):
            split_list(value, "X")


class TestParams:
    def test_semicolons_in_quotes_do_not_split(self) -> None:
        assert parse_params(';a="1;2" ; b', "X") == (("a", '"1;2"'), ("b", None))

    @pytest.mark.parametrize(
        "text", ["x", " x;a", ";", ";;a", ";a;", ";a b", ";=1", ';a="1', ';a="1"2"', ";a=<1>", ";a=1,2"]
    )
    def test_malformed_parameters_are_refused(self, text: str) -> None:
        with pytest.raises(SipParseError):
            parse_params(text, "X")

    def test_look_up_and_change_ignore_case(self) -> None:
        params = parse_params(';Ab=1;c="\\"2"', "X")
        assert get_param(params, "aB") == "1"
        assert get_param(params, "C") == '"2'
        assert get_param(params, "d") is None
        assert has_param(params, "AB")
        assert not has_param(params, "d")
        assert change_params(params, {"AB": None, "d": "3"}) == (("AB", None), ("c", '"\\"2"'), ("d", "3"))
        assert drop_params(params, ("ab", "x")) == (("c", '"\\"2"'),)

    @given(st.lists(st.tuples(st.from_regex(r"\A[a-z.+-]{1,8}\Z"), st.none() | st.text(max_size=12)), max_size=4))
    def test_what_is_written_parses_and_is_written_the_same_again(self, params: list[tuple[str, str | None]]) -> None:
        written = write_params(tuple(params))
        assert not find_control(written)
        assert write_params(parse_params(written, "X")) == written

    def test_a_bad_name_is_our_bug(self) -> None:
        with pytest.raises(LocalProtocolError):
            write_params((("a;b", None),))
