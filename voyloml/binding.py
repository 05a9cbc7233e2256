"""Puts the verb table against parsed elements: typed values with their defaults, and every rule that is broken.

Linter and interpreter share this, so that what the one reports is what the other skips. URLs are judged by their form
only; nothing is resolved here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from voyloml.attribute_types import AttributeType, Text, Value, error_code
from voyloml.document import Element
from voyloml.errors import Code
from voyloml.schema import Attribute, Content, ElementSpec
from voyloml.speech_remarks import remarks
from voyloml.twiml import NOT_OFFERED, TwimlAttribute, TwimlElement, missing_attribute, twiml_element
from voyloml.verbs import BY_NAME, VERB_NAMES, parents_of

PROBLEMS: Final = 500
"""Errors, and warnings, collected of one document; what a hostile document has beyond them is not kept."""

_SHOWN_CHARS = 40


class Severity(StrEnum):
    """Whether a document with the problem is valid."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule at `element`, and at which of its attributes."""

    element: Element
    code: Code
    message: str
    severity: Severity = Severity.ERROR
    attribute: str | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """An element with its declaration and typed values.

    `content` is the typed text; `usable` is false when something it cannot do without is missing or wrong. `children`
    are those that are allowed where they stand, usable or not.
    """

    element: Element
    spec: ElementSpec
    values: Mapping[str, Value]
    content: str | None
    children: tuple[Bound, ...]
    usable: bool

    def text(self, name: str) -> str | None:
        """The value of an attribute that is a string or absent."""
        value = self.values[name]
        assert value is None or isinstance(value, str)
        return value

    def integer(self, name: str) -> int:
        """The value of an attribute that is a whole number."""
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def flag(self, name: str) -> bool:
        """The value of an attribute that is true or false."""
        value = self.values[name]
        assert isinstance(value, bool)
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """The value of an attribute that is a list of words."""
        value = self.values[name]
        assert isinstance(value, tuple)
        return value


class Binder:
    """Binds the elements of one document and collects the problems, at most 500 of each severity.

    `is_open` tells values that cannot be judged because a part of them is not known yet (placeholders of a template);
    `written` gives such a text as its author has it.
    """

    def __init__(
        self, is_open: Callable[[str], bool] | None = None, written: Callable[[str], str] | None = None
    ) -> None:
        self.problems: list[Problem] = []
        self._counts = {Severity.ERROR: 0, Severity.WARNING: 0}
        self._is_open = is_open
        self._written = written

    def add(
        self,
        element: Element,
        code: Code,
        message: str,
        severity: Severity = Severity.ERROR,
        attribute: str | None = None,
    ) -> None:
        """Notes a problem, unless there are too many already."""
        if self._counts[severity] < PROBLEMS:
            self._counts[severity] += 1
            self.problems.append(Problem(element, code, message, severity, attribute))

    @property
    def _enough_warnings(self) -> bool:
        return self._counts[Severity.WARNING] >= PROBLEMS

    def verb(self, element: Element) -> Bound | None:
        """Binds a child of `Response`; None when it is not a verb."""
        spec = BY_NAME.get(element.name)
        if spec is None:
            self._unknown(element, "a verb", VERB_NAMES)
            return None
        if not spec.verb:
            self._misplaced(element, spec, "Response")
            return None
        return self._bind(element, spec)

    def root(self, element: Element) -> None:
        """Checks what `Response` itself carries: nothing but children."""
        for name in element.attributes:
            # Editors bind a document to its schema with xsi attributes.
            if self._enough_warnings:
                break
            if not name.startswith(("xml", "xsi:")):
                message = f"<Response> has no attributes, so not {_shown(name)}"
                self.add(element, Code.UNKNOWN_ATTRIBUTE, message, Severity.WARNING, name)
        if element.text:
            self._stray_text(element)

    def _bind(self, element: Element, spec: ElementSpec) -> Bound:
        values, complete = self._attributes(element, spec)
        children = self._children(element, spec) if element.children else ()
        content, sufficient = self._content(element, spec, values, bool(children))
        return Bound(element, spec, values, content, children, complete and sufficient)

    def _attributes(self, element: Element, spec: ElementSpec) -> tuple[Mapping[str, Value], bool]:
        values = dict(spec.defaults)
        if element.attributes:
            for name, raw in element.attributes.items():
                attribute = spec.attribute_by_name.get(name)
                if attribute is not None:
                    values[attribute.name] = self._value(element, attribute, name, raw.strip())
                elif not name.startswith("xml") and not self._enough_warnings:
                    self._unknown_attribute(element, spec, name)
        complete = True
        for attribute in spec.required:
            if values[attribute.name] is None:
                complete = False
                if attribute.name not in element.attributes:
                    message = f"{attribute.name} is required: {attribute.meaning}"
                    self.add(element, Code.INVALID_ATTRIBUTE, message)
        return values, complete

    def _value(self, element: Element, attribute: Attribute, name: str, text: str) -> Value:
        if self._is_open is not None and self._is_open(text):
            return attribute.default
        try:
            return attribute.type.parse(text)
        except ValueError as error:
            message = _wrong(name, attribute.type, text, error)
            self.add(element, error_code(attribute.type), message, attribute=name)
            return attribute.default

    def _unknown_attribute(self, element: Element, spec: ElementSpec, name: str) -> None:
        missing = missing_attribute(element.name, name)
        if missing is None:
            hint = _did_you_mean(name, tuple(spec.attribute_by_name))
        elif missing.with_ in element.attributes and missing_attribute(element.name, missing.with_ or ""):
            # Said with the attribute that it belongs to.
            return
        else:
            hint = _not_offered(missing)
        message = f"<{element.name}> has no attribute {_shown(name)}{hint}"
        self.add(element, Code.UNKNOWN_ATTRIBUTE, message, Severity.WARNING, name)

    def _children(self, element: Element, spec: ElementSpec) -> tuple[Bound, ...]:
        bound: list[Bound] = []
        counts: dict[str, int] = {}
        for child in element.children:
            child_spec = BY_NAME.get(child.name)
            if child.name in spec.markup:
                self._check_markup(child, spec)
                continue
            if child_spec is None:
                self._unknown_child(child, element, spec)
                continue
            inside = self._bind(child, child_spec)
            rule = spec.child_by_name.get(child_spec.name)
            if rule is None:
                self._misplaced(child, child_spec, element.name)
                continue
            if rule.alone and len(element.children) > 1:
                self.add(child, Code.BAD_NESTING, f"<{child.name}> must be the only element in <{element.name}>")
                continue
            count = counts[rule.name] = counts.get(rule.name, 0) + 1
            if rule.most is not None and count > rule.most:
                self.add(child, Code.BAD_NESTING, f"<{element.name}> may contain only one <{child.name}>")
                continue
            bound.append(inside)
        return tuple(bound)

    def _content(
        self, element: Element, spec: ElementSpec, values: Mapping[str, Value], has_children: bool
    ) -> tuple[str | None, bool]:
        """The typed text, and whether the element has what it needs."""
        content = spec.content
        if content is None:
            if element.text:
                self._stray_text(element)
            return None, self._has_needed_child(element, spec, has_children)
        text = element.full_text if content.cut else element.text
        if has_children:
            if text:
                self.add(element, Code.BAD_NESTING, f"<{element.name}> holds either text or elements, not both")
            return None, self._has_needed_child(element, spec, has_children)
        if text:
            return self._judge_text(element, content, text)
        if content.unless is not None and (values[content.unless] is not None or content.unless in element.attributes):
            return None, values[content.unless] is not None
        if element.children:
            return None, False
        self.add(element, Code.MISSING_CONTENT, f"<{element.name}> must contain {content.meaning}")
        return None, False

    def _has_needed_child(self, element: Element, spec: ElementSpec, has_children: bool) -> bool:
        if spec.needs_child is None or any(child.name == spec.needs_child for child in element.children):
            return spec.needs_child is None or has_children
        # What stands there instead has been reported already.
        if has_children or not element.children:
            self.add(element, Code.MISSING_CONTENT, f"<{element.name}> must contain a <{spec.needs_child}>")
        return False

    def _judge_text(self, element: Element, content: Content, text: str) -> tuple[str | None, bool]:
        if self._is_open is not None and self._is_open(text):
            return text, True
        of = content.type
        try:
            value = of.parse(text)
        except ValueError as error:
            if isinstance(of, Text):
                message = f"the text of <{element.name}> has at most {of.most} characters, not {len(text)}"
                self.add(element, Code.TOO_LARGE, message)
                return (text[: of.most], True) if content.cut else (None, False)
            code = error_code(of)
            if code is Code.INVALID_ATTRIBUTE:
                code = Code.MISSING_CONTENT
            self.add(element, code, _wrong(f"the text of <{element.name}>", of, text, error))
            return None, False
        assert isinstance(value, str)
        return value, True

    def _unknown(self, element: Element, kind: str, candidates: tuple[str, ...], otherwise: str = "") -> None:
        if element.name in NOT_OFFERED:
            hint = _not_offered(twiml_element(element.name))
            inside = dict.fromkeys(below.name for below in element.walk() if below.name in NOT_OFFERED)
            if len(inside) > 1:
                hint += f"; with it falls {_listed(f'<{name}>' for name in list(inside)[1:])}"
            self.add(element, Code.UNKNOWN_VERB, f"<{element.name}> is not {kind} of VoyloML{hint}")
            return
        hint = _did_you_mean(element.name, candidates, "<{}>") or otherwise
        self.add(element, Code.UNKNOWN_VERB, f"<{_name(element)}> is not {kind} of VoyloML{hint}")
        self._unknown_below(element)

    def _unknown_below(self, element: Element) -> None:
        # What is known says nothing wrong where nobody knows its parent.
        for below in element.children:
            if below.name in BY_NAME:
                self._unknown_below(below)
            else:
                self._unknown(below, "an element", ())

    def _unknown_child(self, element: Element, parent: Element, spec: ElementSpec) -> None:
        if spec.markup:
            allowed, inside = tuple(sorted(spec.markup)), "SSML such as <break>"
        else:
            allowed = tuple(name for name, known in BY_NAME.items() if known.name in spec.child_by_name)
            inside = _listed([f"<{name}>" for name in spec.child_by_name]) if spec.child_by_name else "no elements"
        self._unknown(element, "an element", allowed, f"; <{parent.name}> may contain {inside}")

    def _check_markup(self, element: Element, spec: ElementSpec) -> None:
        for below in element.children:
            if below.name in spec.markup:
                self._check_markup(below, spec)
            else:
                self._unknown_child(below, element, spec)
        for attribute, message in remarks(element.name, element.attributes):
            open_ = self._is_open is not None and self._is_open(element.attributes[attribute])
            if not open_ and not self._enough_warnings:
                self.add(element, Code.INVALID_ATTRIBUTE, message, Severity.WARNING, attribute)

    def _misplaced(self, element: Element, spec: ElementSpec, parent: str) -> None:
        places = _listed([f"<{name}>" for name in parents_of(spec.name)])
        message = f"<{element.name}> is not allowed in <{parent}>; it belongs in {places}"
        self.add(element, Code.BAD_NESTING, message)

    def _stray_text(self, element: Element) -> None:
        text = element.text if self._written is None else self._written(element.text)
        message = f"text is not allowed directly in <{element.name}>: {_shown(text)}"
        self.add(element, Code.BAD_NESTING, message)


def _not_offered(missing: TwimlElement | TwimlAttribute | None) -> str:
    note = "" if missing is None or not missing.note else f" ({missing.note})"
    return f"; it is TwiML that is not offered here{note}"


def _wrong(label: str, of: AttributeType, text: str, error: ValueError) -> str:
    reason = str(error)
    if reason:
        return f"{label} {reason}: {_shown(text)}"
    return f"{label} must be {of.expected}, not {_shown(text)}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…")


def _name(element: Element) -> str:
    return element.name if len(element.name) <= _SHOWN_CHARS else element.name[:_SHOWN_CHARS] + "…"


def _listed(words: Iterable[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _did_you_mean(name: str, candidates: tuple[str, ...], form: str = "{}") -> str:
    near = _nearest(name[:_SHOWN_CHARS], candidates)
    return f"; did you mean {form.format(near)}?" if near else ""


@lru_cache(maxsize=1024)
def _nearest(name: str, candidates: tuple[str, ...]) -> str | None:
    folded = name.casefold()
    for candidate in candidates:
        if candidate.casefold() == folded:
            return candidate
    close = difflib.get_close_matches(name, candidates, n=1, cutoff=0.75)
    return close[0] if close else None
