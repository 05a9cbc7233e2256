"""Elements of VoyloML while they are built: what may not stand somewhere is refused where it is put there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from voylo.generated.values import AttributeType, Text
from voylo.voyloml.escapes import VoyloMLError, fit_for_xml, in_attribute, in_text
from voylo.voyloml.speech import Speech

Given: TypeAlias = "str | int | bool | Sequence[str] | Mapping[str, str] | None"
"""An option as the caller gives it; None where it is absent."""

DOCUMENT_BYTES: Final = 262_144
DOCUMENT_ELEMENTS: Final = 200
DOCUMENT_DEPTH: Final = 6

_PLACEHOLDER = re.compile(r"\{\{ *[A-Za-z_][A-Za-z0-9_]{0,63} *\}\}")
_SHOWN_CHARS = 40


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """An attribute."""

    name: str
    of: AttributeType
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class ContentSpec:
    """What the text must be; `unless` names an attribute that makes it needless."""

    of: AttributeType
    meaning: str
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How an element may stand inside: at most `most` times, and `alone` with no sibling."""

    most: int | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class ElementSpec:
    """What an element may carry and hold; `markup`: SSML may stand in its text."""

    name: str
    attributes: tuple[AttributeSpec, ...] = ()
    content: ContentSpec | None = None
    children: Mapping[str, ChildSpec] = field(default_factory=dict)
    needs_child: str | None = None
    markup: bool = False


class Element:
    """One element and everything inside it."""

    def __init__(
        self,
        name: str,
        spec: ElementSpec,
        text: str | Speech | None = None,
        options: Mapping[str, Given] | None = None,
    ) -> None:
        """Raises VoyloMLError for an attribute or a text that the linter would not take."""
        self.name = name
        self._spec = spec
        self._attributes = _attributes(spec, options or {})
        self._text = None if text is None else self._checked_text(text)
        self._children: list[Element] = []

    def append(self, child: Element) -> None:
        """Puts `child` at the end. Raises VoyloMLError where it may not stand here."""
        rule = self._spec.children.get(child.name)
        if rule is None:
            raise VoyloMLError(f"<{child.name}> is not allowed in <{self.name}>")
        if self._text is not None:
            raise VoyloMLError(f"<{self.name}> holds either text or elements, not both")
        if rule.most is not None and sum(each.name == child.name for each in self._children) >= rule.most:
            raise VoyloMLError(f"<{self.name}> may contain only one <{child.name}>")
        alone = next((each for each in (child, *self._children) if self._spec.children[each.name].alone), None)
        if alone is not None and self._children:
            raise VoyloMLError(f"<{alone.name}> must be the only element in <{self.name}>")
        self._children.append(child)

    def document(self) -> str:
        """The document. Raises VoyloMLError where something is missing, or it is over the engine's limits."""
        count = self._count()
        if count > DOCUMENT_ELEMENTS:
            raise VoyloMLError(f"A document has at most {DOCUMENT_ELEMENTS} elements, not {count}")
        text = f'<?xml version="1.0" encoding="UTF-8"?>{self._xml()}'
        if self._depth() > DOCUMENT_DEPTH:
            raise VoyloMLError(f"elements nest at most {DOCUMENT_DEPTH} deep")
        size = len(text.encode())
        if size > DOCUMENT_BYTES:
            raise VoyloMLError(f"A document has at most {DOCUMENT_BYTES} bytes, not {size}")
        return text

    def _count(self) -> int:
        marks = self._text.count if isinstance(self._text, Speech) else 0
        return 1 + marks + sum(child._count() for child in self._children)

    def _depth(self) -> int:
        marks = self._text.depth if isinstance(self._text, Speech) else 0
        return 1 + max((child._depth() for child in self._children), default=marks)

    def _xml(self) -> str:
        self._check_complete()
        attributes = "".join(f' {name}="{in_attribute(value)}"' for name, value in self._attributes.items())
        if self._text is None:
            inside = "".join(child._xml() for child in self._children)
        else:
            inside = self._text.xml() if isinstance(self._text, Speech) else in_text(self._text)
        return f"<{self.name}{attributes}>{inside}</{self.name}>" if inside else f"<{self.name}{attributes}/>"

    def _check_complete(self) -> None:
        content, needed = self._spec.content, self._spec.needs_child
        if self._text is not None:
            return
        if needed is not None and (content is None or self._children):
            if any(child.name == needed for child in self._children):
                return
            raise VoyloMLError(f"<{self.name}> must contain a <{needed}>")
        if content is None or self._children or (content.unless is not None and content.unless in self._attributes):
            return
        raise VoyloMLError(f"<{self.name}> must contain {content.meaning}")

    def _checked_text(self, given: Any) -> str | Speech:
        content = self._spec.content
        label = f"the text of <{self.name}>"
        speech = given if self._spec.markup and isinstance(given, Speech) else None
        text = fit_for_xml(label, given if speech is None else speech.plain).strip()
        if content is None:
            raise VoyloMLError(f"text is not allowed directly in <{self.name}>: {_shown(text)}")
        if not text:
            if speech is not None and speech.count:
                return speech
            raise VoyloMLError(f"<{self.name}> must contain {content.meaning}")
        fault = problem(label, content.of, text)
        if fault is None:
            return text if speech is None else speech
        if isinstance(content.of, Text):
            raise VoyloMLError(f"{label} has at most {content.of.most} characters, not {len(text)}")
        raise VoyloMLError(fault)


def problem(label: str, of: AttributeType, text: str) -> str | None:
    """What the linter says of `text` where `label` takes it; None when it is right.

    A value with a placeholder of a template, `{{name}}`, cannot be judged and passes.
    """
    if _PLACEHOLDER.search(text):
        return None
    try:
        of.parse(text)
    except ValueError as error:
        reason = str(error)
        return f"{label} {reason}: {_shown(text)}" if reason else f"{label} must be {of.expected}, not {_shown(text)}"
    return None


def _attributes(spec: ElementSpec, options: Mapping[str, Given]) -> dict[str, str]:
    """The attributes given, in the order of the verb table."""
    attributes: dict[str, str] = {}
    for each in spec.attributes:
        value = options.get(each.name)
        if value is None:
            if each.required:
                raise VoyloMLError(f"{each.name} is required: {each.meaning}")
            continue
        text = fit_for_xml(each.name, _written(each.name, value)).strip()
        fault = problem(each.name, each.of, text)
        if fault is not None:
            raise VoyloMLError(fault)
        attributes[each.name] = text
    return attributes


def _written(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, Mapping):
        comma = next((header for header, each in value.items() if "," in str(each)), None)
        if comma is not None:
            raise VoyloMLError(f"{name}: the value of {comma} must not contain a comma")
        return ",".join(f"{header}={each}" for header, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return " ".join(map(str, value))
    raise VoyloMLError(f"{name} must not be {type(value).__name__}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")
