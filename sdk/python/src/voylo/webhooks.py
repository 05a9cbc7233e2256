"""The `Voylo-Signature` header of webhooks and action requests: `t=<unix seconds>,v1=<hex HMAC-SHA256>`.

While a secret is being replaced, the old and the new one sign, each with a `v1`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Final

SIGNATURE_HEADER: Final = "Voylo-Signature"
TOLERANCE: Final = 300.0
"""Seconds that a signature may be old, or ahead of the clock here."""

_SIGNATURES: Final = 8


def verify_signature(
    secrets: str | Sequence[str],
    body: bytes | str,
    header: str | None,
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> bool:
    """True when one signature of `header` is that of one of `secrets`, and not older than `tolerance` seconds.

    `body` is the body as it came, before it is parsed. `now` is in unix seconds, by default the present. Compares in
    constant time; never raises for anything in the header. Raises ValueError without a secret, which anyone could sign
    with.
    """
    every = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    if not every or not all(every):
        raise ValueError("secrets must be one or more secrets, none of them empty")
    raw = body.encode() if isinstance(body, str) else body
    timestamp, given = _members(header or "")
    if timestamp is None or not abs((time.time() if now is None else now) - timestamp) <= tolerance:
        return False
    valid = False
    for secret in every:
        expected = hmac.new(secret.encode(), b"%d.%b" % (timestamp, raw), hashlib.sha256).hexdigest().encode()
        for candidate in given:
            valid |= hmac.compare_digest(expected, candidate)
    return valid


def _members(header: str) -> tuple[int | None, list[bytes]]:
    timestamp: int | None = None
    given: list[bytes] = []
    for member in header.split(",", _SIGNATURES + 1):
        name, _, value = member.strip().partition("=")
        if name == "t" and value.isascii() and value.isdecimal() and len(value) < 16:
            timestamp = int(value)
        elif name == "v1" and len(given) < _SIGNATURES:
            given.append(value.encode(errors="replace"))
    return timestamp, given
