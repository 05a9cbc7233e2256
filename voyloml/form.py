"""Forms as requests carry them (contract §11.2): application/x-www-form-urlencoded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote_plus

_is_plain = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


def encode_form(fields: Iterable[tuple[str, str]]) -> str:
    """The fields in their order, as `urllib.parse.urlencode` writes them. Most are plain, and not looked at further."""
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in fields])


def _quoted(text: str) -> str:
    return text if _is_plain(text) else quote_plus(text, errors="replace")
