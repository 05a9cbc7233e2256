"""The reference page of one verb, made from its declaration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from voyloml.reference.dial_table import DIAL_ROWS
from voyloml.reference.gather_table import GATHER_ROWS
from voyloml.reference.samples import SAMPLES
from voyloml.schema import ElementSpec
from voyloml.verbs import BY_NAME, parents_of
from voyloml.xsd import shown_default

GENERATED = "Generated from the verb table with `python -m voyloml.reference`; do not edit.\n"

NOUNS_OF = {
    "Dial": ("Number", "Sip", "Agent", "Identity", "Trunk", "Queue"),
    "Stream": ("Parameter",),
}
"""Nouns that a verb's page describes with it; `Conference` has a page of its own."""


_INDEX = """
A document is an XML element `Response` that holds verbs; they run from top to bottom, and at its end the call is hung
up. [The schema](../voyloml.xsd) lets an editor complete and check it; a running engine serves it at `/voyloml.xsd`.
[Documents written for Twilio](../twiml-compatibility.md) run as far as that page says. Which verbs the engine carries
out on live calls is in [call flows](../call-flows.md); the simulator carries out all of them.

"""
_GATHER_HEAD = """
## What is the input, and when

The prompt lasts 4 seconds. Speech is heard where the server has a recogniser. The last column is when the prompt falls
silent. *No input*: the next verb runs.

"""
_GATHER_FOOT = """
A key of `finishOnKey` counts as such also where `validDigits` has it. Keys pressed during the request of the action
belong to the next verb.
"""
_DIAL_HEAD = """
## How it ends

The caller is answered at 0 s and everybody is rung from then on. `<Conference>` has [a page of its own](conference.md).

"""
_DIAL_COLUMNS = (
    "who",
    "attributes",
    "what happens",
    "`DialStatus`, `DialHangupCause`",
    "`DialDuration`",
    "over at",
    "also",
)
_DIAL_FOOT = """
Before the bridge a party goes through `sendDigits`, machine detection and confirmation, in this order. With a
confirmation the other parties go on ringing meanwhile; without one, the first to answer has won and the others are
cancelled at once. `confirmTimeout` counts from the end of the sound; a key during the sound counts. Keys that the
caller presses while bridged are not kept for the next verb. After the caller has hung up, the action is still
requested and its answer ignored.
"""


def verb_page(spec: ElementSpec) -> str:
    """The page of a verb."""
    parts = [f"# `<{spec.name}>`\n\n{spec.summary} {_answering(spec)}\n\n{GENERATED}"]
    parts += _element(spec)
    if spec.parameters:
        parts.append("\n## What the action is told\n\n")
        parts.append(f"`Step` is `{spec.step}`, and:\n\n")
        parts += _table(
            ("parameter", "value"),
            (
                (", ".join(f"`{name}`" for name in (parameter.name, *parameter.also)), parameter.meaning)
                for parameter in spec.parameters
            ),
        )
    for name in NOUNS_OF.get(spec.name, ()):
        noun = BY_NAME[name]
        parts.append(f"\n## `<{noun.name}>`\n\n{noun.summary}\n")
        parts += _element(noun)
    if spec.name == "Gather":
        parts += _gather_table()
    if spec.name == "Dial":
        parts += _dial_table()
    sample = SAMPLES[spec.name]
    parts.append(f"\n## Example\n\n```xml\n{sample.document}```\n\n")
    for path, page in sample.pages.items():
        parts.append(f"The application answers `{path}` with `{page}`. ")
    parts.append(f"`voylo simulate` shows such a call:\n\n```text\n{sample.simulated().text()}```\n")
    return "".join(parts)


def index_page(verbs: Iterable[ElementSpec]) -> str:
    """The list of all pages."""
    rows = ((f"[`<{spec.name}>`]({spec.name.lower()}.md)", spec.summary) for spec in verbs)
    text = "# VoyloML, verb by verb\n\n" + GENERATED
    text += _INDEX
    return text + "".join(_table(("verb", "what it does"), rows))


def _answering(spec: ElementSpec) -> str:
    if not spec.answers:
        return "It does not answer an inbound call."
    unless = f", unless `{spec.answers_unless}` is true" if spec.answers_unless else ""
    return f"It answers an inbound call{unless}."


def _element(spec: ElementSpec) -> Iterator[str]:
    places = ", ".join(f"`<{name}>`" for name in parents_of(spec.name))
    yield f"\nStands in {places}."
    if spec.aliases:
        yield " Also written " + ", ".join(f"`<{name}>`" for name in spec.aliases) + "."
    if spec.content is not None:
        unless = f", unless `{spec.content.unless}` is there" if spec.content.unless else ""
        yield f" Its text is {spec.content.meaning}{unless}."
    if spec.children:
        names = []
        for child in spec.children:
            rule = " (alone)" if child.alone else " (once)" if child.most == 1 else ""
            names.append(f"`<{child.name}>`{rule}")
        yield f" It may hold {', '.join(names)}."
    if spec.markup:
        yield " Its text may hold SSML: " + ", ".join(f"`<{name}>`" for name in sorted(spec.markup)) + "."
    yield "\n"
    if not spec.attributes:
        return
    yield "\n"
    rows = []
    for attribute in spec.attributes:
        written = ", ".join(f"`{name}`" for name in (attribute.name, *attribute.aliases))
        default = shown_default(attribute)
        shown = "required" if attribute.required else f"`{default}`" if default else ""
        rows.append((written, shown, attribute.type.expected, attribute.meaning))
    yield from _table(("attribute", "default", "value", "meaning"), rows)


def _gather_table() -> Iterator[str]:
    yield _GATHER_HEAD
    rows = []
    for row in GATHER_ROWS:
        prompt = "not begun" if row.prompt_until is None else f"{row.prompt_until:g} s"
        attributes = f"`{row.attributes}`" if row.attributes else ""
        result = row.result if "=" not in row.result else f"`{row.result}`"
        situation = row.group + (" (a pause of 2 s before it)" if row.before else "")
        rows.append((situation, attributes, row.does, result, f"{row.at:g} s", prompt))
    yield from _table(("situation", "attributes", "the caller", "result", "over at", "prompt until"), rows)
    yield _GATHER_FOOT


def _dial_table() -> Iterator[str]:
    yield _DIAL_HEAD
    rows = []
    for row in DIAL_ROWS:
        others = ", ".join(f"`{name}`" + (f" {value}" if value else " absent") for name, value in row.others.items())
        attributes = f"`{row.attributes}`" if row.attributes else ""
        told = f"`{row.status}`, `{row.cause}`"
        rows.append((row.group, attributes, row.does, told, f"{row.seconds} s", f"{row.at:g} s", others))
    names = (
        "who",
        "attributes",
        "what happens",
        "`DialStatus`, `DialHangupCause`",
        "`DialDuration`",
        "over at",
        "also",
    )
    yield from _table(names, rows)
    yield _DIAL_FOOT


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |\n| {' | '.join('---' for _ in head)} |\n"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |\n"
