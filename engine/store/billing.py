"""Queries about the price book, plans, their use, top-ups, and usage reports (contract §15)."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.prices import CountryPrices, Kyc, KycField, Plan, PlanPrice, PriceBook
from engine.ids import new_uuid
from engine.model import NumberKind
from engine.store.billing_tables import (
    plans,
    price_books,
    price_countries,
    price_rates,
    rentals,
    topups,
    wallets,
)
from engine.store.json_text import dump_json, load_json
from engine.store.subscriptions import plan_of
from engine.store.tables import accounts, numbers, workspaces
from engine.store.times import from_ms, from_ms_or_none, to_ms

TopUpStatus = Literal["pending", "settled"]


@dataclass(frozen=True, slots=True)
class TopUp:
    """Money that an account wants to pay in; it is in the wallet once it is `settled`."""

    id: str
    account_id: str
    amount: int
    currency: str
    status: TopUpStatus
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class BilledNumber:
    """What rating needs of a number."""

    kind: NumberKind
    e164: str
    country: str | None


async def book_version(connection: AsyncConnection) -> tuple[int, int] | None:
    """What changes with every import of a price book, and the billing increment in seconds; None without a book."""
    row = (await connection.execute(select(price_books.c.id, price_books.c.increment_s))).first()
    return None if row is None else (row.id, row.increment_s)


async def foreign_wallets(connection: AsyncConnection, currency: str) -> bool:
    """Whether a wallet is in another currency."""
    query = select(wallets.c.account_id).where(wallets.c.currency != currency).limit(1)
    return (await connection.execute(query)).first() is not None


async def replace_book(connection: AsyncConnection, book: PriceBook, at: datetime) -> None:
    """Stores a price book in place of the one before; plans keep their ids by their codes."""
    await connection.execute(delete(price_books))
    await connection.execute(
        insert(price_books).values(
            id=secrets.randbits(31), currency=book.currency, increment_s=book.increment_seconds, imported_at=to_ms(at)
        )
    )
    await connection.execute(delete(price_rates))
    await connection.execute(delete(price_countries))
    for country in book.countries:
        await _insert_country(connection, country)
    await connection.execute(update(plans).values(offered=False))
    for plan in book.plans:
        await _put_plan(connection, plan, book.currency)


async def _insert_country(connection: AsyncConnection, country: CountryPrices) -> None:
    await connection.execute(
        insert(price_countries).values(
            country=country.country,
            name=country.name,
            did_price=country.did_price,
            channel_price=country.channel_price,
            local_rate=country.local_rate,
            international_rate=country.international_rate,
            kyc=_kyc_text(country.kyc),
        )
    )
    if country.rates:
        await connection.execute(
            insert(price_rates),
            [
                {"country": country.country, "prefix": prefix, "per_minute": per_minute}
                for prefix, per_minute in country.rates.items()
            ],
        )


async def _put_plan(connection: AsyncConnection, plan: PlanPrice, currency: str) -> None:
    values = {
        "name": plan.name,
        "monthly_price": plan.monthly_price,
        "included_minutes": plan.included_minutes,
        "overage_per_minute": plan.overage_per_minute,
        "max_workspaces": plan.max_workspaces,
        "currency": currency,
        "offered": True,
    }
    done = await connection.execute(update(plans).where(plans.c.code == plan.code).values(values))
    if not done.rowcount:
        await connection.execute(insert(plans).values(id=new_uuid(), code=plan.code, **values))


async def countries(connection: AsyncConnection) -> list[CountryPrices]:
    """The countries of the price book by name, without their rates by prefix."""
    rows = await connection.execute(select(price_countries).order_by(price_countries.c.name, price_countries.c.country))
    return list(map(_country, rows))


async def country_prices(connection: AsyncConnection, country: str) -> CountryPrices | None:
    """One country of the price book, without its rates by prefix."""
    row = (await connection.execute(select(price_countries).where(price_countries.c.country == country))).first()
    return None if row is None else _country(row)


async def offered_plans(connection: AsyncConnection) -> list[Plan]:
    """The plans of the price book, the cheapest first."""
    rows = await connection.execute(select(plans).where(plans.c.offered).order_by(plans.c.monthly_price, plans.c.code))
    return list(map(plan_of, rows))


async def get_plan(connection: AsyncConnection, plan_id: str) -> Plan | None:
    """One plan on offer, by its id."""
    row = (await connection.execute(select(plans).where(plans.c.id == plan_id, plans.c.offered))).first()
    return None if row is None else plan_of(row)


async def any_plan(connection: AsyncConnection, plan_id: str) -> Plan | None:
    """One plan by its id, on offer or not."""
    row = (await connection.execute(select(plans).where(plans.c.id == plan_id))).first()
    return None if row is None else plan_of(row)


async def get_plan_by_code(connection: AsyncConnection, code: str) -> Plan | None:
    """One plan on offer, by its code."""
    row = (await connection.execute(select(plans).where(plans.c.code == code, plans.c.offered))).first()
    return None if row is None else plan_of(row)


async def billed_numbers(connection: AsyncConnection, ids: Collection[str]) -> dict[str, BilledNumber]:
    """What rating needs of these numbers."""
    query = select(numbers.c.id, numbers.c.kind, numbers.c.e164, numbers.c.country).where(numbers.c.id.in_(ids))
    return {row.id: BilledNumber(row.kind, row.e164, row.country) for row in await connection.execute(query)}


async def all_rates(
    connection: AsyncConnection,
) -> tuple[dict[str, tuple[int, int]], dict[str, dict[str, int]]]:
    """The local and the international rate of each country, and its rates by prefix."""
    countries = {
        row.country: (row.local_rate, row.international_rate)
        for row in await connection.execute(
            select(price_countries.c.country, price_countries.c.local_rate, price_countries.c.international_rate)
        )
    }
    prefixes: dict[str, dict[str, int]] = {}
    for row in await connection.execute(select(price_rates)):
        prefixes.setdefault(row.country, {})[row.prefix] = row.per_minute
    return countries, prefixes


async def account_of(connection: AsyncConnection, workspace_id: str) -> str | None:
    """The account of a workspace."""
    query = select(workspaces.c.account_id).where(workspaces.c.id == workspace_id)
    return (await connection.execute(query)).scalar()


async def accounts_of(connection: AsyncConnection, workspace_ids: Collection[str]) -> dict[str, str]:
    """The accounts of these workspaces."""
    query = select(workspaces.c.id, workspaces.c.account_id).where(workspaces.c.id.in_(workspace_ids))
    return {row.id: row.account_id for row in await connection.execute(query)}


async def workspaces_of(connection: AsyncConnection, account_id: str) -> list[str]:
    """The workspaces of an account, the oldest first."""
    query = select(workspaces.c.id).where(workspaces.c.account_id == account_id)
    return list((await connection.execute(query.order_by(workspaces.c.created_at, workspaces.c.id))).scalars())


async def account_since(connection: AsyncConnection, account_id: str) -> datetime | None:
    """When an account was made; None for an unknown one."""
    created = (await connection.execute(select(accounts.c.created_at).where(accounts.c.id == account_id))).scalar()
    return from_ms_or_none(created)


async def rented(connection: AsyncConnection, account_id: str) -> tuple[int, int]:
    """How many numbers an account rents, and what they cost a month."""
    did_price = func.coalesce(rentals.c.did_price, price_countries.c.did_price)
    channel_price = func.coalesce(rentals.c.channel_price, price_countries.c.channel_price)
    monthly = did_price + channel_price * func.coalesce(numbers.c.channels, 0)
    query = (
        select(func.count(), func.coalesce(func.sum(monthly), 0))
        .select_from(numbers)
        .join(workspaces, workspaces.c.id == numbers.c.workspace_id)
        .outerjoin(price_countries, price_countries.c.country == numbers.c.country)
        .outerjoin(rentals, rentals.c.id == numbers.c.rental_id)
        .where(workspaces.c.account_id == account_id, numbers.c.kind == "rental", numbers.c.status != "released")
    )
    count, total = (await connection.execute(query)).one()
    return count, int(total)


async def insert_topup(connection: AsyncConnection, topup: TopUp) -> None:
    """Stores a top-up that waits for its money."""
    await connection.execute(
        insert(topups).values(
            id=topup.id,
            account_id=topup.account_id,
            amount=topup.amount,
            currency=topup.currency,
            status=topup.status,
            created_at=to_ms(topup.created_at),
        )
    )


async def get_topup(connection: AsyncConnection, topup_id: str) -> TopUp | None:
    """One top-up, held until the transaction ends."""
    row = (await connection.execute(select(topups).where(topups.c.id == topup_id).with_for_update())).first()
    return None if row is None else _topup(row)


async def pending_topups(connection: AsyncConnection, limit: int) -> list[TopUp]:
    """The top-ups that wait for their money, the oldest first."""
    rows = await connection.execute(
        select(topups).where(topups.c.status == "pending").order_by(topups.c.created_at, topups.c.id).limit(limit)
    )
    return list(map(_topup, rows))


async def settle_topup(connection: AsyncConnection, topup_id: str, at: datetime) -> None:
    """Marks a top-up as paid."""
    await connection.execute(
        update(topups).where(topups.c.id == topup_id).values(status="settled", settled_at=to_ms(at))
    )


def _country(row: Row[Any]) -> CountryPrices:
    return CountryPrices(
        country=row.country,
        name=row.name,
        did_price=row.did_price,
        channel_price=row.channel_price,
        local_rate=row.local_rate,
        international_rate=row.international_rate,
        kyc=_kyc(row.kyc),
    )


def _kyc_text(kyc: Kyc) -> str:
    return dump_json(
        {kind: [[one.name, one.label, one.required] for one in getattr(kyc, kind)] for kind in ("fields", "documents")}
    )


def _kyc(text: str | None) -> Kyc:
    if text is None:
        return Kyc()
    values = load_json(text)
    fields, documents = (tuple(KycField(*one) for one in values[kind]) for kind in ("fields", "documents"))
    return Kyc(fields, documents)


def _topup(row: Row[Any]) -> TopUp:
    return TopUp(
        id=row.id,
        account_id=row.account_id,
        amount=row.amount,
        currency=row.currency,
        status=row.status,
        created_at=from_ms(row.created_at),
        settled_at=from_ms_or_none(row.settled_at),
    )
