"""`/v1/trunks/inbound` (contract §9.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from api.operation import ApiRequest, Operation, Principal
from api.schemas.common import Envelope, SearchQuery, pagination
from api.schemas.inbound_trunk import InboundTrunkCreate, InboundTrunkOut, InboundTrunkUpdate
from api.services import ApiServices
from engine.errors import FieldError
from engine.inbound_trunks import InboundTrunkChanges, NewInboundTrunk
from engine.model import Failover, HealthChecks, InboundTrunk


async def list_trunks(request: ApiRequest) -> Envelope[InboundTrunkOut]:
    """A page of the workspace's inbound trunks."""
    query = request.query(SearchQuery)
    page = await request.services.inbound_trunks.page(request.workspace_id, query.page, query.limit, query.search)
    return Envelope[InboundTrunkOut](data=[_out(request, trunk) for trunk in page.items], pagination=pagination(page))


async def create_trunk(request: ApiRequest) -> InboundTrunkOut:
    """Creates an inbound trunk."""
    body = request.body(InboundTrunkCreate)
    trunk = await request.services.inbound_trunks.create(
        request.workspace_id,
        NewInboundTrunk(
            name=body.name,
            destinations=[destination.given() for destination in body.destinations],
            enabled=body.enabled,
            failover=Failover(**body.failover.given()),
            health=HealthChecks(**body.health.given()),
            record=body.record,
        ),
        request.keep(lambda trunk: _out(request, trunk)),
    )
    return _out(request, trunk)


async def get_trunk(request: ApiRequest) -> InboundTrunkOut:
    """One inbound trunk."""
    return _out(request, await request.services.inbound_trunks.get(request.workspace_id, request.path["id"]))


async def update_trunk(request: ApiRequest) -> InboundTrunkOut:
    """Changes the members that the body has."""
    body = request.body(InboundTrunkUpdate)
    changes = body.given()
    if "destinations" in changes:
        changes["destinations"] = [destination.given() for destination in body.destinations]
    for name in changes.keys() & {"failover", "health"}:
        changes[name] = changes[name].given()
    trunk = await request.services.inbound_trunks.update(
        request.workspace_id, request.path["id"], cast(InboundTrunkChanges, changes)
    )
    return _out(request, trunk)


async def delete_trunk(request: ApiRequest) -> None:
    """Deletes an inbound trunk."""
    await request.services.inbound_trunks.delete(request.workspace_id, request.path["id"])


async def check_trunk(services: ApiServices, principal: Principal, values: Mapping[str, Any]) -> Sequence[FieldError]:
    """What the shape of a body cannot show: how many destinations the configuration allows."""
    destinations, most = values.get("destinations"), services.limits.trunk_destinations
    if isinstance(destinations, list) and len(destinations) > most:
        return [FieldError("destinations", f"must have at most {most} entries")]
    return []


def _out(request: ApiRequest, trunk: InboundTrunk) -> InboundTrunkOut:
    return InboundTrunkOut.of(trunk, request.services.destination_health)


_TAG: Final = "Inbound trunks"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/trunks/inbound",
        "listInboundTrunks",
        "List inbound trunks",
        _TAG,
        list_trunks,
        description="Newest first.",
        query=SearchQuery,
        out=Envelope[InboundTrunkOut],
    ),
    Operation(
        "POST",
        "/v1/trunks/inbound",
        "createInboundTrunk",
        "Create an inbound trunk",
        _TAG,
        create_trunk,
        access="write",
        status=201,
        body=InboundTrunkCreate,
        check=check_trunk,
        out=InboundTrunkOut,
    ),
    Operation(
        "GET",
        "/v1/trunks/inbound/{id}",
        "getInboundTrunk",
        "Read an inbound trunk",
        _TAG,
        get_trunk,
        path_parameters={"id": "uuid"},
        out=InboundTrunkOut,
    ),
    Operation(
        "PATCH",
        "/v1/trunks/inbound/{id}",
        "updateInboundTrunk",
        "Change an inbound trunk",
        _TAG,
        update_trunk,
        access="write",
        description=(
            "Members that are absent stay, within `failover` and `health` as well. `destinations` replaces the list; "
            "an entry with the `id` of a present one keeps its password unless a new one is given."
        ),
        path_parameters={"id": "uuid"},
        body=InboundTrunkUpdate,
        check=check_trunk,
        out=InboundTrunkOut,
    ),
    Operation(
        "DELETE",
        "/v1/trunks/inbound/{id}",
        "deleteInboundTrunk",
        "Delete an inbound trunk",
        _TAG,
        delete_trunk,
        access="write",
        status=204,
        description="Refused while a number points at it. An application on it stays, without the trunk.",
        path_parameters={"id": "uuid"},
        errors=(409,),
    ),
)
