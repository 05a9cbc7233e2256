"""The price book as values: what a country's numbers and calls cost, and the plans on offer (contract §15.1).

Prices are ten-thousandths of the book's currency; rates are per minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from phonenumbers import NumberParseException, parse

BOOK_COUNTRIES: Final = 300
BOOK_KYC: Final = 50
"""Fields, and documents, of one country at most."""

BOOK_RATES: Final = 20_000
"""Prefix rates of one country at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan: minutes that an account's workspaces share, and the price of those beyond them."""

    id: str
    code: str
    name: str
    monthly_price: int
    included_minutes: int
    overage_per_minute: int
    max_workspaces: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class PlanPrice:
    """A plan as a price book describes it; its id is given when it is stored."""

    code: str
    name: str
    monthly_price: int
    included_minutes: int
    overage_per_minute: int
    max_workspaces: int | None


@dataclass(frozen=True, slots=True)
class KycField:
    """Something that a country wants to know: a text, or a document."""

    name: str
    label: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Kyc:
    """What a country wants to know of whoever rents a number there."""

    fields: tuple[KycField, ...] = ()
    documents: tuple[KycField, ...] = ()


@dataclass(frozen=True, slots=True)
class CountryPrices:
    """Prices of rented numbers of one country; `rates` has a rate for each destination prefix that has its own."""

    country: str
    name: str
    did_price: int
    channel_price: int
    local_rate: int
    international_rate: int
    rates: Mapping[str, int] = field(default_factory=dict)
    kyc: Kyc = Kyc()


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Everything that a price file holds; answered seconds are billed in steps of `increment_seconds`."""

    currency: str
    increment_seconds: int
    plans: tuple[PlanPrice, ...]
    countries: tuple[CountryPrices, ...]


def prefixes_of(number: str) -> list[str]:
    """The prefixes of a normalised number, the longest first: `+44` has `+44` and `+4`."""
    return [number[:length] for length in range(len(number), 1, -1)]


def country_code(number: str) -> int | None:
    """The country code of a normalised number, 1 for `+1…`; None when it is not assigned."""
    try:
        return parse(number).country_code
    except NumberParseException:
        return None
