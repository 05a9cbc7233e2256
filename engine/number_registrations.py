"""Which numbers want to be registered with their carrier, and who is told when that changes (contract §8.1, §14.3).

Knows nothing of registering: whoever does it watches, and starts, restarts or ends a registration when told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import structlog

from engine.model import Number, SipOutbound

logger = structlog.get_logger(__name__)

RegistrationWatcher = Callable[[str, Number | None], None]
"""Gets a number's id and the number whose `sip.outbound` it shall register with; None when it shall not any more."""


class NumberRegistrations:
    """The numbers with `register: true` that are active and may be called or call out, in step with the directory."""

    def __init__(self) -> None:
        self._wanted: dict[str, Number] = {}
        self._watchers: list[RegistrationWatcher] = []

    def __iter__(self) -> Iterator[Number]:
        return iter(tuple(self._wanted.values()))

    def __len__(self) -> int:
        return len(self._wanted)

    def watch(self, watcher: RegistrationWatcher) -> Callable[[], None]:
        """Calls `watcher` for every number that wants a registration, then at each change; returns what ends that.

        A change of something that does not concern the registration, such as a label, is not told. What the watcher
        raises is logged and reaches nobody.
        """
        self._watchers.append(watcher)
        for number in self:
            _tell(watcher, number.id, number)

        def stop() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return stop

    def replaced(self, numbers: Iterable[Number]) -> None:
        """Takes over the numbers of the whole server."""
        found = {number.id: number for number in numbers}
        for number_id in [*found, *(number_id for number_id in self._wanted if number_id not in found)]:
            self.changed(number_id, found.get(number_id))

    def changed(self, number_id: str, number: Number | None) -> None:
        """Takes over one number; None when it is gone."""
        before = self._wanted.pop(number_id, None)
        after = number if number is not None and wants_registration(number) else None
        if after is not None:
            self._wanted[number_id] = after
        if _terms(before) == _terms(after):
            return
        for watcher in tuple(self._watchers):
            _tell(watcher, number_id, after)


def wants_registration(number: Number) -> bool:
    """Whether the carrier shall know where this number is: calls in may depend on that as well as calls out."""
    return (
        number.status == "active"
        and (number.inbound_enabled or number.outbound_enabled)
        and number.sip is not None
        and number.sip.outbound is not None
        and number.sip.outbound.register
    )


def _terms(number: Number | None) -> tuple[str, SipOutbound] | None:
    """What a registration depends on."""
    if number is None or number.sip is None or number.sip.outbound is None:
        return None
    return number.e164, number.sip.outbound


def _tell(watcher: RegistrationWatcher, number_id: str, number: Number | None) -> None:
    try:
        watcher(number_id, number)
    except Exception:
        logger.exception("registrations.watcher_failed", number=number_id)
