"""Events of billing, stored in the transaction of what they tell of (contract §13.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import GeneralEventType, money
from engine.outbox import Outbox, StoredEvent
from engine.store import billing as queries
from engine.store.ledger import Wallet
from engine.store.prepared import execute_rows


async def tell(
    connection: AsyncConnection,
    outbox: Outbox,
    event: GeneralEventType,
    workspace_id: str,
    data: Mapping[str, object],
    at: datetime,
) -> StoredEvent:
    """Stores an event with its deliveries; whoever commits wakes the outbox with it."""
    stored = outbox.event(event, workspace_id, data, at)
    for statement, parameters in stored.rows:
        await execute_rows(connection, statement, [parameters])
    return stored


async def tell_of_low(
    connection: AsyncConnection, outbox: Outbox, wallets: Sequence[Wallet], at: datetime
) -> list[StoredEvent]:
    """`wallet.low` in every workspace of the accounts whose wallets became low."""
    told: list[StoredEvent] = []
    for wallet in wallets:
        assert wallet.low_threshold is not None
        balance, threshold = money(wallet.balance), money(wallet.low_threshold)
        data = {
            "subject_id": wallet.account_id,
            "message": f"The balance of {balance} {wallet.currency} is below {threshold}",
            "account_id": wallet.account_id,
            "balance": balance,
            "threshold": threshold,
            "currency": wallet.currency,
        }
        told += [
            await tell(connection, outbox, "wallet.low", workspace_id, data, at)
            for workspace_id in await queries.workspaces_of(connection, wallet.account_id)
        ]
    return told
