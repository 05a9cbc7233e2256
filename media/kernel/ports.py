"""Pairs of UDP ports for RTP and RTCP (RFC 3550 §11), and their sockets.

The range is used round and round from a random start, so a port that was given back is the last to be taken again and
what is still on its way to an old call does not reach a new one.
"""

import errno
import functools
import ipaddress
import random
import socket
from collections import deque

from media.kernel.receive import SO_TIMESTAMPNS

# Expedited forwarding (RFC 3246; RFC 8837 for audio): DSCP 46.
_TRAFFIC_CLASS = 46 << 2


class PortsExhausted(Exception):
    """No port pair, file descriptor or session row is left for one more call."""


class PortPool:
    """The free port pairs of an inclusive range; each pair is an even port and the next one."""

    def __init__(self, first: int, last: int, *, rng: random.Random | None = None) -> None:
        """Raise ValueError where the range holds no even port with its successor."""
        if not 1 <= first <= last <= 65535:
            raise ValueError(f"media.rtp_ports: {first}-{last} is not a range of UDP ports")
        ports = deque(port for port in range(first + first % 2, last, 2))
        if not ports:
            raise ValueError(f"media.rtp_ports: {first}-{last} holds no even port followed by an odd one")
        ports.rotate(-(rng or random.Random()).randrange(len(ports)))
        self._free = ports
        self.size = len(ports)

    @property
    def free(self) -> int:
        """How many pairs are not in use by this engine."""
        return len(self._free)

    def bind(self, address: str) -> tuple[socket.socket, socket.socket]:
        """Bind an RTP and an RTCP socket on an IPv4 or IPv6 address; both are non-blocking.

        Raises PortsExhausted where every pair is in use, here or by another program, or descriptors have run out, and
        ValueError where the address is not one of this machine.
        """
        family = _family(address)
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                return _bind_pair(family, address, port)
            except OSError as error:
                self._free.append(port)
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise PortsExhausted(f"no file descriptor left for RTP: {error.strerror}") from error
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise ValueError(f"cannot receive RTP on {address}: {error.strerror}") from error
        raise PortsExhausted(f"all {self.size} RTP port pairs are in use; widen media.rtp_ports")

    def release(self, port: int) -> None:
        """Give back the pair of an even port; its sockets have been closed."""
        self._free.append(port)


@functools.lru_cache(maxsize=64)
def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET if ipaddress.ip_address(address).version == 4 else socket.AF_INET6


def _bind_pair(family: socket.AddressFamily, address: str, port: int) -> tuple[socket.socket, socket.socket]:
    rtp = _bind(family, address, port)
    try:
        return rtp, _bind(family, address, port + 1)
    except OSError:
        rtp.close()
        raise


def _bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TRAFFIC_CLASS)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TRAFFIC_CLASS)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock
