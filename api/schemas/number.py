"""Bodies of `/v1/numbers` (contract §8)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.schemas.common import Input, Output, SearchQuery
from api.schemas.fields import (
    Country,
    Label,
    Password,
    PhoneNumber,
    Port,
    SipHeaders,
    SipHost,
    SipTarget,
    SipUsername,
    SourceNetwork,
    Timestamp,
    Uuid,
    UuidOut,
)
from engine.model import Codec, MediaEncryption, Number, NumberKind, NumberStatus, RouteKind, SipTransport
from engine.sip_accounts import CarrierRegistration, SipDomain

SOURCE_NETWORKS = 100
"""Entries of `allowedSourceIps`."""

SourceNetworks = Annotated[list[SourceNetwork], Field(max_length=SOURCE_NETWORKS)]
Codecs = Annotated[list[Codec], Field(min_length=1, max_length=4)]


def _default_codecs() -> list[Codec]:
    return ["PCMU", "PCMA"]


class DestinationIn(Input):
    """Where calls to the number go: an application or an inbound trunk of the workspace."""

    kind: RouteKind
    id: Uuid


class SipAuthIn(Input):
    """The credentials the carrier is challenged with."""

    username: SipUsername
    password: Password


class SipOutboundIn(Input):
    """How calls leave through the number's carrier; `username` and `password` come together."""

    host: SipHost
    port: Port = 5060
    transport: SipTransport = "udp"
    username: SipUsername | None = None
    password: Password | None = None
    register_: bool = Field(False, alias="register")
    from_domain: SipHost | None = None
    media_encryption: MediaEncryption = "disabled"
    codecs: Codecs = Field(default_factory=_default_codecs)
    custom_headers: SipHeaders = Field(default_factory=dict)
    outbound_proxy: SipTarget | None = Field(
        None,
        description="What REGISTER and INVITE are sent to on their way to `host`: a `sip:` URI",
    )


class NumberSipIn(Input):
    """The SIP side of a BYO number."""

    allowed_source_ips: SourceNetworks = Field(default_factory=list)
    auth: SipAuthIn | None = None
    outbound: SipOutboundIn | None = None


class SipAuthChange(Input):
    """Members of the inbound credentials to change."""

    username: SipUsername = Field(default_factory=str)
    password: Password = Field(default_factory=str)


class SipOutboundChange(SipOutboundIn):
    """Members of the outbound configuration to change."""

    host: SipHost = Field(default_factory=str)


class NumberSipChange(Input):
    """Members of the SIP configuration to change; absent ones stay, passwords included."""

    allowed_source_ips: SourceNetworks = Field(default_factory=list)
    auth: SipAuthChange | None = None
    outbound: SipOutboundChange | None = None


class NumberImport(Input):
    """A number of your own carrier."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "e164": "+97142345678",
                    "label": "Main line",
                    "sip": {
                        "allowedSourceIps": ["203.0.113.10/32"],
                        "auth": {"username": "carrier-a", "password": "correct-horse"},
                        "outbound": {"host": "sip.carrier.example", "username": "acct", "password": "battery-staple"},
                    },
                }
            ]
        }
    )

    e164: PhoneNumber
    label: Label | None = None
    country: Country | None = None
    inbound_enabled: bool = True
    outbound_enabled: bool = True
    destination: DestinationIn | None = None
    sip: NumberSipIn | None = None


class NumberUpdate(Input):
    """Members of a number to change; those that are absent stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"label": "Night line", "inboundEnabled": False}]})

    label: Label | None = None
    destination: DestinationIn | None = None
    inbound_enabled: bool = Field(default_factory=bool)
    outbound_enabled: bool = Field(default_factory=bool)
    sip: NumberSipChange = Field(default_factory=NumberSipChange)


class CredentialsIn(Input):
    """What the carrier shall be challenged for; what is absent is generated."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"username": "carrier-a"}]})

    username: SipUsername | None = None
    password: Password | None = None


class CarrierCredentialsOut(Output):
    """What the carrier is challenged for, and where it sends calls to; `username` is null where it is not challenged.

    `updatedAt` is that of the number.
    """

    username: str | None
    realm: str
    has_password: bool
    uri: str = Field(examples=["sip:+97142345678@voice.customer.example"])
    updated_at: Timestamp

    @classmethod
    def of(cls, number: Number, domain: SipDomain) -> CarrierCredentialsOut:
        """The credentials of `number`, which is called at `domain`."""
        return cls(**_credentials(number, domain))


class CarrierCredentialsSet(CarrierCredentialsOut):
    """The same with the password, which is shown only here."""

    password: str

    @classmethod
    def of(cls, number: Number, domain: SipDomain) -> CarrierCredentialsSet:
        """The credentials of `number`, which has some, the password in clear."""
        assert number.sip is not None
        assert number.sip.auth is not None
        return cls(**_credentials(number, domain), password=number.sip.auth.password)


def _credentials(number: Number, domain: SipDomain) -> dict[str, Any]:
    auth = None if number.sip is None else number.sip.auth
    return {
        "username": None if auth is None else auth.username,
        "realm": domain.host(),
        "has_password": auth is not None,
        "uri": domain.uri(number.e164),
        "updated_at": number.updated_at,
    }


class DirectionUpdate(Input):
    """The two switches of a number; `inbound` and `outbound` are other names of the same."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"inboundEnabled": True, "outboundEnabled": False}]})

    inbound_enabled: bool = Field(default_factory=bool)
    outbound_enabled: bool = Field(default_factory=bool)
    inbound: bool = Field(default_factory=bool)
    outbound: bool = Field(default_factory=bool)


class NumberQuery(SearchQuery):
    """Parameters of the list of numbers."""

    kind: NumberKind | None = None
    status: NumberStatus | None = None


class DestinationOut(Output):
    """Where calls to the number go."""

    kind: RouteKind
    id: UuidOut


class SipAuthOut(Output):
    """The credentials the carrier is challenged with."""

    username: str
    has_password: bool
    realm: str


class CarrierRegistrationOut(Output):
    """How far the registration with the carrier has come: until when it holds, or what the last try met and when the
    next one is due; `sipCode` is null where there was no answer."""

    state: Literal["registering", "registered", "failed"]
    expires_at: Timestamp | None
    sip_code: int | None
    reason: str | None
    retry_at: Timestamp | None


def _absent(value: object) -> bool:
    return value is None


class SipOutboundOut(Output):
    """How calls leave through the number's carrier."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    host: str
    port: int
    transport: SipTransport
    username: str | None
    has_password: bool
    register_: bool = Field(alias="register")
    from_domain: str | None
    media_encryption: MediaEncryption
    codecs: list[Codec]
    custom_headers: dict[str, str]
    outbound_proxy: str | None = Field(None, exclude_if=_absent, description="Of a number that has one, only")
    registration: CarrierRegistrationOut | None = Field(
        None, exclude_if=_absent, description="Of a number that registers with its carrier, only"
    )


class NumberSipOut(Output):
    """The SIP side of a BYO number."""

    allowed_source_ips: list[str]
    auth: SipAuthOut | None
    outbound: SipOutboundOut | None


class NumberOut(Output):
    """A number; `sip` is null for rentals."""

    id: UuidOut
    e164: str
    label: str | None
    kind: NumberKind
    country: str | None
    status: NumberStatus
    inbound_enabled: bool
    outbound_enabled: bool
    destination: DestinationOut | None
    channels: int | None
    rental_id: UuidOut | None
    sip: NumberSipOut | None
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, number: Number, realm: str, registration: CarrierRegistration | None) -> NumberOut:
        """The object of `number`; `realm` is that of the engine's challenges."""
        destination = number.destination
        return cls(
            id=number.id,
            e164=number.e164,
            label=number.label,
            kind=number.kind,
            country=number.country,
            status=number.status,
            inbound_enabled=number.inbound_enabled,
            outbound_enabled=number.outbound_enabled,
            destination=None if destination is None else DestinationOut(kind=destination.kind, id=destination.id),
            channels=number.channels,
            rental_id=number.rental_id,
            sip=_sip(number, realm, registration),
            created_at=number.created_at,
            updated_at=number.updated_at,
        )


def _sip(number: Number, realm: str, registration: CarrierRegistration | None) -> NumberSipOut | None:
    sip = number.sip
    if sip is None:
        return None
    auth, outbound = sip.auth, sip.outbound
    return NumberSipOut(
        allowed_source_ips=[str(network) for network in sip.allowed_source_ips],
        auth=None if auth is None else SipAuthOut(username=auth.username, has_password=True, realm=realm),
        outbound=None
        if outbound is None
        else SipOutboundOut(
            host=outbound.host,
            port=outbound.port,
            transport=outbound.transport,
            username=outbound.username,
            has_password=outbound.password is not None,
            register=outbound.register,
            from_domain=outbound.from_domain,
            media_encryption=outbound.media_encryption,
            codecs=list(outbound.codecs),
            custom_headers=dict(outbound.custom_headers),
            outbound_proxy=outbound.outbound_proxy,
            registration=None if registration is None else CarrierRegistrationOut.model_validate(registration),
        ),
    )
