"""`/v1/webhooks` (contract §13.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from api.operation import ApiRequest, Operation
from api.resources import delivery_log
from api.schemas.common import Envelope, PageQuery, envelope
from api.schemas.delivery import DeliveryItem, DeliveryOut, DeliveryQuery, TestDelivery
from api.schemas.webhook import WebhookCreate, WebhookCreated, WebhookOut, WebhookSecret, WebhookUpdate
from engine.webhooks import EVENTS, NewWebhook, WebhookChanges


async def list_webhooks(request: ApiRequest) -> Envelope[WebhookOut]:
    """A page of the workspace's webhooks."""
    query = request.query(PageQuery)
    page = await request.services.webhooks.page(request.workspace_id, query.page, query.limit)
    return envelope(WebhookOut, page)


async def create_webhook(request: ApiRequest) -> WebhookCreated:
    """Creates a webhook and shows its secret."""
    body = request.body(WebhookCreate)
    webhook = await request.services.webhooks.create(
        request.workspace_id,
        NewWebhook(
            url=body.url,
            events=tuple(dict.fromkeys(body.events)),
            description=body.description,
            enabled=body.enabled,
            headers=body.headers,
        ),
        request.keep(WebhookCreated.model_validate),
    )
    return WebhookCreated.model_validate(webhook)


async def get_webhook(request: ApiRequest) -> WebhookOut:
    """One webhook."""
    return WebhookOut.model_validate(await request.services.webhooks.get(request.workspace_id, request.path["id"]))


async def update_webhook(request: ApiRequest) -> WebhookOut:
    """Changes the members that the body has."""
    body = request.body(WebhookUpdate)
    changes = body.given()
    if "events" in changes:
        changes["events"] = tuple(dict.fromkeys(body.events))
    webhook = await request.services.webhooks.update(
        request.workspace_id, request.path["id"], cast(WebhookChanges, changes)
    )
    return WebhookOut.model_validate(webhook)


async def delete_webhook(request: ApiRequest) -> None:
    """Deletes a webhook."""
    await request.services.webhooks.delete(request.workspace_id, request.path["id"])


async def rotate_secret(request: ApiRequest) -> WebhookSecret:
    """Replaces the secret."""
    secret = await request.services.webhooks.rotate_secret(request.workspace_id, request.path["id"])
    return WebhookSecret(secret=secret)


async def test_webhook(request: ApiRequest) -> TestDelivery:
    """Sends a test event."""

    def answer(delivery_id: str) -> TestDelivery:
        return TestDelivery(delivery_id=delivery_id)

    webhooks = request.services.webhooks
    return answer(await webhooks.test(request.workspace_id, request.path["id"], request.keep(answer)))


async def list_events(request: ApiRequest) -> list[str]:
    """The names of all events."""
    return list(EVENTS)


async def list_deliveries(request: ApiRequest) -> Envelope[DeliveryItem]:
    """A page of a webhook's delivery log."""
    query = request.query(DeliveryQuery)
    webhook = await request.services.webhooks.get(request.workspace_id, request.path["id"])
    return await delivery_log.page_of(request, webhook.id, query)


async def get_delivery(request: ApiRequest) -> DeliveryOut:
    """One delivery."""
    webhook = await request.services.webhooks.get(request.workspace_id, request.path["id"])
    return await delivery_log.one_of(request, webhook.id)


async def resend_delivery(request: ApiRequest) -> None:
    """Queues a delivery anew."""
    webhook = await request.services.webhooks.get(request.workspace_id, request.path["id"])
    await delivery_log.resend(request, "webhook", webhook.id)


_TAG: Final = "Webhooks"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/webhooks",
        "listWebhooks",
        "List webhooks",
        _TAG,
        list_webhooks,
        description="Newest first.",
        query=PageQuery,
        out=Envelope[WebhookOut],
    ),
    Operation(
        "POST",
        "/v1/webhooks",
        "createWebhook",
        "Create a webhook",
        _TAG,
        create_webhook,
        access="write",
        status=201,
        description="The secret is in this answer only. A workspace has at most 20 webhooks, unless configured.",
        body=WebhookCreate,
        out=WebhookCreated,
        errors=(409,),
    ),
    Operation(
        "GET",
        "/v1/webhooks/events",
        "listWebhookEvents",
        "List the names of all events",
        _TAG,
        list_events,
        out=list[str],
    ),
    Operation(
        "GET",
        "/v1/webhooks/{id}",
        "getWebhook",
        "Read a webhook",
        _TAG,
        get_webhook,
        path_parameters={"id": "uuid"},
        out=WebhookOut,
    ),
    Operation(
        "PATCH",
        "/v1/webhooks/{id}",
        "updateWebhook",
        "Change a webhook",
        _TAG,
        update_webhook,
        access="write",
        description="Members that are absent stay. Disabling a webhook ends what waits for it, as failed.",
        path_parameters={"id": "uuid"},
        body=WebhookUpdate,
        out=WebhookOut,
    ),
    Operation(
        "DELETE",
        "/v1/webhooks/{id}",
        "deleteWebhook",
        "Delete a webhook",
        _TAG,
        delete_webhook,
        access="write",
        status=204,
        description="Deliveries that wait for it are not sent any more.",
        path_parameters={"id": "uuid"},
    ),
    Operation(
        "POST",
        "/v1/webhooks/{id}/rotate-secret",
        "rotateWebhookSecret",
        "Replace the secret",
        _TAG,
        rotate_secret,
        access="write",
        description="For 24 hours the secret before signs as well: `Voylo-Signature` then has two `v1`.",
        path_parameters={"id": "uuid"},
        out=WebhookSecret,
    ),
    Operation(
        "POST",
        "/v1/webhooks/{id}/test",
        "testWebhook",
        "Send a test event",
        _TAG,
        test_webhook,
        access="write",
        status=202,
        description="`webhook.test`, to this webhook alone, whatever it subscribes to.",
        path_parameters={"id": "uuid"},
        creates=True,
        out=TestDelivery,
        errors=(409,),
    ),
    Operation(
        "GET",
        "/v1/webhooks/{id}/deliveries",
        "listWebhookDeliveries",
        "List the deliveries to a webhook",
        _TAG,
        list_deliveries,
        description="Newest first; they are kept for 30 days unless configured otherwise.",
        path_parameters={"id": "uuid"},
        query=DeliveryQuery,
        out=Envelope[DeliveryItem],
    ),
    Operation(
        "GET",
        "/v1/webhooks/{id}/deliveries/{deliveryId}",
        "getWebhookDelivery",
        "Read a delivery to a webhook",
        _TAG,
        get_delivery,
        description="What was sent and answered is that of the most recent attempt.",
        path_parameters={"id": "uuid", "deliveryId": "uuid"},
        out=DeliveryOut,
    ),
    Operation(
        "POST",
        "/v1/webhooks/{id}/deliveries/{deliveryId}/resend",
        "resendWebhookDelivery",
        "Send a delivery again",
        _TAG,
        resend_delivery,
        access="write",
        status=204,
        description="Queued with all its attempts; the event id stays the same.",
        path_parameters={"id": "uuid", "deliveryId": "uuid"},
        errors=(409,),
    ),
)
