"""The XML schema of the language, made from the verb table, so that editors complete and check documents.

It accepts every document that the linter has no errors for, and no more where XSD 1.0 can say so: it cannot forbid text
beside elements, or a second element where only one may stand. A value may hold placeholders of templates. Attributes
of TwiML that have no effect here are declared, and their documentation says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from xml.sax.saxutils import escape, quoteattr

from voyloml.attribute_types import (
    AttributeType,
    Boolean,
    Choice,
    Integer,
    IntegerOr,
    Keys,
    Text,
    Tones,
    Words,
)
from voyloml.schema import Attribute, ElementSpec
from voyloml.twiml import Standing, twiml_element
from voyloml.verbs import BY_NAME, ELEMENTS

PLACEHOLDER = r"[\s\S]*\{\{ *[A-Za-z_][A-Za-z0-9_]* *\}\}[\s\S]*"
"""A value that is known only when the template is filled in."""


@lru_cache(maxsize=1)
def schema() -> str:
    """The schema as an XML document."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">',
        '  <xs:element name="Response">',
        *_documentation("    ", "The verbs of a call flow, run from top to bottom."),
        "    <xs:complexType>",
        '      <xs:choice minOccurs="0" maxOccurs="unbounded">',
        *(f'        <xs:element name="{name}" type="{spec.name}"/>' for name, spec in BY_NAME.items() if spec.verb),
        "      </xs:choice>",
        _XML_ATTRIBUTES.format("      "),
        "    </xs:complexType>",
        "  </xs:element>",
    ]
    for spec in ELEMENTS:
        lines += _complex_type(spec)
    lines += [
        '  <xs:complexType name="ssml" mixed="true">',
        '    <xs:choice minOccurs="0" maxOccurs="unbounded">',
        *(
            f'      <xs:element name="{name}" type="ssml"/>'
            for name in sorted(frozenset[str]().union(*(spec.markup for spec in ELEMENTS)))
        ),
        "    </xs:choice>",
        '    <xs:anyAttribute namespace="##any" processContents="skip"/>',
        "  </xs:complexType>",
        "</xs:schema>",
    ]
    return "\n".join(lines) + "\n"


_XML_ATTRIBUTES = '{}<xs:anyAttribute namespace="http://www.w3.org/XML/1998/namespace" processContents="skip"/>'


def _complex_type(spec: ElementSpec) -> Iterator[str]:
    mixed = ' mixed="true"' if spec.content is not None else ""
    yield f'  <xs:complexType name="{spec.name}"{mixed}>'
    yield from _documentation("    ", spec.summary)
    children = [name for name, child in BY_NAME.items() if child.name in spec.child_by_name]
    if children or spec.markup:
        yield '    <xs:choice minOccurs="0" maxOccurs="unbounded">'
        for name in children:
            yield f'      <xs:element name="{name}" type="{BY_NAME[name].name}"/>'
        for name in sorted(spec.markup):
            yield f'      <xs:element name="{name}" type="ssml"/>'
        yield "    </xs:choice>"
    for attribute in spec.attributes:
        for name in (attribute.name, *attribute.aliases):
            yield from _attribute(attribute, name)
    for name, note in _without_effect(spec):
        yield f'    <xs:attribute name="{name}" type="xs:string">'
        yield from _documentation("      ", f"TwiML, without effect here{f': {note}' if note else ''}.")
        yield "    </xs:attribute>"
    yield _XML_ATTRIBUTES.format("    ")
    yield "  </xs:complexType>"


def _attribute(attribute: Attribute, name: str) -> Iterator[str]:
    use = ' use="required"' if attribute.required else ""
    yield f'    <xs:attribute name="{name}"{use}>'
    default = "" if attribute.default in (None, "", ()) else f" Default: {shown_default(attribute)}."
    yield from _documentation("      ", f"{attribute.meaning}. {attribute.type.expected}.{default}")
    pattern = pattern_of(attribute.type)
    yield "      <xs:simpleType>"
    if pattern is None:
        yield f"        {_length(attribute.type)}"
    else:
        yield '        <xs:restriction base="xs:token">'
        yield f"          <xs:pattern value={quoteattr(pattern)}/>"
        yield f"          <xs:pattern value={quoteattr(PLACEHOLDER)}/>"
        yield "        </xs:restriction>"
    yield "      </xs:simpleType>"
    yield "    </xs:attribute>"


def shown_default(attribute: Attribute) -> str:
    """The default as a document would have it; empty for none."""
    default = attribute.default
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, tuple):
        return " ".join(default)
    return "" if default is None else str(default)


def _without_effect(spec: ElementSpec) -> Iterator[tuple[str, str]]:
    known = twiml_element(spec.name)
    for attribute in known.attributes if known is not None else ():
        if known is not None and known.standing_of(attribute) is Standing.NOT_OFFERED:
            yield attribute.name, attribute.note


def _documentation(indent: str, text: str) -> Iterator[str]:
    yield f"{indent}<xs:annotation><xs:documentation>{escape(text)}</xs:documentation></xs:annotation>"


def _length(of: AttributeType) -> str:
    """A type whose form XSD leaves to the linter."""
    least = of.least if isinstance(of, Text) else 0
    return f'<xs:restriction base="xs:string"><xs:minLength value="{least}"/></xs:restriction>'


def pattern_of(of: AttributeType) -> str | None:
    """A regular expression of XSD for what a type takes; None where it is only a matter of length or of URL form."""
    match of:
        case Integer(low, high):
            return _range(low, high)
        case IntegerOr(low, high, words):
            return "|".join([*words, _range(low, high)])
        case Boolean(true, false):
            return "|".join(["true", "false", "1", "0", *true, *false])
        case Choice(words, spellings):
            return "|".join([*words, *(spelling for spelling, _ in spellings)])
        case Words(words):
            word = f"({'|'.join(words)})"
            return f"{word}( {word})*"
        case Keys(allowed, empty):
            return f"[{allowed}]{'*' if empty else '+'}"
        case Tones(most):
            return f"[0-9*#A-Da-dwW]{{1,{most}}}"
        case _:
            return None


def _range(low: int, high: int) -> str:
    """Digits for whole numbers from `low` to `high`, with leading zeros."""
    return f"0*({'|'.join(_between(low, high))})"


def _between(low: int, high: int) -> Iterator[str]:
    """Patterns that together match exactly the numbers from `low` to `high`."""
    while low <= high:
        # The largest block of numbers that begins at `low` and shares all but its last digits.
        zeros = 0
        while low % 10 ** (zeros + 1) == 0 and low + 10 ** (zeros + 1) - 1 <= high and low:
            zeros += 1
        size = 10**zeros
        last = min(9, low // size % 10 + (high - low + 1) // size - 1)
        first = low // size % 10
        prefix = str(low // size // 10 or "")
        digit = str(first) if first == last else f"[{first}-{last}]"
        yield f"{prefix}{digit}" + (f"[0-9]{{{zeros}}}" if zeros else "")
        low += (last - first + 1) * size
