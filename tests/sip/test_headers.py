from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import LocalProtocolError
from sip.headers import Headers
from sip.names import COMPACT_FORMS, NAMES, canonical_name, index_key


class TestNames:
    def test_every_known_name_is_found_in_any_case(self) -> None:
        for name in NAMES:
            assert canonical_name(name.upper()) == canonical_name(name.lower()) == name
            assert index_key(name.upper()) == name

    def test_compact_forms_are_expanded_in_any_case(self) -> None:
        for form, name in COMPACT_FORMS.items():
            assert canonical_name(form) == canonical_name(form.upper()) == name
            assert name in NAMES

    def test_the_compact_forms_are_those_of_the_registry(self) -> None:
        forms = "a b c d e f i j k l m n o r s t u v x y"
        names = """
            Accept-Contact Referred-By Content-Type Request-Disposition Content-Encoding From Call-ID Reject-Contact
            Supported Content-Length Contact Identity-Info Event Refer-To Subject To Allow-Events Via Session-Expires
            Identity
        """
        assert dict(zip(forms.split(), names.split(), strict=True)) == COMPACT_FORMS

    def test_unknown_names_keep_their_spelling_and_match_in_any_case(self) -> None:
        headers = Headers([("X-vOyLo-Thing", "1")])
        assert list(headers) == [("X-vOyLo-Thing", "1")]
        assert headers.get("x-voylo-thing") == "1"
        assert "X-VOYLO-THING" in headers


class TestLookUp:
    headers = Headers([("v", "one"), ("To", "t"), ("VIA", "two")])

    def test_all_spellings_find_the_same_lines(self) -> None:
        for name in ("Via", "via", "v", "V", "vIa"):
            assert self.headers.get_all(name) == ["one", "two"]
            assert self.headers.get(name) == "one"
            assert name in self.headers

    def test_an_absent_name_gives_the_default(self) -> None:
        assert self.headers.get("From") is None
        assert self.headers.get("From", "x") == "x"
        assert self.headers.get_all("From") == []
        assert "From" not in self.headers
        assert 5 not in self.headers

    def test_iteration_keeps_the_order_and_writes_canonical_names(self) -> None:
        assert list(self.headers) == [("Via", "one"), ("To", "t"), ("Via", "two")]
        assert len(self.headers) == 3

    def test_a_representation_shows_no_values(self) -> None:
        assert repr(Headers([("Authorization", "Digest secret"), ("v", "x")])) == "<Headers Authorization, Via>"

    def test_lines_are_the_same_object_until_the_field_changes(self) -> None:
        headers = self.headers.copy()
        vias, to = headers.lines("Via"), headers.lines("To")
        headers.add("Via", "three")
        assert headers.lines("Via") is not vias
        assert headers.lines("To") is to


class TestChange:
    @pytest.fixture(params=[False, True], ids=["index not made", "index made"])
    def headers(self, request: pytest.FixtureRequest) -> Headers:
        headers = Headers([("Via", "a"), ("To", "t"), ("Via", "b"), ("X-Y", "z")])
        if request.param:
            headers.get("Via")
        return headers

    def test_add_appends(self, headers: Headers) -> None:
        headers.add("v", "c")
        assert headers.get_all("Via") == ["a", "b", "c"]
        assert list(headers)[-1] == ("Via", "c")

    def test_extend_appends_all_lines_of_another(self, headers: Headers) -> None:
        other = Headers([("v", "c"), ("From", "f")])
        headers.views["Via"] = headers.views["To"] = "parsed"
        headers.extend(other)
        assert headers.get_all("Via") == ["a", "b", "c"]
        assert headers.get("From") == "f"
        assert list(headers)[-2:] == [("Via", "c"), ("From", "f")]
        assert headers.views == {"To": "parsed"}
        headers.set("From", "g")
        assert other.get("From") == "f"

    def test_prepend_goes_before_everything(self, headers: Headers) -> None:
        headers.prepend("Via", "c")
        assert headers.get_all("Via") == ["c", "a", "b"]
        assert next(iter(headers)) == ("Via", "c")

    def test_set_replaces_all_in_the_place_of_the_first(self, headers: Headers) -> None:
        headers.set("x-y", "1")
        headers.set("VIA", "c")
        assert list(headers) == [("Via", "c"), ("To", "t"), ("x-y", "1")]
        assert headers.get_all("v") == ["c"]

    def test_set_appends_a_new_field(self, headers: Headers) -> None:
        headers.set("From", "f")
        assert list(headers)[-1] == ("From", "f")
        assert headers.get("f") == "f"

    def test_set_all_takes_any_number_of_lines(self, headers: Headers) -> None:
        headers.set_all("Via", ["c", "d", "e"])
        assert list(headers)[:4] == [("Via", "c"), ("Via", "d"), ("Via", "e"), ("To", "t")]
        headers.set_all("Via", [])
        assert "Via" not in headers

    def test_remove_takes_every_line_and_does_not_mind_absence(self, headers: Headers) -> None:
        headers.remove("v")
        headers.remove("Route")
        assert list(headers) == [("To", "t"), ("X-Y", "z")]
        assert headers.get("Via") is None

    def test_a_copy_is_independent(self, headers: Headers) -> None:
        copy = headers.copy()
        assert copy == headers
        copy.set("To", "other")
        assert headers.get("To") == "t"
        assert copy != headers

    def test_values_are_stripped(self, headers: Headers) -> None:
        headers.set("To", " \tx ")
        assert headers.get("To") == "x"


class TestInjection:
    @pytest.mark.parametrize("value", ["a\r\nEvil: x", "a\nb", "a\rb", "a\x00b", "\x1b[0m", "a\x7f", "\ud800"])
    def test_no_control_character_gets_in(self, value: str) -> None:
        headers = Headers()
        for enter in (headers.add, headers.set, headers.prepend):
            with pytest.raises(LocalProtocolError):
                enter("X-Name", value)
        with pytest.raises(LocalProtocolError):
            headers.set_all("X-Name", ["fine", value])
        with pytest.raises(LocalProtocolError):
            Headers([("X-Name", value)])
        assert len(headers) == 0

    @pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ä", "X-Name ", "<x>"])
    def test_no_name_but_a_token_gets_in(self, name: str) -> None:
        headers = Headers()
        for enter in (headers.add, headers.set, headers.prepend):
            with pytest.raises(LocalProtocolError):
                enter(name, "x")

    @given(st.text(max_size=20), st.text(max_size=20))
    def test_whatever_gets_in_stays_on_one_line(self, name: str, value: str) -> None:
        headers = Headers()
        try:
            headers.add(name, value)
        except LocalProtocolError:
            return
        ((name, value),) = headers
        assert b"\r" not in f"{name}: {value}".encode()
        assert b"\n" not in f"{name}: {value}".encode()

    def test_text_of_any_language_gets_in(self) -> None:
        headers = Headers([("Subject", "Grüße, 東京\t☎")])
        assert headers.get("s") == "Grüße, 東京\t☎"
