"""Text to `Document`, by contract §10.1: XML 1.0 in UTF-8, no DOCTYPE, no own entities, no processing instructions.

The reader is expat from the standard library and not lxml, for two measured reasons. libxml2 as lxml sets it up keeps
every element and attribute name it has ever seen in a dictionary per thread: documents come from customers, and 400
of them with fresh names left 150 MB behind. And it tells lines but no columns. Nothing expat can be made to do with a
DTD is reachable here: a DOCTYPE is found by a scan of the text, before expat sees it.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from voyloml.document import Document, Element, Lines
from voyloml.errors import Code, DocumentError
from voyloml.limits import DEFAULT_LIMITS, LanguageLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = "Response"

_MARKUP = re.compile(r"<!--|<!\[CDATA\[|<\?|<!(?i:DOCTYPE)")
_OPEN_REFERENCE = re.compile(r"&[\w.:-]*$")
_CLOSINGS = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}
_NO_TEXT: list[str] = []


INSTRUCTION_MESSAGE: Final = 'processing instructions are not allowed; only <?xml version="1.0"?> may open the document'


def parse_document(data: bytes | str, limits: LanguageLimits = DEFAULT_LIMITS) -> Document:
    """The document in `data` (bytes: UTF-8 with or without a byte order mark).

    Raises DocumentError, and nothing else, for the first thing that contract §10.1 forbids.
    """
    document, instructions = read_document(*decode(data, limits), limits)
    if instructions:
        line, column = instructions[0]
        raise DocumentError(Code.PROCESSING_INSTRUCTION_FORBIDDEN, INSTRUCTION_MESSAGE, line, column)
    return document


def decode(data: bytes | str, limits: LanguageLimits) -> tuple[str, bytes]:
    """`data` as characters and as UTF-8, without byte order mark. Raises DocumentError when that cannot be."""
    if len(data) > limits.document_bytes:
        raise _too_many_bytes(limits)
    if isinstance(data, str):
        text = data.removeprefix("\ufeff")
        try:
            octets = text.encode()
        except UnicodeEncodeError as error:
            message = f"U+{ord(text[error.start]):04X} is half of a surrogate pair and not a character"
            raise DocumentError(Code.NOT_WELL_FORMED, message, *Lines(text).place(error.start)) from None
        if len(octets) > limits.document_bytes:
            raise _too_many_bytes(limits)
        return text, octets
    octets = data.removeprefix(codecs.BOM_UTF8)
    try:
        return octets.decode(), octets
    except UnicodeDecodeError as error:
        before = octets[: error.start].decode()
        message = f"byte 0x{octets[error.start]:02x} is not UTF-8, the only encoding of VoyloML"
        raise DocumentError(Code.NOT_WELL_FORMED, message, *Lines(before).place(len(before))) from None


def read_document(text: str, octets: bytes, limits: LanguageLimits) -> tuple[Document, list[tuple[int, int]]]:
    """The document in `text`, which is `octets`, and the places `(line, column)` of its processing instructions.

    Raises DocumentError, also once the document has more elements or levels than `limits` allow.
    """
    _refuse_doctype(text)
    reader = _Reader(limits)
    try:
        reader.expat.Parse(octets, True)
    except expat.ExpatError as error:
        raise reader.explain(error, text) from None
    finally:
        reader.release()
    root = reader.root
    assert root is not None
    if root.name != ROOT:
        raise DocumentError(Code.BAD_ROOT, _root_message(root.name), root.line, root.column, root.path)
    return Document(root, text), reader.instructions


def _too_many_bytes(limits: LanguageLimits) -> DocumentError:
    return DocumentError(Code.TOO_LARGE, f"a document has at most {limits.document_bytes} bytes")


def _refuse_doctype(text: str) -> None:
    """Raises for a DOCTYPE outside comments, CDATA and instructions.

    expat calls its handlers for a DOCTYPE too, but an exception in one does not stop it from reading on, entities
    included.
    """
    match = _MARKUP.search(text)
    while match is not None:
        position, opening = match.start(), match.group()
        closing = _CLOSINGS.get(opening)
        if closing is None:
            line, column = Lines(text).place(position)
            page = "; this looks like an HTML page" if text[match.end() :].lstrip()[:4].lower() == "html" else ""
            raise DocumentError(Code.DOCTYPE_FORBIDDEN, f"a DOCTYPE is not allowed{page}", line, column)
        end = text.find(closing, match.end())
        match = _MARKUP.search(text, end) if end >= 0 else None


def _root_message(name: str) -> str:
    shown = name if len(name) <= 40 else name[:40] + "…"
    if name.lower() == "html":
        return "the root element must be <Response>; this is an HTML page"
    return f"the root element must be <Response>, not <{shown}>"


class _Open:
    """An element whose end tag has not come yet."""

    __slots__ = ("attributes", "children", "column", "full_text", "line", "marks", "name", "path", "seen", "text")

    def __init__(self, name: str, attributes: Mapping[str, str], line: int, column: int, path: str) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.column = column
        self.path = path
        self.text: list[str] = _NO_TEXT
        self.full_text: list[str] = _NO_TEXT
        self.children: list[Element] = []
        self.marks: list[int] = []
        self.seen: dict[str, int] = {}

    def mixed(self) -> tuple[str | Element, ...]:
        """Text and children in their order."""
        parts: list[str | Element] = []
        start = 0
        for child, mark in zip(self.children, self.marks, strict=True):
            parts += ["".join(self.text[start:mark]), child]
            start = mark
        return (*parts, "".join(self.text[start:]))


class _Reader:
    """Collects expat's events into elements and stops at the first limit."""

    def __init__(self, limits: LanguageLimits) -> None:
        self.root: Element | None = None
        self.instructions: list[tuple[int, int]] = []
        self._limits = limits
        self._open: list[_Open] = []
        self._count = 0
        self.expat = expat.ParserCreate("utf-8")
        self.expat.buffer_text = True
        self.expat.XmlDeclHandler = self._declaration
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = self._end
        self.expat.CharacterDataHandler = self._characters
        self.expat.ProcessingInstructionHandler = self._instruction
        self.expat.StartDoctypeDeclHandler = self._doctype

    def release(self) -> None:
        """Parts from expat, whose callbacks point back here: such a cycle would wait for the garbage collector."""
        del self.expat

    def _place(self) -> tuple[int, int]:
        return self.expat.CurrentLineNumber, self.expat.CurrentColumnNumber + 1

    def _fail(self, code: Code, message: str) -> DocumentError:
        path = self._open[-1].path if self._open else "/"
        return DocumentError(code, message, *self._place(), path)

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if version != "1.0":
            raise self._fail(Code.NOT_WELL_FORMED, f"the XML version must be 1.0, not {version[:20]!r}")
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise self._fail(Code.NOT_WELL_FORMED, f"the encoding must be UTF-8, not {encoding[:40]!r}")

    def _doctype(self, *_: object) -> None:
        raise self._fail(Code.DOCTYPE_FORBIDDEN, "a DOCTYPE is not allowed")

    def _instruction(self, target: str, data: str) -> None:
        self.instructions.append(self._place())

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > self._limits.document_elements:
            raise self._fail(Code.TOO_LARGE, f"a document has at most {self._limits.document_elements} elements")
        if not self._open:
            path = f"/{name}"
        else:
            parent = self._open[-1]
            if len(self._open) >= self._limits.document_depth:
                raise self._fail(Code.TOO_DEEP, f"elements nest at most {self._limits.document_depth} deep")
            index = parent.seen[name] = parent.seen.get(name, 0) + 1
            path = f"{parent.path}/{name}[{index}]"
        reader = self.expat
        self._open.append(_Open(name, attributes, reader.CurrentLineNumber, reader.CurrentColumnNumber + 1, path))

    def _characters(self, data: str) -> None:
        element = self._open[-1]
        if element.text is _NO_TEXT:
            element.text = [data]
        else:
            element.text.append(data)
        if element.full_text is not _NO_TEXT:
            element.full_text.append(data)

    def _end(self, _: str) -> None:
        done = self._open.pop()
        text = "".join(done.text).strip()
        full_text = "".join(done.full_text).strip() if done.full_text is not _NO_TEXT else text
        element = Element(
            done.name,
            done.attributes,
            text,
            full_text,
            tuple(done.children),
            done.line,
            done.column,
            done.path,
            done.mixed() if text and done.children else (),
        )
        if not self._open:
            self.root = element
            return
        parent = self._open[-1]
        parent.children.append(element)
        parent.marks.append(len(parent.text))
        if full_text:
            if parent.full_text is _NO_TEXT:
                parent.full_text = list(parent.text)
            parent.full_text.append(full_text)

    def explain(self, error: expat.ExpatError, text: str) -> DocumentError:
        """What expat found, in words that say what to change. `text` is what was parsed."""
        return DocumentError(
            Code.NOT_WELL_FORMED,
            self._words(expat.ErrorString(error.code), text, error),
            error.lineno,
            error.offset + 1,
            self._open[-1].path if self._open else "/",
        )

    def _words(self, reason: str, text: str, error: expat.ExpatError) -> str:
        if reason == expat.errors.XML_ERROR_TAG_MISMATCH and self._open:
            last = self._open[-1]
            return f"expected </{last.name[:40]}>, which closes the element opened on line {last.line}"
        if reason == expat.errors.XML_ERROR_NO_ELEMENTS:
            if not self._open:
                return "the document is empty" if not text.strip() else "the document has no root element"
            last = self._open[-1]
            return f"<{last.name[:40]}>, opened on line {last.line}, is never closed"
        if reason == expat.errors.XML_ERROR_UNDEFINED_ENTITY:
            return "only the entities &amp; &lt; &gt; &quot; &apos; and numeric ones such as &#233; are known"
        if reason == expat.errors.XML_ERROR_MISPLACED_XML_PI:
            return "the XML declaration must be the very first thing in the document, without even a space before it"
        if reason == expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT:
            return "nothing but comments may follow </Response>"
        if reason == expat.errors.XML_ERROR_INVALID_TOKEN:
            return self._token_words(text, error)
        return str(reason)

    @staticmethod
    def _token_words(text: str, error: expat.ExpatError) -> str:
        offset = Lines(text).offset(error.lineno, error.offset + 1)
        found = text[offset : offset + 1]
        if found and (ord(found) < 0x20 or ord(found) in {0xFFFE, 0xFFFF}):
            return f"the control character U+{ord(found):04X} is not allowed in XML"
        if found == "&" or _OPEN_REFERENCE.search(text, max(0, offset - 64), offset):
            return "a plain & must be written &amp;"
        if found == "<":
            return "a plain < must be written &lt;"
        return f"{found!r} is not allowed here" if found else "the document ends within a tag"
