"""Bodies of `/v1/webhooks` (contract §13.1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.delivery import event_name
from api.schemas.fields import Headers, TextRule, Timestamp, Url, UuidOut
from engine.webhook_directory import EVERY_EVENT
from engine.webhooks import EVENTS

_SHOWN_SECRET = "whsec_Zk3v9Q1mT7xW5bN2cR8dF4gH6jL0pS1aV3yE5uK7"  # noqa: S105 - an example


def _subscribed(text: str) -> str:
    return text if text == EVERY_EVENT else event_name(text)


Subscribed = Annotated[
    str,
    TextRule(
        f"must be {EVERY_EVENT} or one of {', '.join(EVENTS)}",
        40,
        convert=_subscribed,
        extra={"enum": [EVERY_EVENT, *EVENTS]},
    ),
]
SubscribedEvents = Annotated[list[Subscribed], Field(min_length=1, max_length=50)]
Description = Annotated[str, TextRule("must be at most 200 characters", 200, pattern="^[^\\u0000]*$")]


class WebhookCreate(Input):
    """A new webhook."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "https://crm.example/voylo",
                    "events": ["call.completed", "call.failed"],
                    "description": "CRM",
                    "headers": {"Authorization": "Bearer crm-token"},
                }
            ]
        }
    )

    url: Url
    events: SubscribedEvents
    description: Description | None = None
    enabled: bool = True
    headers: Headers = Field(default_factory=dict)


class WebhookUpdate(Input):
    """Members of a webhook to change; those that are absent stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": ["*"], "enabled": True}]})

    # A default factory keeps the member optional without allowing null; the default itself is never used.
    url: Url = Field(default_factory=str)
    events: SubscribedEvents = Field(default_factory=list)
    description: Description | None = None
    enabled: bool = Field(default_factory=bool)
    headers: Headers = Field(default_factory=dict)


class WebhookOut(Output):
    """A webhook; of its secret only the beginning is shown."""

    id: UuidOut
    url: str
    events: list[str]
    description: str | None
    enabled: bool
    headers: dict[str, str]
    secret_prefix: str = Field(examples=["whsec_Zk3v9Q"])
    created_at: Timestamp
    updated_at: Timestamp


class WebhookCreated(WebhookOut):
    """A new webhook with its secret, which is shown only here."""

    secret: str = Field(examples=[_SHOWN_SECRET])


class WebhookSecret(Output):
    """A new secret."""

    secret: str = Field(examples=[_SHOWN_SECRET])
