"""Nonces that cost no memory until used, and the record of their uses (RFC 7616 §5.4, §5.5; contract §14.1)."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections import OrderedDict
from typing import Final

from sip.digest.hashing import octets

MIN_SECRET_BYTES: Final = 16

_TIME_BYTES: Final = 6  # ms, big-endian
_SALT_BYTES: Final = 6
_CODE_BYTES: Final = 12
_HEAD_BYTES: Final = _TIME_BYTES + _SALT_BYTES
_NONCE: Final = re.compile(rf"[A-Za-z0-9_-]{{{(_HEAD_BYTES + _CODE_BYTES) // 3 * 4}}}")
_SKEW_MS: Final = 5000  # between the clocks of nodes that share a secret
_WINDOW: Final = 64  # nonce counts that may overtake each other on the way
_ALL_USED: Final = (1 << _WINDOW) - 1


class NonceBook:
    """Issues nonces, knows its own again, and takes each nonce count once.

    A nonce is its time of issue, a salt and a code over both, realm and source under `secret`. Uses are remembered
    until the nonce expires, of `max_tracked` nonces at most. When one has to be forgotten early, all nonces as old as
    it that have no uses on record are refused from then on: forgetting never lets a request in twice.
    """

    def __init__(self, secret: bytes, lifetime_seconds: float, max_tracked: int) -> None:
        """Raises `ValueError` for a secret under `MIN_SECRET_BYTES` or a size below one."""
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the nonce secret needs at least {MIN_SECRET_BYTES} bytes")
        if max_tracked < 1:
            raise ValueError("at least one nonce has to be tracked")
        self._secret = secret
        self._lifetime_ms = round(lifetime_seconds * 1000)
        self._max_tracked = max_tracked
        self._uses: OrderedDict[bytes, _Uses] = OrderedDict()
        self._forgotten_ms = -1

    def __len__(self) -> int:
        return len(self._uses)

    def issue(self, realm: str, source: str, now: float) -> str:
        """A nonce for one challenge; `now` in seconds, not negative."""
        head = round(now * 1000).to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(_SALT_BYTES)
        return base64.urlsafe_b64encode(head + self._code(head, realm, source)).decode()

    def open(self, text: str, realm: str, source: str, now: float) -> bytes | None:
        """The nonce as a key for `take`, if it was issued here for that realm and source and has not expired."""
        if not _NONCE.fullmatch(text):
            return None
        nonce = base64.urlsafe_b64decode(text)
        if not hmac.compare_digest(nonce[_HEAD_BYTES:], self._code(nonce[:_HEAD_BYTES], realm, source)):
            return None
        age = round(now * 1000) - _issued_ms(nonce)
        return nonce if -_SKEW_MS <= age <= self._lifetime_ms else None

    def take(self, nonce: bytes, count: int | None, now: float) -> bool:
        """Use a nonce count, None for an answer without one; False when it was used before, or might have been."""
        uses = self._uses.get(nonce)
        if uses is not None:
            return count is not None and uses.take(count)
        if _issued_ms(nonce) <= self._forgotten_ms:
            return False
        self._make_room(now)
        self._uses[nonce] = _Uses(1 << 32, _ALL_USED) if count is None else _Uses(count, 1)
        return True

    def _make_room(self, now: float) -> None:
        expired_ms = round(now * 1000) - self._lifetime_ms
        while self._uses:
            first = next(iter(self._uses))
            issued_ms = _issued_ms(first)
            if issued_ms >= expired_ms and len(self._uses) < self._max_tracked:
                return
            self._forgotten_ms = max(self._forgotten_ms, issued_ms)
            del self._uses[first]

    def _code(self, head: bytes, realm: str, source: str) -> bytes:
        text = head + octets(realm) + b"\0" + octets(source)
        return hmac.digest(self._secret, text, "sha256")[:_CODE_BYTES]


class _Uses:
    """The counts used with one nonce: the highest, and which of the `_WINDOW` up to it (bit n: highest - n)."""

    __slots__ = ("highest", "used")

    def __init__(self, highest: int, used: int) -> None:
        self.highest = highest
        self.used = used

    def take(self, count: int) -> bool:
        ahead = count - self.highest
        if ahead > 0:
            self.used = ((self.used << ahead) | 1) & _ALL_USED if ahead < _WINDOW else 1
            self.highest = count
            return True
        if -ahead >= _WINDOW or self.used >> -ahead & 1:
            return False
        self.used |= 1 << -ahead
        return True


def _issued_ms(nonce: bytes) -> int:
    return int.from_bytes(nonce[:_TIME_BYTES], "big")
