"""Which socket a session gets: one of its own while there are any, else one where it can be told from the others.

Datagrams are told apart by local port and remote address (`sharing`), so on one port no address may be the far end of
two sessions. Where a far end is not known yet, because our offer is pending or a NAT may be between, a session needs
the port's seat, which only one can have at a time: what comes from an unknown address is for it. Addresses of a host
that has sent from where it said it would are believed, and need no seat.
"""

import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from media.kernel.ports import PortPool, PortsExhausted

if TYPE_CHECKING:
    from media.webrtc.companion import Companion

Address: TypeAlias = tuple[str, int]

_BELIEVED_HOSTS = 4096
CROWDED = 8
"""With so many sessions on a pair its sockets are widened."""

WIDE_OCTETS = 4 << 20
"""Room for a second of a hundred calls; what is waiting counts four times."""

# socket.h; Python has no name for it.
_SO_RCVBUFFORCE = 33


def widen(sock: socket.socket) -> int:
    """Ask for room for WIDE_OCTETS that wait in the system, and return for how many it granted."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, WIDE_OCTETS)
    except OSError:
        # Only for those who may administer the network: others get as much as the limit allows.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WIDE_OCTETS)
    # Linux tells twice of what was asked for: it counts its own upkeep as well.
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


class AddressTaken(Exception):
    """The far end's address is that of another session on the same port."""


class PortPair:
    """The two bound sockets of a port and the one after it, and who shares them; all of them on one core."""

    def __init__(self, index: int, core: int, sockets: tuple[socket.socket, socket.socket]) -> None:
        address, port = sockets[0].getsockname()[:2]
        self.index = index
        self.core = core
        self.sockets = sockets
        self.local: Address = (address, port)
        # With those that have ended, and without.
        self.lodgers: set[Lodging] = set()
        self.busy = 0
        self.unheard = 0
        self.seat: Lodging | None = None
        self.addresses: dict[Address, Lodging] = {}
        # The second socket at the RTP port while browsers are here, for their handshakes.
        self.companion: Companion | None = None

    def owner(self, address: Address | None) -> "Lodging | None":
        """The session that has not ended and whose far end is at an address."""
        lodging = None if address is None else self.addresses.get(address)
        return None if lodging is None or lodging.ended else lodging

    def widen(self) -> None:
        """Let more wait in the system, now that many send here; as much as it allows where it allows no more."""
        for sock in self.sockets:
            widen(sock)

    def close(self) -> None:
        """Close both sockets."""
        for sock in self.sockets:
            sock.close()


class Lodging:
    """A session's place on a port pair. `on_seat` is told when it takes the seat or gives it up later.

    `trusted` is a host whose word on its address is believed, beside those that have been found truthful.
    """

    def __init__(self, lodgings: "Lodgings", pair: PortPair, trusted: str | None, *, seated: bool) -> None:
        self.pair = pair
        self.seated = seated
        self.ended = False
        self.on_seat: Callable[[bool], None] = lambda _seated: None
        self._lodgings = lodgings
        self._trusted = trusted
        self._signalled: Address | None = None
        self._found: Address | None = None
        pair.lodgers.add(self)
        if len(pair.lodgers) == CROWDED:
            pair.widen()
        pair.busy += 1
        pair.unheard += 1
        if seated:
            pair.seat = self

    def signal(self, remote: Address | None) -> None:
        """The far end says that it is at `remote`; None where it gives no address that can be sent from.

        Raises AddressTaken as `check` does.
        """
        if remote == self._signalled:
            return
        self.check(remote)
        self._drop_addresses()
        self._signalled = remote
        if remote is None:
            return
        self.pair.addresses[remote] = self
        if remote[0] == self._trusted or self._lodgings.believes(remote[0]):
            self._give_up_seat()
        elif self.pair.seat is None and not self.seated:
            self.seated = True
            self.pair.seat = self
            self.on_seat(True)

    def check(self, remote: Address | None) -> None:
        """Raise AddressTaken where another session on this port has the address of a far end."""
        if self.pair.owner(remote) not in (None, self):
            raise AddressTaken(f"{remote} is the far end of another call on port {self.pair.local[1]}")

    def found(self, source: Address) -> None:
        """The far end is heard from `source`, whatever it said."""
        if self._signalled is not None:
            self._lodgings.judge(self._signalled[0], truthful=source == self._signalled)
        if self._found is None:
            self.pair.unheard -= 1
        self._found = source
        if self.pair.owner(source) is None:
            self.pair.addresses[source] = self
        self._give_up_seat()

    def end(self) -> None:
        """The session has ended; its addresses stay known until `forget`. Safe more than once."""
        if self.ended:
            return
        self.ended = True
        self.seated = False
        self.pair.busy -= 1
        if self._found is None:
            self.pair.unheard -= 1
        if self.pair.seat is self:
            self.pair.seat = None

    def forget(self) -> None:
        """Free the addresses, and the port with the last of its lodgers. Safe more than once."""
        if self in self.pair.lodgers:
            self.end()
            self._drop_addresses()
            self.pair.lodgers.discard(self)
            if not self.pair.lodgers:
                self._lodgings.vacate(self.pair)

    def _drop_addresses(self) -> None:
        for address in (self._signalled, self._found):
            if address is not None and self.pair.addresses.get(address) is self:
                del self.pair.addresses[address]
        if self._found is not None and not self.ended:
            self.pair.unheard += 1
        self._signalled = self._found = None

    def _give_up_seat(self) -> None:
        if self.seated:
            self.seated = False
            self.pair.seat = None
            self.on_seat(False)


class Lodgings:
    """All port pairs of a media plane with so many sockets for each of its cores."""

    def __init__(self, ports: PortPool, sockets: int, cores: int = 1) -> None:
        self._ports = ports
        self._sockets = sockets
        self._bound: dict[int, PortPair] = {}
        self._free = [list(range(sockets - 1, -1, -1)) for _ in range(cores)]
        self._believed: OrderedDict[str, None] = OrderedDict()

    @property
    def size(self) -> int:
        """How many port pairs there are."""
        return self._ports.size

    @property
    def free(self) -> int:
        """How many pairs no session is on."""
        return self._ports.free + sum(pair.busy == 0 for pair in self._bound.values())

    def believes(self, host: str) -> bool:
        """Whether what a host says about its addresses has been found true, most recently."""
        return host in self._believed

    def judge(self, host: str, *, truthful: bool) -> None:
        """Take note whether a host sends from where it said it would."""
        self._believed.pop(host, None)
        if truthful:
            self._believed[host] = None
            if len(self._believed) > _BELIEVED_HOSTS:
                self._believed.popitem(last=False)

    def take(
        self, address: str, cores: Iterable[int], *, remote: Address | None = None, seen_from: str | None = None
    ) -> Lodging:
        """Return a place for a session at a local address, on the first of some cores that has one.

        `remote` is where the far end says it is, None where it has not said it yet; it is believed where its messages
        come from the same host (`seen_from`). Raises PortsExhausted where there is no port on which nobody can be taken
        for somebody else, and ValueError where the address is not one of this machine.
        """
        order = list(cores)
        core = next((core for core in order if self._free[core]), order[0])
        try:
            return Lodging(self, self._bind(address, core), seen_from, seated=True)
        except PortsExhausted as error:
            full = error
        pairs = [pair for pair in self._bound.values() if pair.local[0] == address and pair.core in order]
        # A far end that is not known yet is least in the way where all others have been heard.
        pairs.sort(key=lambda pair: (pair.busy > 0, order.index(pair.core), remote is None and pair.unheard, pair.busy))
        believed = remote is not None and (remote[0] == seen_from or self.believes(remote[0]))
        for pair in pairs:
            if pair.owner(remote) is None and (believed or pair.seat is None):
                return Lodging(self, pair, seen_from, seated=pair.seat is None)
        raise full

    def _bind(self, address: str, core: int) -> PortPair:
        if not self._free[core]:
            raise PortsExhausted("no row is left for one more socket")
        sockets = self._ports.bind(address)
        pair = PortPair(self._free[core].pop() + core * self._sockets, core, sockets)
        self._bound[pair.index] = pair
        return pair

    def vacate(self, pair: PortPair) -> None:
        """Close a pair on which nobody is any more, and give back its port; called by its last lodger."""
        pair.close()
        del self._bound[pair.index]
        self._free[pair.core].append(pair.index - pair.core * self._sockets)
        self._ports.release(pair.local[1])
