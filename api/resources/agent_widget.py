"""`/v1/agent-widget` (contract §17); the phone that uses it is `api.widget`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.operation import ApiRequest, Operation
from api.schemas.agent_widget import WidgetAgent, WidgetLineOut, WidgetSessionCreate, WidgetSessionOut
from engine.widget_sessions import NewWidgetSession


async def create_session(request: ApiRequest) -> WidgetSessionOut:
    """Begins a session and shows its token."""
    body = request.body(WidgetSessionCreate)
    services = request.services

    def answer(session: NewWidgetSession) -> WidgetSessionOut:
        return _begun(session, services.public_url)

    return answer(
        await services.widget_sessions.begin(
            request.workspace_id, body.agent_email, body.display_name, request.keep(answer)
        )
    )


def _begun(session: NewWidgetSession, public_url: str) -> WidgetSessionOut:
    agent = session.agent
    return WidgetSessionOut(
        token=session.token,
        widget_url=f"{public_url}/embed?token={session.token}",
        expires_at=session.expires_at,
        agent=WidgetAgent(id=agent.id, username=agent.username, label=agent.label),
    )


async def exchange(request: ApiRequest) -> WidgetLineOut:
    """SIP credentials for the token."""
    services = request.services
    session = request.principal.widget
    assert session is not None
    line = await services.widget_sessions.exchange(session)
    return WidgetLineOut(
        ws_uri=services.sip_domain.websocket(),
        sip_uri=services.sip_domain.uri(line.agent.username),
        username=line.credentials.username,
        password=line.credentials.password,
        ice_servers=[],
        caller_numbers=list(line.caller_numbers),
    )


_TAG: Final = "Agents"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "POST",
        "/v1/agent-widget/session",
        "createWidgetSession",
        "Begin a session of an agent's phone",
        _TAG,
        create_session,
        access="write",
        description=(
            "An unknown e-mail address creates the agent. The token is in this answer only, holds for 12 hours and "
            "buys SIP credentials for this agent, nothing else."
        ),
        body=WidgetSessionCreate,
        creates=True,
        out=WidgetSessionOut,
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/agent-widget/exchange",
        "exchangeWidgetToken",
        "Exchange a widget token for SIP credentials",
        _TAG,
        exchange,
        access="widget",
        description=(
            "The bearer token is that of the session. The credentials hold for an hour, at most as long as the token; "
            "those of the agent's own phone stay as they are."
        ),
        out=WidgetLineOut,
    ),
)
