"""Reads a price book from a TOML or a CSV file; every complaint names its line (contract §15.1).

Prices are texts such as "0.0450": a TOML float could not hold them exactly, and is refused.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from phonenumbers import SUPPORTED_REGIONS

from engine.billing.money import parse_money
from engine.billing.prices import (
    BOOK_COUNTRIES,
    BOOK_KYC,
    BOOK_RATES,
    CountryPrices,
    Kyc,
    KycField,
    PlanPrice,
    PriceBook,
)
from engine.phone import PhoneNumberError, normalise_prefix
from server.config.toml_lines import key_lines
from server.price_csv import CsvProblem, read_csv

FILE_BYTES: Final = 8 << 20
PLANS: Final = 100
MINUTES_MAX: Final = 10_000_000
WORKSPACES_MAX: Final = 1_000_000
NAME_CHARS: Final = 120

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KYC_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")

T = TypeVar("T")
_Path = tuple[str, ...]


class PriceFileError(Exception):
    """The file is no price book; `problems` are complaints as `file:line: key reason`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_price_book(path: Path) -> PriceBook:
    """The price book in a file. Raises PriceFileError with everything that is wrong, OSError when it cannot be read."""
    with path.open("rb") as file:
        data = file.read(FILE_BYTES + 1)
    if len(data) > FILE_BYTES:
        raise PriceFileError([f"{path}: is larger than {FILE_BYTES} bytes"])
    try:
        # As tomllib reads a file: line ends are those of the text.
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        if path.suffix.lower() == ".csv":
            values, lines = read_csv(text)
        else:
            values = tomllib.loads(text)
            lines = key_lines(text)
    except CsvProblem as problem:
        raise PriceFileError([f"{path}:{problem.line}: {problem}"]) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PriceFileError([f"{path}: {error}"]) from None
    reader = _Reader(str(path), lines)
    book = reader.book(values)
    if reader.problems:
        raise PriceFileError([complaint for _, complaint in sorted(reader.problems)])
    return book


class _Reader:
    """Turns values into a price book, gathering complaints; what it returns beside a complaint is never used."""

    def __init__(self, file: str, lines: Mapping[_Path, int]) -> None:
        self._file = file
        self._lines = lines
        self.problems: list[tuple[int, str]] = []

    def book(self, values: Mapping[str, Any]) -> PriceBook:
        at: _Path = ()
        self._only(values, at, {"currency", "increment_seconds", "plans", "countries"})
        currency = self._text(values, at, "currency", _CURRENCY, "must be a currency code such as USD")
        increment = self._whole(values, at, "increment_seconds", 1, 3600, default=60)
        plans = self._tables(values, at, "plans", PLANS, self._plan)
        countries = self._tables(values, at, "countries", BOOK_COUNTRIES, self._country)
        return PriceBook(currency, increment, plans, countries)

    def _plan(self, code: str, values: Mapping[str, Any], at: _Path) -> PlanPrice:
        if not _CODE.fullmatch(code):
            self._complain(at, "must be named by 1 to 64 of a-z, 0-9, - and _")
        known = {"name", "monthly_price", "included_minutes", "overage_per_minute", "max_workspaces"}
        self._only(values, at, known)
        limited = "max_workspaces" in values
        return PlanPrice(
            code=code,
            name=self._name(values, at),
            monthly_price=self._money(values, at, "monthly_price"),
            included_minutes=self._whole(values, at, "included_minutes", 0, MINUTES_MAX),
            overage_per_minute=self._money(values, at, "overage_per_minute"),
            max_workspaces=self._whole(values, at, "max_workspaces", 1, WORKSPACES_MAX) if limited else None,
        )

    def _country(self, country: str, values: Mapping[str, Any], at: _Path) -> CountryPrices:
        if country not in SUPPORTED_REGIONS:
            self._complain(at, "must be named by an ISO 3166 code such as AE")
        self._only(
            values, at, {"name", "did_price", "channel_price", "local_rate", "international_rate", "rates", "kyc"}
        )
        return CountryPrices(
            country=country,
            name=self._name(values, at),
            did_price=self._money(values, at, "did_price"),
            channel_price=self._money(values, at, "channel_price"),
            local_rate=self._money(values, at, "local_rate"),
            international_rate=self._money(values, at, "international_rate"),
            rates=self._rates(values.get("rates", {}), (*at, "rates")),
            kyc=self._kyc(values.get("kyc", {}), (*at, "kyc")),
        )

    def _kyc(self, values: Any, at: _Path) -> Kyc:
        if not isinstance(values, dict):
            self._complain(at, "must be a table with fields and documents")
            return Kyc()
        self._only(values, at, {"fields", "documents"})
        fields, documents = (self._kyc_fields(values.get(kind, {}), (*at, kind)) for kind in ("fields", "documents"))
        return Kyc(fields, documents)

    def _kyc_fields(self, values: Any, at: _Path) -> tuple[KycField, ...]:
        if not isinstance(values, dict) or len(values) > BOOK_KYC:
            self._complain(at, f"must be a table of at most {BOOK_KYC} names")
            return ()
        found: list[KycField] = []
        for name, value in values.items():
            entry = {"label": value} if isinstance(value, str) else value
            if not _KYC_NAME.fullmatch(name):
                self._complain((*at, name), "must be named by 1 to 64 of A-Z, a-z, 0-9, - and _")
            if not isinstance(entry, dict) or entry.keys() - {"label", "required"}:
                self._complain((*at, name), 'must be a label, or {label = "…", required = false}')
                continue
            label, required = entry.get("label"), entry.get("required", True)
            if not (isinstance(label, str) and 1 <= len(label) <= NAME_CHARS and label.isprintable()):
                self._complain((*at, name), f"must have a label of 1 to {NAME_CHARS} printable characters")
            if not isinstance(required, bool):
                self._complain((*at, name), "must have true or false as required")
            found.append(KycField(name, str(label), bool(required)))
        return tuple(found)

    def _rates(self, values: Any, at: _Path) -> dict[str, int]:
        if not isinstance(values, dict):
            self._complain(at, "must be a table of prefixes")
            return {}
        if len(values) > BOOK_RATES:
            self._complain(at, f"must have at most {BOOK_RATES} prefixes")
        rates: dict[str, int] = {}
        for prefix in values:
            try:
                stored = normalise_prefix(prefix)
            except PhoneNumberError as error:
                self._complain((*at, prefix), str(error))
                continue
            if stored in rates:
                self._complain((*at, prefix), f"is the same prefix as another, {stored}")
            rates[stored] = self._money(values, at, prefix)
        return rates

    def _tables(
        self,
        values: Mapping[str, Any],
        at: _Path,
        key: str,
        most: int,
        read: Callable[[str, Mapping[str, Any], _Path], T],
    ) -> tuple[T, ...]:
        tables, found = values.get(key, {}), (*at, key)
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            self._complain(found, f"must be tables, [{key}.…]")
            return ()
        if len(tables) > most:
            self._complain(found, f"must have at most {most} tables")
        return tuple(read(name, table, (*found, name)) for name, table in tables.items())

    def _name(self, values: Mapping[str, Any], at: _Path) -> str:
        name = self._take(values, at, "name")
        if name is not None and not (isinstance(name, str) and 1 <= len(name) <= NAME_CHARS and name.isprintable()):
            self._complain((*at, "name"), f"must be 1 to {NAME_CHARS} printable characters")
        return str(name)

    def _text(self, values: Mapping[str, Any], at: _Path, key: str, pattern: re.Pattern[str], reason: str) -> str:
        value = self._take(values, at, key)
        if value is not None and not (isinstance(value, str) and pattern.fullmatch(value)):
            self._complain((*at, key), reason)
        return str(value)

    def _money(self, values: Mapping[str, Any], at: _Path, key: str) -> int:
        value = self._take(values, at, key)
        if value is None:
            return 0
        try:
            amount = parse_money(value) if isinstance(value, str) else -1
        except ValueError:
            amount = -1
        if amount < 0:
            self._complain((*at, key), 'must be a price as text, with at most four decimals, such as "0.0450"')
        return amount

    def _whole(
        self, values: Mapping[str, Any], at: _Path, key: str, least: int, most: int, default: int | None = None
    ) -> int:
        value = values.get(key, default) if default is not None else self._take(values, at, key)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._complain((*at, key), f"must be a whole number from {least} to {most}")
            return 0
        return value

    def _take(self, values: Mapping[str, Any], at: _Path, key: str) -> Any:
        if key not in values:
            self._complain((*at, key), "is missing")
        return values.get(key)

    def _only(self, values: Mapping[str, Any], at: _Path, known: set[str]) -> None:
        for key in values.keys() - known:
            self._complain((*at, key), "is no key of a price book")

    def _complain(self, at: _Path, reason: str) -> None:
        # A key that is missing has the line of the table that it is missing from.
        line = next((self._lines[at[:depth]] for depth in range(len(at), 0, -1) if at[:depth] in self._lines), 1)
        self.problems.append((line, f"{self._file}:{line}: {'.'.join(at)} {reason}"))
