"""Coverage-guided fuzzing of what an application answers: the VoyloML parser, the linter and templates.

Nothing may come out but the one error of the reader. What is read stays within the limits of contract §10.1; where the
parser reads, the linter agrees; the values of variables cannot change what a template is made of.

    python tests/fuzz/fuzz_voyloml.py TARGET [libFuzzer options]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import atheris
from seeded import fuzz

with atheris.instrument_imports(include=["voyloml"]):
    from voyloml import DEFAULT_LIMITS, Document, DocumentError, Element, lint, lint_template, parse_document
    from voyloml.errors import Code
    from voyloml.variables import substitute

EXAMPLES = Path(__file__).parents[2] / "examples" / "call_flows"
NASTY = [
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><Response><Say>&b;</Say></Response>',
    b"<Response><?php x?><Say><![CDATA[a]]></Say><!-- <!DOCTYPE --></Response>",
    b'<a:Response xmlns:a="urn:x"><Say a:b="c"/></a:Response>',
    b"\xff\xfe<\x00R\x00",
    b"<Response>" + b"<Gather>" * 9,
]
UNREADABLE = {
    Code.NOT_WELL_FORMED, Code.DOCTYPE_FORBIDDEN, Code.PROCESSING_INSTRUCTION_FORBIDDEN, Code.BAD_ROOT, Code.TOO_DEEP,
}  # fmt: skip


def depth(element: Element) -> int:
    """Levels of elements from this one down."""
    return 1 + max((depth(child) for child in element.children), default=0)


def read(data: bytes | str) -> Document | None:
    """The document, where there is one; it is within the limits."""
    try:
        document = parse_document(data)
    except DocumentError:
        return None
    assert document.root.name == "Response"
    assert sum(1 for _ in document.root.walk()) <= DEFAULT_LIMITS.document_elements
    assert depth(document.root) <= DEFAULT_LIMITS.document_depth
    return document


def document(data: bytes) -> None:
    """What an action URL answers: the parser and the linter agree on whether it can be read."""
    found = lint(data, base_url=...)
    assert found.valid is not bool(found.errors)
    readable = read(data) is not None
    # Placeholders are sample text for the linter, which may stand where they may not.
    if b"{{" not in data:
        codes = {error.code for error in found.errors}
        assert not (readable and codes & UNREADABLE), found.errors
        # A document is too large, and so may be a text in one that is read.
        assert readable or codes & (UNREADABLE | {Code.TOO_LARGE}), found.errors


def template(data: bytes) -> None:
    """A template and hostile values: whatever is put in, the elements are those of harmless ones."""
    text, _, value = data.decode("utf-8", "replace").partition("\0")
    if not lint_template(text).valid:
        return  # with a placeholder in a name, for example

    def shape(given: str) -> list[tuple[str, list[str]]] | None:
        try:
            made = substitute(text, dict.fromkeys(("name", "day", "time", "a"), given)).text
        except DocumentError:
            return None
        read_document = read(made)
        if read_document is None:
            return None
        return [(element.name, sorted(element.attributes)) for element in read_document.root.walk()]

    plain, hostile = shape("x"), shape(value or "]]><Hangup/>\"'&{{a}}")
    assert plain is None or hostile is None or plain == hostile


TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "document": (document, [*(path.read_bytes() for path in sorted(EXAMPLES.glob("*/*.xml"))), *NASTY]),
    "template": (
        template,
        [
            (EXAMPLES / "appointment_reminder" / "main.xml").read_bytes() + b"\0Mona & <Karim>",
            b'<Response><Say voice="{{a}}">{{ a }}</Say><![CDATA[{{a}}]]></Response>\0]]>"',
        ],
    ),
}


if __name__ == "__main__":
    fuzz(TARGETS)
