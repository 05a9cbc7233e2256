"""The log of deliveries to one target, which webhooks and finished URLs have alike (contract §7.3, §13.5)."""

from __future__ import annotations

from api.operation import ApiRequest
from api.schemas.common import Envelope, envelope
from api.schemas.delivery import DeliveryItem, DeliveryOut, DeliveryPageQuery, DeliveryQuery
from engine.model import TargetKind


async def page_of(request: ApiRequest, target_id: str, query: DeliveryPageQuery) -> Envelope[DeliveryItem]:
    """A page of the log; a `DeliveryQuery` narrows it."""
    narrow = (query.status, query.event_type) if isinstance(query, DeliveryQuery) else ()
    return envelope(DeliveryItem, await request.services.deliveries.page(target_id, query.page, query.limit, *narrow))


async def one_of(request: ApiRequest, target_id: str) -> DeliveryOut:
    """The delivery that the path names. Raises NotFound."""
    return DeliveryOut.model_validate(await request.services.deliveries.get(target_id, request.path["deliveryId"]))


async def resend(request: ApiRequest, kind: TargetKind, target_id: str) -> None:
    """Queues the delivery that the path names anew. Raises NotFound and Conflict."""
    await request.services.deliveries.resend(kind, target_id, request.path["deliveryId"])
