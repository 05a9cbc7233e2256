"""Queries about agents. Their SIP passwords pass through here encrypted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Agent, Page
from engine.store.config import record_change
from engine.store.tables import agents
from engine.store.times import from_ms, to_ms


async def insert_agent(connection: AsyncConnection, agent: Agent) -> None:
    """Stores a new agent; a username twice on a server, or an address twice in a workspace, violates a constraint."""
    await connection.execute(insert(agents).values(_values(agent)))
    await record_change(connection, "agent", agent.id)


async def get_agent(
    connection: AsyncConnection, workspace_id: str, agent_id: str, *, lock: bool = False
) -> Agent | None:
    """One agent of a workspace; `lock` keeps others from changing it until the end of the transaction."""
    query = select(agents).where(agents.c.id == agent_id, agents.c.workspace_id == workspace_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else _agent(row)


async def agent_by_email(connection: AsyncConnection, workspace_id: str, email: str) -> Agent | None:
    """The agent of a workspace with this address, in whatever case."""
    query = select(agents).where(agents.c.workspace_id == workspace_id, agents.c.email_folded == email.casefold())
    row = (await connection.execute(query)).first()
    return None if row is None else _agent(row)


async def usernames_like(connection: AsyncConnection, base: str) -> frozenset[str]:
    """The usernames on this server that are `base`, or `base` with a hyphen and more after it."""
    query = select(agents.c.username).where(
        or_(agents.c.username == base, agents.c.username.startswith(f"{base}-", autoescape=True))
    )
    return frozenset((await connection.execute(query)).scalars())


async def email_taken(connection: AsyncConnection, workspace_id: str, email: str, *, by_another_than: str) -> bool:
    """Whether another agent of the workspace has this address, in whatever case."""
    query = select(agents.c.id).where(
        agents.c.workspace_id == workspace_id,
        agents.c.email_folded == email.casefold(),
        agents.c.id != by_another_than,
    )
    return (await connection.execute(query)).first() is not None


async def update_agent(connection: AsyncConnection, agent: Agent) -> None:
    """Stores every value of an existing agent."""
    await connection.execute(update(agents).where(agents.c.id == agent.id).values(_values(agent)))
    await record_change(connection, "agent", agent.id)


async def delete_agent(connection: AsyncConnection, workspace_id: str, agent_id: str) -> bool:
    """Deletes an agent; false when the workspace has none with this id."""
    found = await connection.execute(
        delete(agents).where(agents.c.id == agent_id, agents.c.workspace_id == workspace_id)
    )
    if found.rowcount == 0:
        return False
    await record_change(connection, "agent", agent_id)
    return True


async def page_of_agents(
    connection: AsyncConnection, workspace_id: str, page: int, limit: int, search: str | None
) -> Page[Agent]:
    """A page, newest first; `search` is a substring of the label in any case."""
    condition = agents.c.workspace_id == workspace_id
    if search:
        condition = and_(condition, agents.c.search_text.contains(search.casefold(), autoescape=True))
    total = (await connection.execute(select(func.count()).select_from(agents).where(condition))).scalar_one()
    if (page - 1) * limit >= total:
        return Page((), page, limit, total)
    rows = await connection.execute(
        select(agents)
        .where(condition)
        .order_by(agents.c.created_at.desc(), agents.c.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page(tuple(_agent(row) for row in rows), page, limit, total)


async def load_agents(connection: AsyncConnection, ids: Iterable[str] | None) -> list[Agent]:
    """The agents with these ids, or all of the server."""
    query = select(agents)
    if ids is not None:
        query = query.where(agents.c.id.in_(list(ids)))
    return [_agent(row) for row in await connection.execute(query)]


def _values(agent: Agent) -> dict[str, object]:
    return {
        "id": agent.id,
        "workspace_id": agent.workspace_id,
        "username": agent.username,
        "password": agent.password,
        "label": agent.label,
        "search_text": (agent.label or "").casefold(),
        "email": agent.email,
        "email_folded": agent.email.casefold(),
        "outbound_number_id": agent.outbound_number_id,
        "created_at": to_ms(agent.created_at),
    }


def _agent(row: Row[Any]) -> Agent:
    return Agent(
        id=row.id,
        workspace_id=row.workspace_id,
        username=row.username,
        password=row.password,
        label=row.label,
        email=row.email,
        outbound_number_id=row.outbound_number_id,
        created_at=from_ms(row.created_at),
    )
