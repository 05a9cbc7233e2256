"""What a document and a call's run through it may cost, with the defaults of contract §20.

The configuration keys are `limits.<name>`; the few bounds that the contract does not name are constants beside their
use.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LanguageLimits:
    """Bounds of the language; bytes are of UTF-8, seconds are of real time."""

    document_bytes: int = 262_144
    document_elements: int = 200
    """Every element counts, `Response` included."""
    document_depth: int = 6
    """Levels of nesting; `Response` is the first."""
    verbs_per_call: int = 500
    redirects: int = 20
    """`Redirect`s followed one after the other without another verb between."""
    variables: int = 50
    variable_chars: int = 1024
    variables_bytes: int = 16_384
    """All keys and values of one call together."""
    action_connect_seconds: float = 3.0
    action_seconds: float = 10.0
    """One attempt, redirects and the repetition as GET included."""
    action_retries: int = 1


DEFAULT_LIMITS = LanguageLimits()
