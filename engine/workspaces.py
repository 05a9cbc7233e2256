"""Workspaces as their account's owners manage them (contract §16): create, change, delete.

An owner of an account is who is `owner` in one of its workspaces; `within` is the id of that one, which the caller has
proven to own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypedDict
from zoneinfo import available_timezones

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.accounts import DEFAULT_TIMEZONE, Accounts
from engine.billing.plans import Plans
from engine.errors import Conflict, NotFound
from engine.idempotency import Keep, no_key
from engine.ids import new_uuid, new_workspace_id
from engine.model import Role, User, Workspace
from engine.recordings import Recordings
from engine.store import Store, run_rows
from engine.store import workspaces as queries
from engine.store.accounts import get_workspace, insert_membership, insert_workspace
from engine.store.config import lock_config
from engine.store.members import workspaces_of
from engine.store.rentals import has_open_rentals
from engine.store.times import to_ms

CALLS_AT_ONCE: Final = 500
"""Calls deleted in one transaction, so that running calls never wait for long."""


class WorkspaceChanges(TypedDict, total=False):
    """The members of a workspace to change."""

    name: str
    timezone: str


class Workspaces:
    """The workspaces of every account."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        recordings: Recordings | None = None,
        plans: Plans | None = None,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._recordings = recordings
        self._plans = plans

    async def of_user(self, user_id: str) -> list[tuple[Workspace, Role]]:
        """The workspaces of a user with the role in each, oldest first."""
        return await self._store.read(lambda connection: workspaces_of(connection, user_id))

    async def create(
        self, user: User, within: str, name: str, timezone: str = DEFAULT_TIMEZONE, keep: Keep[Workspace] = no_key
    ) -> Workspace:
        """A new workspace in the account of `within`, with `user` as its owner.

        Raises Conflict when the account's plan allows no more of them.
        """
        now = self._clock()

        async def work(connection: AsyncConnection) -> Workspace:
            account_id = await _shared_account(connection, within, within)
            if self._plans is not None:
                await self._plans.check_another_workspace(connection, account_id)
            workspace = Workspace(
                id=new_workspace_id(), account_id=account_id, name=name, timezone=timezone, created_at=now
            )
            await insert_workspace(connection, workspace)
            await insert_membership(connection, new_uuid(), workspace.id, user.id, "owner", to_ms(now))
            await run_rows(connection, keep(workspace))
            return workspace

        return await self._store.write(work)

    async def update(self, within: str, workspace_id: str, changes: WorkspaceChanges) -> Workspace:
        """Changes the members that are given. Raises NotFound for a workspace of another account."""

        async def work(connection: AsyncConnection) -> Workspace:
            await _shared_account(connection, within, workspace_id)
            if changes:
                await queries.update_workspace(connection, workspace_id, changes)
            workspace = await get_workspace(connection, workspace_id)
            assert workspace is not None
            return workspace

        return await self._store.write(work)

    async def delete(self, within: str, workspace_id: str) -> None:
        """Deletes a workspace with all it has; its keys stop working first.

        Raises NotFound, and Conflict while it has numbers, rentals or running calls, or when it is the last one of its
        account.
        """
        at = to_ms(self._clock())

        async def close(connection: AsyncConnection) -> None:
            await self._check_deletable(connection, within, workspace_id)
            await queries.revoke_keys(connection, workspace_id, at)

        async def finish(connection: AsyncConnection) -> None:
            await self._check_deletable(connection, within, workspace_id)
            await queries.delete_workspace(connection, workspace_id)

        await self._store.write(close)
        await self._accounts.refresh_keys()
        while await self._store.write(
            lambda connection: queries.delete_some_calls(connection, workspace_id, CALLS_AT_ONCE)
        ):
            pass
        await self._store.write(finish)
        if self._recordings is not None:
            await self._recordings.delete_files_of(workspace_id)

    async def _check_deletable(self, connection: AsyncConnection, within: str, workspace_id: str) -> None:
        await lock_config(connection)
        account_id = await _shared_account(connection, within, workspace_id)
        if await queries.has_numbers(connection, workspace_id):
            raise Conflict("The workspace has numbers")
        if await has_open_rentals(connection, workspace_id):
            raise Conflict("The workspace has rentals")
        if await queries.has_running_calls(connection, workspace_id):
            raise Conflict("The workspace has calls in progress")
        if await queries.count_of_account(connection, account_id) < 2:
            raise Conflict("The last workspace of an account stays")


def is_timezone(name: str) -> bool:
    """Whether `name` is an IANA time zone; on a machine without their database only UTC is."""
    return name == DEFAULT_TIMEZONE or name in available_timezones()


async def _shared_account(connection: AsyncConnection, within: str, workspace_id: str) -> str:
    """The account that both workspaces are of."""
    own = await get_workspace(connection, within)
    found = await get_workspace(connection, workspace_id)
    if own is None or found is None or own.account_id != found.account_id:
        raise NotFound("Workspace not found")
    return found.account_id
