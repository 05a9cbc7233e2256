"""Locating SIP servers (RFC 3263): NAPTR, SRV, A and AAAA, remembered for as long as the records say.

`locate` turns the next hop of a request into the addresses to try, in order. An address literal, a port or a transport
in the URI leave that much less to ask. Addresses of names come from the system's resolver, so that /etc/hosts counts.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from sip.core.routing import DEFAULT_PORTS
from sip.endpoint import Endpoint
from sip.transport.addresses import is_numeric
from sip.uri import SipUri

if TYPE_CHECKING:  # dnspython is loaded for the first name that is looked up: many engines never see one
    import dns.asyncresolver
    import dns.resolver

REMEMBERED_NAMES = 1024
ADDRESS_SECONDS = 60.0
"""How long an address of the system's resolver is believed: it does not tell how long it may be."""

LONGEST_SECONDS = 3600.0
SHORTEST_SECONDS = 1.0
FAILURE_SECONDS = 5.0
"""How long a failed look-up is believed: every repetition of a request would ask again otherwise."""

CONCURRENT_LOOKUPS = 8
"""getaddrinfo occupies a thread each; the pool is shared with everything else in the process."""

LOOKUP_SECONDS = 5.0
CANDIDATES = 8
"""Addresses of one target that are tried at most."""

_SERVICES = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
_SRV = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 2915) with an empty regexp: `replacement` names an SRV record."""

    order: int
    preference: int
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    host: str
    port: int


class Dns(Protocol):
    """Where records come from. A name without such records gives an empty list; what fails raises OSError."""

    async def naptr(self, name: str) -> tuple[list[Naptr], float]:
        """The NAPTR records of a name and for how many seconds they hold."""

    async def srv(self, name: str) -> tuple[list[Srv], float]:
        """The SRV records of a name and for how many seconds they hold."""

    async def addresses(self, name: str) -> tuple[list[str], float]:
        """The IPv4 and IPv6 addresses of a name and for how many seconds they hold."""


class SystemDns:
    """The DNS servers of this machine, and its resolver for addresses."""

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._resolver = resolver
        self._unavailable = False

    async def naptr(self, name: str) -> tuple[list[Naptr], float]:
        """See `Dns`."""
        answer = await self._ask(name, "NAPTR")
        if answer is None:
            return [], FAILURE_SECONDS
        records = [
            Naptr(
                record.order,
                record.preference,
                record.service.decode("ascii", "replace").upper(),
                _name(record.replacement),
            )
            for record in answer
            if record.flags.lower() == b"s" and not record.regexp
        ]
        return records, float(answer.rrset.ttl if answer.rrset is not None else FAILURE_SECONDS)

    async def srv(self, name: str) -> tuple[list[Srv], float]:
        """See `Dns`."""
        answer = await self._ask(name, "SRV")
        if answer is None:
            return [], FAILURE_SECONDS
        records = [Srv(record.priority, record.weight, _name(record.target), record.port) for record in answer]
        return records, float(answer.rrset.ttl if answer.rrset is not None else FAILURE_SECONDS)

    async def addresses(self, name: str) -> tuple[list[str], float]:
        """See `Dns`."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except UnicodeError as error:
            raise OSError(f"{name}: {error}") from None
        return list(dict.fromkeys(str(address[0]) for *_, address in found)), ADDRESS_SECONDS

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer | None:
        import dns.exception
        import dns.resolver

        resolver = self._server()
        if resolver is None:
            return None
        try:
            return await resolver.resolve(name, kind, lifetime=LOOKUP_SECONDS)
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN, dns.resolver.NoNameservers):
            return None
        except dns.exception.DNSException as error:
            raise OSError(f"{name}: {error}") from None

    def _server(self) -> dns.asyncresolver.Resolver | None:
        import dns.asyncresolver
        import dns.resolver

        if self._resolver is None and not self._unavailable:
            try:
                self._resolver = dns.asyncresolver.Resolver()
            except dns.resolver.NoResolverConfiguration:
                self._unavailable = True  # a machine without DNS: names in /etc/hosts still work
        return self._resolver


class Resolver:
    """Asynchronous look-ups with a bounded memory.

    `families` are the address families there are listeners for, `transports` what requests can leave by. `shuffle`
    draws among records of equal priority; it is for tests.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        families: frozenset[socket.AddressFamily],
        transports: frozenset[str] = frozenset({"udp"}),
        dns: Dns | None = None,
        shuffle: Callable[[int], int] = random.randrange,
    ) -> None:
        self._clock = clock
        self._families = families
        self._transports = transports
        self._dns = dns or SystemDns()
        self._draw = shuffle
        self._known: OrderedDict[tuple[str, str], tuple[float, object]] = OrderedDict()
        self._slots = asyncio.Semaphore(CONCURRENT_LOOKUPS)

    async def resolve(self, host: str) -> str | None:
        """One address of `host`; None when it has none that a listener of ours could reach."""
        addresses = await self.addresses(host)
        return addresses[0] if addresses else None

    async def addresses(self, host: str) -> list[str]:
        """The addresses of `host` that a listener of ours could reach."""
        if is_numeric(host):
            return [host]
        found: list[str] = await self._remember("A", host, self._dns.addresses)
        return [address for address in found if _family(address) in self._families]

    async def locate(self, uri: SipUri, hop: Endpoint) -> list[Endpoint]:
        """The addresses to try for a next hop, best first: RFC 3263 §4.1, §4.2. `hop` is what the URI says by itself.

        Empty when nothing is found.
        """
        host = hop.host
        if is_numeric(host):
            return [hop]
        if uri.port is not None:
            return await self._at([(hop.transport, host, hop.port)], host)
        if uri.transport is not None or uri.scheme == "sips":
            services = [(hop.transport, f"{_SRV[hop.transport]}.{host}")] if hop.transport in _SRV else []
        else:
            services = await self._services(host)
        targets: list[tuple[str, str, int]] = []
        for transport, name in services:
            records: list[Srv] = await self._remember("SRV", name, self._dns.srv)
            targets += [(transport, record.host, record.port) for record in self._in_order(records)]
        # §4.2: without SRV records, the addresses of the name itself
        return await self._at(targets or [(hop.transport, host, DEFAULT_PORTS[hop.transport])], host)

    async def _services(self, host: str) -> list[tuple[str, str]]:
        """The transports that a domain offers, in its order, and the names of their SRV records (§4.1)."""
        records: list[Naptr] = await self._remember("NAPTR", host, self._dns.naptr)
        offered = [
            (_SERVICES[record.service], record.replacement)
            for record in sorted(records, key=lambda record: (record.order, record.preference))
            if _SERVICES.get(record.service) in self._transports
        ]
        if offered:
            return offered
        return [
            (transport, f"{_SRV[transport]}.{host}") for transport in ("udp", "tcp") if transport in self._transports
        ]

    async def _at(self, targets: Iterable[tuple[str, str, int]], name: str) -> list[Endpoint]:
        found: dict[Endpoint, None] = {}
        for transport, host, port in targets:
            for address in await self.addresses(host):
                # RFC 5922 §4: the certificate is for the domain that was asked for, not for where SRV led
                found[Endpoint(transport, address, port, name)] = None
            if len(found) >= CANDIDATES:
                break
        return list(found)[:CANDIDATES]

    def _in_order(self, records: Sequence[Srv]) -> list[Srv]:
        """By priority, and within one drawn by weight (RFC 2782)."""
        ordered: list[Srv] = []
        for priority in sorted({record.priority for record in records}):
            group = sorted((r for r in records if r.priority == priority), key=lambda record: record.weight)
            while group:
                drawn = self._draw(sum(record.weight for record in group) + 1)
                for record in group:
                    drawn -= record.weight
                    if drawn <= 0:
                        break
                group.remove(record)
                ordered.append(record)
        return [record for record in ordered if record.host]

    async def _remember(
        self, kind: str, name: str, ask: Callable[[str], Awaitable[tuple[list[_T], float]]]
    ) -> list[_T]:
        key = (kind, name.lower())
        known = self._known.get(key)
        if known is not None and known[0] > self._clock():
            return known[1]  # type: ignore[return-value]
        async with self._slots:
            try:
                async with asyncio.timeout(LOOKUP_SECONDS):
                    records, seconds = await ask(name)
            except (OSError, TimeoutError):
                records, seconds = [], FAILURE_SECONDS
        lifetime = min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS) if records else FAILURE_SECONDS
        self._known[key] = (self._clock() + lifetime, records)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED_NAMES:
            self._known.popitem(last=False)
        return records


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _name(name: object) -> str:
    return str(name).removesuffix(".")
