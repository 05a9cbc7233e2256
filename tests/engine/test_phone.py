"""Numbers and callees as contract §1 takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.phone import (
    SIP_URI_MAX,
    PhoneNumberError,
    country_of,
    is_sip_uri,
    normalise,
    normalise_prefix,
    parse_callee,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+2004446", "+2004446"),
        ("2004446", "+2004446"),
        ("+971 4 234-5678", "+97142345678"),
        ("+971 (4) 234.5678", "+97142345678"),
        ("  +123  ", "+123"),
        ("123456789012345", "+123456789012345"),
    ],
)
def test_a_number_is_kept_with_a_plus_and_digits_only(text: str, number: str) -> None:
    assert normalise(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "12",
        "+12",
        "0123",
        "+0123",
        "1234567890123456",
        "++123",
        "+1+23",
        "12a34",
        "١٢٣٤",
        "123\n",
        "123;ext=1",
        "123\t4",
        "sip:123@host",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(PhoneNumberError):
        normalise(text)


@given(st.text(max_size=40))
def test_whatever_comes_only_the_declared_error_is_raised(text: str) -> None:
    try:
        number = normalise(text)
    except PhoneNumberError:
        return
    assert number[0] == "+"
    assert 4 <= len(number) <= 16
    assert number[1:].isdigit()
    assert normalise(number) == number


@pytest.mark.parametrize(
    "uri",
    [
        "sip:alice@example.com",
        "SIP:alice@example.com",
        "sips:bob@10.0.0.1:5061;transport=tls",
        "sip:+97142345678@carrier.example;user=phone",
        "sip:host.example",
        "sip:a.b-c_d!~*'()%20@[2001:db8::1]:5060",
        "sip:user:pass@host",
    ],
)
def test_a_sip_uri_may_be_called_and_stays_as_written(uri: str) -> None:
    assert is_sip_uri(uri)
    assert parse_callee(uri) == uri


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice@example.com",
        "sip:",
        "sip:@host",
        "sip:a b@host",
        "sip:a@host?Subject=x",
        'sip:a"@host',
        "sip:a@ho st",
        "sip:a@host\r\nVia: x",
        "sip:a@",
        "sip:a@-host",
        "sip:a@host:",
        "sip:a@host:123456",
        "tel:123456",
        "sip:<a>@host",
        "sip:" + "a" * SIP_URI_MAX + "@host",
        "12",
    ],
)
def test_what_cannot_be_called_is_refused(text: str) -> None:
    with pytest.raises(PhoneNumberError, match="SIP URI"):
        parse_callee(text)


def test_a_callee_may_be_a_number() -> None:
    assert parse_callee("20 1091447677") == "+201091447677"


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+97142345678", "AE"),
        ("+2004446", "EG"),
        ("+442071838750", "GB"),
        ("+12015550123", "US"),
        ("+14165550123", "CA"),
        ("+123", None),
        ("+999123", None),
        ("+80012345678", None),
        ("+210", None),
    ],
)
def test_the_country_follows_from_the_country_code(number: str, country: str | None) -> None:
    assert country_of(number) == country


@pytest.mark.parametrize(("text", "prefix"), [("+20", "+20"), ("2 0", "+20"), ("1", "+1"), ("(49) 30-1", "+49301")])
def test_a_prefix_is_the_first_digits_of_a_number(text: str, prefix: str) -> None:
    assert normalise_prefix(text) == prefix


@pytest.mark.parametrize("text", ["", "+", "0", "+020", "00", "1" * 16, "20x", "++2"])
def test_what_no_number_begins_with_is_no_prefix(text: str) -> None:
    with pytest.raises(PhoneNumberError):
        normalise_prefix(text)
