"""Members of a workspace and invitations to become one (contract §16).

The engine sends no mail: the token of an invitation is shown to the one who invites, who passes it on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.accounts import Accounts
from engine.errors import Conflict, Forbidden, NotFound, Unauthorized
from engine.idempotency import Keep, no_key
from engine.ids import new_invitation_token, new_uuid
from engine.model import Invitation, Member, Page, Role, User, may_grant
from engine.sessions import Sessions, hash_token
from engine.store import Store, run_rows
from engine.store import members as queries
from engine.store.accounts import get_user_by_email, insert_membership, insert_user
from engine.store.config import lock_config
from engine.store.times import to_ms

INVITATION_SECONDS: Final = 7 * 86_400
"""How long an invitation can be accepted."""


@dataclass(frozen=True, slots=True)
class CreatedInvitation:
    """A new invitation with its token, which is not kept."""

    invitation: Invitation
    token: str = field(repr=False)


class Members:
    """The members of every workspace; each method acts within the one it is given. `by` is the caller's role."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        sessions: Sessions,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._clock = clock

    async def page(self, workspace_id: str, page: int, limit: int) -> Page[Member]:
        """A page of members, newest first."""
        return await self._store.read(lambda connection: queries.page_of_members(connection, workspace_id, page, limit))

    async def set_role(self, workspace_id: str, member_id: str, role: Role, by: Role) -> Member:
        """Gives a member another role.

        Raises NotFound, Forbidden where the old or the new role is above the caller's, Conflict for the last owner.
        """

        async def work(connection: AsyncConnection) -> Member:
            member = await self._changeable(connection, workspace_id, member_id, by)
            check_grant(by, role)
            if member.role == "owner" and role != "owner":
                await _check_other_owner(connection, workspace_id)
            await queries.set_role(connection, member_id, role)
            changed = await queries.get_member(connection, workspace_id, member_id)
            assert changed is not None
            return changed

        return await self._store.write(work)

    async def remove(self, workspace_id: str, member_id: str, by: Role) -> None:
        """Ends a membership; the keys that the user made stay. Raises as `set_role`."""

        async def work(connection: AsyncConnection) -> None:
            member = await self._changeable(connection, workspace_id, member_id, by)
            if member.role == "owner":
                await _check_other_owner(connection, workspace_id)
            await queries.delete_member(connection, member_id)

        await self._store.write(work)

    async def _changeable(self, connection: AsyncConnection, workspace_id: str, member_id: str, by: Role) -> Member:
        # Two owners that take each other's role away at the same time would otherwise both find the other.
        await lock_config(connection)
        member = await queries.get_member(connection, workspace_id, member_id, lock=True)
        if member is None:
            raise NotFound("Member not found")
        if not may_grant(by, member.role):
            raise Forbidden(f"The role {by} may not change a member with the role {member.role}")
        return member

    async def invite(
        self, workspace_id: str, email: str, role: Role, by: Role, keep: Keep[CreatedInvitation] = no_key
    ) -> CreatedInvitation:
        """A new invitation, in place of an earlier one to the same address.

        Raises Forbidden for a role above the caller's, Conflict when there is such a member.
        """
        check_grant(by, role)
        token = new_invitation_token()
        now = self._clock()
        invitation = Invitation(
            id=new_uuid(),
            workspace_id=workspace_id,
            email=email,
            role=role,
            created_at=now,
            expires_at=now + timedelta(seconds=INVITATION_SECONDS),
        )
        created = CreatedInvitation(invitation, token)

        async def work(connection: AsyncConnection) -> None:
            if await queries.is_member(connection, workspace_id, email):
                raise Conflict("A user with this e-mail address is a member")
            await queries.insert_invitation(connection, invitation, hash_token(token))
            await run_rows(connection, keep(created))

        await self._store.write(work)
        return created

    async def invitations(self, workspace_id: str, page: int, limit: int) -> Page[Invitation]:
        """A page of invitations that nobody has accepted, newest first."""
        return await self._store.read(
            lambda connection: queries.page_of_invitations(connection, workspace_id, page, limit)
        )

    async def withdraw(self, workspace_id: str, invitation_id: str) -> None:
        """Withdraws an invitation. Raises NotFound."""

        async def work(connection: AsyncConnection) -> None:
            if await queries.get_invitation(connection, workspace_id, invitation_id) is None:
                raise NotFound("Invitation not found")
            await queries.delete_invitation(connection, invitation_id)

        await self._store.write(work)

    async def accept(self, token: str, password: str, name: str | None) -> User:
        """The invited user, who is a member from now on, and is created when the address has none yet.

        Raises NotFound for a token that is unknown or has expired, Unauthorized when the address belongs to a user
        with another password, TooManyRequests after many attempts.
        """
        digest = hash_token(token)
        invitation = await self._store.read(lambda connection: queries.invitation_by_token(connection, digest))
        if invitation is None or invitation.expires_at <= self._clock():
            raise NotFound("Invitation not found")
        email = invitation.email
        known = await self._store.read(lambda connection: get_user_by_email(connection, email))
        now = self._clock()
        password_hash = ""
        if known is not None:
            user = await self._sessions.check_password(email, password)
        else:
            password_hash = await self._accounts.hash_password(password)
            user = User(id=new_uuid(), email=email, name=name or email.partition("@")[0], created_at=now)

        async def work(connection: AsyncConnection) -> None:
            current = await queries.invitation_by_token(connection, digest)
            if current is None:
                raise NotFound("Invitation not found")
            if known is None:
                if await get_user_by_email(connection, email) is not None:
                    raise Unauthorized("The e-mail address or the password is wrong")
                await insert_user(connection, user, password_hash)
            if not await queries.is_member(connection, current.workspace_id, email):
                await insert_membership(connection, new_uuid(), current.workspace_id, user.id, current.role, to_ms(now))
            await queries.delete_invitation(connection, current.id)

        await self._store.write(work)
        return user


def check_grant(by: Role, role: Role) -> None:
    """Raises Forbidden when somebody with the role `by` may not give the role `role`."""
    if not may_grant(by, role):
        raise Forbidden(f"The role {by} may not give the role {role}")


async def _check_other_owner(connection: AsyncConnection, workspace_id: str) -> None:
    if await queries.owners(connection, workspace_id) < 2:
        raise Conflict("The last owner of a workspace stays")
