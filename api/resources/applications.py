"""`/v1/applications` (contract §7.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from api.operation import ApiRequest, Method, Operation, Principal
from api.resources import delivery_log
from api.schemas.application import (
    ApplicationCreate,
    ApplicationCreated,
    ApplicationItem,
    ApplicationOut,
    ApplicationUpdate,
    SigningSecret,
)
from api.schemas.common import Envelope, SearchQuery, envelope
from api.schemas.delivery import DeliveryItem, DeliveryOut, DeliveryPageQuery
from api.services import ApiServices
from engine.applications import ApplicationChanges, NewApplication
from engine.errors import FieldError
from engine.ids import parse_uuid

ApplicationPage = Envelope[ApplicationItem] | Envelope[ApplicationOut]


async def list_applications(request: ApiRequest) -> ApplicationPage:
    """A page of the workspace's applications: short items for keys, whole ones for who is signed in."""
    query = request.query(SearchQuery)
    page = await request.services.applications.page(request.workspace_id, query.page, query.limit, query.search)
    if request.principal.user is not None:
        return envelope(ApplicationOut, page)
    return envelope(ApplicationItem, page)


async def create_application(request: ApiRequest) -> ApplicationCreated:
    """Creates an application and shows its signing secret."""
    body = request.body(ApplicationCreate)
    application = await request.services.applications.create(
        request.workspace_id,
        NewApplication(
            name=body.name,
            action_url=body.action_url,
            action_url_headers=body.action_url_headers,
            xml_template=body.xml_template,
            finished_url=body.finished_url,
            finished_url_headers=body.finished_url_headers,
            inbound_trunk_id=body.inbound_trunk_id,
            recording=body.recording,
            allowed_caller_ids=tuple(dict.fromkeys(body.allowed_caller_ids)),
        ),
        request.keep(ApplicationCreated.model_validate),
    )
    return ApplicationCreated.model_validate(application)


async def get_application(request: ApiRequest) -> ApplicationOut:
    """One application."""
    return ApplicationOut.model_validate(
        await request.services.applications.get(request.workspace_id, request.path["id"])
    )


async def update_application(request: ApiRequest) -> ApplicationOut:
    """Changes the members that the body has."""
    body = request.body(ApplicationUpdate)
    changes = body.given()
    if "allowed_caller_ids" in changes:
        changes["allowed_caller_ids"] = tuple(dict.fromkeys(body.allowed_caller_ids))
    application = await request.services.applications.update(
        request.workspace_id, request.path["id"], cast(ApplicationChanges, changes)
    )
    return ApplicationOut.model_validate(application)


async def delete_application(request: ApiRequest) -> None:
    """Deletes an application."""
    await request.services.applications.delete(request.workspace_id, request.path["id"])


async def rotate_signing_secret(request: ApiRequest) -> SigningSecret:
    """Replaces the signing secret."""
    secret = await request.services.applications.rotate_signing_secret(request.workspace_id, request.path["id"])
    return SigningSecret(signing_secret=secret)


async def list_deliveries(request: ApiRequest) -> Envelope[DeliveryItem]:
    """A page of the log of deliveries to the finished URL."""
    query = request.query(DeliveryPageQuery)
    application = await request.services.applications.get(request.workspace_id, request.path["id"])
    return await delivery_log.page_of(request, application.id, query)


async def get_delivery(request: ApiRequest) -> DeliveryOut:
    """One delivery to the finished URL."""
    application = await request.services.applications.get(request.workspace_id, request.path["id"])
    return await delivery_log.one_of(request, application.id)


async def resend_delivery(request: ApiRequest) -> None:
    """Queues a delivery to the finished URL anew."""
    application = await request.services.applications.get(request.workspace_id, request.path["id"])
    await delivery_log.resend(request, "application", application.id)


async def check_application(
    services: ApiServices, principal: Principal, values: Mapping[str, Any]
) -> Sequence[FieldError]:
    """What the shape of a body cannot show: faults in the template, a trunk that is not of the workspace."""
    errors: list[FieldError] = []
    template = values.get("xmlTemplate")
    if isinstance(template, str):
        errors += [FieldError("xmlTemplate", fault) for fault in services.applications.template_errors(template)]
    text = values.get("inboundTrunkId")
    trunk_id = parse_uuid(text) if isinstance(text, str) else None
    if trunk_id is not None and not await services.inbound_trunks.exists(principal.workspace_id, trunk_id):
        errors.append(FieldError("inboundTrunkId", "must be an inbound trunk of this workspace"))
    return errors


_UPDATES: Final[Sequence[tuple[Method, str]]] = (("PATCH", "updateApplication"), ("PUT", "putApplication"))

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/applications",
        "listApplications",
        "List applications",
        "Applications",
        list_applications,
        description="Newest first. API keys get short items, as in the example; who is signed in gets whole ones.",
        query=SearchQuery,
        out=ApplicationPage,
    ),
    Operation(
        "POST",
        "/v1/applications",
        "createApplication",
        "Create an application",
        "Applications",
        create_application,
        access="write",
        status=201,
        description="The signing secret is in this answer only.",
        body=ApplicationCreate,
        check=check_application,
        out=ApplicationCreated,
        errors=(409,),
    ),
    Operation(
        "GET",
        "/v1/applications/{id}",
        "getApplication",
        "Read an application",
        "Applications",
        get_application,
        path_parameters={"id": "uuid"},
        out=ApplicationOut,
    ),
    *(
        Operation(
            method,
            "/v1/applications/{id}",
            name,
            "Change an application",
            "Applications",
            update_application,
            access="write",
            description="Members that are absent stay. Calls in progress keep the version they started with.",
            path_parameters={"id": "uuid"},
            body=ApplicationUpdate,
            check=check_application,
            out=ApplicationOut,
            errors=(409,),
        )
        for method, name in _UPDATES
    ),
    Operation(
        "DELETE",
        "/v1/applications/{id}",
        "deleteApplication",
        "Delete an application",
        "Applications",
        delete_application,
        access="write",
        status=204,
        description="Numbers pointing at it are not changed; inbound calls to them then have no call logic.",
        path_parameters={"id": "uuid"},
    ),
    Operation(
        "POST",
        "/v1/applications/{id}/signing-secret/rotate",
        "rotateSigningSecret",
        "Replace the signing secret",
        "Applications",
        rotate_signing_secret,
        access="write",
        path_parameters={"id": "uuid"},
        out=SigningSecret,
    ),
    Operation(
        "GET",
        "/v1/applications/{id}/deliveries",
        "listApplicationDeliveries",
        "List the deliveries to the finished URL",
        "Applications",
        list_deliveries,
        description="Newest first; they are kept for 30 days unless configured otherwise.",
        path_parameters={"id": "uuid"},
        query=DeliveryPageQuery,
        out=Envelope[DeliveryItem],
    ),
    Operation(
        "GET",
        "/v1/applications/{id}/deliveries/{deliveryId}",
        "getApplicationDelivery",
        "Read a delivery to the finished URL",
        "Applications",
        get_delivery,
        description="What was sent and answered is that of the most recent attempt.",
        path_parameters={"id": "uuid", "deliveryId": "uuid"},
        out=DeliveryOut,
    ),
    Operation(
        "POST",
        "/v1/applications/{id}/deliveries/{deliveryId}/resend",
        "resendApplicationDelivery",
        "Send a delivery to the finished URL again",
        "Applications",
        resend_delivery,
        access="write",
        status=204,
        description="Queued with all its attempts; the event id stays the same.",
        path_parameters={"id": "uuid", "deliveryId": "uuid"},
        errors=(409,),
    ),
)
