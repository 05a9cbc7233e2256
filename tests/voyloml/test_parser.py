"""Contract §10.1: what is a document and what is refused, and where."""

from __future__ import annotations

import resource

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.effort import effort_below
from tests.voyloml.scripted import UNHURRIED, short_id
from voyloml import Code, DocumentError, LanguageLimits, parse_document

LIMITS = LanguageLimits()


def refused(data: bytes | str, limits: LanguageLimits = LIMITS) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        parse_document(data, limits)
    return caught.value


def place(error: DocumentError) -> tuple[Code, int, int, str]:
    return error.code, error.line, error.column, error.path


class TestWhatIsRead:
    def test_elements_attributes_and_trimmed_text(self) -> None:
        document = parse_document('<Response>\n  <Say voice="x">\n  Hello\n  </Say><Hangup/>\n</Response>')
        say, hangup = document.verbs
        assert (say.name, dict(say.attributes), say.text) == ("Say", {"voice": "x"}, "Hello")
        assert (hangup.name, dict(hangup.attributes), hangup.text) == ("Hangup", {}, "")

    def test_places_count_lines_and_characters_from_one(self) -> None:
        document = parse_document("<Response>\r\n\t<Say>é</Say><Say>ü</Say>\r<!-- é --><Play>x</Play></Response>")
        assert [(verb.line, verb.column) for verb in document.verbs] == [(2, 2), (2, 14), (3, 11)]

    def test_paths_count_siblings_of_the_same_name(self) -> None:
        document = parse_document("<Response><Say/><Gather><Say/><Play/><Say/></Gather><Say/></Response>")
        assert [element.path for element in document.root.walk()] == [
            "/Response",
            "/Response/Say[1]",
            "/Response/Gather[1]",
            "/Response/Gather[1]/Say[1]",
            "/Response/Gather[1]/Play[1]",
            "/Response/Gather[1]/Say[2]",
            "/Response/Say[2]",
        ]

    def test_declaration_comments_cdata_and_entities(self) -> None:
        document = parse_document(
            '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<!-- a -->'
            "<Response><Say>a &amp; <![CDATA[<b> & ]]>&#233;&#x20AC;<!-- no --> &lt;</Say></Response><!-- z -->\n"
        )
        assert document.verbs[0].text == "a & <b> & é€ <"

    def test_text_around_and_inside_children(self) -> None:
        (say,) = parse_document("<Response><Say>Hello <b>dear <i>old</i></b> world</Say></Response>").verbs
        assert say.text == "Hello  world"
        assert say.full_text == "Hello dear old world"

    def test_byte_order_mark(self) -> None:
        assert parse_document(b"\xef\xbb\xbf<Response/>").verbs == ()
        assert parse_document("\ufeff<Response/>").verbs == ()

    def test_prefixes_are_part_of_names(self) -> None:
        document = parse_document('<Response xmlns:x="urn:x"><x:Say/><y:Play/></Response>')
        assert [verb.name for verb in document.verbs] == ["x:Say", "y:Play"]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("data", "expected", "message"),
        [
            ("", (Code.NOT_WELL_FORMED, 1, 1, "/"), "the document is empty"),
            ("\n  \n", (Code.NOT_WELL_FORMED, 3, 1, "/"), "the document is empty"),
            ("<!-- a -->", (Code.NOT_WELL_FORMED, 1, 11, "/"), "the document has no root element"),
            ('{"say": 1}', (Code.NOT_WELL_FORMED, 1, 1, "/"), "'{' is not allowed here"),
            (
                "<Response>\n  <Say>hi",
                (Code.NOT_WELL_FORMED, 2, 10, "/Response/Say[1]"),
                "<Say>, opened on line 2, is never closed",
            ),
            (
                "<Response>\n  <Gather>\n    <Say>x</Say>\n</Response>",
                (Code.NOT_WELL_FORMED, 4, 3, "/Response/Gather[1]"),
                "expected </Gather>, which closes the element opened on line 2",
            ),
            (
                "<Response><Say>a & b</Say></Response>",
                (Code.NOT_WELL_FORMED, 1, 19, "/Response/Say[1]"),
                "a plain & must be written &amp;",
            ),
            (
                "<Response><Play>/x?a=1&b=2</Play></Response>",
                (Code.NOT_WELL_FORMED, 1, 25, "/Response/Play[1]"),
                "a plain & must be written &amp;",
            ),
            (
                "<Response><Say>caf&eacute;</Say></Response>",
                (Code.NOT_WELL_FORMED, 1, 19, "/Response/Say[1]"),
                "only the entities &amp; &lt; &gt; &quot; &apos; and numeric ones such as &#233; are known",
            ),
            (
                "<Response><Say a='<'/></Response>",
                (Code.NOT_WELL_FORMED, 1, 19, "/Response"),
                "a plain < must be written &lt;",
            ),
            (
                '<Response>\n<Say a="1" a="2"/></Response>',
                (Code.NOT_WELL_FORMED, 2, 12, "/Response"),
                "duplicate attribute",
            ),
            (
                "<Response/><Response/>",
                (Code.NOT_WELL_FORMED, 1, 12, "/"),
                "nothing but comments may follow </Response>",
            ),
            (
                ' <?xml version="1.0"?><Response/>',
                (Code.NOT_WELL_FORMED, 1, 2, "/"),
                "the XML declaration must be the very first thing in the document, without even a space before it",
            ),
            (
                '<?xml version="1.1"?><Response/>',
                (Code.NOT_WELL_FORMED, 1, 1, "/"),
                "the XML version must be 1.0, not '1.1'",
            ),
            (
                '<?xml version="1.0" encoding="ISO-8859-1"?><Response/>',
                (Code.NOT_WELL_FORMED, 1, 1, "/"),
                "the encoding must be UTF-8, not 'ISO-8859-1'",
            ),
            (
                b"<Response>\n<Say>\xc3\xa9\xe9</Say></Response>",
                (Code.NOT_WELL_FORMED, 2, 7, "/"),
                "byte 0xe9 is not UTF-8, the only encoding of VoyloML",
            ),
            (
                "<Response>\x00</Response>",
                (Code.NOT_WELL_FORMED, 1, 11, "/Response"),
                "the control character U+0000 is not allowed in XML",
            ),
            (
                b"<Response><Say>\x07</Say></Response>",
                (Code.NOT_WELL_FORMED, 1, 16, "/Response/Say[1]"),
                "the control character U+0007 is not allowed in XML",
            ),
            (
                "<Response>\n\ud800</Response>",
                (Code.NOT_WELL_FORMED, 2, 1, "/"),
                "U+D800 is half of a surrogate pair and not a character",
            ),
            (
                "<Response>&#0;</Response>",
                (Code.NOT_WELL_FORMED, 1, 11, "/Response"),
                "reference to invalid character number",
            ),
            ("<response/>", (Code.BAD_ROOT, 1, 1, "/response"), "the root element must be <Response>, not <response>"),
            (
                "<!-- x -->\n<html><body>404</body></html>",
                (Code.BAD_ROOT, 2, 1, "/html"),
                "the root element must be <Response>; this is an HTML page",
            ),
            ('<x:Response xmlns:x="u"/>', (Code.BAD_ROOT, 1, 1, "/x:Response"), None),
            (
                "\n<!DOCTYPE html><html></html>",
                (Code.DOCTYPE_FORBIDDEN, 2, 1, "/"),
                "a DOCTYPE is not allowed; this looks like an HTML page",
            ),
            ("<!doctype Response><Response/>", (Code.DOCTYPE_FORBIDDEN, 1, 1, "/"), "a DOCTYPE is not allowed"),
            (
                "<Response>\n <?php echo 1 ?></Response>",
                (Code.PROCESSING_INSTRUCTION_FORBIDDEN, 2, 2, "/"),
                'processing instructions are not allowed; only <?xml version="1.0"?> may open the document',
            ),
            ('<?xml-stylesheet href="x"?><Response/>', (Code.PROCESSING_INSTRUCTION_FORBIDDEN, 1, 1, "/"), None),
        ],
        ids=short_id,
    )
    def test_with_code_place_and_reason(
        self, data: bytes | str, expected: tuple[Code, int, int, str], message: str | None
    ) -> None:
        error = refused(data)
        assert place(error) == expected
        assert message is None or error.message == message

    def test_a_doctype_is_text_in_comments_and_cdata(self) -> None:
        document = parse_document("<!-- <!DOCTYPE x> --><Response><Say><![CDATA[<!DOCTYPE x>]]></Say></Response>")
        assert document.verbs[0].text == "<!DOCTYPE x>"

    def test_a_doctype_behind_a_comment_that_looks_like_another(self) -> None:
        assert place(refused("<!-- <![CDATA[ --><!DOCTYPE x><Response/>"))[:3] == (Code.DOCTYPE_FORBIDDEN, 1, 19)


class TestLimits:
    def test_bytes(self) -> None:
        limits = LanguageLimits(document_bytes=40)
        fits = "<Response><!-- " + "x" * 9 + " --></Response>"
        assert len(fits) == 39
        parse_document(fits + "\n", limits)
        parse_document(fits.encode() + b"\n", limits)
        for data in (fits + "\n\n", fits.encode() + b"\n\n", fits.replace("xx", "éé", 1)):
            error = refused(data, limits)
            assert place(error)[:3] == (Code.TOO_LARGE, 1, 1)
            assert error.message == "a document has at most 40 bytes"

    def test_elements_count_with_the_root(self) -> None:
        parse_document("<Response>" + "<Hangup/>" * 199 + "</Response>")
        error = refused("<Response>" + "<Hangup/>" * 200 + "</Response>")
        assert place(error) == (Code.TOO_LARGE, 1, 11 + 199 * 9, "/Response")
        assert error.message == "a document has at most 200 elements"

    def test_levels_count_with_the_root(self) -> None:
        parse_document("<Response><a><b><c><d><e/></d></c></b></a></Response>")
        error = refused("<Response><a><b><c><d><e><f/></e></d></c></b></a></Response>")
        assert place(error) == (Code.TOO_DEEP, 1, 26, "/Response/a[1]/b[1]/c[1]/d[1]/e[1]")
        assert error.message == "elements nest at most 6 deep"


LAUGHS = (
    b'<!DOCTYPE r [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><Response><Say>&a11;</Say></Response>"
)
QUADRATIC = b'<!DOCTYPE r [<!ENTITY a "' + b"x" * 100_000 + b'">]><Response>' + b"&a;" * 30_000 + b"</Response>"


class TestHostileDocuments:
    """Each is refused with one error, at once."""

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (LAUGHS, Code.DOCTYPE_FORBIDDEN),
            (QUADRATIC, Code.DOCTYPE_FORBIDDEN),
            (b'<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x.dtd"><Response/>', Code.DOCTYPE_FORBIDDEN),
            (
                b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><Response><Say>&x;</Say></Response>',
                Code.DOCTYPE_FORBIDDEN,
            ),
            (b'<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1:1/"> %p;]><Response/>', Code.DOCTYPE_FORBIDDEN),
            (b"<Response><Say>&x;</Say></Response>", Code.NOT_WELL_FORMED),
            (b"<Response>" + b"<Say/>" * 1_700_000 + b"</Response>", Code.TOO_LARGE),
            (b"<Response>" + b"<a>" * 10_000 + b"</a>" * 10_000 + b"</Response>", Code.TOO_DEEP),
            (b"<a>" * 80_000, Code.TOO_DEEP),
            (b"<Response>" + b"<a/>" * 60_000 + b"</Response>", Code.TOO_LARGE),
            (b"<" * 262_000, Code.NOT_WELL_FORMED),
            (b"<!-- " * 50_000, Code.NOT_WELL_FORMED),
            (b"<![CDATA[" * 29_000, Code.NOT_WELL_FORMED),
            (b"<?" * 131_000 + b"<!d", Code.NOT_WELL_FORMED),
            (b"<!---->" * 37_000 + b"<!D", Code.NOT_WELL_FORMED),
            (b"<Response " + b"a" * 262_000, Code.NOT_WELL_FORMED),
            (b'<Response a="' + b"x" * 262_000, Code.NOT_WELL_FORMED),
            (b"\x00" * 262_000, Code.NOT_WELL_FORMED),
            (b"\xff\xfe<\x00R\x00/\x00>\x00", Code.NOT_WELL_FORMED),
            ("<Response/>".encode("utf-16"), Code.NOT_WELL_FORMED),
            (b"\xed\xa0\x80", Code.NOT_WELL_FORMED),
            (b'<?xml version="1.0" encoding="utf-7"?><Response/>', Code.NOT_WELL_FORMED),
        ],
        ids=short_id,
    )
    def test_are_refused_at_once(self, data: bytes, code: Code) -> None:
        with effort_below(700):
            error = refused(data)
        assert error.code is code

    def test_a_hundred_thousand_elements_stop_at_the_limit_whatever_the_size_allows(self) -> None:
        limits = LanguageLimits(document_bytes=10_000_000)
        with effort_below(700):
            error = refused(b"<Response>" + b"<Pause/>" * 100_000 + b"</Response>", limits)
        assert place(error)[:3] == (Code.TOO_LARGE, 1, 11 + 199 * 8)

    def test_a_doctype_that_the_scan_should_miss_is_stopped_by_the_parser(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("voyloml.parser._refuse_doctype", lambda text: None)
        assert refused(LAUGHS).code is Code.DOCTYPE_FORBIDDEN

    def test_many_attributes_of_one_element_are_read(self) -> None:
        attributes = " ".join(f'a{n}="1"' for n in range(20_000))
        assert len(parse_document(f"<Response><Say {attributes}/></Response>").verbs[0].attributes) == 20_000

    def test_names_never_seen_before_leave_nothing_behind(self) -> None:
        def feed(count: int) -> None:
            for document in range(count):
                names = " ".join(f'n{document}x{n}abcdefghij="1"' for n in range(8_000))
                parse_document(f"<Response><Say {names}/></Response>")

        feed(10)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        feed(50)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_000


TOKENS = "<Response> </Response> <Say> </Say> < > / & ; &# <!-- --> <![CDATA[ ]]> <?xml ?> <!DOCTYPE [ ] = \" ' a"
MARKUP = st.lists(st.sampled_from([*TOKENS.split(), *" \n\r\x00é\ud800\uffff"]), max_size=40).map("".join)


class TestFuzz:
    """Nothing but a DocumentError comes out, and its place is in the document."""

    @UNHURRIED
    @given(st.one_of(MARKUP, st.text()))
    @example("\r\r\n<")
    def test_text(self, data: str) -> None:
        self._check(data, data)

    @UNHURRIED
    @given(st.one_of(st.binary(), MARKUP.map(lambda text: text.encode(errors="surrogatepass"))))
    @example(b"\xef\xbb\xbf\xef\xbb\xbf<Response/>")
    def test_bytes(self, data: bytes) -> None:
        self._check(data, data.decode(errors="replace"))

    def _check(self, data: bytes | str, text: str) -> None:
        try:
            document = parse_document(data)
        except DocumentError as error:
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            assert 1 <= error.line <= len(lines)
            assert 1 <= error.column <= len(lines[error.line - 1]) + 1
            assert error.message
        else:
            assert document.root.name == "Response"
