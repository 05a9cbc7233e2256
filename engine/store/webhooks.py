"""Queries about webhooks. Their secrets pass through here encrypted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Page, Webhook
from engine.store.config import record_change
from engine.store.json_text import dump_json, load_json
from engine.store.pages import page_of
from engine.store.tables import webhooks
from engine.store.times import from_ms, from_ms_or_none, to_ms, to_ms_or_none


async def insert_webhook(connection: AsyncConnection, webhook: Webhook) -> None:
    """Stores a new webhook."""
    await connection.execute(insert(webhooks).values(_values(webhook)))
    await record_change(connection, "webhook", webhook.id)


async def count_webhooks(connection: AsyncConnection, workspace_id: str) -> int:
    """How many webhooks the workspace has."""
    query = select(func.count()).where(webhooks.c.workspace_id == workspace_id)
    return int((await connection.execute(query)).scalar_one())


async def get_webhook(
    connection: AsyncConnection, workspace_id: str, webhook_id: str, *, lock: bool = False
) -> Webhook | None:
    """One webhook of a workspace; `lock` keeps others from changing it until the end of the transaction."""
    query = select(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.workspace_id == workspace_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else _webhook(row)


async def update_webhook(connection: AsyncConnection, webhook: Webhook) -> None:
    """Stores every value of an existing webhook."""
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook.id).values(_values(webhook)))
    await record_change(connection, "webhook", webhook.id)


async def delete_webhook(connection: AsyncConnection, workspace_id: str, webhook_id: str) -> bool:
    """Deletes a webhook; false when the workspace has none with this id."""
    found = await connection.execute(
        delete(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.workspace_id == workspace_id)
    )
    if found.rowcount == 0:
        return False
    await record_change(connection, "webhook", webhook_id)
    return True


async def page_of_webhooks(connection: AsyncConnection, workspace_id: str, page: int, limit: int) -> Page[Webhook]:
    """A page, newest first."""
    return await page_of(connection, webhooks, [webhooks.c.workspace_id == workspace_id], page, limit, _webhook)


async def load_webhooks(connection: AsyncConnection, ids: Iterable[str] | None) -> list[Webhook]:
    """The webhooks with these ids, or all of the server."""
    query = select(webhooks)
    if ids is not None:
        query = query.where(webhooks.c.id.in_(list(ids)))
    return [_webhook(row) for row in await connection.execute(query)]


def _values(webhook: Webhook) -> dict[str, object]:
    return {
        "id": webhook.id,
        "workspace_id": webhook.workspace_id,
        "url": webhook.url,
        "events": dump_json(webhook.events),
        "description": webhook.description,
        "enabled": webhook.enabled,
        "headers": dump_json(webhook.headers),
        "secret": webhook.secret,
        "secret_prefix": webhook.secret_prefix,
        "previous_secret": webhook.previous_secret,
        "previous_until": to_ms_or_none(webhook.previous_until),
        "created_at": to_ms(webhook.created_at),
        "updated_at": to_ms(webhook.updated_at),
    }


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        workspace_id=row.workspace_id,
        url=row.url,
        events=tuple(load_json(row.events)),
        description=row.description,
        enabled=row.enabled,
        headers=load_json(row.headers),
        secret=row.secret,
        secret_prefix=row.secret_prefix,
        previous_secret=row.previous_secret,
        previous_until=from_ms_or_none(row.previous_until),
        created_at=from_ms(row.created_at),
        updated_at=from_ms(row.updated_at),
    )
