"""Queries about members and invitations of workspaces."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Invitation, Member, Page, Role, Workspace
from engine.store.accounts import workspace_of
from engine.store.pages import page_of
from engine.store.tables import invitations, memberships, users, workspaces
from engine.store.times import from_ms, to_ms

_MEMBERS = select(memberships, users.c.email, users.c.name).join(users, users.c.id == memberships.c.user_id)


async def page_of_members(connection: AsyncConnection, workspace_id: str, page: int, limit: int) -> Page[Member]:
    """A page of a workspace's members, newest first."""
    conditions = [memberships.c.workspace_id == workspace_id]
    return await page_of(connection, memberships, conditions, page, limit, _member, _MEMBERS)


async def get_member(
    connection: AsyncConnection, workspace_id: str, member_id: str, *, lock: bool = False
) -> Member | None:
    """One member by the id of the membership; `lock` keeps others from changing it until the transaction ends."""
    query = _MEMBERS.where(memberships.c.id == member_id, memberships.c.workspace_id == workspace_id)
    row = (await connection.execute(query.with_for_update(of=memberships) if lock else query)).first()
    return None if row is None else _member(row)


async def is_member(connection: AsyncConnection, workspace_id: str, email: str) -> bool:
    """Whether the user with this e-mail address, in whatever case, is a member."""
    query = _MEMBERS.where(memberships.c.workspace_id == workspace_id, users.c.email_folded == email.casefold())
    return (await connection.execute(query)).first() is not None


async def owners(connection: AsyncConnection, workspace_id: str) -> int:
    """How many owners the workspace has."""
    query = select(func.count()).where(memberships.c.workspace_id == workspace_id, memberships.c.role == "owner")
    return int((await connection.execute(query)).scalar_one())


async def set_role(connection: AsyncConnection, member_id: str, role: Role) -> None:
    """Gives a member another role."""
    await connection.execute(update(memberships).where(memberships.c.id == member_id).values(role=role))


async def delete_member(connection: AsyncConnection, member_id: str) -> None:
    """Ends a membership; the user stays."""
    await connection.execute(delete(memberships).where(memberships.c.id == member_id))


async def workspaces_of(connection: AsyncConnection, user_id: str) -> list[tuple[Workspace, Role]]:
    """The workspaces of a user with the role in each, oldest first."""
    rows = await connection.execute(
        select(workspaces, memberships.c.role)
        .join(memberships, memberships.c.workspace_id == workspaces.c.id)
        .where(memberships.c.user_id == user_id)
        .order_by(workspaces.c.created_at, workspaces.c.id)
    )
    return [(workspace_of(row), cast(Role, row.role)) for row in rows]


async def insert_invitation(connection: AsyncConnection, invitation: Invitation, token_hash: str) -> None:
    """Stores an invitation in place of one to the same address."""
    folded = invitation.email.casefold()
    await connection.execute(
        delete(invitations).where(
            invitations.c.workspace_id == invitation.workspace_id, invitations.c.email_folded == folded
        )
    )
    await connection.execute(
        insert(invitations).values(
            id=invitation.id,
            workspace_id=invitation.workspace_id,
            email=invitation.email,
            email_folded=folded,
            role=invitation.role,
            token_hash=token_hash,
            created_at=to_ms(invitation.created_at),
            expires_at=to_ms(invitation.expires_at),
        )
    )


async def page_of_invitations(
    connection: AsyncConnection, workspace_id: str, page: int, limit: int
) -> Page[Invitation]:
    """A page of a workspace's invitations, newest first, expired ones included."""
    return await page_of(
        connection, invitations, [invitations.c.workspace_id == workspace_id], page, limit, _invitation
    )


async def invitation_by_token(connection: AsyncConnection, token_hash: str) -> Invitation | None:
    """The invitation whose token has this hash."""
    row = (await connection.execute(select(invitations).where(invitations.c.token_hash == token_hash))).first()
    return None if row is None else _invitation(row)


async def get_invitation(connection: AsyncConnection, workspace_id: str, invitation_id: str) -> Invitation | None:
    """One invitation of a workspace."""
    query = select(invitations).where(invitations.c.id == invitation_id, invitations.c.workspace_id == workspace_id)
    row = (await connection.execute(query)).first()
    return None if row is None else _invitation(row)


async def delete_invitation(connection: AsyncConnection, invitation_id: str) -> None:
    """Withdraws an invitation, or ends it when it was accepted."""
    await connection.execute(delete(invitations).where(invitations.c.id == invitation_id))


def _member(row: Row[Any]) -> Member:
    return Member(
        id=row.id,
        workspace_id=row.workspace_id,
        user_id=row.user_id,
        email=row.email,
        name=row.name,
        role=cast(Role, row.role),
        created_at=from_ms(row.created_at),
    )


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        id=row.id,
        workspace_id=row.workspace_id,
        email=row.email,
        role=cast(Role, row.role),
        created_at=from_ms(row.created_at),
        expires_at=from_ms(row.expires_at),
    )
