"""Price files: what is read, and complaints with their lines (contract §15.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.billing.prices import CountryPrices, PlanPrice, PriceBook
from server.prices import PriceFileError, read_price_book

EXAMPLE = Path(__file__).parents[2] / "examples" / "prices.toml"

GOOD = """\
currency = "EUR"

[plans.small]
name = "Small"
monthly_price = "19"
included_minutes = 500
overage_per_minute = "0.012"

[countries.AE]
name = "United Arab Emirates"
did_price = "6.0000"
channel_price = "12.0000"
local_rate = "0.0450"
international_rate = "0.1900"

[countries.AE.rates]
"+97150" = "0.0700"
44 = "0.03"
"""


def read(tmp_path: Path, text: str) -> PriceBook:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    return read_price_book(path)


def complaints(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(PriceFileError) as caught:
        read(tmp_path, text)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_a_price_file_is_read_exactly(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == PriceBook(
        "EUR",
        60,
        (PlanPrice("small", "Small", 190_000, 500, 120, None),),
        (CountryPrices("AE", "United Arab Emirates", 60_000, 120_000, 450, 1900, rates={"+97150": 700, "+44": 300}),),
    )


def test_the_example_is_a_price_book() -> None:
    book = read_price_book(EXAMPLE)
    assert (book.currency, book.increment_seconds) == ("USD", 60)
    assert [plan.code for plan in book.plans] == ["starter", "team", "carrier"]
    assert [country.country for country in book.countries] == ["AE", "DE", "EG", "GB", "US"]


MONEY = 'must be a price as text, with at most four decimals, such as "0.0450"'


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"EUR"', '"euro"', "1: currency must be a currency code such as USD"),
        ('currency = "EUR"', "", "1: currency is missing"),
        ("[plans.small]", "[plans.'Small one']", "3: plans.Small one must be named by 1 to 64 of a-z, 0-9, - and _"),
        ('"Small"', '""', "4: plans.small.name must be 1 to 120 printable characters"),
        ('"19"', "19.0", f"5: plans.small.monthly_price {MONEY}"),
        ('"19"', '"-19"', f"5: plans.small.monthly_price {MONEY}"),
        ('"19"', '"19.00001"', f"5: plans.small.monthly_price {MONEY}"),
        ("= 500", "= true", "6: plans.small.included_minutes must be a whole number from 0 to 10000000"),
        ('overage_per_minute = "0.012"', "", "3: plans.small.overage_per_minute is missing"),
        ('did_price = "6.0000"', 'dip_price = "6.0000"', "9: countries.AE.did_price is missing"),
        ("[countries.AE]", "[countries.XX]", "9: countries.XX must be named by an ISO 3166 code such as AE"),
        ('44 = "0.03"', 'x = "0.03"', "18: countries.AE.rates.x must be the first digits of an E.164 number"),
        ("44 =", '"+971 50" =', "18: countries.AE.rates.+971 50 is the same prefix as another, +97150"),
        ('44 = "0.03"', "44 = 0.03", f"18: countries.AE.rates.44 {MONEY}"),
        ('currency = "EUR"', 'currency = "EUR"\nincrement_seconds = 0', "2: increment_seconds must be a whole number"),
        ('currency = "EUR"', 'currency = "EUR"\nplan = 1', "2: plan is no key of a price book"),
    ],
)
def test_a_complaint_names_line_and_key(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    found = complaints(tmp_path, GOOD.replace(old, new))
    assert any(one.startswith(f"prices.toml:{complaint}") for one in found), found


def test_all_complaints_come_together_in_the_order_of_lines(tmp_path: Path) -> None:
    found = complaints(tmp_path, GOOD.replace('"19"', "19").replace('"EUR"', "1").replace('"0.03"', "1"))
    assert [one.split(":")[1] for one in found] == ["1", "5", "18"]


@pytest.mark.parametrize("text", ["currency =", "\udce9"])
def test_what_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PriceFileError, match=r"prices\.toml"):
        read_price_book(path)
