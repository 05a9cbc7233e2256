"""Places in a text: lines, columns, attributes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.voyloml.scripted import UNHURRIED
from voyloml.document import Lines
from voyloml.parser import parse_document


class TestLines:
    def test_end_with_lf_cr_or_both(self) -> None:
        lines = Lines("a\nb\r\nc\rd")
        assert [lines.place(offset) for offset in (0, 1, 2, 5, 7, 8)] == [
            (1, 1),
            (1, 2),
            (2, 1),
            (3, 1),
            (4, 1),
            (4, 2),
        ]

    @UNHURRIED
    @given(st.text(st.sampled_from("ab\r\n")), st.data())
    def test_offset_and_place_are_inverse(self, text: str, data: st.DataObject) -> None:
        lines = Lines(text)
        offset = data.draw(st.integers(0, len(text)))
        assert lines.offset(*lines.place(offset)) == offset


class TestAttributes:
    def test_are_found_in_every_spelling(self) -> None:
        text = "<Response><Say  a='>' \n b = \"x='1'\"\tc=\"\"/></Response>"
        (say,) = parse_document(text).verbs
        offsets = Lines(text).attribute_offsets(say)
        assert {name: text[offset] for name, offset in offsets.items()} == {"a": "a", "b": "b", "c": "c"}
        assert list(offsets.values()) == [16, 24, 36]

    def test_of_an_element_without_any(self) -> None:
        text = "<Response><Say>a='1'</Say></Response>"
        assert Lines(text).attribute_offsets(parse_document(text).verbs[0]) == {}


def test_a_walk_is_in_document_order() -> None:
    root = parse_document("<Response><a><b/><c/></a><d/></Response>").root
    assert [element.name for element in root.walk()] == ["Response", "a", "b", "c", "d"]
