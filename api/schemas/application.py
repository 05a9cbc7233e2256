"""Bodies of `/v1/applications` (contract §7)."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from api.schemas.common import Input, Output
from api.schemas.fields import Headers, Name, PhoneNumber, TextRule, Timestamp, Url, Uuid, UuidOut
from engine.model import RecordingMode

Template = Annotated[
    str,
    TextRule("must be a VoyloML document", 1_048_576, extra={"contentMediaType": "application/xml"}),
]
"""Its size and what is in it are the linter's business, which says more than a length can."""

CALLER_IDS = 1000
"""Entries of `allowedCallerIds`."""

CallerIds = Annotated[list[PhoneNumber], Field(max_length=CALLER_IDS)]

_SHOWN_SECRET = "whsec_Zk3v9Q1mT7xW5bN2cR8dF4gH6jL0pS1aV3yE5uK7"  # noqa: S105 - an example
_EXAMPLE: JsonDict = {
    "name": "Main menu",
    "actionUrl": "https://flows.example/voylo",
    "actionUrlHeaders": {"Authorization": "Bearer flow-token"},
    "finishedUrl": "https://flows.example/finished",
    "recording": "per_call",
}


class ApplicationCreate(Input):
    """A new application."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    action_url: Url | None = None
    action_url_headers: Headers = Field(default_factory=dict)
    xml_template: Template | None = None
    finished_url: Url | None = None
    finished_url_headers: Headers = Field(default_factory=dict)
    inbound_trunk_id: Uuid | None = None
    recording: RecordingMode = "per_call"
    allowed_caller_ids: CallerIds = Field(default_factory=list)


class ApplicationUpdate(Input):
    """Members of an application to change; those that are absent stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Night menu", "actionUrl": None}]})

    # A default factory keeps the member optional without allowing null; the default itself is never used.
    name: Name = Field(default_factory=str)
    action_url: Url | None = None
    action_url_headers: Headers = Field(default_factory=dict)
    xml_template: Template | None = None
    finished_url: Url | None = None
    finished_url_headers: Headers = Field(default_factory=dict)
    inbound_trunk_id: Uuid | None = None
    recording: RecordingMode = "per_call"
    allowed_caller_ids: CallerIds = Field(default_factory=list)


class ApplicationItem(Output):
    """An application in a list, as API keys see it."""

    id: UuidOut
    name: str
    action_url: str | None
    finished_url: str | None
    recording: RecordingMode


class ApplicationOut(Output):
    """An application."""

    id: UuidOut
    name: str
    action_url: str | None
    action_url_headers: dict[str, str]
    xml_template: str | None
    finished_url: str | None
    finished_url_headers: dict[str, str]
    inbound_trunk_id: UuidOut | None
    recording: RecordingMode
    allowed_caller_ids: list[str]
    created_at: Timestamp
    updated_at: Timestamp


class ApplicationCreated(ApplicationOut):
    """A new application with its signing secret, which is shown only here."""

    signing_secret: str = Field(examples=[_SHOWN_SECRET])


class SigningSecret(Output):
    """A new signing secret."""

    signing_secret: str = Field(examples=[_SHOWN_SECRET])
