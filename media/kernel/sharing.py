"""Sockets that several sessions share: whose a datagram is, by where it came from.

A session that is alone on its socket gets everything that comes there. Where there are several, a datagram is that of
the session whose signalled or found address it came from; one from anywhere else is that of the session that has the
socket's seat, whose far end is not known yet, and of nobody where there is none. A session that has ended keeps its
addresses until it is forgotten, so that what was on its way to it reaches no other.
"""

from media.kernel import constants as c
from media.kernel.arrays import Octets
from media.kernel.compiled import compiled
from media.kernel.latch import same_address, same_host
from media.kernel.layout import CoreRow, SessionRow, SocketRow
from media.kernel.octets import get32

# Odd, and small enough that its product with 30 bits stays in a word.
_SPREAD = 0x5BD1E995
_PORT_SHIFT = 16


@compiled
def _bucket(socket: int, word0: int, word1: int, word2: int) -> int:
    value = (word0 >> _PORT_SHIFT ^ word1 ^ word2) & 0xFFFFFFFFFFFF ^ socket << 17
    value ^= value >> 23
    return ((value & 0x3FFFFFFF) * _SPREAD >> 17) % c.ROUTE_BUCKETS


@compiled
def _unlink(sessions: "list[SessionRow]", core: CoreRow, row: SessionRow, which: int) -> None:
    if row.routed[which] == 0:
        return
    row.routed[which] = 0
    key = row.route_keys[which]
    bucket = _bucket(row.socket, key[0], key[1], key[2])
    mine = row.slot * c.ROUTES + which + 1
    entry = core.routes[bucket]
    if entry == mine:
        core.routes[bucket] = row.route_next[which]
        return
    while entry != 0:
        other = sessions[(entry - 1) // c.ROUTES]
        kind = (entry - 1) % c.ROUTES
        entry = other.route_next[kind]
        if entry == mine:
            other.route_next[kind] = row.route_next[which]
            return


@compiled
def _link(
    sessions: "list[SessionRow]", core: CoreRow, row: SessionRow, which: int, word0: int, word1: int, word2: int
) -> None:
    if row.routed[which] and same_address(word0, word1, word2, row.route_keys[which]):
        return
    _unlink(sessions, core, row, which)
    row.route_keys[which, 0] = word0
    row.route_keys[which, 1] = word1
    row.route_keys[which, 2] = word2
    bucket = _bucket(row.socket, word0, word1, word2)
    row.route_next[which] = core.routes[bucket]
    core.routes[bucket] = row.slot * c.ROUTES + which + 1
    row.routed[which] = 1


@compiled
def follow_routes(sessions: "list[SessionRow]", core: CoreRow, row: SessionRow) -> None:
    """Let datagrams find a session by the addresses that it has by now, where they have changed."""
    if row.routes_due == 0:
        return
    row.routes_due = 0
    _link(sessions, core, row, c.ROUTE_SIGNALLED, row.signalled[0], row.signalled[1], row.signalled[2])
    if row.source_rank == c.RANK_NONE:
        _unlink(sessions, core, row, c.ROUTE_SOURCE)
    else:
        _link(sessions, core, row, c.ROUTE_SOURCE, row.source[0], row.source[1], row.source[2])


@compiled
def move_in(sessions: "list[SessionRow]", sock: SocketRow, row: SessionRow) -> None:
    """Make a session one of those that share a socket."""
    row.lodging = 1
    row.lodger_before = -1
    row.lodger_after = -1
    if sock.lodgers == 0:
        sock.seat = -1
    else:
        row.lodger_after = sock.first
        sessions[sock.first].lodger_before = row.slot
    sock.first = row.slot
    sock.lodgers += 1


@compiled
def move_out(sessions: "list[SessionRow]", sock: SocketRow, core: CoreRow, row: SessionRow) -> None:
    """Forget a session and its addresses."""
    if row.lodging == 0:
        return
    row.lodging = 0
    _unlink(sessions, core, row, c.ROUTE_SIGNALLED)
    _unlink(sessions, core, row, c.ROUTE_SOURCE)
    if row.lodger_before < 0:
        sock.first = row.lodger_after
    else:
        sessions[row.lodger_before].lodger_after = row.lodger_after
    if row.lodger_after >= 0:
        sessions[row.lodger_after].lodger_before = row.lodger_before
    sock.lodgers -= 1
    give_up_seat(sock, row)


@compiled
def give_up_seat(sock: SocketRow, row: SessionRow) -> None:
    """Datagrams from unknown addresses are not a session's any more."""
    if sock.seat == row.slot:
        sock.seat = -1


@compiled
def _find(sessions: "list[SessionRow]", core: CoreRow, socket: int, word0: int, word1: int, word2: int) -> int:
    """Return the slot of the session on a socket that is known by an address, or -1."""
    entry = core.routes[_bucket(socket, word0, word1, word2)]
    while entry != 0:
        slot = (entry - 1) // c.ROUTES
        which = (entry - 1) % c.ROUTES
        row = sessions[slot]
        if row.socket == socket and same_address(word0, word1, word2, row.route_keys[which]):
            return slot
        entry = row.route_next[which]
    return -1


@compiled
def owner_of(
    sessions: "list[SessionRow]", sock: SocketRow, core: CoreRow, socket: int, word0: int, word1: int, word2: int
) -> int:
    """Return the slot of the session that a datagram from an address is for, or -1."""
    slot = _find(sessions, core, socket, word0, word1, word2)
    return slot if slot >= 0 else sock.seat


@compiled
def _port_before(word0: int) -> int:
    """Return the first word of an address with the port before: that of RTP, where this is that of RTCP."""
    port = (((word0 >> 16 & 0xFF) << 8 | (word0 >> 24 & 0xFF)) - 1) & 0xFFFF
    return word0 & ~0xFFFF0000 | (port & 0xFF) << 24 | (port >> 8) << 16


@compiled
def owner_of_report(
    sessions: "list[SessionRow]",
    sock: SocketRow,
    core: CoreRow,
    socket: int,
    data: Octets,
    at: int,
    length: int,
    word0: int,
    word1: int,
    word2: int,
) -> int:
    """Return the slot of the session that an RTCP datagram from an address is for, or -1.

    It comes from the port after the audio's as a rule, else from the same host under the stream's own SSRC, which
    stands in the clear also where the rest is encrypted.
    """
    slot = _find(sessions, core, socket, _port_before(word0), word1, word2)
    if slot >= 0:
        return slot
    if length < 8:
        return -1
    ssrc = get32(data, at + 4)
    slot = sock.first
    while slot >= 0:
        row = sessions[slot]
        its_stream = row.state == c.STARTED and row.stream_started and row.stream_ssrc == ssrc
        if its_stream and same_host(word0, word1, word2, row.source):
            return slot
        slot = row.lodger_after
    return -1
