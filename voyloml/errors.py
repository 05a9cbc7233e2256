"""The errors this room declares: wrong documents and wrong variables. Each names the place and says what is wrong.

Failures of a request to the outside are `HttpFailure` and `DocumentUnavailable`, beside what raises them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Code(StrEnum):
    """What a diagnostic is about; the names are contract §10.9's."""

    NOT_WELL_FORMED = "not_well_formed"
    DOCTYPE_FORBIDDEN = "doctype_forbidden"
    PROCESSING_INSTRUCTION_FORBIDDEN = "processing_instruction_forbidden"
    BAD_ROOT = "bad_root"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    UNKNOWN_VERB = "unknown_verb"
    BAD_NESTING = "bad_nesting"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    INVALID_ATTRIBUTE = "invalid_attribute"
    MISSING_CONTENT = "missing_content"
    BAD_URL = "bad_url"
    RELATIVE_URL_WITHOUT_BASE = "relative_url_without_base"
    UNKNOWN_VARIABLE = "unknown_variable"
    UNREACHABLE_VERB = "unreachable_verb"
    TTS_UNAVAILABLE = "tts_unavailable"


class DocumentError(Exception):
    """A text that cannot be run as a VoyloML document at all.

    `line` and `column` count characters from 1; `path` is that of the innermost element open there (`/` for none).
    """

    def __init__(self, code: Code, message: str, line: int = 1, column: int = 1, path: str = "/") -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.code = code
        self.message = message
        self.line = line
        self.column = column
        self.path = path


class VariableError(Exception):
    """Custom variables that break a rule of contract §12: every broken rule as `(field, message)`."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field} {message}" for field, message in problems))
        self.problems = tuple(problems)
