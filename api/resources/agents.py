"""`/v1/agents` (contract §17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from api.operation import ApiRequest, Operation, Principal
from api.schemas.agent import AgentCreate, AgentCreated, AgentOut, AgentUpdate, SipCredentialsOut
from api.schemas.common import Envelope, SearchQuery, pagination
from api.services import ApiServices
from engine.agents import AgentChanges, NewAgent
from engine.errors import FieldError
from engine.ids import parse_uuid
from engine.model import Agent


async def list_agents(request: ApiRequest) -> Envelope[AgentOut]:
    """A page of the workspace's agents."""
    query = request.query(SearchQuery)
    page = await request.services.agents.page(request.workspace_id, query.page, query.limit, query.search)
    return Envelope[AgentOut](data=[_out(request, agent) for agent in page.items], pagination=pagination(page))


async def create_agent(request: ApiRequest) -> AgentCreated:
    """Creates an agent and shows the password."""
    body = request.body(AgentCreate)
    agent = await request.services.agents.create(
        request.workspace_id,
        NewAgent(
            email=body.email,
            username=body.username,
            label=body.label,
            outbound_number_id=body.outbound_number_id,
        ),
        request.keep(lambda agent: _created(request, agent)),
    )
    return _created(request, agent)


def _created(request: ApiRequest, agent: Agent) -> AgentCreated:
    return AgentCreated(
        **_out(request, agent).model_dump(),
        uri=request.services.sip_domain.uri(agent.username),
        password=agent.password,
    )


async def get_agent(request: ApiRequest) -> AgentOut:
    """One agent."""
    return _out(request, await request.services.agents.get(request.workspace_id, request.path["id"]))


async def update_agent(request: ApiRequest) -> AgentOut:
    """Changes the members that the body has."""
    body = request.body(AgentUpdate)
    changes = body.given()
    agent = await request.services.agents.update(request.workspace_id, request.path["id"], cast(AgentChanges, changes))
    return _out(request, agent)


async def rotate_credentials(request: ApiRequest) -> SipCredentialsOut:
    """Replaces the password."""
    credentials = await request.services.agents.rotate_credentials(request.workspace_id, request.path["id"])
    return SipCredentialsOut(
        username=credentials.username,
        password=credentials.password,
        uri=request.services.sip_domain.uri(credentials.username),
    )


async def delete_agent(request: ApiRequest) -> None:
    """Deletes an agent."""
    await request.services.agents.delete(request.workspace_id, request.path["id"])


async def check_agent(services: ApiServices, principal: Principal, values: Mapping[str, Any]) -> Sequence[FieldError]:
    """What the shape of a body cannot show: whether the number is of this workspace."""
    text = values.get("outboundNumberId")
    number_id = parse_uuid(text) if isinstance(text, str) else None
    if number_id is None or await services.agents.is_number(principal.workspace_id, number_id):
        return []
    return [FieldError("outboundNumberId", "must be a number of this workspace")]


def _out(request: ApiRequest, agent: Agent) -> AgentOut:
    return AgentOut.of(agent, registered=request.services.registration(agent.id) is not None)


OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/agents",
        "listAgents",
        "List agents",
        "Agents",
        list_agents,
        description="Newest first.",
        query=SearchQuery,
        out=Envelope[AgentOut],
    ),
    Operation(
        "POST",
        "/v1/agents",
        "createAgent",
        "Create an agent",
        "Agents",
        create_agent,
        access="write",
        status=201,
        description=(
            "The password is in this answer only. A username exists once on a server, an e-mail address once in a "
            "workspace."
        ),
        body=AgentCreate,
        check=check_agent,
        out=AgentCreated,
        errors=(409,),
    ),
    Operation(
        "GET",
        "/v1/agents/{id}",
        "getAgent",
        "Read an agent",
        "Agents",
        get_agent,
        path_parameters={"id": "uuid"},
        out=AgentOut,
    ),
    Operation(
        "PATCH",
        "/v1/agents/{id}",
        "updateAgent",
        "Change an agent",
        "Agents",
        update_agent,
        access="write",
        description="Members that are absent stay; the username cannot be changed.",
        path_parameters={"id": "uuid"},
        body=AgentUpdate,
        check=check_agent,
        out=AgentOut,
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/agents/{id}/credentials/rotate",
        "rotateAgentCredentials",
        "Replace an agent's password",
        "Agents",
        rotate_credentials,
        access="write",
        description="The new password is in this answer only and in use at once.",
        path_parameters={"id": "uuid"},
        out=SipCredentialsOut,
    ),
    Operation(
        "DELETE",
        "/v1/agents/{id}",
        "deleteAgent",
        "Delete an agent",
        "Agents",
        delete_agent,
        access="write",
        status=204,
        path_parameters={"id": "uuid"},
    ),
)
