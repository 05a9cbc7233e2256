"""Queries about sessions of the phone widget: tokens by their hash, each bound to an agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import agents, widget_sessions
from engine.store.times import from_ms


@dataclass(frozen=True, slots=True)
class FoundWidgetSession:
    """The agent of a session with its workspace, and until when it lasts."""

    agent_id: str
    workspace_id: str
    expires_at: datetime


async def insert_widget_session(
    connection: AsyncConnection, token_hash: str, agent_id: str, created_at: int, expires_at: int
) -> None:
    """Stores a session; times in milliseconds. Those that have expired by then are removed."""
    await connection.execute(delete(widget_sessions).where(widget_sessions.c.expires_at <= created_at))
    await connection.execute(
        insert(widget_sessions).values(
            token_hash=token_hash, agent_id=agent_id, created_at=created_at, expires_at=expires_at
        )
    )


async def find_widget_session(connection: AsyncConnection, token_hash: str) -> FoundWidgetSession | None:
    """The session with this hash of its token, expired or not."""
    query = (
        select(widget_sessions.c.agent_id, agents.c.workspace_id, widget_sessions.c.expires_at)
        .join(agents, agents.c.id == widget_sessions.c.agent_id)
        .where(widget_sessions.c.token_hash == token_hash)
    )
    row = (await connection.execute(query)).first()
    return None if row is None else FoundWidgetSession(row.agent_id, row.workspace_id, from_ms(row.expires_at))
