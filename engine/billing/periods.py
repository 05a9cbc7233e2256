"""Plan periods: months from the day on which an account took its plan, in UTC (contract §15.2)."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime


def period_of(since: datetime, at: datetime) -> tuple[datetime, datetime]:
    """Start (inclusive) and end (exclusive) of the month of an anchor that `at` is in; both are aware, in UTC.

    A month that lacks the anchor's day begins on its last: 31 January is followed by 28 February and 31 March. A time
    before the anchor counts into the first period.
    """
    at = max(at, since)
    months = (at.year - since.year) * 12 + at.month - since.month
    if _after(since, months) > at:
        months -= 1
    return _after(since, months), _after(since, months + 1)


def _after(since: datetime, months: int) -> datetime:
    year, month = divmod(since.month - 1 + months, 12)
    year, month = since.year + year, month + 1
    return since.replace(year=year, month=month, day=min(since.day, monthrange(year, month)[1]))
