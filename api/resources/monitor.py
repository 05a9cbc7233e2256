"""`/v1/monitor` (contract §18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.operation import ApiRequest, Operation
from api.schemas.common import Envelope, envelope
from api.schemas.inbound_trunk import health_out
from api.schemas.monitor import (
    MonitoredCalls,
    MonitoredDestination,
    MonitoredInbound,
    MonitoredOutbound,
    MonitorEventOut,
    MonitorOut,
    MonitorQuery,
)
from api.schemas.outbound_trunk import registration_out
from engine.model import InboundTrunk

RECENT: Final = 20
"""Events that the monitor shows."""


async def get_monitor(request: ApiRequest) -> MonitorOut:
    """Trunks, calls and recent events of the workspace."""
    services, workspace_id = request.services, request.workspace_id
    load = services.call_load(workspace_id)
    events = await services.monitor.page(workspace_id, 1, RECENT)
    return MonitorOut(
        inbound=[_inbound(request, trunk) for trunk in await services.inbound_trunks.every(workspace_id)],
        outbound=[
            MonitoredOutbound(
                trunk_id=trunk.id, name=trunk.name, registration=registration_out(services.registration(trunk.id))
            )
            for trunk in await services.outbound_trunks.every(workspace_id)
        ],
        calls=MonitoredCalls(active=load.active, channels=load.channels),
        recent_events=[MonitorEventOut.model_validate(event) for event in events.items],
    )


async def list_monitor_events(request: ApiRequest) -> Envelope[MonitorEventOut]:
    """A page of events."""
    query = request.query(MonitorQuery)
    page = await request.services.monitor.page(request.workspace_id, query.page, query.limit)
    return envelope(MonitorEventOut, page)


def _inbound(request: ApiRequest, trunk: InboundTrunk) -> MonitoredInbound:
    destinations = []
    for destination in trunk.destinations:
        health = health_out(destination.id, request.services.destination_health)
        destinations.append(
            MonitoredDestination(
                id=destination.id,
                label=destination.label,
                state=health.state,
                latency_ms=health.latency_ms,
                last_checked_at=health.last_checked_at,
            )
        )
    return MonitoredInbound(trunk_id=trunk.id, name=trunk.name, destinations=destinations)


OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/monitor",
        "getMonitor",
        "What happens at this moment",
        "Monitor",
        get_monitor,
        description="Reachability of inbound destinations, registrations of outbound trunks, calls, recent events.",
        out=MonitorOut,
    ),
    Operation(
        "GET",
        "/v1/monitor/events",
        "listMonitorEvents",
        "List what has happened to trunks and numbers",
        "Monitor",
        list_monitor_events,
        description="Newest first; kept as long as deliveries.",
        query=MonitorQuery,
        out=Envelope[MonitorEventOut],
    ),
)
