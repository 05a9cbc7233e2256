"""The numbers of the running engine for `GET /metrics`: calls, deliveries, SIP, the media plane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from engine.calls import Switchboard
from engine.delivery_sender import DeliverySender
from engine.metrics import Metric
from media import MediaPlane
from sip import UserAgent


def engine_metrics(
    switchboard: Switchboard, sender: DeliverySender, user_agent: UserAgent, plane: MediaPlane
) -> Iterable[Metric]:
    """The metrics at this moment."""
    counters = sender.counters
    yield Metric.single("voylo_calls_active", "gauge", "Calls in progress", len(switchboard))
    yield Metric.single("voylo_calls_total", "counter", "Calls since the start", switchboard.total)
    yield Metric.single("voylo_deliveries_delivered_total", "counter", "Deliveries that arrived", counters.delivered)
    yield Metric.single(
        "voylo_delivery_attempts_failed_total",
        "counter",
        "Attempts of deliveries that failed",
        counters.failed_attempts,
    )
    yield Metric.single("voylo_deliveries_given_up_total", "counter", "Deliveries given up", counters.given_up)
    yield Metric.single("voylo_delivery_targets_waiting", "gauge", "Targets that deliveries wait for", sender.lanes)
    sip = [({"what": name}, float(value)) for name, value in asdict(user_agent.statistics).items()]
    yield Metric("voylo_sip_total", "counter", "Events of the SIP user agent since the start", sip)
    media = plane.statistics()
    yield Metric.single("voylo_media_sessions", "gauge", "Media sessions that are open", media.sessions)
    yield Metric.single("voylo_media_ticks_total", "counter", "Ticks of the media plane", media.ticks)
    yield Metric.single(
        "voylo_media_ticks_skipped_total", "counter", "Ticks left out after a stall", media.skipped_ticks
    )
    late = [({"by": bound}, float(count)) for bound, count in media.late.items()]
    yield Metric("voylo_media_ticks_late_total", "counter", "Parts of ticks by how late they began", late)
