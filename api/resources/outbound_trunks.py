"""`/v1/trunks/outbound` (contract §9.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from api.operation import ApiRequest, Operation, Principal
from api.schemas.agent import SipCredentialsOut
from api.schemas.common import Envelope, SearchQuery, pagination
from api.schemas.outbound_trunk import (
    ALLOWED_NUMBERS,
    ROUTING_RULES,
    OutboundTrunkCreate,
    OutboundTrunkCreated,
    OutboundTrunkOut,
    OutboundTrunkUpdate,
    RoutingRuleIn,
)
from api.services import ApiServices
from engine.errors import FieldError
from engine.ids import parse_uuid
from engine.model import OutboundTrunk, RoutingRule
from engine.outbound_trunks import NewOutboundTrunk, TrunkChanges
from engine.phone import PhoneNumberError, normalise_prefix


async def list_trunks(request: ApiRequest) -> Envelope[OutboundTrunkOut]:
    """A page of the workspace's outbound trunks."""
    query = request.query(SearchQuery)
    page = await request.services.outbound_trunks.page(request.workspace_id, query.page, query.limit, query.search)
    return Envelope[OutboundTrunkOut](data=[_out(request, trunk) for trunk in page.items], pagination=pagination(page))


async def create_trunk(request: ApiRequest) -> OutboundTrunkCreated:
    """Creates an outbound trunk and shows its password."""
    body, sip_domain = request.body(OutboundTrunkCreate), request.services.sip_domain
    trunk = await request.services.outbound_trunks.create(
        request.workspace_id,
        NewOutboundTrunk(
            name=body.name,
            enabled=body.enabled,
            allowed_source_ips=_once(body.allowed_source_ips),
            allowed_number_ids=_once(body.allowed_number_ids),
            default_number_id=body.default_number_id,
            routing_rules=_rules(body.routing_rules),
            max_channels=body.max_channels,
            record=body.record,
        ),
        request.keep(lambda trunk: OutboundTrunkCreated.of(trunk, sip_domain)),
    )
    return OutboundTrunkCreated.of(trunk, sip_domain)


async def get_trunk(request: ApiRequest) -> OutboundTrunkOut:
    """One outbound trunk."""
    return _out(request, await request.services.outbound_trunks.get(request.workspace_id, request.path["id"]))


async def update_trunk(request: ApiRequest) -> OutboundTrunkOut:
    """Changes the members that the body has."""
    body = request.body(OutboundTrunkUpdate)
    changes = body.given()
    for name in changes.keys() & {"allowed_source_ips", "allowed_number_ids"}:
        changes[name] = _once(changes[name])
    if "routing_rules" in changes:
        changes["routing_rules"] = _rules(body.routing_rules)
    trunk = await request.services.outbound_trunks.update(
        request.workspace_id, request.path["id"], cast(TrunkChanges, changes)
    )
    return _out(request, trunk)


async def rotate_credentials(request: ApiRequest) -> SipCredentialsOut:
    """Replaces the password."""
    credentials = await request.services.outbound_trunks.rotate_credentials(request.workspace_id, request.path["id"])
    return SipCredentialsOut(
        username=credentials.username,
        password=credentials.password,
        uri=request.services.sip_domain.uri(credentials.username),
    )


async def delete_trunk(request: ApiRequest) -> None:
    """Deletes an outbound trunk."""
    await request.services.outbound_trunks.delete(request.workspace_id, request.path["id"])


async def check_trunk(services: ApiServices, principal: Principal, values: Mapping[str, Any]) -> Sequence[FieldError]:
    """What the shape of a body cannot show: numbers that are not of this workspace, prefixes given twice."""
    named = dict(_numbers_named(values))
    foreign = await services.outbound_trunks.foreign_numbers(principal.workspace_id, named.values())
    errors = [
        FieldError(path, "must be a number of this workspace")
        for path, number_id in named.items()
        if number_id in foreign
    ]
    return [*errors, *_repeated_prefixes(values)]


def _numbers_named(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and id of every number in the body; what has the wrong shape is left to other checks."""
    found: list[tuple[str, object]] = [("defaultNumberId", values.get("defaultNumberId"))]
    found += [
        (f"allowedNumberIds.{index}", text)
        for index, text in enumerate(_entries(values, "allowedNumberIds", ALLOWED_NUMBERS))
    ]
    found += [
        (f"routingRules.{index}.numberId", rule.get("numberId"))
        for index, rule in enumerate(_entries(values, "routingRules", ROUTING_RULES))
        if isinstance(rule, Mapping)
    ]
    for path, text in found:
        number_id = parse_uuid(text) if isinstance(text, str) else None
        if number_id is not None:
            yield path, number_id


def _repeated_prefixes(values: Mapping[str, Any]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, rule in enumerate(_entries(values, "routingRules", ROUTING_RULES)):
        text = rule.get("prefix") if isinstance(rule, Mapping) else None
        if not isinstance(text, str):
            continue
        try:
            prefix = normalise_prefix(text)
        except PhoneNumberError:
            continue  # the shape is wrong, which is said elsewhere
        if prefix in seen:
            yield FieldError(f"routingRules.{index}.prefix", "must not be that of another rule")
        seen.add(prefix)


def _entries(values: Mapping[str, Any], name: str, most: int) -> list[Any]:
    entries = values.get(name)
    return entries if isinstance(entries, list) and len(entries) <= most else []


def _once(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _rules(rules: Sequence[RoutingRuleIn]) -> tuple[RoutingRule, ...]:
    return tuple(RoutingRule(rule.prefix, rule.number_id) for rule in rules)


def _out(request: ApiRequest, trunk: OutboundTrunk) -> OutboundTrunkOut:
    services = request.services
    return OutboundTrunkOut.of(trunk, services.sip_domain, services.registration(trunk.id))


_TAG: Final = "Outbound trunks"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/trunks/outbound",
        "listOutboundTrunks",
        "List outbound trunks",
        _TAG,
        list_trunks,
        description="Newest first.",
        query=SearchQuery,
        out=Envelope[OutboundTrunkOut],
    ),
    Operation(
        "POST",
        "/v1/trunks/outbound",
        "createOutboundTrunk",
        "Create an outbound trunk",
        _TAG,
        create_trunk,
        access="write",
        status=201,
        description="The password is in this answer only, as `sip.password`.",
        body=OutboundTrunkCreate,
        check=check_trunk,
        out=OutboundTrunkCreated,
    ),
    Operation(
        "GET",
        "/v1/trunks/outbound/{id}",
        "getOutboundTrunk",
        "Read an outbound trunk",
        _TAG,
        get_trunk,
        path_parameters={"id": "uuid"},
        out=OutboundTrunkOut,
    ),
    Operation(
        "PATCH",
        "/v1/trunks/outbound/{id}",
        "updateOutboundTrunk",
        "Change an outbound trunk",
        _TAG,
        update_trunk,
        access="write",
        description="Members that are absent stay; a list replaces the one before.",
        path_parameters={"id": "uuid"},
        body=OutboundTrunkUpdate,
        check=check_trunk,
        out=OutboundTrunkOut,
    ),
    Operation(
        "POST",
        "/v1/trunks/outbound/{id}/credentials/rotate",
        "rotateOutboundTrunkCredentials",
        "Replace an outbound trunk's password",
        _TAG,
        rotate_credentials,
        access="write",
        description="The new password is in this answer only and in use at once.",
        path_parameters={"id": "uuid"},
        out=SipCredentialsOut,
    ),
    Operation(
        "DELETE",
        "/v1/trunks/outbound/{id}",
        "deleteOutboundTrunk",
        "Delete an outbound trunk",
        _TAG,
        delete_trunk,
        access="write",
        status=204,
        path_parameters={"id": "uuid"},
    ),
)
