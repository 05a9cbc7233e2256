"""Sessions of the phone widget: a token for one agent, and the short-lived SIP credentials it buys (contract §17).

Of a token only the SHA-256 is stored, of the credentials nothing (`engine.widget_credentials`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.agents import Agents, AgentTaken, NewAgent
from engine.directory import NumberDirectory
from engine.egress import CallerIdNotAllowed, agent_number
from engine.errors import Unauthorized
from engine.idempotency import Keep, no_key
from engine.ids import is_widget_token, new_widget_token
from engine.model import Agent
from engine.sessions import hash_token
from engine.sip_accounts import SipAccountDirectory, SipCredentials
from engine.store import Store, run_rows
from engine.store import widget_sessions as queries
from engine.store.times import to_ms
from engine.widget_credentials import temporary_password, temporary_username

TOKEN_SECONDS: Final = 12 * 3600
CREDENTIALS_SECONDS: Final = 3600
"""How long SIP credentials hold, but never longer than the token that bought them."""


@dataclass(frozen=True, slots=True)
class NewWidgetSession:
    """A session that has begun, with its token."""

    agent: Agent
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WidgetSession:
    """Whose session it is; `id` is the hash of its token, which names the session without opening it."""

    id: str
    agent_id: str
    workspace_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WidgetLine:
    """What a widget registers with, and the numbers that its calls to telephones present: one or none."""

    agent: Agent
    credentials: SipCredentials
    caller_numbers: tuple[str, ...]


class WidgetSessions:
    """The widget sessions of every agent. `clock` gives the current time in UTC."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        accounts: SipAccountDirectory,
        numbers: NumberDirectory,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._agents = agents
        self._accounts = accounts
        self._numbers = numbers
        self._clock = clock

    async def begin(
        self, workspace_id: str, email: str, display_name: str | None, keep: Keep[NewWidgetSession] = no_key
    ) -> NewWidgetSession:
        """A session of the agent with this e-mail address, who is created where the workspace has none.

        `display_name` is the label of a new agent; that of another stays. Raises AgentTaken when no username is found.
        """
        agent = await self._agents.by_email(workspace_id, email)
        if agent is None:
            try:
                agent = await self._agents.create(workspace_id, NewAgent(email, label=display_name))
            except AgentTaken:
                # Another request for the same agent may have been quicker
                agent = await self._agents.by_email(workspace_id, email)
                if agent is None:
                    raise
        token, now = new_widget_token(), self._clock()
        session = NewWidgetSession(agent, token, now + timedelta(seconds=TOKEN_SECONDS))

        async def work(connection: AsyncConnection) -> None:
            await queries.insert_widget_session(
                connection, hash_token(token), session.agent.id, to_ms(now), to_ms(session.expires_at)
            )
            await run_rows(connection, keep(session))

        await self._store.write(work)
        return session

    async def find(self, token: str) -> WidgetSession:
        """Whose session it is. Raises Unauthorized for a token that is unknown, has expired, or whose agent is gone."""
        if is_widget_token(token):
            session_id = hash_token(token)
            found = await self._store.read(lambda connection: queries.find_widget_session(connection, session_id))
            if found is not None and found.expires_at > self._clock():
                return WidgetSession(session_id, found.agent_id, found.workspace_id, found.expires_at)
        raise Unauthorized("The widget token is not valid; begin a new session")

    async def exchange(self, session: WidgetSession) -> WidgetLine:
        """SIP credentials for an hour, beside the agent's own. Raises Unauthorized when the agent is gone."""
        await self._accounts.refresh()
        agent = self._accounts.agent(session.agent_id)
        if agent is None:
            raise Unauthorized("The widget token is not valid; begin a new session")
        ends = min(self._clock() + timedelta(seconds=CREDENTIALS_SECONDS), session.expires_at)
        username = temporary_username(agent.username, int(ends.timestamp()))
        credentials = SipCredentials(username, temporary_password(username, agent.password))
        try:
            numbers: tuple[str, ...] = (agent_number(agent, self._numbers).e164,)
        except CallerIdNotAllowed:
            numbers = ()
        return WidgetLine(agent, credentials, numbers)
