"""Queries about events that are not about a call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Page
from engine.store.json_text import load_json
from engine.store.tables import call_events
from engine.store.times import from_ms


@dataclass(frozen=True, slots=True)
class MonitorEvent:
    """Something that happened to a trunk, a number or the like."""

    at: datetime
    type: str
    subject_id: str
    message: str


async def page_of_events(connection: AsyncConnection, workspace_id: str, page: int, limit: int) -> Page[MonitorEvent]:
    """A page of a workspace's events, newest first; tests of webhooks are not among them."""
    conditions = (
        call_events.c.workspace_id == workspace_id,
        call_events.c.call_id.is_(None),
        call_events.c.type != "webhook.test",
    )
    total = (await connection.execute(select(func.count()).select_from(call_events).where(*conditions))).scalar_one()
    rows = await connection.execute(
        select(call_events)
        .where(*conditions)
        .order_by(call_events.c.seq.desc())
        .limit(limit)
        .offset(min((page - 1) * limit, total))
    )
    found = []
    for row in rows:
        data = load_json(row.payload)["data"]
        found.append(MonitorEvent(from_ms(row.created_at), row.type, data["subject_id"], data["message"]))
    return Page(tuple(found), page, limit, total)
