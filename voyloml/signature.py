"""The `Voylo-Signature` header of contract §13.4: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<raw body>">`.

The key is the secret as UTF-8 with its prefix. While a secret is being replaced, the old and the new one sign, each
with a `v1`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Final

HEADER: Final = "Voylo-Signature"
TOLERANCE_SECONDS: Final = 300
"""How old a signature receivers should still accept."""

SIGNATURES: Final = 8
"""`v1` members looked at in one header."""


def sign(secrets: str | Sequence[str], body: bytes, timestamp: int) -> str:
    """The header's value for `body`, exactly as sent, at `timestamp` in unix seconds."""
    every = (secrets,) if isinstance(secrets, str) else secrets
    return ",".join((f"t={timestamp}", *(f"v1={_digest(secret, timestamp, body)}" for secret in every)))


def verify_signature(
    secrets: str | Sequence[str],
    body: bytes,
    header: str,
    *,
    now: float | None = None,
    tolerance: float = TOLERANCE_SECONDS,
) -> bool:
    """True when one `v1` of `header` is that of one of `secrets`, and its `t` is within `tolerance` seconds of `now`.

    `now` is in unix seconds, by default the present. Compares in constant time; never raises for anything in the
    header.
    """
    now = time.time() if now is None else now
    timestamp: int | None = None
    given: list[bytes] = []
    for member in header.split(",", SIGNATURES + 1):
        name, _, value = member.strip().partition("=")
        if name == "t" and value.isascii() and value.isdecimal() and len(value) < 16:
            timestamp = int(value)
        elif name == "v1" and len(given) < SIGNATURES:
            given.append(value.encode(errors="replace"))
    if timestamp is None or abs(now - timestamp) > tolerance:
        return False
    valid = False
    for secret in (secrets,) if isinstance(secrets, str) else secrets:
        expected = _digest(secret, timestamp, body).encode()
        for candidate in given:
            valid |= hmac.compare_digest(expected, candidate)
    return valid


def _digest(secret: str, timestamp: int, body: bytes) -> str:
    return hmac.new(secret.encode(), b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()
