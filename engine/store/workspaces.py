"""Queries that change or delete whole workspaces."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.accounts import revoke_key
from engine.store.config import Kind, record_change
from engine.store.tables import (
    agents,
    api_keys,
    applications,
    call_events,
    call_log,
    calls,
    idempotency_keys,
    inbound_trunks,
    numbers,
    outbound_trunks,
    webhooks,
    workspaces,
)

_CONFIGURED: Mapping[Kind, Table] = {
    "application": applications,
    "agent": agents,
    "outbound_trunk": outbound_trunks,
    "inbound_trunk": inbound_trunks,
    "webhook": webhooks,
    "number": numbers,
}


async def update_workspace(connection: AsyncConnection, workspace_id: str, changes: Mapping[str, object]) -> None:
    """Changes `name` and `timezone` where given."""
    await connection.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(**changes))


async def count_of_account(connection: AsyncConnection, account_id: str) -> int:
    """How many workspaces the account has."""
    query = select(func.count()).where(workspaces.c.account_id == account_id)
    return int((await connection.execute(query)).scalar_one())


async def has_numbers(connection: AsyncConnection, workspace_id: str) -> bool:
    """Whether the workspace has a number; those that were released do not count."""
    query = select(numbers.c.id).where(numbers.c.workspace_id == workspace_id, numbers.c.status != "released").limit(1)
    return (await connection.execute(query)).first() is not None


async def has_running_calls(connection: AsyncConnection, workspace_id: str) -> bool:
    """Whether the workspace has a call that has not ended."""
    query = select(calls.c.id).where(calls.c.workspace_id == workspace_id, calls.c.ended_at.is_(None)).limit(1)
    return (await connection.execute(query)).first() is not None


async def revoke_keys(connection: AsyncConnection, workspace_id: str, at: int) -> None:
    """Revokes every key of the workspace; `at` in milliseconds."""
    ids = (await connection.execute(select(api_keys.c.id).where(api_keys.c.workspace_id == workspace_id))).scalars()
    for key_id in ids.all():
        await revoke_key(connection, workspace_id, key_id, at)


async def delete_some_calls(connection: AsyncConnection, workspace_id: str, limit: int) -> int:
    """Deletes up to `limit` calls with their log and events; how many."""
    query = select(calls.c.id).where(calls.c.workspace_id == workspace_id).limit(limit)
    ids = (await connection.execute(query)).scalars().all()
    if ids:
        await connection.execute(delete(call_log).where(call_log.c.call_id.in_(ids)))
        await connection.execute(delete(calls).where(calls.c.id.in_(ids)))
    return len(ids)


async def delete_workspace(connection: AsyncConnection, workspace_id: str) -> None:
    """Deletes a workspace without calls and numbers, and everything else it has; what it paid for rentals stays."""
    for kind, table in _CONFIGURED.items():
        ids = (await connection.execute(select(table.c.id).where(table.c.workspace_id == workspace_id))).scalars()
        for entity_id in ids.all():
            await record_change(connection, kind, entity_id)
        await connection.execute(delete(table).where(table.c.workspace_id == workspace_id))
    await connection.execute(
        delete(call_events).where(call_events.c.workspace_id == workspace_id, call_events.c.call_id.is_(None))
    )
    await connection.execute(delete(idempotency_keys).where(idempotency_keys.c.workspace_id == workspace_id))
    await connection.execute(delete(workspaces).where(workspaces.c.id == workspace_id))
