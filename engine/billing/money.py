"""Money as integers of ten-thousandths: reading it, and the price of a number of seconds (contract §1, §15.1)."""

from __future__ import annotations

import re
from typing import Final

AMOUNT_PATTERN: Final = r"[0-9]{1,9}(?:\.[0-9]{1,4})?"
"""An amount without a sign: up to nine digits before the point and four after it."""

_AMOUNT: Final = re.compile(rf"(-?)({AMOUNT_PATTERN})", re.ASCII)
_MINUTE: Final = 60


def parse_money(text: str) -> int:
    """The ten-thousandths of a decimal text such as `12.5` or `-0.0450`. Raises ValueError for anything else."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError('must be a decimal text such as "12.5000"')
    whole, _, rest = match[2].partition(".")
    amount = int(whole) * 10_000 + int(rest.ljust(4, "0"))
    return -amount if match[1] else amount


def billable_seconds(answered_seconds: int, increment_seconds: int) -> int:
    """Answered seconds up to the next whole increment (contract §15.1); 0 stays 0."""
    return -(-answered_seconds // increment_seconds) * increment_seconds


def price_of(per_minute: int, seconds: int) -> int:
    """The price of `seconds` at a rate per minute, both at least 0, to the nearest ten-thousandth, halves up."""
    return (2 * per_minute * seconds + _MINUTE) // (2 * _MINUTE)
