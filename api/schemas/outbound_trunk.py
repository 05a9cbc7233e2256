"""Bodies of `/v1/trunks/outbound` (contract §9.2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.fields import Name, NumberPrefix, SourceNetwork, Timestamp, Uuid, UuidOut, whole
from engine.model import OutboundTrunk
from engine.outbound_trunks import DEFAULT_CHANNELS
from engine.sip_accounts import AccountRegistration, SipDomain

SOURCE_NETWORKS = 100
"""Entries of `allowedSourceIps`."""

ALLOWED_NUMBERS = 1000
"""Entries of `allowedNumberIds`."""

ROUTING_RULES = 200
"""Entries of `routingRules`."""

CHANNELS = 1000
"""Largest `maxChannels`."""

SourceNetworks = Annotated[list[SourceNetwork], Field(max_length=SOURCE_NETWORKS)]
NumberIds = Annotated[list[Uuid], Field(max_length=ALLOWED_NUMBERS)]
# The bounds come first: a validator hides from the JSON schema what is annotated after it.
Channels = Annotated[int, Field(strict=True, ge=1, le=CHANNELS), BeforeValidator(whole)]


class RoutingRuleIn(Input):
    """Destinations that begin with `prefix` are called with this number."""

    prefix: NumberPrefix
    number_id: Uuid


RoutingRules = Annotated[list[RoutingRuleIn], Field(max_length=ROUTING_RULES)]


class OutboundTrunkCreate(Input):
    """A SIP account for a system of yours that calls out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "PBX", "allowedSourceIps": ["203.0.113.10/32"], "maxChannels": 30}]}
    )

    name: Name
    enabled: bool = True
    allowed_source_ips: SourceNetworks = Field(default_factory=list)
    allowed_number_ids: NumberIds = Field(default_factory=list)
    default_number_id: Uuid | None = None
    routing_rules: RoutingRules = Field(default_factory=list)
    max_channels: Channels = DEFAULT_CHANNELS
    record: bool = False


class OutboundTrunkUpdate(Input):
    """Members of a trunk to change; those that are absent stay, a list replaces the one before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False, "allowedSourceIps": []}]})

    # A default factory keeps the member optional without allowing null; the default itself is never used.
    name: Name = Field(default_factory=str)
    enabled: bool = Field(default_factory=bool)
    allowed_source_ips: SourceNetworks = Field(default_factory=list)
    allowed_number_ids: NumberIds = Field(default_factory=list)
    default_number_id: Uuid | None = None
    routing_rules: RoutingRules = Field(default_factory=list)
    max_channels: Channels = Field(default_factory=int)
    record: bool = Field(default_factory=bool)


class RoutingRuleOut(Output):
    """Destinations that begin with `prefix` are called with this number."""

    prefix: str
    number_id: UuidOut


class TrunkSipOut(Output):
    """Where the system registers or sends its calls, and as whom."""

    uri: str = Field(examples=["sip:t_5c4d3e2f1a0b@voice.customer.example"])
    host: str
    port: int
    realm: str
    username: str
    has_password: bool


class TrunkSipCreated(TrunkSipOut):
    """As in every other answer, with the password, which is shown only here."""

    password: str


class TrunkRegistrationOut(Output):
    """Whether a trunk is registered, and from where."""

    state: Literal["registered", "unregistered"]
    contact: str | None = None
    source_ip: str | None = None
    expires_at: Timestamp | None = None


class _TrunkMembers(Output):
    id: UuidOut
    name: str
    enabled: bool
    allowed_source_ips: list[str]
    allowed_number_ids: list[UuidOut]
    default_number_id: UuidOut | None
    routing_rules: list[RoutingRuleOut]
    max_channels: int
    record: bool
    registration: TrunkRegistrationOut
    created_at: Timestamp
    updated_at: Timestamp


class OutboundTrunkOut(_TrunkMembers):
    """An outbound trunk."""

    sip: TrunkSipOut

    @classmethod
    def of(cls, trunk: OutboundTrunk, domain: SipDomain, registration: AccountRegistration | None) -> OutboundTrunkOut:
        """The object of `trunk`, which registers at `domain`."""
        return cls(**_members(trunk, registration), sip=TrunkSipOut(**_sip(trunk, domain)))


class OutboundTrunkCreated(_TrunkMembers):
    """A new trunk with its password."""

    sip: TrunkSipCreated

    @classmethod
    def of(cls, trunk: OutboundTrunk, domain: SipDomain) -> OutboundTrunkCreated:
        """The object of `trunk`, whose password is in clear."""
        return cls(**_members(trunk, None), sip=TrunkSipCreated(**_sip(trunk, domain), password=trunk.password))


def registration_out(registration: AccountRegistration | None) -> TrunkRegistrationOut:
    """The registration, or that there is none."""
    if registration is None:
        return TrunkRegistrationOut(state="unregistered")
    return TrunkRegistrationOut(
        state="registered",
        contact=registration.contact,
        source_ip=registration.source_ip,
        expires_at=registration.expires_at,
    )


def _members(trunk: OutboundTrunk, registration: AccountRegistration | None) -> dict[str, Any]:
    return {
        "id": trunk.id,
        "name": trunk.name,
        "enabled": trunk.enabled,
        "allowed_source_ips": [str(network) for network in trunk.allowed_source_ips],
        "allowed_number_ids": list(trunk.allowed_number_ids),
        "default_number_id": trunk.default_number_id,
        "routing_rules": [RoutingRuleOut(prefix=rule.prefix, number_id=rule.number_id) for rule in trunk.routing_rules],
        "max_channels": trunk.max_channels,
        "record": trunk.record,
        "registration": registration_out(registration),
        "created_at": trunk.created_at,
        "updated_at": trunk.updated_at,
    }


def _sip(trunk: OutboundTrunk, domain: SipDomain) -> dict[str, Any]:
    host = domain.host()
    return {
        "uri": domain.uri(trunk.username),
        "host": host,
        "port": domain.port(),
        "realm": host,
        "username": trunk.username,
        "has_password": True,
    }
