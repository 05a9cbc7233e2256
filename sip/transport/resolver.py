"""Names to addresses through the system's resolver, remembered for a while. The order of SRV and NAPTR (RFC 3263) is
not asked for."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable

from sip.transport.addresses import is_numeric

REMEMBERED_NAMES = 1024
REMEMBERED_SECONDS = 60.0
FAILURE_SECONDS = 5.0
"""How long a failed look-up is believed: every repetition of a request would ask again otherwise."""

CONCURRENT_LOOKUPS = 8
"""getaddrinfo occupies a thread each; the pool is shared with everything else in the process."""

LOOKUP_SECONDS = 5.0


class Resolver:
    """Asynchronous look-ups with a bounded memory. `families` are the address families there are listeners for."""

    def __init__(self, clock: Callable[[], float], families: frozenset[socket.AddressFamily]) -> None:
        self._clock = clock
        self._families = families
        self._known: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self._slots = asyncio.Semaphore(CONCURRENT_LOOKUPS)

    async def resolve(self, host: str) -> str | None:
        """One address of `host`; None when it has none that a listener of ours could reach."""
        if is_numeric(host):
            return host
        known = self._known.get(host)
        if known is not None and known[0] > self._clock():
            return known[1]
        async with self._slots:
            address = await self._look_up(host)
        lifetime = FAILURE_SECONDS if address is None else REMEMBERED_SECONDS
        self._known[host] = (self._clock() + lifetime, address)
        self._known.move_to_end(host)
        if len(self._known) > REMEMBERED_NAMES:
            self._known.popitem(last=False)
        return address

    async def _look_up(self, host: str) -> str | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError, UnicodeError):
            return None
        for family, _type, _protocol, _name, address in found:
            if family in self._families:
                return str(address[0])
        return None
