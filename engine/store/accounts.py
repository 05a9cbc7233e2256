"""Queries about accounts, workspaces, users, memberships and API keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from sqlalchemy import Row, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Account, ApiKey, Page, Role, User, Workspace
from engine.store.config import record_change
from engine.store.pages import page_of
from engine.store.prepared import RowStatement
from engine.store.tables import accounts, api_keys, memberships, users, workspaces
from engine.store.times import from_ms, from_ms_or_none, to_ms, to_ms_or_none

TOUCH_KEY: Final = RowStatement(
    90,
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key"),
        or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < bindparam("at")),
    )
    .values(last_used_at=bindparam("at")),
)
"""Notes that a key was used: parameters `key` and `at` (milliseconds)."""


async def is_empty(connection: AsyncConnection) -> bool:
    """Whether there is no account."""
    return (await connection.execute(select(accounts.c.id).limit(1))).first() is None


async def insert_account(connection: AsyncConnection, account: Account) -> None:
    """Stores a new account."""
    await connection.execute(
        insert(accounts).values(id=account.id, name=account.name, created_at=to_ms(account.created_at))
    )


async def oldest_account(connection: AsyncConnection) -> Account | None:
    """The account that was created first."""
    row = (await connection.execute(select(accounts).order_by(accounts.c.created_at, accounts.c.id).limit(1))).first()
    return None if row is None else Account(id=row.id, name=row.name, created_at=from_ms(row.created_at))


async def account_exists(connection: AsyncConnection, account_id: str) -> bool:
    """Whether there is this account."""
    return (await connection.execute(select(accounts.c.id).where(accounts.c.id == account_id))).first() is not None


async def insert_workspace(connection: AsyncConnection, workspace: Workspace) -> None:
    """Stores a new workspace of an existing account."""
    await connection.execute(
        insert(workspaces).values(
            id=workspace.id,
            account_id=workspace.account_id,
            name=workspace.name,
            timezone=workspace.timezone,
            created_at=to_ms(workspace.created_at),
        )
    )


async def get_workspace(connection: AsyncConnection, workspace_id: str) -> Workspace | None:
    """One workspace."""
    row = (await connection.execute(select(workspaces).where(workspaces.c.id == workspace_id))).first()
    return None if row is None else workspace_of(row)


async def list_workspaces(connection: AsyncConnection) -> list[Workspace]:
    """Every workspace of the server, oldest first."""
    rows = await connection.execute(select(workspaces).order_by(workspaces.c.created_at, workspaces.c.id))
    return [workspace_of(row) for row in rows]


async def insert_user(connection: AsyncConnection, user: User, password_hash: str) -> None:
    """Stores a new user; the e-mail address is unique whatever its case."""
    await connection.execute(
        insert(users).values(
            id=user.id,
            email=user.email,
            email_folded=user.email.casefold(),
            name=user.name,
            password_hash=password_hash,
            created_at=to_ms(user.created_at),
        )
    )


async def get_user_by_email(connection: AsyncConnection, email: str) -> tuple[User, str] | None:
    """The user with this e-mail address and the hash of the password."""
    row = (await connection.execute(select(users).where(users.c.email_folded == email.casefold()))).first()
    if row is None:
        return None
    return User(id=row.id, email=row.email, name=row.name, created_at=from_ms(row.created_at)), row.password_hash


async def insert_membership(
    connection: AsyncConnection, membership_id: str, workspace_id: str, user_id: str, role: Role, created_at: int
) -> None:
    """Makes a user a member of a workspace; `created_at` in milliseconds."""
    await connection.execute(
        insert(memberships).values(
            id=membership_id, workspace_id=workspace_id, user_id=user_id, role=role, created_at=created_at
        )
    )


async def insert_key(connection: AsyncConnection, key: ApiKey, key_hash: str) -> None:
    """Stores a new key by the hex SHA-256 of its raw text."""
    await connection.execute(
        insert(api_keys).values(
            id=key.id,
            workspace_id=key.workspace_id,
            name=key.name,
            prefix=key.prefix,
            key_hash=key_hash,
            role=key.role,
            created_at=to_ms(key.created_at),
            last_used_at=to_ms_or_none(key.last_used_at),
            expires_at=to_ms_or_none(key.expires_at),
            revoked_at=to_ms_or_none(key.revoked_at),
            created_by=key.created_by,
        )
    )
    await record_change(connection, "key", key.id)


async def get_key(connection: AsyncConnection, workspace_id: str, key_id: str) -> ApiKey | None:
    """One key of a workspace, revoked or not."""
    query = select(api_keys).where(api_keys.c.id == key_id, api_keys.c.workspace_id == workspace_id)
    row = (await connection.execute(query)).first()
    return None if row is None else _key(row)


async def page_of_keys(connection: AsyncConnection, workspace_id: str, page: int, limit: int) -> Page[ApiKey]:
    """A page of a workspace's keys, newest first, revoked ones included."""
    return await page_of(connection, api_keys, [api_keys.c.workspace_id == workspace_id], page, limit, _key)


async def revoke_key(connection: AsyncConnection, workspace_id: str | None, key_id: str, at: int) -> bool:
    """Revokes a key from `at` (milliseconds) on; false when there is none in the workspace, or in any for None.

    A key that is revoked already stays so since then.
    """
    condition = api_keys.c.id == key_id
    if workspace_id is not None:
        condition = and_(condition, api_keys.c.workspace_id == workspace_id)
    found = await connection.execute(
        update(api_keys).where(condition).values(revoked_at=func.coalesce(api_keys.c.revoked_at, at))
    )
    if found.rowcount == 0:
        return False
    await record_change(connection, "key", key_id)
    return True


async def list_keys(connection: AsyncConnection, workspace_id: str | None) -> list[ApiKey]:
    """The keys of a workspace, or of all, newest first, revoked ones included."""
    query = select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
    if workspace_id is not None:
        query = query.where(api_keys.c.workspace_id == workspace_id)
    return [_key(row) for row in await connection.execute(query)]


async def load_keys(connection: AsyncConnection, ids: Iterable[str] | None) -> list[tuple[str, ApiKey]]:
    """Pairs of hash and key for these ids, or for all keys that are not revoked."""
    query = select(api_keys)
    query = query.where(api_keys.c.revoked_at.is_(None)) if ids is None else query.where(api_keys.c.id.in_(list(ids)))
    return [(row.key_hash, _key(row)) for row in await connection.execute(query)]


def workspace_of(row: Row[Any]) -> Workspace:
    """The workspace in a row that has its columns."""
    return Workspace(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        timezone=row.timezone,
        created_at=from_ms(row.created_at),
    )


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        workspace_id=row.workspace_id,
        name=row.name,
        prefix=row.prefix,
        role=cast(Role, row.role),
        created_at=from_ms(row.created_at),
        last_used_at=from_ms_or_none(row.last_used_at),
        expires_at=from_ms_or_none(row.expires_at),
        revoked_at=from_ms_or_none(row.revoked_at),
        created_by=row.created_by,
    )
