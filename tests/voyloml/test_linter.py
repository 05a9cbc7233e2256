"""Contract §10.9: every code, with the exact place, everything at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.effort import effort_below
from tests.voyloml.scripted import UNHURRIED, short_id
from voyloml import Code, Diagnostic, LanguageLimits, LintResult, lint, lint_template
from voyloml.binding import PROBLEMS

BASE = "https://a.example/"


def rows(found: tuple[Diagnostic, ...]) -> list[tuple[int, int, str, str]]:
    return [(one.line, one.column, one.path, one.code.value) for one in found]


def check(*lines: str, **options: object) -> LintResult:
    return lint("\n".join(["<Response>", *lines, "</Response>"]), **{"base_url": BASE, **options})  # type: ignore[arg-type]


class TestEveryCode:
    """One document each, laid out so that line and column are unlike anything else's."""

    @pytest.mark.parametrize(
        ("data", "row"),
        [
            ("<Response>\n  <Say>x", (2, 9, "/Response/Say[1]", "not_well_formed")),
            (b"<Response>\n  <Say>\xff", (2, 8, "/", "not_well_formed")),
            ("\n\n  <!DOCTYPE x>\n<Response/>", (3, 3, "/", "doctype_forbidden")),
            ("<Response>\n <Say>x</Say>\n    <?x y?>\n</Response>", (3, 5, "/", "processing_instruction_forbidden")),
            ("<!-- c -->\n   <Reply/>", (2, 4, "/Reply", "bad_root")),
            ("<Response>" + " " * 262_144 + "</Response>", (1, 1, "/", "too_large")),
            ("<Response>\n" + "<Leave/>\n" * 200 + "</Response>", (201, 1, "/Response", "too_large")),
            (
                "<Response><a>\n<b><c><d><e>\n  <f/></e></d></c></b></a></Response>",
                (3, 3, "/Response/a[1]/b[1]/c[1]/d[1]/e[1]", "too_deep"),
            ),
            ("<Response>\n  <Hangup/>\n\t<Sya>x</Sya>\n</Response>", (3, 2, "/Response/Sya[1]", "unknown_verb")),
            (
                "<Response>\n  <Dial>\n    <Nmber>1</Nmber></Dial></Response>",
                (3, 5, "/Response/Dial[1]/Nmber[1]", "unknown_verb"),
            ),
            (
                "<Response>\n  <Gather>\n    <Hangup/></Gather></Response>",
                (3, 5, "/Response/Gather[1]/Hangup[1]", "bad_nesting"),
            ),
            ("<Response>\n   <Number>+20100</Number></Response>", (2, 4, "/Response/Number[1]", "bad_nesting")),
            ("<Response>\n  hello</Response>", (1, 1, "/Response", "bad_nesting")),
            ('<Response>\n  <Gather\n  numDigits="0"/></Response>', (2, 3, "/Response/Gather[1]", "invalid_attribute")),
            ("<Response>\n <Play/></Response>", (2, 2, "/Response/Play[1]", "missing_content")),
            ("<Response>\n  <Play>a b</Play></Response>", (2, 3, "/Response/Play[1]", "bad_url")),
            (
                '<Response>\n  <Gather action="mailto:x"/></Response>',
                (2, 3, "/Response/Gather[1]", "bad_url"),
            ),
        ],
        ids=short_id,
    )
    def test_errors(self, data: str | bytes, row: tuple[int, int, str, str]) -> None:
        result = lint(data, base_url=BASE)
        assert rows(result.errors) == [row]
        assert result.valid is False

    @pytest.mark.parametrize(
        ("xml", "options", "row"),
        [
            ('<Response>\n  <Say speed="2">x</Say></Response>', {}, (2, 3, "/Response/Say[1]", "unknown_attribute")),
            ('<Response version="1"/>', {}, (1, 1, "/Response", "unknown_attribute")),
            (
                "<Response>\n\n   <Redirect>../next</Redirect></Response>",
                {"base_url": None},
                (3, 4, "/Response/Redirect[1]", "relative_url_without_base"),
            ),
            (
                "<Response>\n  <Hangup/>\n  <Say>x</Say></Response>",
                {},
                (3, 3, "/Response/Say[1]", "unreachable_verb"),
            ),
            (
                "<Response>\n  <Gather>\n      <Say>x</Say></Gather></Response>",
                {"tts_available": False},
                (3, 7, "/Response/Gather[1]/Say[1]", "tts_unavailable"),
            ),
            (
                "<Response>\n  <Say>Dear {{ nme }}</Say></Response>",
                {"variables": {"name": "Ann"}},
                (2, 3, "/Response/Say[1]", "unknown_variable"),
            ),
        ],
    )
    def test_warnings_leave_a_document_valid(
        self, xml: str, options: dict[str, object], row: tuple[int, int, str, str]
    ) -> None:
        result = lint(xml, **{"base_url": BASE, **options})  # type: ignore[arg-type]
        assert rows(result.warnings) == [row]
        assert result.errors == ()
        assert result.valid is True

    def test_the_tests_above_know_every_code(self) -> None:
        tried = {mark.args[1][n][-1][-1] for test in (self.test_errors, self.test_warnings_leave_a_document_valid)
                 for mark in test.pytestmark for n in range(len(mark.args[1]))}  # fmt: skip
        assert tried == {code.value for code in Code}


class TestTheReport:
    def test_a_document_without_faults(self) -> None:
        result = check('<Gather numDigits="1" action="/menu"><Say>Press 1</Say></Gather>', "<Hangup/>")
        assert result == LintResult(valid=True, errors=(), warnings=())

    def test_everything_at_once_in_the_order_of_the_document(self) -> None:
        result = check(
            '  <Gather numDigits="0" timeout="x" colour="red">',
            "    <Dial>1</Dial>",
            "    <Say/>",
            "  </Gather>",
            "  <Foo><Bar/></Foo>",
            "  <?pi?>",
            "  <Reject reason='no'/>",
            "  <Play>ftp://x/</Play>",
        )
        assert rows(result.errors) == [
            (2, 3, "/Response/Gather[1]", "invalid_attribute"),
            (2, 3, "/Response/Gather[1]", "invalid_attribute"),
            (3, 5, "/Response/Gather[1]/Dial[1]", "missing_content"),
            (3, 5, "/Response/Gather[1]/Dial[1]", "bad_nesting"),
            (4, 5, "/Response/Gather[1]/Say[1]", "missing_content"),
            (6, 3, "/Response/Foo[1]", "unknown_verb"),
            (6, 8, "/Response/Foo[1]/Bar[1]", "unknown_verb"),
            (7, 3, "/", "processing_instruction_forbidden"),
            (8, 3, "/Response/Reject[1]", "invalid_attribute"),
            (9, 3, "/Response/Play[1]", "bad_url"),
        ]
        assert rows(result.warnings) == [
            (2, 3, "/Response/Gather[1]", "unknown_attribute"),
            (9, 3, "/Response/Play[1]", "unreachable_verb"),
        ]

    def test_points_at_the_attribute(self) -> None:
        result = check("  <Gather", '    action="/x"', "    timeout = '0'", '\tnumDigits="x"/>')
        places = [
            (one.attribute.name, one.attribute.line, one.attribute.column) for one in result.errors if one.attribute
        ]
        assert places == [("timeout", 4, 5), ("numDigits", 5, 2)]
        assert [one.line for one in result.errors] == [2, 2]

    def test_a_byte_order_mark_moves_nothing(self) -> None:
        (warning,) = lint(b"\xef\xbb\xbf<Response><Say a='1'>x</Say></Response>").warnings
        assert warning.attribute is not None
        assert (warning.column, warning.attribute.column) == (11, 16)

    def test_columns_count_characters(self) -> None:
        result = check('<Say voice="é">éé</Say><Gather é="" timeout="0"/>')
        assert [(one.column, one.attribute and one.attribute.column) for one in result.errors] == [(24, 37)]

    def test_the_dictionary_has_the_members_of_the_contract(self) -> None:
        (error,) = check('  <Gather numDigits="abc"/>').errors
        assert error.as_dict() == {
            "line": 2,
            "column": 3,
            "path": "/Response/Gather[1]",
            "code": "invalid_attribute",
            "message": "numDigits must be 1 to 64, not 'abc'",
        }


class TestMessages:
    @pytest.mark.parametrize(
        ("xml", "message"),
        [
            ("<gather/>", "<gather> is not a verb of VoyloML; did you mean <Gather>?"),
            ("<Plya>x</Plya>", "<Plya> is not a verb of VoyloML; did you mean <Play>?"),
            ("<Transfer/>", "<Transfer> is not a verb of VoyloML"),
            (
                "<Pay/>",
                "<Pay> is not a verb of VoyloML; it is TwiML that is not offered here "
                "(there are no payments; collect digits with <Gather>)",
            ),
            ("<Echo/>", "<Echo> is not a verb of VoyloML; it is TwiML that is not offered here"),
            (
                "<Stop><Siprec/></Stop>",
                "<Stop> is not a verb of VoyloML; it is TwiML that is not offered here "
                "(a stream ends with the call or when its socket closes); with it falls <Siprec>",
            ),
            ("<x:Say>a</x:Say>", "<x:Say> is not a verb of VoyloML; did you mean <Say>?"),
            (
                "<Gather><Sleep/></Gather>",
                "<Sleep> is not an element of VoyloML; <Gather> may contain <Play>, <Say> or <Pause>",
            ),
            ("<Say>a <b>c</b></Say>", "<b> is not an element of VoyloML; <Say> may contain SSML such as <break>"),
            (
                "<Dial><number>1002</number></Dial>",
                "<number> is not an element of VoyloML; did you mean <Number>?",
            ),
            (
                "<Dial><Sim>joe</Sim></Dial>",
                "<Sim> is not an element of VoyloML; it is TwiML that is not offered here",
            ),
            (
                "<Say>a <p>b <b>c</b></p></Say>",
                "<b> is not an element of VoyloML; <p> may contain SSML such as <break>",
            ),
            ("<Connect/>", "<Connect> must contain a <Stream>"),
            (
                '<Dial><Client><Parameter name="a" value="b"/></Client></Dial>',
                "<Client> must contain a <Identity>",
            ),
            ("<Number>+20100</Number>", "<Number> is not allowed in <Response>; it belongs in <Dial>"),
            (
                "<Gather><Sip>a@b</Sip></Gather>",
                "<Sip> is not allowed in <Gather>; it belongs in <Dial> or <Refer>",
            ),
            (
                "<Record><Say>x</Say></Record>",
                "<Say> is not allowed in <Record>; it belongs in <Response>, <Gather> or <PreAnswer>",
            ),
            (
                "<Dial><Queue>q</Queue><Number>1002</Number></Dial>",
                "<Queue> must be the only element in <Dial>",
            ),
            ("<Dial>1002<Number>1003</Number></Dial>", "<Dial> holds either text or elements, not both"),
            ("<Refer><Sip>a@b</Sip><Sip>c@d</Sip></Refer>", "<Refer> may contain only one <Sip>"),
            ("<Play/>", "<Play> must contain the URL of a WAV or MP3 file"),
            ("<Dial/>", "<Dial> must contain a phone number or a SIP URI"),
            (
                "<Dial><Number>bob</Number></Dial>",
                "the text of <Number> must be a phone number such as +20223456789, not 'bob'",
            ),
            ("<Gather>Press 1</Gather>", "text is not allowed directly in <Gather>: 'Press 1'"),
        ],
    )
    def test_of_errors(self, xml: str, message: str) -> None:
        assert [error.message for error in check(xml).errors] == [message]

    @pytest.mark.parametrize(
        ("xml", "message"),
        [
            ('<Gather numdigits="1"/>', "<Gather> has no attribute 'numdigits'; did you mean numDigits?"),
            ('<Gather finishKey="1"/>', "<Gather> has no attribute 'finishKey'; did you mean finishOnKey?"),
            ('<Wait time="1"/>', "<Wait> has no attribute 'time'"),
            (
                "<Reject/><Wait/>",
                "<Wait> is never reached: the document ends with <Reject> before it",
            ),
        ],
    )
    def test_of_warnings(self, xml: str, message: str) -> None:
        assert [warning.message for warning in check(xml).warnings] == [message]

    def test_long_values_and_names_are_cut(self) -> None:
        name = "x" * 10_000
        result = check(f'<{name} a="1"/>', f'<Say language="{name}" {name}="1">x</Say>')
        assert all(len(one.message) < 200 for one in (*result.errors, *result.warnings))


class TestRelativeUrls:
    DOCUMENT = (
        '<Gather action="/a"/>',
        "<Play>b.wav</Play>",
        '<Dial><Conference waitSound="c.mp3">r</Conference></Dial>',
        '<Dial dialMusic="real" action="https://a.example/d">1002</Dial>',
        "<Redirect>?e</Redirect>",
    )

    def test_are_warned_of_where_there_is_no_base(self) -> None:
        result = check(*self.DOCUMENT, base_url=None)
        assert result.valid
        assert [(one.path, one.attribute and one.attribute.name) for one in result.warnings] == [
            ("/Response/Gather[1]", "action"),
            ("/Response/Play[1]", None),
            ("/Response/Dial[1]/Conference[1]", "waitSound"),
            ("/Response/Redirect[1]", None),
        ]

    @pytest.mark.parametrize("base_url", [BASE, ...])
    def test_are_fine_where_there_is_one_or_nobody_knows(self, base_url: object) -> None:
        assert check(*self.DOCUMENT, base_url=base_url).warnings == ()


class TestUnreachable:
    def test_each_verb_after_the_end_is_warned_of(self) -> None:
        result = check("<Redirect>/x</Redirect>", "<Say>a</Say>", "<Hangup/>", "<Foo/>")
        assert [(one.line, one.code.value) for one in result.warnings] == [
            (3, "unreachable_verb"),
            (4, "unreachable_verb"),
            (5, "unreachable_verb"),
        ]

    def test_a_redirect_that_cannot_run_ends_nothing(self) -> None:
        assert check("<Redirect/>", "<Say>a</Say>").warnings == ()


class TestPlaceholders:
    def test_may_stand_for_any_text_or_value(self) -> None:
        result = lint_template(
            '<Response><Gather numDigits="{{n}}" action="{{base}}/menu"><Play>{{ file }}</Play></Gather>'
            "<Dial callerId='{{From}}'>{{agent}}</Dial><Say>{{a}}{{b}}</Say></Response>"
        )
        assert result == LintResult(valid=True, errors=(), warnings=())

    @pytest.mark.parametrize(
        "template",
        ["<Response><{{a}}/></Response>", "<Response><Say {{a}}='1'>x</Say></Response>",
         "<Response><Sa{{a}}>x</Sa{{a}}></Response>", "<Response><Say {{a}}>x</Say></Response>",
         "<Response><Say voice={{a}}>x</Say></Response>", "<Response>&{{a}};</Response>",
         "<Response>&#{{a}};</Response>", "<{{a}}/>", "{{a}}<Response/>", "<Response/>{{a}}",
         "<?xml version='{{a}}'?><Response/>"],
    )  # fmt: skip
    def test_make_a_template_fail_in_names_and_markup(self, template: str) -> None:
        (error,) = lint_template(template).errors
        assert error.code is Code.NOT_WELL_FORMED
        assert error.message == (
            "a placeholder may stand for text and attribute values only, not for names or other markup"
        )
        assert template.split("\n")[error.line - 1][error.column - 1 :].startswith("{{a}}")

    def test_without_variables_none_is_unknown(self) -> None:
        assert lint("<Response><Say>{{a}}</Say></Response>").warnings == ()

    def test_each_unknown_key_is_warned_of_once_per_element_and_attribute(self) -> None:
        result = check(
            "  <Say voice='{{v}}'>{{CallSid}} {{a}} {{ a }} {{b}}</Say>", "  <!-- {{c}} -->", "  <Say>{{a}}</Say>",
            variables={"b": ""},
        )  # fmt: skip
        assert [(one.line, one.message, one.attribute and one.attribute.column) for one in result.warnings] == [
            (2, "no variable is named 'a': it becomes the empty string", None),
            (2, "no variable is named 'v': it becomes the empty string", 8),
            (4, "no variable is named 'a': it becomes the empty string", None),
        ]

    def test_known_values_are_judged(self) -> None:
        document = '<Gather numDigits="{{n}}"><Play>{{p}}</Play></Gather>'
        assert check(document, variables={"n": 4, "p": "/x.wav"}).valid
        (digits, play) = check(document, variables={"n": 65, "p": "a b"}).errors
        assert digits.message == "numDigits must be 1 to 64, not '65'"
        assert (play.code, play.line) == (Code.BAD_URL, 2)

    def test_places_are_those_of_the_template(self) -> None:
        result = check(
            "<Say>{{long}}</Say><Gather x='{{long}}' timeout='0'/>", "<Say>{{a}}</Say> <Foo/>",
            "<Say><![CDATA[{{long}}]]></Say><Bar/>",
            variables={"long": "text\n" * 50},
        )  # fmt: skip
        assert [(one.line, one.column) for one in result.errors] == [(2, 20), (3, 18), (4, 32)]
        assert result.errors[0].attribute is not None
        assert (result.errors[0].attribute.line, result.errors[0].attribute.column) == (2, 41)

    def test_the_end_of_a_template_is_a_place_in_it(self) -> None:
        for variables in (None, {"a": "long " * 100}):
            (error,) = lint("<Response>\n  {{a}}", variables=variables).errors
            assert (error.line, error.column) == (2, 3)

    def test_the_place_of_broken_xml_is_that_of_the_template(self) -> None:
        (error,) = check("<Say>{{a}}</Say>", "{{a}} & {{a}}", variables={"a": "long " * 100}).errors
        assert (error.line, error.column) == (3, 8)

    def test_messages_show_placeholders_as_written(self) -> None:
        (error,) = check("{{ words }}").errors
        assert error.message == "text is not allowed directly in <Response>: '{{words}}'"

    def test_a_lookalike_of_the_sample_text_is_just_text(self) -> None:
        result = check("<Say>\uf8f099\uf8f1 {{a}}</Say>", variables={})
        assert len(result.warnings) == 1
        assert check(f"<Say>\uf8f0{'9' * 5000}\uf8f1 {{{{a}}}}</Say>", variables={}).valid
        assert check('<Gather timeout="\uf8f00\uf8f1"/>').errors[0].code is Code.INVALID_ATTRIBUTE

    def test_the_size_is_that_of_the_template(self) -> None:
        limits = LanguageLimits(document_bytes=64)
        fits = "<Response>" + "{{a}}" * 8 + "</Response>"
        assert lint_template(fits, limits=limits).errors[0].code is Code.BAD_NESTING
        too_large = lint_template(fits + "  {{", limits=limits)
        assert [one.code for one in too_large.errors] == [Code.TOO_LARGE]

    def test_variables_that_blow_a_template_up_are_an_error(self) -> None:
        template = "<Response><Say>" + "{{a}}" * 2_000 + "</Say></Response>"
        (error,) = lint(template, variables={"a": "x" * 1024}).errors
        assert error.code is Code.TOO_LARGE


class TestBounds:
    @pytest.mark.parametrize(
        "document",
        [
            "<Response>" + "<Say " + " ".join(f'lop{n}="1"' for n in range(20_000)) + ">x</Say></Response>",
            "<Response " + " ".join(f'a{n}="1"' for n in range(20_000)) + "/>",
            "<Response>" + "<?x?>" * 40_000 + "</Response>",
            "<Response>" + f"<Pla{'y' * 1300}/>" * 190 + "</Response>",
            "<Response>" + "\n" * 200_000 + "<Foo/>" * 190 + "</Response>",
            "<Response>" + "é" * 120_000 + "<Foo a='1'/>" * 190 + "</Response>",
            "<Response>" + "<Say>{{a}}</Say>" * 190 + "{{b}}" * 40_000 + "</Response>",
            "<Response>" + "{{ " * 80_000 + "</Response>",
        ],
        ids=short_id,
    )
    def test_hostile_documents_cost_little_and_report_a_bounded_number(self, document: str) -> None:
        with effort_below(2000):
            result = lint(document, variables={})
        assert len(result.errors) + len(result.warnings) <= 3 * PROBLEMS

    def test_any_number_of_warnings_hides_no_error(self) -> None:
        many = " ".join(f'x{n}="1"' for n in range(PROBLEMS + 1))
        result = check(f"<Say {many}>x</Say><Foo/>")
        assert len(result.warnings) == PROBLEMS
        assert [error.code for error in result.errors] == [Code.UNKNOWN_VERB]


ATTRIBUTES = st.dictionaries(
    st.sampled_from(["numDigits", "timeout", "action", "input", "loop", "digits", "x", "xml:lang", "voice", "url"]),
    st.text(st.sampled_from("1a{} /:#*"), max_size=8),
    max_size=3,
)
NAMES = st.sampled_from(["Say", "Play", "Gather", "Dial", "Number", "Sip", "Conference", "Stream", "Foo", "Refer"])


def _element(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda name, attributes, inside: "<{0} {1}>{2}</{0}>".format(
            name, " ".join(f'{key}="{value}"' for key, value in attributes.items()), "".join(inside)
        ),
        NAMES,
        ATTRIBUTES,
        st.lists(children, max_size=3),
    )


class TestFuzz:
    @UNHURRIED
    @given(st.recursive(st.sampled_from(["", "text", "{{a}}", "{{", "/x.wav", "+20100"]), _element, max_leaves=12))
    def test_well_formed_documents_never_raise_and_places_are_inside(self, inside: str) -> None:
        document = f"<Response>\n{inside}</Response>"
        for variables in (None, {}, {"a": "<&\n"}):
            result = lint(document, variables=variables)
            assert result.valid == (not result.errors)
            lines = document.split("\n")
            for one in (*result.errors, *result.warnings):
                if one.code in {Code.TOO_DEEP, Code.TOO_LARGE}:
                    continue
                assert lines[one.line - 1][one.column - 1] == "<"
                if one.attribute is not None:
                    assert lines[one.attribute.line - 1][one.attribute.column - 1 :].startswith(one.attribute.name)

    @UNHURRIED
    @given(st.one_of(st.text(), st.binary()))
    def test_anything_at_all_gives_a_result(self, data: str | bytes) -> None:
        result = lint(data)
        assert result.valid == (not result.errors)
