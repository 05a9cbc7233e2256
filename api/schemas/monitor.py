"""Bodies of `/v1/monitor` (contract §18)."""

from __future__ import annotations

from pydantic import Field

from api.schemas.common import Output, PageQuery, PageSize
from api.schemas.fields import Timestamp, UuidOut
from api.schemas.outbound_trunk import TrunkRegistrationOut
from engine.limits import PAGE_SIZE_MAX
from engine.model import DestinationState

DEFAULT_EVENTS = 50


class MonitorQuery(PageQuery):
    """Parameters of the list of events."""

    limit: PageSize = Field(DEFAULT_EVENTS, description=f"Larger values than {PAGE_SIZE_MAX} count as that")


class MonitoredDestination(Output):
    """A destination of an inbound trunk, and whether it can be reached."""

    id: UuidOut
    label: str | None
    state: DestinationState
    latency_ms: int | None
    last_checked_at: Timestamp | None


class MonitoredInbound(Output):
    """An inbound trunk."""

    trunk_id: UuidOut
    name: str
    destinations: list[MonitoredDestination]


class MonitoredOutbound(Output):
    """An outbound trunk."""

    trunk_id: UuidOut
    name: str
    registration: TrunkRegistrationOut


class MonitoredCalls(Output):
    """Calls in progress, and the channels that they take."""

    active: int
    channels: int


class MonitorEventOut(Output):
    """Something that happened to a trunk, a number or the like."""

    at: Timestamp
    type: str = Field(examples=["trunk.registered"])
    subject_id: str
    message: str = Field(examples=["PBX registered from 203.0.113.10"])


class MonitorOut(Output):
    """What a workspace looks like at this moment."""

    inbound: list[MonitoredInbound]
    outbound: list[MonitoredOutbound]
    calls: MonitoredCalls
    recent_events: list[MonitorEventOut]
