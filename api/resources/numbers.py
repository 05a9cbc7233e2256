"""`/v1/numbers` (contract §8.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast, get_args

from pydantic import BaseModel

from api.operation import ApiRequest, Operation, Principal
from api.schemas.common import Envelope, pagination
from api.schemas.number import (
    CarrierCredentialsOut,
    CarrierCredentialsSet,
    CredentialsIn,
    DestinationIn,
    DirectionUpdate,
    NumberImport,
    NumberOut,
    NumberQuery,
    NumberUpdate,
)
from api.services import ApiServices
from engine.errors import FieldError
from engine.ids import parse_uuid
from engine.model import Number, Route, RouteKind
from engine.numbers import NewNumber


async def list_numbers(request: ApiRequest) -> Envelope[NumberOut]:
    """A page of the workspace's numbers."""
    query = request.query(NumberQuery)
    page = await request.services.numbers.page(
        request.workspace_id, query.page, query.limit, query.search, query.kind, query.status
    )
    return Envelope[NumberOut](data=[_out(request, number) for number in page.items], pagination=pagination(page))


async def import_number(request: ApiRequest) -> NumberOut:
    """Imports a number of the caller's carrier."""
    body = request.body(NumberImport)
    number = await request.services.numbers.import_(
        request.workspace_id,
        NewNumber(
            e164=body.e164,
            label=body.label,
            country=body.country,
            inbound_enabled=body.inbound_enabled,
            outbound_enabled=body.outbound_enabled,
            destination=_route(body.destination),
            sip={} if body.sip is None else _given(body.sip),
        ),
        request.keep(lambda number: _out(request, number)),
    )
    return _out(request, number)


async def get_number(request: ApiRequest) -> NumberOut:
    """One number."""
    return _out(request, await request.services.numbers.get(request.workspace_id, request.path["id"]))


async def update_number(request: ApiRequest) -> NumberOut:
    """Changes the members that the body has."""
    body = request.body(NumberUpdate)
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set - {"sip"}}
    if "destination" in changes:
        changes["destination"] = _route(body.destination)
    return await _update(request, changes, _given(body.sip) if "sip" in body.model_fields_set else None)


async def set_destination(request: ApiRequest) -> NumberOut:
    """Routes the number; null leaves it without a destination."""
    destination = None if request.body_values is None else request.body(DestinationIn)
    return await _update(request, {"destination": _route(destination)})


async def set_direction(request: ApiRequest) -> NumberOut:
    """Sets the switches that the body has."""
    body = request.body(DirectionUpdate)
    given = body.model_fields_set
    changes = {
        f"{way}_enabled": getattr(body, name)
        for way in ("inbound", "outbound")
        for name in (way, f"{way}_enabled")
        if name in given
    }
    return await _update(request, changes)


async def get_credentials(request: ApiRequest) -> CarrierCredentialsOut:
    """What the carrier is challenged for."""
    number = await request.services.numbers.credentials(request.workspace_id, request.path["id"])
    return CarrierCredentialsOut.of(number, request.services.sip_domain)


async def set_credentials(request: ApiRequest) -> CarrierCredentialsSet:
    """Sets what the carrier is challenged for and shows it."""
    body = request.body(CredentialsIn)
    number = await request.services.numbers.set_credentials(
        request.workspace_id, request.path["id"], body.username, body.password
    )
    return CarrierCredentialsSet.of(number, request.services.sip_domain)


async def rotate_credentials(request: ApiRequest) -> CarrierCredentialsSet:
    """Replaces the password and shows it."""
    number = await request.services.numbers.rotate_credentials(request.workspace_id, request.path["id"])
    return CarrierCredentialsSet.of(number, request.services.sip_domain)


async def delete_credentials(request: ApiRequest) -> None:
    """Challenges the carrier no more."""
    await request.services.numbers.delete_credentials(request.workspace_id, request.path["id"])


async def delete_number(request: ApiRequest) -> None:
    """Deletes a number of the caller's carrier."""
    await request.services.numbers.delete(request.workspace_id, request.path["id"])


async def check_number(services: ApiServices, principal: Principal, values: Mapping[str, Any]) -> Sequence[FieldError]:
    """What the shape of a body cannot show: whether the destination is of this workspace."""
    return await _destination_errors(services, principal, values.get("destination"), "destination.")


async def check_destination(
    services: ApiServices, principal: Principal, values: Mapping[str, Any]
) -> Sequence[FieldError]:
    """As `check_number`, where the body is the destination itself."""
    return await _destination_errors(services, principal, values, "")


async def _destination_errors(
    services: ApiServices, principal: Principal, destination: object, prefix: str
) -> list[FieldError]:
    if not isinstance(destination, Mapping):
        return []
    kind, text = destination.get("kind"), destination.get("id")
    destination_id = parse_uuid(text) if isinstance(text, str) else None
    if not isinstance(kind, str) or kind not in get_args(RouteKind) or destination_id is None:
        return []  # the shape is wrong, which is said elsewhere
    fault = await services.numbers.destination_error(principal.workspace_id, cast(RouteKind, kind), destination_id)
    return [] if fault is None else [FieldError(f"{prefix}id", fault)]


async def _update(request: ApiRequest, changes: Mapping[str, Any], sip: Mapping[str, Any] | None = None) -> NumberOut:
    number = await request.services.numbers.update(request.workspace_id, request.path["id"], changes, sip)
    return _out(request, number)


def _out(request: ApiRequest, number: Number) -> NumberOut:
    services = request.services
    return NumberOut.of(number, services.numbers.realm(), services.carrier_registration(number.id))


def _route(destination: DestinationIn | None) -> Route | None:
    return None if destination is None else Route(destination.kind, destination.id)


def _given(model: BaseModel) -> dict[str, Any]:
    """The members that the body has, by their names in the engine's model."""
    values: dict[str, Any] = {}
    for name in model.model_fields_set:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            value = _given(value)
        elif isinstance(value, list):
            value = tuple(value)
        values[name.rstrip("_")] = value
    return values


OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/numbers",
        "listNumbers",
        "List numbers",
        "Numbers",
        list_numbers,
        description="Newest first.",
        query=NumberQuery,
        out=Envelope[NumberOut],
    ),
    *(
        Operation(
            "POST",
            path,
            name,
            "Import a number of your own carrier",
            "Numbers",
            import_number,
            access="write",
            status=201,
            description="A number exists once on a server.",
            body=NumberImport,
            check=check_number,
            out=NumberOut,
            errors=(409,),
        )
        for path, name in (("/v1/numbers/import", "importNumber"), ("/v1/numbers", "createNumber"))
    ),
    Operation(
        "GET",
        "/v1/numbers/{id}",
        "getNumber",
        "Read a number",
        "Numbers",
        get_number,
        path_parameters={"id": "uuid"},
        out=NumberOut,
    ),
    Operation(
        "PATCH",
        "/v1/numbers/{id}",
        "updateNumber",
        "Change a number",
        "Numbers",
        update_number,
        access="write",
        description="Members that are absent stay, within `sip` as well; passwords stay until new ones are given.",
        path_parameters={"id": "uuid"},
        body=NumberUpdate,
        check=check_number,
        out=NumberOut,
    ),
    Operation(
        "PATCH",
        "/v1/numbers/{id}/destination",
        "setNumberDestination",
        "Route a number",
        "Numbers",
        set_destination,
        access="write",
        description="`null` leaves the number without a destination.",
        path_parameters={"id": "uuid"},
        body=DestinationIn,
        body_may_be_null=True,
        check=check_destination,
        out=NumberOut,
    ),
    Operation(
        "PATCH",
        "/v1/numbers/{id}/direction",
        "setNumberDirection",
        "Switch calls in and out on or off",
        "Numbers",
        set_direction,
        access="write",
        path_parameters={"id": "uuid"},
        body=DirectionUpdate,
        out=NumberOut,
    ),
    Operation(
        "GET",
        "/v1/numbers/{id}/sip-credentials",
        "getNumberCredentials",
        "Read the credentials of a number's carrier",
        "Numbers",
        get_credentials,
        path_parameters={"id": "uuid"},
        out=CarrierCredentialsOut,
        errors=(409,),
    ),
    Operation(
        "PUT",
        "/v1/numbers/{id}/sip-credentials",
        "setNumberCredentials",
        "Set the credentials of a number's carrier",
        "Numbers",
        set_credentials,
        access="write",
        description="What is absent is generated, without a body both. The password is in this answer only.",
        path_parameters={"id": "uuid"},
        body=CredentialsIn,
        body_may_be_absent=True,
        out=CarrierCredentialsSet,
        errors=(409,),
    ),
    Operation(
        "DELETE",
        "/v1/numbers/{id}/sip-credentials",
        "deleteNumberCredentials",
        "Challenge a number's carrier no more",
        "Numbers",
        delete_credentials,
        access="write",
        status=204,
        description="The carrier's addresses alone then authenticate it; without any, it cannot call.",
        path_parameters={"id": "uuid"},
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/numbers/{id}/sip-credentials/rotate",
        "rotateNumberCredentials",
        "Replace the password of a number's carrier",
        "Numbers",
        rotate_credentials,
        access="write",
        description="The new password is in this answer only and in use at once.",
        path_parameters={"id": "uuid"},
        out=CarrierCredentialsSet,
        errors=(409,),
    ),
    Operation(
        "DELETE",
        "/v1/numbers/{id}",
        "deleteNumber",
        "Delete a number",
        "Numbers",
        delete_number,
        access="write",
        status=204,
        description="A rented number is released through its rental instead.",
        path_parameters={"id": "uuid"},
        errors=(409,),
    ),
)
