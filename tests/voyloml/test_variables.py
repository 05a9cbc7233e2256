"""Contract §12: which variables are accepted, what substitution does, and that no value can change a document."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.effort import effort_below
from tests.voyloml.scripted import UNHURRIED, short_id
from voyloml import Code, DocumentError, Element, LanguageLimits, VariableError, parse_document, validate_variables
from voyloml.variables import Scalar, as_text, pieces, substitute

LIMITS = LanguageLimits()


def problems(variables: dict[str, object], limits: LanguageLimits = LIMITS) -> list[tuple[str, str]]:
    with pytest.raises(VariableError) as caught:
        validate_variables(variables, limits)
    return list(caught.value.problems)


class TestValidation:
    def test_takes_strings_numbers_and_booleans(self) -> None:
        variables: dict[str, object] = {"a": "x", "_b": 1, "C9": 1.5, "d": True, "e": "", "f": -0.0, "g" * 64: False}
        checked = validate_variables(variables)
        assert checked == variables
        assert [type(value) for value in checked.values()] == [type(value) for value in variables.values()]

    @pytest.mark.parametrize("key", ["", "1a", "order id", "a-b", "é", "a\n", "a" * 65, "{{a}}", "٣"])
    def test_refuses_keys(self, key: str) -> None:
        assert problems({key: "x"}) == [(f"variables.{key}", "key must match ^[A-Za-z_][A-Za-z0-9_]{0,63}$")]

    def test_cuts_a_key_in_the_message(self) -> None:
        assert problems({"x" * 10_000: 1})[0][0] == "variables." + "x" * 80

    @pytest.mark.parametrize("value", [None, [], {}, ["a"], {"a": 1}, b"x", 1j])
    def test_refuses_null_and_nested_values(self, value: object) -> None:
        assert problems({"a": value}) == [("variables.a", "must be a string, a number or a boolean")]

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 10**5000], ids=short_id)
    def test_refuses_numbers_without_a_json_form(self, value: float) -> None:
        assert problems({"a": value}) == [("variables.a", "must be a finite number")]

    def test_the_length_of_a_value_is_that_of_its_text(self) -> None:
        message = "must have at most 1024 characters as text"
        validate_variables({"a": "é" * 1024, "b": 10**1023})
        assert problems({"a": "x" * 1025}) == [("variables.a", message)]
        assert problems({"a": 10**1024}) == [("variables.a", message)]

    def test_halves_of_surrogate_pairs(self) -> None:
        assert problems({"a": "x\ud800"}) == [
            ("variables.a", "must be Unicode text, without halves of surrogate pairs")
        ]
        validate_variables({"a": "😀"})

    def test_the_number_of_keys(self) -> None:
        validate_variables({f"k{n}": n for n in range(50)})
        assert problems({f"k{n}": n for n in range(51)}) == [("variables", "must have at most 50 keys, not 51")]

    def test_all_together_in_bytes(self) -> None:
        fits = {f"k{n:02}": "x" * 1021 for n in range(16)}
        assert sum(len(key) + len(value) for key, value in fits.items()) == 16_384
        validate_variables(fits)
        message = "must have at most 16384 bytes, keys and values together"
        assert problems({**fits, "l": ""}) == [("variables", message)]
        assert problems({**fits, "k00": "é" + "x" * 1020}) == [("variables", message)]

    def test_reports_everything_at_once(self) -> None:
        fields = [field for field, _ in problems({"a b": 1, "c": None, "d": "x" * 2000, "e": "fine"})]
        assert fields == ["variables.a b", "variables.c", "variables.d"]

    def test_limits_are_given(self) -> None:
        limits = LanguageLimits(variables=1, variable_chars=2, variables_bytes=3)
        assert validate_variables({"a": "xx"}, limits) == {"a": "xx"}
        assert problems({"a": "xxx"}, limits) == [("variables.a", "must have at most 2 characters as text")]


class TestText:
    @pytest.mark.parametrize(
        ("value", "text"),
        [("x", "x"), (1, "1"), (1.0, "1.0"), (1e100, "1e+100"), (-0.5, "-0.5"), (True, "true"), (False, "false")],
    )
    def test_numbers_keep_their_json_form(self, value: Scalar, text: str) -> None:
        assert as_text(value) == text

    @UNHURRIED
    @given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
    def test_the_form_reads_back(self, value: Scalar) -> None:
        text = as_text(value)
        assert text is not None
        assert json.loads(text) == value


class TestSubstitution:
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("{{a}}", "A"),
            ("{{ a }}{{  a}}{{a  }}", "AAA"),
            ("x{{a}}y{{b}}z", "xAy7z"),
            ("{{{a}}}", "{A}"),
            ("{{{{a}}}}", "{{A}}"),
            ("{{a}", "{{a}"),
            ("{ {a} }", "{ {a} }"),
            ("{{}}", "{{}}"),
            ("{{ }}", "{{ }}"),
            ("{{1a}}", "{{1a}}"),
            ("{{a b}}", "{{a b}}"),
            ("{{a.b}}", "{{a.b}}"),
            ("{{\ta}}", "{{\ta}}"),
            ("{{\na}}", "{{\na}}"),
            ("{{" + "k" * 65 + "}}", "{{" + "k" * 65 + "}}"),
            ("{{ {{a}}", "{{ A"),
            ("plain", "plain"),
        ],
    )
    def test_grammar(self, template: str, text: str) -> None:
        assert substitute(template, {"a": "A", "b": 7}).text == text

    def test_results_are_not_scanned_again(self) -> None:
        assert substitute("{{a}}", {"a": "{{b}}", "b": "no"}).text == "{{b}}"
        assert substitute("{{{a}}b}}", {"a": "{", "b": "no"}).text == "{{b}}"

    def test_values_are_escaped(self) -> None:
        assert substitute("{{a}}", {"a": "<&>\"'"}).text == "&lt;&amp;&gt;&quot;&apos;"

    def test_characters_xml_forbids_are_dropped(self) -> None:
        assert substitute("{{a}}", {"a": "a\x00\x08\x0b\x1f\ufffe\uffff\ud800b\t\n\r😀"}).text == "ab\t\n\r😀"

    def test_missing_keys_are_empty_and_named_once(self) -> None:
        done = substitute("{{x}}{{y}}{{x}}{{a}}", {"a": "A"})
        assert (done.text, done.missing) == ("A", ("x", "y"))

    def test_comments_stay_as_they_are(self) -> None:
        done = substitute("<!-- {{a}} {{x}} -->{{a}}<!--{{a}}", {"a": "A"})
        assert (done.text, done.missing) == ("<!-- {{a}} {{x}} -->A<!--{{a}}", ())

    def test_values_in_cdata_are_the_text_they_are(self) -> None:
        done = substitute("<Response><Say><![CDATA[<{{a}}]>]]></Say></Response>", {"a": "]]&"})
        assert parse_document(done.text).verbs[0].text == "<]]&]>"

    def test_a_short_template_cannot_grow_without_bound(self) -> None:
        template = "{{a}}" * 50_000
        with effort_below(300), pytest.raises(DocumentError) as caught:
            substitute(template, {"a": "'" * 1024})
        assert caught.value.code is Code.TOO_LARGE
        assert substitute("{{a}}" * 2, {"a": "x" * 5}, LanguageLimits(document_bytes=10)).text == "x" * 10

    @pytest.mark.parametrize(
        "template",
        ["{{ " * 80_000, "<!--" * 60_000 + "{{a}}", "<![CDATA[{{a}}" * 18_000, "{" * 250_000],
        ids=short_id,
    )
    def test_hostile_templates_cost_little(self, template: str) -> None:
        with effort_below(700):
            substitute(template + "{{", {})

    @UNHURRIED
    @given(st.lists(st.sampled_from(["{{a}}", "{{", "}}", "a", "<!--", "-->", "<![CDATA[", "]]>", "\n"])).map("".join))
    def test_pieces_cover_the_template(self, template: str) -> None:
        position = 0
        for piece in pieces(template):
            assert piece.start == position
            assert template.startswith(piece.text, position)
            position += len(piece.text)
        assert position == len(template)


TEMPLATES = [
    "<Response><Say voice=\"{{a}}\" language='{{b}}'>{{a}}</Say><Play>https://x.example/{{b}}?q={{a}}</Play></Response>",
    "<Response><!-- {{a}}> <Hangup/> {{b}}> --><Say><![CDATA[{{a}}> <Hangup/> {{b}}]> ]{{a}}>]]>{{b}}</Say></Response>",
    "<Response><Gather action='{{a}}{{b}}'>{{a}}<Say>{{ b }}{{a}}</Say>{{b}}</Gather></Response>",
    "<?xml version='1.0'?>\n<!--{{a}}--><Response a='{{a}}&amp;{{b}}'>&lt;{{a}}&gt;<Hangup/></Response><!-- {{b}} -->",
]
HOSTILE = st.text(st.sampled_from("<>&\"'-]/!?[{}= ;#x1\n\r\t\x00\x1f\ud800\uffffCDATA"), max_size=12)
VALUES = st.one_of(HOSTILE, st.text(max_size=20), st.integers(), st.floats(), st.booleans())


def skeleton(element: Element) -> object:
    return element.name, tuple(element.attributes), tuple(skeleton(child) for child in element.children)


class TestNoValueCanChangeADocument:
    @pytest.mark.parametrize("template", TEMPLATES)
    @UNHURRIED
    @given(a=VALUES, b=VALUES)
    @example(a="]]", b="]")
    @example(a="--", b="-->")
    @example(a="--><Hangup/><!--", b="]]><Hangup/><![CDATA[")
    @example(a='"/><Hangup/><Say voice="', b="'/><Hangup/><Say voice='")
    @example(a="</Say><Hangup/><Say>", b="&lt;")
    @example(a="{{b}}", b="{{a}}")
    def test_in_text_attributes_cdata_and_comments(self, template: str, a: Scalar, b: Scalar) -> None:
        filled = parse_document(substitute(template, {"a": a, "b": b}).text)
        assert skeleton(filled.root) == skeleton(parse_document(template).root)

    @UNHURRIED
    @given(value=st.one_of(HOSTILE, st.text()))
    def test_what_arrives_is_the_value(self, value: str) -> None:
        template = "<Response><Say voice='|{{a}}|'>|{{a}}|<![CDATA[{{a}}|]]></Say></Response>"
        (say,) = parse_document(substitute(template, {"a": value}).text).verbs
        kept = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]", "", value)
        # XML 1.0 §2.11 and §3.3.3: line ends become one LF, and in attributes each white space a space.
        in_text = kept.replace("\r\n", "\n").replace("\r", "\n")
        assert say.text == f"|{in_text}|{in_text}|"
        assert say.attributes["voice"] == f"|{in_text}|".replace("\n", " ").replace("\t", " ")
