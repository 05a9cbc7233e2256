"""Socket addresses between Python's form, a host literal and a port, and the kernel's words of a sockaddr."""

import ipaddress
import socket
import struct
from functools import lru_cache

from media.kernel.latch import AF_INET, AF_INET6

_WORDS = struct.Struct("<3q")
_REMEMBERED = 1024

# The same peers come again and again. What is no address is not remembered: exceptions are not.
ip_address = lru_cache(_REMEMBERED)(ipaddress.ip_address)


def address_words(host: str, port: int) -> tuple[int, int, int]:
    """Return the three words of a socket address; raises ValueError for what is no IP literal or no port."""
    address = ip_address(host)
    if not 0 <= port <= 65535:
        raise ValueError(f"{port} is not a port")
    if isinstance(address, ipaddress.IPv4Address):
        octets = struct.pack("<H", AF_INET) + struct.pack("!H", port) + address.packed
    else:
        octets = struct.pack("<H", AF_INET6) + struct.pack("!HI", port, 0) + address.packed
    first, second, third = _WORDS.unpack(octets.ljust(_WORDS.size, b"\0"))
    return first, second, third


def address_text(first: int, second: int, third: int) -> tuple[str, int]:
    """Return the host literal and port of three words."""
    octets = _WORDS.pack(first, second, third)
    (family,) = struct.unpack_from("<H", octets)
    (port,) = struct.unpack_from("!H", octets, 2)
    if family == AF_INET:
        return socket.inet_ntop(socket.AF_INET, octets[4:8]), port
    return socket.inet_ntop(socket.AF_INET6, octets[8:24]), port
