"""Queries about what billing knows of accounts: their time zone, the customer on invoices, what is invoiced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.billing_tables import billing_accounts
from engine.store.json_text import dump_json, load_json
from engine.store.tables import accounts
from engine.store.times import from_ms, from_ms_or_none, to_ms_or_none

UTC_NAME: Final = "UTC"


@dataclass(frozen=True, slots=True)
class BillingAccount:
    """An account as billing sees it; `customer` is who invoices are for, None in `invoiced_until` before the first."""

    account_id: str
    name: str
    created_at: datetime
    timezone: str = UTC_NAME
    customer: Mapping[str, str] = field(default_factory=dict)
    invoiced_until: datetime | None = None
    invoiced_seq: int = 0

    @property
    def zone(self) -> tzinfo:
        """The account's time zone."""
        return UTC if self.timezone == UTC_NAME else ZoneInfo(self.timezone)


async def billing_account(connection: AsyncConnection, account_id: str, *, lock: bool = False) -> BillingAccount | None:
    """One account, None for an unknown one; `lock` holds it until the transaction ends."""
    query = select(accounts).where(accounts.c.id == account_id)
    account = (await connection.execute(query.with_for_update() if lock else query)).first()
    if account is None:
        return None
    row = (
        await connection.execute(select(billing_accounts).where(billing_accounts.c.account_id == account_id))
    ).first()
    created_at = from_ms(account.created_at)
    if row is None:
        return BillingAccount(account_id, account.name, created_at)
    return BillingAccount(
        account_id=account_id,
        name=account.name,
        created_at=created_at,
        timezone=row.timezone,
        customer=load_json(row.customer),
        invoiced_until=from_ms_or_none(row.invoiced_until),
        invoiced_seq=row.invoiced_seq,
    )


async def put_billing_account(connection: AsyncConnection, account: BillingAccount) -> None:
    """Stores what billing knows of an account."""
    values = {
        "timezone": account.timezone,
        "customer": dump_json(account.customer),
        "invoiced_until": to_ms_or_none(account.invoiced_until),
        "invoiced_seq": account.invoiced_seq,
    }
    changed = await connection.execute(
        update(billing_accounts).where(billing_accounts.c.account_id == account.account_id).values(values)
    )
    if not changed.rowcount:
        await connection.execute(insert(billing_accounts).values(account_id=account.account_id, **values))


async def account_ids(connection: AsyncConnection) -> list[str]:
    """Every account."""
    return list((await connection.execute(select(accounts.c.id).order_by(accounts.c.id))).scalars())
