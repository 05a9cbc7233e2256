"""A second socket at an RTP port, which gets what is not RTP there: STUN and DTLS (RFC 7983 §7).

The system divides the datagrams by their first octet before anybody is woken, by a filter of classic BPF on the group
of sockets at the port. So the media kernel never sees a handshake, and asyncio never an audio packet. Sessions that
share a port share its companion: a check names the session that it is for, and a handshake comes from an address that
such a check has proven.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import socket
import struct
from typing import Final, Protocol, TypeAlias

from aioice.stun import Message

from media.kernel.lodging import PortPair
from media.webrtc.ice import parse_check, refusal, user_of

_log = logging.getLogger(__name__)

Address: TypeAlias = tuple[str, int]

# asm-generic/socket.h: the number is the same on every platform that numba compiles for.
_SO_ATTACH_REUSEPORT_CBPF: Final = 51

_LOAD_OCTET: Final = 0x30  # BPF_LD | BPF_B | BPF_ABS
_JUMP_IF_GREATER: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_HIGHEST_STUN: Final = 3
_HIGHEST_DTLS: Final = 63
"""RFC 7983 §7: the first octet is 0 to 3 for STUN and 20 to 63 for DTLS; from 64 on it is TURN channels and RTP."""

# The number that the filter returns is the socket's place in the group: the RTP socket came first.
_FILTER: Final = (
    (_LOAD_OCTET, 0, 0, 0),
    (_JUMP_IF_GREATER, 1, 0, _HIGHEST_DTLS),
    (_RETURN, 0, 0, 1),
    (_RETURN, 0, 0, 0),
)

DATAGRAMS_AT_ONCE: Final = 32
"""Datagrams that are taken from a port before others have their turn."""

_DATAGRAM: Final = 2048


class Guest(Protocol):
    """One session at the port."""

    def check(self, request: Message, source: Address) -> None:
        """Take a connectivity check that names the session's user."""

    def handshake(self, data: bytes, source: Address) -> None:
        """Take a datagram of DTLS from an address that the session has told of."""


class Companion:
    """The second socket of a port, on the running event loop. Raises OSError where the system cannot divide a port."""

    def __init__(self, rtp: socket.socket) -> None:
        self._socket = open_companion(rtp)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)
        self._by_user: dict[str, Guest] = {}
        self._by_address: dict[Address, Guest] = {}

    @classmethod
    def at(cls, pair: PortPair) -> Companion:
        """The companion of a port pair, made where there is none."""
        if pair.companion is None:
            pair.companion = cls(pair.sockets[0])
        return pair.companion

    def admit(self, user: str, guest: Guest) -> None:
        """Give `guest` the checks for a user fragment of its own, beside those it has."""
        self._by_user[user] = guest

    def know(self, address: Address, guest: Guest) -> None:
        """Give `guest` the handshakes from an address, unless they are another's."""
        self._by_address.setdefault(address, guest)

    def dismiss(self, pair: PortPair, guest: Guest) -> None:
        """Give a guest nothing more; with the last one the socket is closed."""
        self._by_user = {user: other for user, other in self._by_user.items() if other is not guest}
        self._by_address = {source: other for source, other in self._by_address.items() if other is not guest}
        if not self._by_user and pair.companion is self:
            pair.companion = None
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def send(self, data: bytes, to: Address) -> None:
        """Send from the port. What cannot be sent is as if it were lost: who misses it asks again."""
        try:
            self._socket.sendto(data, to)
        except OSError as error:
            _log.debug("not sent to %s: %s", to, error)

    def _read(self) -> None:
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                data, source = self._socket.recvfrom(_DATAGRAM)
            except OSError:  # nothing is left, or an ICMP error of something sent before; or closed by the last one
                return
            try:
                self._take(data, (source[0], source[1]))
            except Exception:
                _log.exception("a datagram from %s failed", source)

    def _take(self, data: bytes, source: Address) -> None:
        if data and data[0] > _HIGHEST_STUN:
            guest = self._by_address.get(source)
            if guest is not None:
                guest.handshake(data, source)
            return
        request = parse_check(data)
        if request is None:
            return
        guest = self._by_user.get(user_of(request))
        if guest is None:
            self.send(refusal(request), source)
        else:
            guest.check(request, source)


def open_companion(rtp: socket.socket) -> socket.socket:
    """Open the companion of a bound RTP socket that has none; it is non-blocking, and bound to the same address.

    Raises OSError where the system cannot divide a port or no descriptor is left.
    """
    rtp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    companion = socket.socket(rtp.family, socket.SOCK_DGRAM)
    try:
        companion.setblocking(False)
        companion.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if rtp.family == socket.AF_INET6:
            companion.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        companion.bind(rtp.getsockname())
        _attach(rtp)
    except OSError:
        companion.close()
        raise
    return companion


def _attach(sock: socket.socket) -> None:
    instructions = b"".join(struct.pack("HBBI", *instruction) for instruction in _FILTER)
    program = ctypes.create_string_buffer(instructions, len(instructions))
    # struct sock_fprog: the number of instructions, and where they stand
    sock.setsockopt(
        socket.SOL_SOCKET,
        _SO_ATTACH_REUSEPORT_CBPF,
        struct.pack("@HP", len(_FILTER), ctypes.addressof(program)),
    )
