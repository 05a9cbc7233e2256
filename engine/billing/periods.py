"""Billing periods: months from an anchor, counted on the wall clock of the account's time zone (contract §15.2)."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, tzinfo


def period_of(since: datetime, at: datetime, zone: tzinfo = UTC) -> tuple[datetime, datetime]:
    """Start (inclusive) and end (exclusive) of the month of an anchor that `at` is in; all aware, the results in UTC.

    A month that lacks the anchor's day begins on its last: 31 January is followed by 28 February and 31 March. Where
    clocks change, a period is an hour shorter or longer. A time before the anchor counts into the first period.
    """
    at = max(at, since)
    local, there = since.astimezone(zone), at.astimezone(zone)
    months = (there.year - local.year) * 12 + there.month - local.month
    if _after(local, months) > at:
        months -= 1
    return _after(local, months), _after(local, months + 1)


def following(since: datetime, end: datetime, zone: tzinfo = UTC) -> tuple[datetime, datetime]:
    """The period that begins where one of the same anchor ends.

    It begins at `end` even when the time zone has changed since, and is then shorter or longer by the difference.
    """
    local, there = since.astimezone(zone), end.astimezone(zone)
    months = (there.year - local.year) * 12 + there.month - local.month
    following_end = _after(local, months + 1)
    if not following_end > end:
        following_end = _after(local, months + 2)
    return end, following_end


def share(amount: int, start: datetime, end: datetime, at: datetime, zone: tzinfo = UTC) -> int:
    """The part of `amount`, at least 0, for what is left of a period at `at`: by days of the zone, halves up.

    The day of `at` counts whole, so that whoever changes on the first day pays for the whole period.
    """
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    days = max(1, (last - first).days)
    left = min(days, max(1, (last - at.astimezone(zone).date()).days))
    return (2 * amount * left + days) // (2 * days)


def _after(local: datetime, months: int) -> datetime:
    year, month = divmod(local.month - 1 + months, 12)
    year, month = local.year + year, month + 1
    moved = local.replace(year=year, month=month, day=min(local.day, monthrange(year, month)[1]), fold=0)
    return moved.astimezone(UTC)
