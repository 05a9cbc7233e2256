"""The rules of single fields, and that the document says the same as the check."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated, Any, get_args, get_origin

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from api.schemas import call, fields, voyloml
from api.schemas.fields import TextRule

RULES: dict[str, TextRule] = {
    name: metadata
    for module in (fields, call, voyloml)
    for name, annotation in vars(module).items()
    if get_origin(annotation) is Annotated
    for metadata in get_args(annotation)[1:]
    if isinstance(metadata, TextRule)
}

SAMPLES = [
    "",
    "a",
    "x" * 121,
    "nul\x00",
    "\ud800",
    "é",
    "line\nbreak",
    " ",
    "+2004446",
    "12",
    "++1",
    "1 2-3.4(5)",
    *(
        "http://a",
        "https://user@host",
        "HTTP://h:65535/",
        "http://h:65536",
        "http://[::1]/",
        "http://[1:2]/",
        "x" * 3000,
    ),
    *(
        "Host",
        "X-A",
        "X-Voylo-A",
        "x-voylo-a",
        "X-" + "a" * 61,
        "DE",
        "de",
        "cl_0123456789ab",
        "00000000-0000-0000-0000",
    ),
    *(
        "00000000-0000-4000-8000-00000000000A",
        "10.0.0.1",
        "10.0.0.0/8",
        "10.0.0.0/33",
        "::/0",
        "1::2::3",
        "host.example",
    ),
    *(
        "-host",
        "host-",
        "a..b",
        "[::1]",
        "2026-06-23T10:31:00Z",
        "2026-06-23T10:31:00+02:00",
        "2026-06-23",
        "pass\x7fword",
    ),
]


def accepted(rule: TextRule, text: str) -> bool:
    try:
        rule.check(text)
    except PydanticCustomError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("text", SAMPLES)
def test_what_the_document_refuses_is_refused(name: str, text: str) -> None:
    rule = RULES[name]
    by_schema = jsonschema.Draft202012Validator(rule.json_schema()).is_valid(text)
    if accepted(rule, text):
        assert by_schema
    elif by_schema and "\ud800" not in text:
        assert rule.convert is not None, "only a conversion may be stricter than the document"


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_raises_nothing_but_its_own_error(name: str) -> None:
    rule = RULES[name]

    @given(st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
    @example("0001-01-01T00:00:00+14:00")
    @example("9999-12-31T23:59:59-14:00")
    @example("::ffff:1.2.3.4/200")
    def check(text: str) -> None:
        accepted(rule, text)

    check()


@given(st.ip_addresses())
def test_every_ip_address_is_a_source(address: Any) -> None:
    rule = RULES["SourceNetwork"]
    assert rule.check(str(address)) == ip_network(str(address))
    assert accepted(RULES["SipHost"], f"[{address}]" if address.version == 6 else str(address))


@pytest.mark.parametrize(
    "text", ["1:2:3:4:5:6:7:8", "1::", "::8", "::", "1::3:4:5:6:7:8", "1:2::5:6:7:8", "1:2:3:4:5:6:7::"]
)
def test_every_way_to_shorten_an_address_is_understood(text: str) -> None:
    assert RULES["SourceNetwork"].check(text) == ip_network(str(ip_address(text)))


@given(st.from_regex(RULES["SourceNetwork"].pattern or "", fullmatch=True))
def test_what_looks_like_a_network_is_one(text: str) -> None:
    assert RULES["SourceNetwork"].check(text)


@given(st.from_regex(RULES["PhoneNumber"].pattern or "", fullmatch=True).filter(lambda text: len(text) <= 64))
def test_what_looks_like_a_number_is_one(text: str) -> None:
    assert RULES["PhoneNumber"].check(text).startswith("+")
