"""Bodies of `/v1/trunks/inbound` (contract §9.1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.fields import (
    Label,
    Name,
    Password,
    SipHeaders,
    SipTarget,
    SipUsername,
    Timestamp,
    Uuid,
    UuidOut,
    whole,
)
from engine.inbound_trunks import DestinationHealthLookup
from engine.model import DestinationState, InboundTrunk

# The bounds come first: a validator hides from the JSON schema what is annotated after it.
NoAnswer = Annotated[int, Field(strict=True, ge=1000, le=600_000), BeforeValidator(whole)]
SetupLatency = Annotated[int, Field(strict=True, ge=100, le=60_000), BeforeValidator(whole)]
Interval = Annotated[int, Field(strict=True, ge=10, le=300), BeforeValidator(whole)]


class InboundDestinationIn(Input):
    """A destination; `username` and `password` come together and answer its challenges."""

    uri: SipTarget
    label: Label | None = None
    enabled: bool = True
    username: SipUsername | None = None
    password: Password | None = None
    headers: SipHeaders = Field(default_factory=dict)


class InboundDestinationChange(InboundDestinationIn):
    """A destination; one with the `id` of a present one takes its place and keeps its password."""

    id: Uuid | None = None


class FailoverIn(Input):
    """When the next destination is tried."""

    on_5xx: bool = Field(True, alias="on5xx")
    no_answer_ms: NoAnswer = 20_000
    max_setup_latency_ms: SetupLatency | None = None
    on_busy: bool = False


class HealthIn(Input):
    """Whether and how often destinations are probed."""

    enabled: bool = True
    interval_s: Interval = 30


def _no_failover() -> FailoverIn:
    return FailoverIn.model_validate({})


_DESTINATIONS = "In the order in which they are tried; at most 10 unless configured otherwise"


class InboundTrunkCreate(Input):
    """Destinations for calls that come in."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Agents",
                    "destinations": [
                        {"uri": "sip:agent@sip.provider.example;transport=tls", "label": "primary"},
                        {"uri": "sip:backup@203.0.113.20", "username": "voylo", "password": "correct-horse"},
                    ],
                    "failover": {"noAnswerMs": 15000},
                }
            ]
        }
    )

    name: Name
    enabled: bool = True
    destinations: Annotated[list[InboundDestinationIn], Field(min_length=1, description=_DESTINATIONS)]
    failover: FailoverIn = Field(default_factory=_no_failover)
    health: HealthIn = Field(default_factory=HealthIn)
    record: bool = False


class InboundTrunkUpdate(Input):
    """Members of a trunk to change; those that are absent stay, `destinations` replaces the whole list."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False, "failover": {"onBusy": True}}]})

    # A default factory keeps the member optional without allowing null; the default itself is never used.
    name: Name = Field(default_factory=str)
    enabled: bool = Field(default_factory=bool)
    destinations: Annotated[list[InboundDestinationChange], Field(min_length=1, description=_DESTINATIONS)] = Field(
        default_factory=list
    )
    failover: FailoverIn = Field(default_factory=_no_failover)
    health: HealthIn = Field(default_factory=HealthIn)
    record: bool = Field(default_factory=bool)


class DestinationHealthOut(Output):
    """What probing has shown; `unknown` until the first result, and then counted as up."""

    state: DestinationState
    latency_ms: int | None
    last_checked_at: Timestamp | None
    since: Timestamp | None


class InboundDestinationOut(Output):
    """A destination."""

    id: UuidOut
    uri: str
    label: str | None
    enabled: bool
    username: str | None
    has_password: bool
    headers: dict[str, str]
    health: DestinationHealthOut


class FailoverOut(Output):
    """When the next destination is tried."""

    on_5xx: bool = Field(alias="on5xx")
    no_answer_ms: int
    max_setup_latency_ms: int | None
    on_busy: bool


class HealthOut(Output):
    """Whether and how often destinations are probed."""

    enabled: bool
    interval_s: int


class InboundTrunkOut(Output):
    """An inbound trunk; `applicationId` is the application that hangs on it."""

    id: UuidOut
    name: str
    enabled: bool
    destinations: list[InboundDestinationOut]
    failover: FailoverOut
    health: HealthOut
    application_id: UuidOut | None
    record: bool
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, trunk: InboundTrunk, health: DestinationHealthLookup) -> InboundTrunkOut:
        """The object of `trunk`; `health` tells what is known of its destinations."""
        return cls(
            id=trunk.id,
            name=trunk.name,
            enabled=trunk.enabled,
            destinations=[
                InboundDestinationOut(
                    id=destination.id,
                    uri=destination.uri,
                    label=destination.label,
                    enabled=destination.enabled,
                    username=destination.username,
                    has_password=destination.password is not None,
                    headers=dict(destination.headers),
                    health=health_out(destination.id, health),
                )
                for destination in trunk.destinations
            ],
            failover=FailoverOut.model_validate(trunk.failover),
            health=HealthOut.model_validate(trunk.health),
            application_id=trunk.application_id,
            record=trunk.record,
            created_at=trunk.created_at,
            updated_at=trunk.updated_at,
        )


def health_out(destination_id: str, health: DestinationHealthLookup) -> DestinationHealthOut:
    """What is known of a destination."""
    known = health(destination_id)
    if known is None:
        return DestinationHealthOut(state="unknown", latency_ms=None, last_checked_at=None, since=None)
    return DestinationHealthOut.model_validate(known)
