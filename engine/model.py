"""The engine's resources as values: accounts, workspaces, keys, applications, numbers, trunks, agents, calls (contract
§5–9, §16, §17).

Frozen data only. Identifiers are text in the formats of contract §1 (UUIDs in lower case); times are aware datetimes in
UTC; money is integer ten-thousandths of the currency's unit; secrets are clear text here, encrypted only in the store.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Generic, Literal, TypeVar

from engine.leg_media import LegMedia

Network = IPv4Network | IPv6Network

Role = Literal["owner", "admin", "developer", "billing", "viewer"]
RecordingMode = Literal["always", "never", "per_call"]
RecordingSource = Literal["call", "record", "dial", "conference"]
PauseBehavior = Literal["silence", "skip"]
NumberKind = Literal["byo", "rental"]
NumberStatus = Literal["active", "pending", "suspended", "released"]
RouteKind = Literal["application", "trunk"]
SipTransport = Literal["udp", "tcp", "tls"]
MediaEncryption = Literal["disabled", "optional", "required"]
Codec = Literal["PCMU", "PCMA", "G722", "opus"]

Direction = Literal["inbound", "outbound"]
CallStatus = Literal["dialing", "ringing", "answered", "completed", "failed"]
Outcome = Literal["answered", "no_answer", "busy", "rejected", "canceled", "failed", "unreachable"]
DestinationKind = Literal["application", "trunk", "pstn", "sip", "agent", "none"]
HangupBy = Literal["caller", "callee", "platform", "api"]
HangupCause = Literal[
    "normal",
    "no_answer",
    "busy",
    "rejected",
    "canceled",
    "unallocated_number",
    "unreachable",
    "caller_id_not_allowed",
    "insufficient_funds",
    "channel_limit",
    "application_error",
    "time_limit",
    "media_timeout",
    "network_error",
]
DestinationState = Literal["unknown", "up", "down"]
AnsweredBy = Literal["human", "machine", "unknown"]
AttemptResult = Literal[
    "answered", "no_answer", "busy", "rejected", "failed", "latency_exceeded", "skipped_down", "skipped_disabled"
]
EventType = Literal[
    "call.placed", "call.received", "call.answered", "call.completed", "call.failed", "recording.completed"
]
"""Events about a call (contract §13.2)."""

GeneralEventType = Literal[
    "trunk.destination.down",
    "trunk.destination.up",
    "trunk.registered",
    "trunk.unregistered",
    "number.activated",
    "rental.kyc.updated",
    "wallet.low",
    "webhook.test",
]
"""Events that are not about a call (contract §13.2)."""

DeliveryStatus = Literal["pending", "delivered", "failed"]
TargetKind = Literal["webhook", "application"]
VariableValue = str | int | float | bool

T = TypeVar("T")

_RANKS: Mapping[Role, int] = {"owner": 3, "admin": 2, "developer": 1, "billing": 1, "viewer": 0}


def may_grant(own: Role, granted: Role) -> bool:
    """Whether `granted` is not above `own` (contract §16): the same, or of a lower rank."""
    return own == granted or _RANKS[granted] < _RANKS[own]


@functools.lru_cache(maxsize=1024)
def timestamp(moment: datetime) -> str:
    """The moment as bodies and payloads show it: ISO 8601, UTC, milliseconds cut off, `Z` (contract §1)."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    # A third of what isoformat takes, and a third of what answers with many times cost
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (  # noqa: UP031
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond // 1000,
    )


def money(amount: int) -> str:
    """Ten-thousandths as a decimal text with four digits after the point (contract §1)."""
    whole, rest = divmod(abs(amount), 10_000)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:04d}"


@functools.lru_cache(maxsize=4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_within(networks: Iterable[Network], address: str | IPv4Address | IPv6Address) -> bool:
    """Whether `address` is in one of `networks`; an IPv4-mapped IPv6 address counts as IPv4, other text as outside."""
    if isinstance(address, str):
        found = _address(address)
        if found is None:
            return False
        address = found
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


@dataclass(frozen=True, slots=True)
class Account:
    """The organisation and billing entity (contract §5)."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Workspace:
    """What holds numbers, applications and calls; `timezone` is an IANA name."""

    id: str
    account_id: str
    name: str
    timezone: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in to the console."""

    id: str
    email: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A user's place in a workspace; `id` is that of the membership."""

    id: str
    workspace_id: str
    user_id: str
    email: str
    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """An e-mail address that may become a member until `expires_at`."""

    id: str
    workspace_id: str
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as it may be shown: the raw key is not kept, `prefix` is its first 13 characters.

    `created_by` is the id of the user who made it, None for one that another key or a command made.
    """

    id: str
    workspace_id: str
    name: str
    prefix: str
    role: Role
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    created_by: str | None = None

    def usable(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Application:
    """Call logic: an action URL, a fixed template, or both (contract §7.1)."""

    id: str
    workspace_id: str
    name: str
    action_url: str | None
    action_url_headers: Mapping[str, str]
    xml_template: str | None
    finished_url: str | None
    finished_url_headers: Mapping[str, str]
    inbound_trunk_id: str | None
    recording: RecordingMode
    allowed_caller_ids: tuple[str, ...]
    signing_secret: str = field(repr=False)
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Route:
    """Where calls to a number go: an application or an inbound trunk of the workspace."""

    kind: RouteKind
    id: str


@dataclass(frozen=True, slots=True)
class SipAuth:
    """The credentials a carrier is challenged with."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SipOutbound:
    """How calls leave through a BYO number (contract §8.1, §14.3)."""

    host: str
    port: int = 5060
    transport: SipTransport = "udp"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    register: bool = False
    from_domain: str | None = None
    media_encryption: MediaEncryption = "disabled"
    codecs: tuple[Codec, ...] = ("PCMU", "PCMA")
    custom_headers: Mapping[str, str] = field(default_factory=dict)
    outbound_proxy: str | None = None  # the URI of what REGISTER and INVITE are sent to, on their way to the host


@dataclass(frozen=True, slots=True)
class NumberSip:
    """The SIP side of a BYO number. Neither sources nor credentials: nobody may call in (contract §14.2)."""

    allowed_source_ips: tuple[Network, ...] = ()
    auth: SipAuth | None = None
    outbound: SipOutbound | None = None

    def allows_source(self, address: str | IPv4Address | IPv6Address) -> bool:
        """Whether a request from `address` is from an allowed source.

        An empty list allows nobody: whether it is consulted at all is the caller's rule (contract §14.2).
        """
        return is_within(self.allowed_source_ips, address)


@dataclass(frozen=True, slots=True)
class Number:
    """A telephone number and where its calls go; `sip` is None for rentals (contract §8.1)."""

    id: str
    workspace_id: str
    e164: str
    label: str | None
    kind: NumberKind
    country: str | None
    status: NumberStatus
    inbound_enabled: bool
    outbound_enabled: bool
    destination: Route | None
    channels: int | None
    rental_id: str | None
    sip: NumberSip | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Agent:
    """A person with a phone that registers; calls out with the number `outbound_number_id` (contract §17)."""

    id: str
    workspace_id: str
    username: str
    password: str = field(repr=False)
    label: str | None
    email: str
    outbound_number_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """Destinations that begin with `prefix` (`+` and digits) are called with this number (contract §9.2)."""

    prefix: str
    number_id: str


@dataclass(frozen=True, slots=True)
class OutboundTrunk:
    """A SIP account with which a customer's system calls out (contract §9.2).

    No `allowed_source_ips`: from anywhere. No `allowed_number_ids`: any number of the workspace that may call out.
    """

    id: str
    workspace_id: str
    name: str
    enabled: bool
    username: str
    password: str = field(repr=False)
    allowed_source_ips: tuple[Network, ...]
    allowed_number_ids: tuple[str, ...]
    default_number_id: str | None
    routing_rules: tuple[RoutingRule, ...]
    max_channels: int
    record: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class InboundDestination:
    """A SIP URI that an inbound trunk rings, and the credentials it challenges us for, if it does."""

    id: str
    uri: str
    label: str | None = None
    enabled: bool = True
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failover:
    """When the next destination is tried (contract §9.1); milliseconds."""

    on_5xx: bool = True
    no_answer_ms: int = 20_000
    max_setup_latency_ms: int | None = None
    on_busy: bool = False


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """Whether and how often destinations are probed with OPTIONS."""

    enabled: bool = True
    interval_s: int = 30


@dataclass(frozen=True, slots=True)
class DestinationHealth:
    """What probing a destination has shown; `since` is when the state began."""

    state: DestinationState
    latency_ms: int | None
    last_checked_at: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class InboundTrunk:
    """Destinations in the order in which they are tried (contract §9.1); `application_id` hangs on the trunk."""

    id: str
    workspace_id: str
    name: str
    enabled: bool
    destinations: tuple[InboundDestination, ...]
    failover: Failover
    health: HealthChecks
    application_id: str | None
    record: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RoutingAttempt:
    """One destination that was tried or passed over for a call (contract §6.3)."""

    order: int
    destination_id: str | None
    label: str | None
    uri: str
    started_at: datetime
    ended_at: datetime | None
    setup_ms: int | None
    sip_code: int | None
    result: AttemptResult


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of a call (contract §6.3); `path` is relative to the data directory, with `/`."""

    id: str
    call_id: str
    workspace_id: str
    source: RecordingSource
    duration_ms: int
    channels: int
    format: str
    size_bytes: int
    created_at: datetime
    path: str

    @property
    def duration_s(self) -> int:
        """Whole seconds, rounded to nearest."""
        return (self.duration_ms + 500) // 1000


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call at its start. `status` is `ringing` for inbound calls, `dialing` for outbound ones (contract §6.3)."""

    id: str
    public_id: str
    workspace_id: str
    direction: Direction
    from_: str
    to: str
    status: Literal["ringing", "dialing"]
    created_at: datetime
    number_id: str | None = None
    application_id: str | None = None
    trunk_id: str | None = None
    destination_kind: DestinationKind = "none"
    destination_id: str | None = None
    variables: Mapping[str, VariableValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended. Seconds left None follow from the record's times (contract §6.3); `telephones` is whether one
    that it dialled has answered."""

    outcome: Outcome
    hangup_by: HangupBy
    hangup_cause: HangupCause
    ended_at: datetime
    sip_code: int | None = None
    answered_by: AnsweredBy | None = None
    ring_seconds: float | None = None
    duration_seconds: float | None = None
    routing_attempts: tuple[RoutingAttempt, ...] = ()
    telephones: bool = False
    media: tuple[LegMedia, ...] = ()


@dataclass(frozen=True)
class Call:
    """A call record; while it is in progress everything about its end is None (contract §6.3)."""

    id: str
    public_id: str
    workspace_id: str
    direction: Direction
    from_: str
    to: str
    status: CallStatus
    number_id: str | None
    application_id: str | None
    trunk_id: str | None
    destination_kind: DestinationKind
    destination_id: str | None
    variables: Mapping[str, VariableValue]
    created_at: datetime
    started_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    hangup_by: HangupBy | None = None
    hangup_cause: HangupCause | None = None
    sip_code: int | None = None
    answered_by: AnsweredBy | None = None
    ring_s: int | None = None
    duration_s: int | None = None
    billed_s: int | None = None
    cost: int = 0
    currency: str = "USD"
    routing_attempts: tuple[RoutingAttempt, ...] = ()
    media: tuple[LegMedia, ...] = ()

    def changed(self, **fields: object) -> Call:
        """This call with other values in some fields. `dataclasses.replace` takes ten times as long, and each call is
        changed three times."""
        call = object.__new__(Call)
        vars(call).update(vars(self), **fields)
        return call

    @property
    def pending(self) -> bool:
        """Whether the call has not ended."""
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class CallLogEntry:
    """One line of a call's log (contract §6.5)."""

    at: datetime
    type: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A subscription to events (contract §13.1); `previous_secret` signs as well until `previous_until`."""

    id: str
    workspace_id: str
    url: str
    events: tuple[str, ...]
    description: str | None
    enabled: bool
    headers: Mapping[str, str]
    secret: str = field(repr=False)
    secret_prefix: str
    previous_secret: str | None = field(repr=False)
    previous_until: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to a webhook or a finished URL (contract §7.3).

    What was sent and answered is of the last attempt. `payload` is the event's, None in lists; secrets in
    `request_headers` are masked.
    """

    id: str
    event_type: str
    event_id: str
    call_id: str | None
    status: DeliveryStatus
    attempts: int
    response_status: int | None
    last_error: str | None
    next_attempt_at: datetime
    created_at: datetime
    delivered_at: datetime | None
    target_url: str
    request_headers: Mapping[str, str]
    response_body: str | None
    payload: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first; `number` counts from 1, `size` is the limit asked for (contract §4)."""

    items: tuple[T, ...]
    number: int
    size: int
    total_items: int

    @property
    def total_pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.total_items // self.size))
