"""Which values are not shown where others may read: those of headers and fields that hold a secret (contract §22.2)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

MASK: Final = "********"

_SENSITIVE_WORDS: Final = ("authorization", "cookie", "key", "token", "secret", "password")


@functools.lru_cache(maxsize=1024)
def is_sensitive(name: str) -> bool:
    """Whether the value of a header or field of this name is masked."""
    folded = name.lower()
    return any(word in folded for word in _SENSITIVE_WORDS)


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the values of sensitive ones masked."""
    return {name: MASK if is_sensitive(name) else value for name, value in headers.items()}
