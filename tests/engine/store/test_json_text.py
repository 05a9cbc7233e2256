"""JSON for text columns: whatever is given, what is stored can be read back and by any database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.store.json_text import dump_json, load_json, storable

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=20)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=10,
)


@given(ANYTHING)
def test_whatever_is_dumped_can_be_stored_and_read(value: object) -> None:
    text = dump_json({"value": value})
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode()
    assert set(load_json(text)) == {"value"}


@given(st.dictionaries(st.text(max_size=5), st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]))))
def test_ordinary_text_comes_back_unchanged(value: dict[str, str]) -> None:
    assert load_json(dump_json(list(value.values()))) == list(value.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": None}, '{"a":1,"b":null}'),
        (float("nan"), "null"),
        (float("inf"), "null"),
        ("a\x00b", '"a?b"'),
        ("\\u0000", '"\\\\u0000"'),
        ("\\\x00", '"\\\\?"'),
        ("\ud800", '"?"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00Z"'),
        ("Grüße", '"Grüße"'),
    ],
)
def test_what_json_lacks_becomes_something_it_has(value: object, text: str) -> None:
    assert dump_json(value) == text
    json.loads(text)


def test_an_object_of_no_known_type_becomes_its_text() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    assert dump_json({"odd": Odd()}) == '{"odd":"odd"}'


@pytest.mark.parametrize(("given_text", "kept"), [("abc", "abc"), ("a\x00", "a?"), ("é\x00\udcff", "é??"), ("é", "é")])
def test_text_is_freed_of_what_a_column_cannot_hold(given_text: str, kept: str) -> None:
    assert storable(given_text) == kept
