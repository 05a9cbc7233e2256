"""A second socket at an RTP port, which gets what is not RTP there: STUN and DTLS (RFC 7983 §7).

The system divides the datagrams by their first octet before anybody is woken, by a filter of classic BPF on the group
of sockets at the port. So the media kernel never sees a handshake, and asyncio never an audio packet.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Final

# asm-generic/socket.h: the number is the same on every platform that numba compiles for.
_SO_ATTACH_REUSEPORT_CBPF: Final = 51

_LOAD_OCTET: Final = 0x30  # BPF_LD | BPF_B | BPF_ABS
_JUMP_IF_GREATER: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_HIGHEST_DTLS: Final = 63
"""RFC 7983 §7: the first octet is 0 to 3 for STUN and 20 to 63 for DTLS; from 64 on it is TURN channels and RTP."""

# The number that the filter returns is the socket's place in the group: the RTP socket came first.
_FILTER: Final = (
    (_LOAD_OCTET, 0, 0, 0),
    (_JUMP_IF_GREATER, 1, 0, _HIGHEST_DTLS),
    (_RETURN, 0, 0, 1),
    (_RETURN, 0, 0, 0),
)


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
