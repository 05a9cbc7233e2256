"""What a call costs by the table of contract §15.1: a pure function of the call and the tariff that applies to it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.billing.money import billable_seconds, price_of
from engine.model import Direction, NumberKind


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a plan: seconds that cost nothing, and the rate per minute of those beyond them."""

    seconds_left: int
    overage_per_minute: int


@dataclass(frozen=True, slots=True)
class Rated:
    """The billed seconds of a call, its price in ten-thousandths, and how many seconds count into the plan."""

    billed_s: int
    cost: int
    plan_s: int = 0


def rate_call(
    kind: NumberKind | None,
    direction: Direction,
    answered_s: int,
    increment_s: int,
    allowance: Allowance | None,
    per_minute: int | None,
) -> Rated:
    """Rates a call of `answered_s` seconds over a number of this kind; None is a call over no number of the workspace.

    `allowance` is that of the account, None without a plan; `per_minute` the rate for the destination, None where the
    price book has none. Only BYO numbers use the allowance, only outbound calls on rentals the rate.
    """
    billed = billable_seconds(answered_s, increment_s)
    if kind == "byo" and allowance is not None:
        beyond = max(0, billed - max(0, allowance.seconds_left))
        return Rated(billed, price_of(allowance.overage_per_minute, beyond), plan_s=billed)
    if kind == "rental" and direction == "outbound" and per_minute is not None:
        return Rated(billed, price_of(per_minute, billed))
    return Rated(billed, 0)
