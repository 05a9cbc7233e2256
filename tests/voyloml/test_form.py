"""Forms are written as the standard library writes them."""

from __future__ import annotations

from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from voyloml.form import encode_form

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20) | st.text("aZ09_.~-+ &=%é", max_size=8)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_a_form_is_what_urlencode_makes_of_it(fields: list[tuple[str, str]]) -> None:
    assert encode_form(fields) == urlencode(fields, errors="replace")
