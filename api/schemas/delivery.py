"""Bodies of delivery logs, of webhooks and of finished URLs alike (contract §7.3)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from api.schemas.common import Output, PageQuery, PageSize
from api.schemas.fields import TextRule, Timestamp, UuidOut
from engine.limits import PAGE_SIZE_MAX
from engine.model import DeliveryStatus
from engine.webhooks import EVENTS

DEFAULT_DELIVERIES = 20

_NAMES = ", ".join(EVENTS)


def event_name(text: str) -> str:
    """The name of an event that there is. Raises ValueError."""
    if text not in EVENTS:
        raise ValueError("no such event")
    return text


EventName = Annotated[
    str,
    TextRule(f"must be one of {_NAMES}", 40, convert=event_name, extra={"enum": list(EVENTS)}),
]


class DeliveryPageQuery(PageQuery):
    """Parameters of a page of deliveries."""

    limit: PageSize = Field(DEFAULT_DELIVERIES, description=f"Larger values than {PAGE_SIZE_MAX} count as that")


class DeliveryQuery(DeliveryPageQuery):
    """Parameters of a webhook's delivery log."""

    status: DeliveryStatus | None = None
    event_type: EventName | None = None


class DeliveryItem(Output):
    """A delivery in the log."""

    id: UuidOut
    event_type: str = Field(examples=["call.completed"])
    event_id: str = Field(examples=["evt_5c4d3e2f1a0b"])
    status: DeliveryStatus
    attempts: int
    response_status: int | None
    last_error: str | None
    next_attempt_at: Timestamp
    created_at: Timestamp
    delivered_at: Timestamp | None


class DeliveryOut(DeliveryItem):
    """A delivery with what was sent and answered in the most recent attempt; secrets in the headers are masked."""

    call_id: UuidOut | None
    target_url: str
    request_headers: dict[str, str]
    payload: Annotated[dict[str, Any] | None, WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "null"}]})]
    response_body: str | None


class TestDelivery(Output):
    """The delivery of a test event."""

    delivery_id: UuidOut
