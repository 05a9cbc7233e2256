"""The schema against the linter: what the linter accepts validates, and what XSD can refuse it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree

from tests.voyloml.test_verbs import CONTENTS, FRAMES, REQUIRED, RULES, quoted
from voyloml import lint
from voyloml.attribute_types import Integer, SipHeaders, SipUri, Text, Token, Url
from voyloml.reference.samples import SAMPLES
from voyloml.verbs import BY_NAME, ELEMENTS
from voyloml.xsd import pattern_of, schema

PROJECT = Path(__file__).parents[2]
SCHEMA = etree.XMLSchema(etree.fromstring(schema().encode()))
FIXTURES = sorted((PROJECT / ".." / "shared" / "fixtures" / "twiml").glob("*.*ml"))
EXAMPLES = sorted((PROJECT / "examples").rglob("*.xml"))


def validates(document: bytes | str) -> bool:
    data = document.encode() if isinstance(document, str) else document
    return bool(SCHEMA.validate(etree.fromstring(data.strip())))


@pytest.mark.skipif(not FIXTURES, reason="test data not found: ../shared/fixtures/twiml")
def test_agrees_with_the_linter_on_documents_written_for_twilio() -> None:
    for path in FIXTURES:
        data = path.read_bytes()
        assert validates(data) == lint(data).valid, path.name


def test_accepts_the_examples_of_the_reference() -> None:
    for sample in SAMPLES.values():
        assert all(validates(document) for document in (sample.document, *sample.pages.values()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_accepts_the_examples(path: Path) -> None:
    data = path.read_bytes()
    if etree.fromstring(data).tag == "Response":
        assert lint(data, base_url=...).valid
        assert validates(data)


@pytest.mark.parametrize("name", FRAMES)
def test_takes_every_right_value_of_every_attribute(name: str) -> None:
    for (element, attribute), (right, _) in {**RULES, ("Stream", "url"): REQUIRED["Stream", "url"]}.items():
        for value, _ in right if element == name else ():
            frame = FRAMES[name].replace(' url="wss://a.example/s"', "") if attribute == "url" else FRAMES[name]
            document = f"<Response>{frame.format(f'{attribute}={quoted(value)}')}</Response>"
            assert validates(document), document


@pytest.mark.parametrize("name", FRAMES)
def test_refuses_every_wrong_value_of_closed_types(name: str) -> None:
    for (element, attribute), (_, wrong) in RULES.items():
        of = BY_NAME[element].attribute_by_name[attribute].type
        if element != name or isinstance(of, Url | Token | SipHeaders | SipUri | Text) or attribute == "language":
            continue
        for value in wrong:
            document = f"<Response>{FRAMES[name].format(f'{attribute}={quoted(value)}')}</Response>"
            assert not validates(document), document


def test_takes_every_right_content() -> None:
    for frame, (right, _) in CONTENTS.items():
        for text, _ in right:
            assert validates(f"<Response>{frame.format(text)}</Response>")


@pytest.mark.parametrize(
    "document",
    [
        "<Response><Nope/></Response>",
        "<Response><Number>+2010012345</Number></Response>",
        "<Response><Gather><Dial>+2010012345</Dial></Gather></Response>",
        "<Response><Gather numdigits='1'/></Response>",
        "<Response a='1'/>",
        "<Response>text</Response>",
        "<Response><Stream/></Response>",
        "<response/>",
    ],
)
def test_refuses_what_the_linter_finds(document: str) -> None:
    found = lint(document)
    assert found.errors or found.warnings
    assert not validates(document)


@pytest.mark.parametrize(
    "document",
    [
        "<Response><Gather numDigits='{{digits}}' timeout=' {{ t }} '/></Response>",
        "<Response><Say language='fr-FR'>a <prosody rate='slow'>b <break time='1s'/></prosody> {{c}}</Say></Response>",
        "<Response xml:lang='en'><Hangup xml:id='a'/></Response>",
        "<Response xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
        "xsi:noNamespaceSchemaLocation='voyloml.xsd'><!-- note --><Pause length=' 07 '/></Response>",
    ],
)
def test_accepts_templates_ssml_and_what_editors_add(document: str) -> None:
    assert lint(document, base_url=...).valid
    assert validates(document)


def test_a_range_takes_exactly_its_numbers() -> None:
    types = [attribute.type for spec in ELEMENTS for attribute in spec.attributes]
    ranges = {of for of in types if isinstance(of, Integer)}
    assert len(ranges) > 5
    for of in ranges:
        pattern = re.compile(pattern_of(of) or "")
        edges = {of.low, of.low - 1, of.high, of.high + 1, *range(1000), of.high * 10, of.high // 2}
        for number in edges:
            assert bool(pattern.fullmatch(str(number))) == (of.low <= number <= of.high), (of, number)
