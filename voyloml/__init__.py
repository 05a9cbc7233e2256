"""VoyloML: the verbs, the parser, the linter, variables, signatures, and the interpreter that runs documents on a call.

The room does no I/O. It knows a call as `CallControl` and the small protocols of `voyloml.capabilities`, the network as
`HttpExchange`, and imports none of the other rooms. What follows is all that they use of it, beside `voyloml.simulate`,
`voyloml.compatibility` and `voyloml.xsd`, which are loaded when somebody asks for them.
"""

from voyloml.binding import Severity
from voyloml.control import (
    KEPT_KEYS,
    ApplicationScript,
    CallControl,
    CallFacts,
    Delivery,
    PlayDigits,
    PlayFile,
    Prompting,
    PromptItem,
    RefusalReason,
    Silence,
    Speak,
)
from voyloml.document import Document, Element
from voyloml.documents import DocumentUnavailable
from voyloml.errors import Code, DocumentError, VariableError
from voyloml.exchange import FailureKind, HttpExchange, HttpFailure, HttpReply, HttpRequest
from voyloml.execution import RunResult
from voyloml.interpreter import Interpreter
from voyloml.limits import DEFAULT_LIMITS, LanguageLimits
from voyloml.linter import AttributePlace, Diagnostic, LintResult, lint, lint_template
from voyloml.parser import parse_document
from voyloml.signature import sign, verify_signature
from voyloml.variables import Scalar, validate_variables

__all__ = [
    "DEFAULT_LIMITS",
    "KEPT_KEYS",
    "ApplicationScript",
    "AttributePlace",
    "CallControl",
    "CallFacts",
    "Code",
    "Delivery",
    "Diagnostic",
    "Document",
    "DocumentError",
    "DocumentUnavailable",
    "Element",
    "FailureKind",
    "HttpExchange",
    "HttpFailure",
    "HttpReply",
    "HttpRequest",
    "Interpreter",
    "LanguageLimits",
    "LintResult",
    "PlayDigits",
    "PlayFile",
    "PromptItem",
    "Prompting",
    "RefusalReason",
    "RunResult",
    "Scalar",
    "Severity",
    "Silence",
    "Speak",
    "VariableError",
    "lint",
    "lint_template",
    "parse_document",
    "sign",
    "validate_variables",
    "verify_signature",
]
