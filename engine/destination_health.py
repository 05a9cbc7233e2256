"""Whether the destinations of inbound trunks are there: each is asked with OPTIONS (contract §9.1 "Health details").

What is probed follows the trunks as they are created, changed and deleted. After a start, and when a destination's URI,
its credentials or the interval change, its state is unknown until the first result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from engine.model import DestinationHealth, GeneralEventType, InboundDestination, InboundTrunk
from engine.monitor import Monitor
from engine.trunk_directory import InboundTrunkDirectory
from sip import Credentials, Health, HealthChange, HealthProbe, LocalProtocolError, SipParseError, SipUri, UserAgent

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Probed:
    """A destination under observation; `terms` are what the probe depends on, `since` when its state began."""

    trunk: InboundTrunk
    destination: InboundDestination
    terms: tuple[object, ...]
    probe: HealthProbe
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


class DestinationProbes:
    """Probes every enabled destination of every enabled trunk that has health checks. `clock` is the user agent's."""

    def __init__(
        self, trunks: InboundTrunkDirectory, monitor: Monitor, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._trunks = trunks
        self._monitor = monitor
        self._clock = clock
        self._probed: dict[str, dict[str, _Probed]] = {}
        self._by_destination: dict[str, _Probed] = {}
        self._at_once = False
        self._user_agent: UserAgent

    def start(self, user_agent: UserAgent) -> None:
        """Probe from now on. The user agent is running.

        What is there at the start is probed within its interval, so that not all are at the same moment; what comes
        later, at once.
        """
        self._user_agent = user_agent
        self._trunks.watch(self._changed)
        self._at_once = True

    def stop(self) -> None:
        """Probe no more."""
        for trunk_id in tuple(self._probed):
            self._changed(trunk_id, None)

    def health(self, destination_id: str) -> DestinationHealth | None:
        """What probing has shown of a destination; None while there is no result."""
        probed = self._by_destination.get(destination_id)
        if probed is None or probed.probe.last_checked is None:
            return None
        probe = probed.probe
        ago = timedelta(seconds=max(0.0, self._clock() - (probe.last_checked or 0.0)))
        latency = None if probe.latency is None or probe.state is not Health.UP else round(probe.latency * 1000)
        return DestinationHealth(probe.state.value, latency, datetime.now(UTC) - ago, probed.since)

    def is_down(self, destination_id: str) -> bool:
        """Whether a destination is known to be unreachable; an unknown one counts as up."""
        probed = self._by_destination.get(destination_id)
        return probed is not None and probed.probe.state is Health.DOWN

    def _changed(self, trunk_id: str, trunk: InboundTrunk | None) -> None:
        before = self._probed.pop(trunk_id, {})
        after: dict[str, _Probed] = {}
        if trunk is not None and trunk.enabled and trunk.health.enabled:
            for destination in trunk.destinations:
                probed = self._observed(trunk, destination, before) if destination.enabled else None
                if probed is not None:
                    after[destination.id] = probed
        for destination_id, probed in before.items():
            if after.get(destination_id) is not probed:
                probed.probe.stop()
                self._by_destination.pop(destination_id, None)
        if after:
            self._probed[trunk_id] = after
            self._by_destination.update(after)

    def _observed(
        self, trunk: InboundTrunk, destination: InboundDestination, before: dict[str, _Probed]
    ) -> _Probed | None:
        """The destination with the probe that it has, or with a new one; None where none can be made."""
        terms = (destination.uri, destination.username, destination.password, trunk.health.interval_s)
        probed = before.get(destination.id)
        if probed is not None and probed.terms == terms:
            probed.trunk, probed.destination = trunk, destination
            return probed
        credentials = None
        if destination.username is not None and destination.password is not None:
            credentials = Credentials(destination.username, destination.password)
        try:
            probe = self._user_agent.probe(
                SipUri.parse(destination.uri),
                lambda change: self._told(destination.id, probe, change),
                interval=trunk.health.interval_s,
                credentials=credentials,
                at_once=self._at_once,
            )
        except (SipParseError, LocalProtocolError) as error:
            logger.warning("trunk.not_probed", destination=destination.id, uri=destination.uri, reason=str(error))
            return None
        return _Probed(trunk, destination, terms, probe)

    def _told(self, destination_id: str, probe: HealthProbe, change: HealthChange) -> None:
        probed = self._by_destination.get(destination_id)
        if probed is None or probed.probe is not probe:
            return  # a probe that was stopped meanwhile
        probed.since = datetime.now(UTC)
        trunk, destination = probed.trunk, probed.destination
        down = change.state is Health.DOWN
        event: GeneralEventType = "trunk.destination.down" if down else "trunk.destination.up"
        name = destination.label or destination.uri
        logger.info("trunk.destination", trunk=trunk.id, uri=destination.uri, state=change.state.value,
                    reason=change.reason)  # fmt: skip
        message = f"{name} of {trunk.name} " + (f"does not answer: {change.reason}" if down else "answers")
        further = {
            "trunk_id": trunk.id,
            "name": trunk.name,
            "destination_id": destination.id,
            "label": destination.label,
            "uri": destination.uri,
            "state": change.state.value,
            "latency_ms": None if change.latency is None else round(change.latency * 1000),
            "reason": change.reason,
        }
        self._monitor.happened(event, trunk.workspace_id, destination.id, message, further)
