"""The rates of the price book in memory, for as long as the stored book is the one that they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.prices import country_code, prefixes_of
from engine.phone import country_of
from engine.store import billing as queries
from engine.store.billing import BilledNumber


@dataclass(frozen=True, slots=True)
class Tariffs:
    """Rates per minute in ten-thousandths; `countries` has the local and the international one."""

    version: int
    increment_s: int
    countries: Mapping[str, tuple[int, int]]
    prefixes: Mapping[str, Mapping[str, int]]

    def rate(self, number: BilledNumber, to: str) -> int | None:
        """The rate from a rented number to `to`; None where the price book has none, and for SIP URIs.

        The longest prefix of the number's country wins; without one it is the local rate inside the number's country
        code and the international rate outside it.
        """
        country = number.country or country_of(number.e164)
        if country is None or not to.startswith("+"):
            return None
        own = self.prefixes.get(country)
        if own:
            for prefix in prefixes_of(to):
                if prefix in own:
                    return own[prefix]
        rates = self.countries.get(country)
        if rates is None:
            return None
        local, international = rates
        code = country_code(number.e164)
        return local if code is not None and country_code(to) == code else international


class TariffCache:
    """The tariffs of the stored price book. Costs one small query where the book has not changed."""

    def __init__(self) -> None:
        self._tariffs: Tariffs | None = None

    async def current(self, connection: AsyncConnection) -> Tariffs | None:
        """The tariffs as the transaction of `connection` sees them; None without a price book."""
        book = await queries.book_version(connection)
        if book is None:
            return None
        version, increment_s = book
        if self._tariffs is None or self._tariffs.version != version:
            countries, prefixes = await queries.all_rates(connection)
            self._tariffs = Tariffs(version, increment_s, countries, prefixes)
        return self._tariffs
