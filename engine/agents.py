"""Agents of a workspace: people with a phone that registers and calls out (contract §17).

Values arrive checked for shape; here are the checks that need what is stored. Only `create` and `rotate_credentials`
know a password in clear, every other method leaves it encrypted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Final, TypedDict

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import Conflict, NotFound
from engine.idempotency import Keep, no_key
from engine.ids import new_password, new_uuid
from engine.model import Agent, Page
from engine.sealing import seal_agent
from engine.secrets import SecretBox
from engine.sip_accounts import SipAccountDirectory, SipCredentials
from engine.store import Store, run_rows
from engine.store import agents as queries
from engine.store.numbers import numbers_among

USERNAME_PATTERN: Final = "(?!t_[0-9a-f]{12}$)[a-z][a-z0-9._-]{0,62}"
"""Usernames begin with a letter, so that none is taken for a number that is called (contract §14.4), and none has the
form of a trunk's."""

USERNAME_MAX: Final = 63
DERIVED_MAX: Final = 56
"""Characters of a username made from an e-mail address, so that a number fits behind it."""

FALLBACK_USERNAME: Final = "agent"
INSERT_ATTEMPTS: Final = 3

_USERNAME: Final = re.compile(USERNAME_PATTERN)
_OTHER: Final = re.compile(r"[^a-z0-9._]+")


class AgentChanges(TypedDict, total=False):
    """Members of an agent to change; the username stays."""

    label: str | None
    email: str
    outbound_number_id: str | None


@dataclass(frozen=True, slots=True)
class NewAgent:
    """What an agent is created from; `username` None is made from the e-mail address."""

    email: str
    username: str | None = None
    label: str | None = None
    outbound_number_id: str | None = None


class AgentTaken(Conflict):
    """The username or the e-mail address belongs to another agent."""


class Agents:
    """The agents of every workspace; each method acts within the one it is given."""

    def __init__(
        self,
        store: Store,
        secrets: SecretBox,
        accounts: SipAccountDirectory,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._accounts = accounts
        self._clock = clock

    async def create(self, workspace_id: str, new: NewAgent, keep: Keep[Agent] = no_key) -> Agent:
        """A new agent with a generated password, in clear here.

        Raises AgentTaken when the username exists on this server, or the e-mail address in the workspace.
        """
        agent = Agent(
            id=new_uuid(),
            workspace_id=workspace_id,
            username=new.username or "",
            password=new_password(),
            label=new.label,
            email=new.email,
            outbound_number_id=new.outbound_number_id,
            created_at=self._clock(),
        )
        for attempt in count(1):
            try:
                agent = await self._insert(agent, new.username, keep)
                break
            except AgentTaken:
                raise
            except Conflict:
                # The constraint has the last word: on a shared database another process may have been quicker.
                if new.username is not None or attempt == INSERT_ATTEMPTS:
                    raise AgentTaken("The username or the e-mail address is taken by another agent") from None
        await self._accounts.refresh()
        return agent

    async def get(self, workspace_id: str, agent_id: str) -> Agent:
        """One agent. Raises NotFound when this workspace has none with the id."""
        agent = await self._store.read(lambda connection: queries.get_agent(connection, workspace_id, agent_id))
        if agent is None:
            raise NotFound("Agent not found")
        return agent

    async def by_email(self, workspace_id: str, email: str) -> Agent | None:
        """The agent with this e-mail address, in whatever case; None when this workspace has none."""
        return await self._store.read(lambda connection: queries.agent_by_email(connection, workspace_id, email))

    async def page(self, workspace_id: str, page: int, limit: int, search: str | None = None) -> Page[Agent]:
        """A page of agents, newest first."""
        return await self._store.read(
            lambda connection: queries.page_of_agents(connection, workspace_id, page, limit, search)
        )

    async def update(self, workspace_id: str, agent_id: str, changes: AgentChanges) -> Agent:
        """Changes the members that are given. Raises NotFound, and AgentTaken for another agent's e-mail address."""

        async def work(connection: AsyncConnection) -> Agent:
            current = await queries.get_agent(connection, workspace_id, agent_id, lock=True)
            if current is None:
                raise NotFound("Agent not found")
            changed = replace(current, **changes)
            await _check_email(connection, changed)
            await queries.update_agent(connection, changed)
            return changed

        try:
            agent = await self._store.write(work)
        except AgentTaken:
            raise
        except Conflict:
            raise AgentTaken("The e-mail address is taken by another agent") from None
        await self._accounts.refresh()
        return agent

    async def rotate_credentials(self, workspace_id: str, agent_id: str) -> SipCredentials:
        """A new password, in use at once; who is registered with the old one is not any more. Raises NotFound."""
        password = new_password()

        async def work(connection: AsyncConnection) -> SipCredentials:
            current = await queries.get_agent(connection, workspace_id, agent_id, lock=True)
            if current is None:
                raise NotFound("Agent not found")
            await queries.update_agent(connection, seal_agent(self._secrets, replace(current, password=password)))
            return SipCredentials(current.username, password)

        credentials = await self._store.write(work)
        await self._accounts.refresh()
        return credentials

    async def delete(self, workspace_id: str, agent_id: str) -> None:
        """Deletes an agent and ends its registrations. Raises NotFound."""
        if not await self._store.write(lambda connection: queries.delete_agent(connection, workspace_id, agent_id)):
            raise NotFound("Agent not found")
        await self._accounts.refresh()

    async def is_number(self, workspace_id: str, number_id: str) -> bool:
        """Whether the workspace has a number with this id."""
        found = await self._store.read(lambda connection: numbers_among(connection, workspace_id, (number_id,)))
        return bool(found)

    async def _insert(self, agent: Agent, username: str | None, keep: Keep[Agent]) -> Agent:
        async def work(connection: AsyncConnection) -> Agent:
            await _check_email(connection, agent)
            base = username or derived_username(agent.email)
            taken = await queries.usernames_like(connection, base)
            if username is not None and username in taken:
                raise AgentTaken(f"The username {username} already exists on this server")
            named = replace(agent, username=username or free_username(base, taken))
            await queries.insert_agent(connection, seal_agent(self._secrets, named))
            await run_rows(connection, keep(named))
            return named

        return await self._store.write(work)


async def _check_email(connection: AsyncConnection, agent: Agent) -> None:
    if await queries.email_taken(connection, agent.workspace_id, agent.email, by_another_than=agent.id):
        raise AgentTaken(f"An agent with the e-mail address {agent.email} already exists in this workspace")


def is_agent_username(text: str) -> bool:
    """Whether an agent may have this username."""
    return _USERNAME.fullmatch(text) is not None


def derived_username(email: str) -> str:
    """The local part of the address in lower case, accents removed, a hyphen for what a username cannot hold.

    `agent` where nothing of it is left, or where it would not be a username of an agent.
    """
    plain = unicodedata.normalize("NFKD", email.partition("@")[0]).encode("ascii", "ignore").decode().lower()
    text = _OTHER.sub("-", plain).lstrip("0123456789._-")[:DERIVED_MAX].rstrip("._-")
    return text if is_agent_username(text) else FALLBACK_USERNAME


def free_username(base: str, taken: frozenset[str]) -> str:
    """`base`, or else `base-2`, `base-3` … as the first that is not taken."""
    if base not in taken:
        return base
    return next(name for number in count(2) if (name := f"{base}-{number}") not in taken)
