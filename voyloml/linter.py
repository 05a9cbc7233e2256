"""The linter of contract §10.9: every error and warning of a document or template at once, each with its place.

It reports what the interpreter would skip or replace, by the same rules (`voyloml.binding`), and what only shows on
the whole document: unreachable verbs, relative URLs without a base, unknown variables.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import EllipsisType

from voyloml.attribute_types import Url, is_absolute
from voyloml.binding import PROBLEMS, Binder, Bound, Problem, Severity
from voyloml.document import Document, Element, Lines
from voyloml.errors import Code, DocumentError
from voyloml.limits import DEFAULT_LIMITS, LanguageLimits
from voyloml.parser import INSTRUCTION_MESSAGE, decode, read_document
from voyloml.variables import BUILT_IN, Scalar, as_text, escape, fill

# Stands for a value that is not known. Private-use characters are XML characters but no name characters, so a
# placeholder in the name of an element or attribute makes the sample ill-formed, which contract §12 asks for.
_OPEN, _CLOSE = "\uf8f0", "\uf8f1"
_SAMPLE = re.compile(f"{_OPEN}([0-9]{{1,6}}){_CLOSE}")
_SAMPLE_GROWTH = 4


@dataclass(frozen=True, slots=True)
class AttributePlace:
    """Where the attribute that a diagnostic is about begins; counted as in `Diagnostic`."""

    name: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    `line` and `column` (from 1, in characters) are those of the element's `<`, or of the fault in the XML.
    `attribute` points more closely where the finding is about one attribute.
    """

    line: int
    column: int
    path: str
    code: Code
    message: str
    attribute: AttributePlace | None = None

    def as_dict(self) -> dict[str, str | int]:
        """The members of contract §10.9."""
        return {
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "code": self.code.value,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class LintResult:
    """What the linter found, in the order of the document. `valid` means there are no errors."""

    valid: bool
    errors: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...]


def lint(
    xml: str | bytes,
    *,
    limits: LanguageLimits = DEFAULT_LIMITS,
    tts_available: bool = True,
    variables: Mapping[str, Scalar] | None = None,
    base_url: str | EllipsisType | None = None,
) -> LintResult:
    """Checks a document. Never raises for anything in it.

    Placeholders (contract §12) count as unknown text that may be right anywhere but in a name. With `variables` those
    that have a value are filled in, and the others are warned of. `base_url` is what relative URLs resolve against;
    None: there is none, so each is warned of; `...`: not known here, so nothing is said.
    """
    sample: _Sample | None = None
    try:
        text, octets = decode(xml, limits)
        if "{{" in text:
            sample = _Sample(text, variables, limits)
            text, octets = sample.text, sample.text.encode()
        document, instructions = read_document(text, octets, limits)
    except DocumentError as error:
        found = Diagnostic(error.line, error.column, error.path, error.code, error.message)
        return LintResult(valid=False, errors=(found if sample is None else sample.explain(found),), warnings=())
    linter = _Linter(document, sample, tts_available=tts_available, base_url=base_url)
    return linter.run(instructions)


def lint_template(
    xml: str | bytes,
    *,
    limits: LanguageLimits = DEFAULT_LIMITS,
    tts_available: bool = True,
    base_url: str | EllipsisType | None = None,
) -> LintResult:
    """Checks an application's template (contract §7.1) for any values of its variables: `lint` without them."""
    return lint(xml, limits=limits, tts_available=tts_available, base_url=base_url)


class _Sample:
    """A template with its placeholders filled in for checking, and the way back from its text to the template's."""

    def __init__(self, template: str, variables: Mapping[str, Scalar] | None, limits: LanguageLimits) -> None:
        self._variables = variables
        self._keys: list[str] = []
        self._index: dict[str, int] = {}
        self._starts: list[int] = []
        self._origins: list[tuple[int, bool]] = []
        texts: list[str] = []
        size = 0
        for piece, text in fill(template, self._value, limits.document_bytes * _SAMPLE_GROWTH):
            self._starts.append(size)
            self._origins.append((piece.start, piece.key is None))
            texts.append(text)
            size += len(text)
        self.text = "".join(texts)
        self._lines = Lines(self.text)
        self._template_lines = Lines(template)

    def _value(self, key: str) -> str:
        if self._variables is not None and key in self._variables:
            return escape(as_text(self._variables[key]) or "")
        index = self._index.setdefault(key, len(self._keys))
        if index == len(self._keys):
            self._keys.append(key)
        return f"{_OPEN}{index}{_CLOSE}"

    def is_open(self, text: str) -> bool:
        """True when a part of `text` stands for a value that is not known."""
        return _OPEN in text

    def unknown_keys(self, text: str) -> Iterator[str]:
        """The keys in `text` that are neither given nor built in, when variables were given."""
        if self._variables is None:
            return
        for match in _SAMPLE.finditer(text):
            index = int(match.group(1))
            if index < len(self._keys) and self._keys[index] not in BUILT_IN:
                yield self._keys[index]

    def written(self, text: str) -> str:
        """`text` with its placeholders as the template has them."""
        return _SAMPLE.sub(self._written, text) if _OPEN in text else text

    def _written(self, match: re.Match[str]) -> str:
        index = int(match.group(1))
        return f"{{{{{self._keys[index]}}}}}" if index < len(self._keys) else match.group()

    def explain(self, error: Diagnostic) -> Diagnostic:
        """An error of the sample as one of the template."""
        line, column = self.origin(error.line, error.column)
        message = error.message
        if error.code is Code.NOT_WELL_FORMED and self.text.startswith(
            _OPEN, self._lines.offset(error.line, error.column)
        ):
            message = "a placeholder may stand for text and attribute values only, not for names or other markup"
        return replace(error, line=line, column=column, message=message)

    def origin(self, line: int, column: int) -> tuple[int, int]:
        """The place in the template of a place in `text`; within a value, that of its placeholder."""
        return self.origin_of(self._lines.offset(line, column))

    def origin_of(self, offset: int) -> tuple[int, int]:
        """As `origin`, for a character offset in `text`."""
        index = bisect_right(self._starts, offset) - 1
        start, literal = self._origins[index]
        return self._template_lines.place(start + (offset - self._starts[index] if literal else 0))


class _Linter:
    """One run over one document."""

    def __init__(
        self,
        document: Document,
        sample: _Sample | None,
        *,
        tts_available: bool,
        base_url: str | EllipsisType | None,
    ) -> None:
        self._document = document
        self._sample = sample
        self._tts_available = tts_available
        self._without_base = base_url is None
        self._binder = Binder() if sample is None else Binder(sample.is_open, sample.written)
        self._lines: Lines | None = None
        self._attribute_offsets: dict[Element, dict[str, int]] = {}

    def run(self, instructions: list[tuple[int, int]]) -> LintResult:
        """Everything found, sorted by place."""
        root = self._document.root
        self._binder.root(root)
        ending: str | None = None
        for element in self._document.verbs:
            bound = self._binder.verb(element)
            if ending is not None:
                message = f"<{element.name}> is never reached: the document ends with <{ending}> before it"
                self._warn(element, Code.UNREACHABLE_VERB, message)
            if bound is None:
                continue
            self._check(bound)
            if ending is None and bound.spec.ends_document and bound.usable:
                ending = element.name
        if self._sample is not None:
            self._check_placeholders(self._sample, root)
        return self._result(instructions)

    def _warn(self, element: Element, code: Code, message: str, attribute: str | None = None) -> None:
        self._binder.add(element, code, message, Severity.WARNING, attribute)

    def _check(self, bound: Bound) -> None:
        if bound.spec.name == "Say" and not self._tts_available:
            message = "no speech engine is configured: the text will not be spoken"
            self._warn(bound.element, Code.TTS_UNAVAILABLE, message)
        if self._without_base:
            self._check_base(bound)
        for child in bound.children:
            self._check(child)

    def _check_base(self, bound: Bound) -> None:
        content = bound.spec.content
        if content is not None and isinstance(content.type, Url) and bound.content is not None:
            self._check_url(bound.element, f"the text of <{bound.element.name}>", content.type, bound.content, None)
        for name in bound.element.attributes:
            attribute = bound.spec.attribute_by_name.get(name)
            if attribute is not None and isinstance(attribute.type, Url):
                self._check_url(bound.element, name, attribute.type, bound.text(attribute.name), name)

    def _check_url(self, element: Element, label: str, of: Url, url: str | None, attribute: str | None) -> None:
        if not url or url in of.words or is_absolute(url) or (self._sample is not None and self._sample.is_open(url)):
            return
        message = (
            f"{label} is a relative URL, which has nothing to resolve against unless the document comes from a URL"
        )
        self._warn(element, Code.RELATIVE_URL_WITHOUT_BASE, message, attribute)

    def _check_placeholders(self, sample: _Sample, root: Element) -> None:
        for element in root.walk():
            for key in dict.fromkeys(sample.unknown_keys(element.text)):
                self._warn(element, Code.UNKNOWN_VARIABLE, f"no variable is named {key!r}: it becomes the empty string")
            for name, value in element.attributes.items():
                for key in dict.fromkeys(sample.unknown_keys(value)):
                    message = f"no variable is named {key!r}: it becomes the empty string"
                    self._warn(element, Code.UNKNOWN_VARIABLE, message, name)

    def _result(self, instructions: list[tuple[int, int]]) -> LintResult:
        errors = [
            Diagnostic(*self._origin(line, column), "/", Code.PROCESSING_INSTRUCTION_FORBIDDEN, INSTRUCTION_MESSAGE)
            for line, column in instructions[:PROBLEMS]
        ]
        warnings: list[Diagnostic] = []
        for problem in self._binder.problems:
            (errors if problem.severity is Severity.ERROR else warnings).append(self._diagnostic(problem))
        errors.sort(key=_place)
        warnings.sort(key=_place)
        return LintResult(not errors, tuple(errors), tuple(warnings))

    def _diagnostic(self, problem: Problem) -> Diagnostic:
        element = problem.element
        line, column = self._origin(element.line, element.column)
        attribute = self._attribute_place(element, problem.attribute) if problem.attribute is not None else None
        return Diagnostic(line, column, element.path, problem.code, problem.message, attribute)

    def _attribute_place(self, element: Element, name: str) -> AttributePlace | None:
        if self._lines is None:
            self._lines = Lines(self._document.source)
        offsets = self._attribute_offsets.get(element)
        if offsets is None:
            offsets = self._attribute_offsets[element] = self._lines.attribute_offsets(element)
        offset = offsets.get(name)
        if offset is None:
            return None
        place = self._lines.place(offset) if self._sample is None else self._sample.origin_of(offset)
        return AttributePlace(name, *place)

    def _origin(self, line: int, column: int) -> tuple[int, int]:
        return (line, column) if self._sample is None else self._sample.origin(line, column)


def _place(found: Diagnostic) -> tuple[int, int, int, int]:
    at = found.attribute
    return (found.line, found.column, at.line if at else 0, at.column if at else 0)
