"""Times as the store keeps them: whole milliseconds since 1970-01-01T00:00:00Z, fractions cut off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime. Raises TypeError for a naive one."""
    return (moment - _EPOCH) // _MILLISECOND


def to_ms_or_none(moment: datetime | None) -> int | None:
    """As `to_ms`, None for None."""
    return None if moment is None else (moment - _EPOCH) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    """The UTC datetime of a stored time."""
    return _EPOCH + timedelta(milliseconds=ms)


def from_ms_or_none(ms: int | None) -> datetime | None:
    """As `from_ms`, None for None."""
    return None if ms is None else _EPOCH + timedelta(milliseconds=ms)
