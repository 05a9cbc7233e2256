"""What billing knows of an account beside its money: the time zone of its periods, who its invoices are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import NotFound, ValidationFailed
from engine.store import Store
from engine.store.billing_accounts import BillingAccount, billing_account, put_billing_account
from engine.workspaces import is_timezone

CUSTOMER_KEYS: Final = ("name", "address", "taxId", "email")


class BillingDetails:
    """The details of every account."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def change(
        self, account_id: str, *, timezone: str | None = None, customer: Mapping[str, str] | None = None
    ) -> BillingAccount:
        """Changes what is given; an empty text takes a part of the customer away.

        The time zone counts from the next period on. Raises NotFound, and ValidationFailed for no time zone.
        """
        if timezone is not None and not is_timezone(timezone):
            raise ValidationFailed.of("timezone", "must be an IANA time zone such as Africa/Cairo")

        async def work(connection: AsyncConnection) -> BillingAccount:
            account = await billing_account(connection, account_id, lock=True)
            if account is None:
                raise NotFound("Account not found")
            merged = {**account.customer, **(customer or {})}
            changed = replace(
                account,
                timezone=timezone or account.timezone,
                customer={key: merged[key] for key in CUSTOMER_KEYS if merged.get(key)},
            )
            await put_billing_account(connection, changed)
            return changed

        return await self._store.write(work)
