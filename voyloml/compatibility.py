"""Twilio's TwiML beside this language, for people: `docs/twiml-compatibility.md`, and what one document uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voyloml.document import Document
from voyloml.twiml import TWIML, Standing, TwimlElement, twiml_element

_INTRODUCTION = """\
# Documents written for Twilio

Generated from the verb table with `python -m voyloml.reference`; do not edit.

A call flow written in voice TwiML runs here as it is, as far as this page says *same* or *different*. What is
*not offered* is skipped: an attribute has no effect, a verb is passed over, and the call's log says so.
`voylo validate --twiml FILE` says the same about one document.

Twilio's names of action parameters are sent beside the engine's own: `DialCallStatus`, `DialCallDuration`,
`ReferCallStatus`, `ReferSipResponseCode`. Requests carry `Voylo-Signature` in place of `X-Twilio-Signature`.
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """One name of TwiML that a document uses, and how it stands here. `attribute` is empty for the element itself."""

    line: int
    column: int
    element: str
    attribute: str
    standing: Standing
    note: str

    def as_dict(self) -> dict[str, str | int]:
        """The members for JSON."""
        return {
            "line": self.line,
            "column": self.column,
            "element": self.element,
            "attribute": self.attribute,
            "standing": self.standing.value,
            "note": self.note,
        }


def usages(document: Document) -> Iterator[Usage]:
    """Every name of TwiML in a document, in its order; names that are only this language's are left out."""
    for element in document.root.walk():
        known = twiml_element(element.name)
        if known is None:
            continue
        yield Usage(element.line, element.column, element.name, "", known.standing, known.note)
        if known.spec is None:
            continue
        for attribute in known.attributes:
            if attribute.name in element.attributes:
                standing = known.standing_of(attribute)
                yield Usage(element.line, element.column, element.name, attribute.name, standing, attribute.note)


def compatibility_page() -> str:
    """The text of `docs/twiml-compatibility.md`."""
    offered = [element for element in TWIML if element.spec is not None]
    missing = [element for element in TWIML if element.spec is None]
    parts = [_INTRODUCTION, "\n## Verbs and nouns\n"]
    parts += [_section(element) for element in offered]
    parts.append("\n## Not offered\n\n| element | what to do |\n| --- | --- |\n")
    parts += [f"| `<{element.name}>` | {_cell(element.note)} |\n" for element in missing]
    return "".join(parts)


def _section(element: TwimlElement) -> str:
    spec = element.spec
    assert spec is not None
    own = f" (here also `<{spec.name}>`)" if spec.name != element.name else ""
    text = f"\n### `<{element.name}>`\n\n{element.standing.value.capitalize()}{own}"
    text += f": {element.note}.\n" if element.note else ".\n"
    if not element.attributes:
        return text
    text += "\n| attribute | here | how |\n| --- | --- | --- |\n"
    for attribute in element.attributes:
        note = attribute.note or (f"see `{attribute.with_}`" if attribute.with_ else "")
        text += f"| `{attribute.name}` | {element.standing_of(attribute).value} | {_cell(note)} |\n"
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
