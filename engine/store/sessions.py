"""Queries about console sessions. The one that every request of a session makes is prepared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import and_, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Role, User
from engine.store.database import Store
from engine.store.prepared import PreparedQuery
from engine.store.tables import memberships, sessions, users
from engine.store.times import from_ms


@dataclass(frozen=True, slots=True)
class FoundSession:
    """Whose session it is, until when, and the user's role in the workspace asked about, if any."""

    user: User
    expires_at: datetime
    role: Role | None


_FIND: Final = PreparedQuery(
    select(users.c.id, users.c.email, users.c.name, users.c.created_at, sessions.c.expires_at, memberships.c.role)
    .select_from(sessions)
    .join(users, users.c.id == sessions.c.user_id)
    .outerjoin(
        memberships,
        and_(memberships.c.user_id == users.c.id, memberships.c.workspace_id == bindparam("workspace")),
    )
    .where(sessions.c.token_hash == bindparam("token")),
    at_once=True,
)


async def find_session(store: Store, token_hash: str, workspace_id: str) -> FoundSession | None:
    """The session, with the role in this workspace."""
    rows = await store.fetch(_FIND, {"token": token_hash, "workspace": workspace_id})
    if not rows:
        return None
    user_id, email, name, created_at, expires_at, role = rows[0]
    user = User(id=user_id, email=email, name=name, created_at=from_ms(created_at))
    return FoundSession(user, from_ms(expires_at), cast("Role | None", role))


async def insert_session(
    connection: AsyncConnection, token_hash: str, user_id: str, created_at: int, expires_at: int
) -> None:
    """Stores a session; times in milliseconds. Those that have expired by then are removed."""
    await connection.execute(delete(sessions).where(sessions.c.expires_at <= created_at))
    await connection.execute(
        insert(sessions).values(token_hash=token_hash, user_id=user_id, created_at=created_at, expires_at=expires_at)
    )


async def delete_session(connection: AsyncConnection, token_hash: str) -> None:
    """Ends a session."""
    await connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))
