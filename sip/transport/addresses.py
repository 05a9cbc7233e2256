"""Our own address on the way to a peer, as the routing table has it. Nothing is sent to find out."""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Callable

REMEMBERED_ADDRESSES = 4096
REMEMBERED_SECONDS = 30.0
"""Routes change when a laptop changes networks or an interface comes up; a look-up costs 15 µs."""

# RFC 5737 and RFC 3849 documentation addresses stand for "somewhere else"; port 9 is discard. connect() on UDP sends
# nothing.
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_DISCARD_PORT = 9


class LocalAddresses:
    """Answers which of our addresses a peer sees, remembering a bounded number of answers for a while."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def address_for(self, remote_host: str) -> str:
        """The source address of packets to `remote_host`; for a name, of packets to the world at large.

        A peer that there is no route to gets the loopback address: it cannot be reached either way.
        """
        now = self._clock()
        known = self._known.get(remote_host)
        if known is not None and known[0] > now:
            return known[1]
        address = _ask_routing_table(remote_host)
        self._known[remote_host] = (now + REMEMBERED_SECONDS, address)
        self._known.move_to_end(remote_host)
        if len(self._known) > REMEMBERED_ADDRESSES:
            self._known.popitem(last=False)
        return address


def is_numeric(host: str) -> bool:
    """Whether a host needs no look-up: an IPv4 or IPv6 address, a zone included."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


def _ask_routing_table(remote_host: str) -> str:
    family = socket.AF_INET6 if ":" in remote_host else socket.AF_INET
    target = remote_host if is_numeric(remote_host) else _ELSEWHERE[family]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, _DISCARD_PORT))
        except OSError:
            return _LOOPBACK[family]
        address: str = probe.getsockname()[0]
        return address.partition("%")[0]
