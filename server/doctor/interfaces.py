"""The addresses of this machine's network interfaces, asked of the Linux kernel over netlink (RFC 3549 §3.1.2).

The standard library has names of interfaces only; the kernel answers one request with all addresses of all families.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_RTM_NEWADDR = 20
_RTM_GETADDR = 22
_NLM_F_REQUEST_DUMP = 0x301
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_MESSAGE = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBi")
_ATTRIBUTE = struct.Struct("=HH")

_ADDRESS_BYTES: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}

_RECEIVE_BYTES = 1 << 16
_TIMEOUT_SECONDS = 2.0
# A machine with more addresses is shown in part.
MAX_ADDRESSES = 256


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of an interface, with the network around it."""

    interface: str
    address: Address


def interface_addresses() -> list[InterfaceAddress]:
    """Return every address of every interface, loopback included, in the kernel's order.

    Raises OSError where the kernel is not asked (another system, a sandbox without netlink).
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("interfaces can be listed on Linux only")
    found: list[InterfaceAddress] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_TIMEOUT_SECONDS)
        netlink.bind((0, 0))
        body = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        header = _MESSAGE.pack(_MESSAGE.size + len(body), _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0)
        netlink.send(header + body)
        while len(found) < MAX_ADDRESSES:
            for kind, payload in _messages(netlink.recv(_RECEIVE_BYTES)):
                if kind == _NLMSG_DONE:
                    return found
                if kind == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    raise OSError(code, os.strerror(code))
                if kind == _RTM_NEWADDR and (one := _parse_address(payload)) is not None:
                    found.append(one)
    return found


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + _MESSAGE.size <= len(datagram):
        length, kind, _flags, _sequence, _pid = _MESSAGE.unpack_from(datagram, position)
        if length < _MESSAGE.size:
            return
        yield kind, datagram[position + _MESSAGE.size : position + length]
        position += (length + 3) & ~3


def _parse_address(payload: bytes) -> InterfaceAddress | None:
    if len(payload) < _ADDRESS.size:
        return None
    family, prefix, _flags, _scope, index = _ADDRESS.unpack_from(payload)
    attributes: dict[int, bytes] = {}
    position = _ADDRESS.size
    while position + _ATTRIBUTE.size <= len(payload):
        length, kind = _ATTRIBUTE.unpack_from(payload, position)
        if length < _ATTRIBUTE.size:
            break
        attributes[kind] = payload[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3
    # On a point-to-point link IFA_ADDRESS is the far end and IFA_LOCAL is ours.
    raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    if raw is None or len(raw) != _ADDRESS_BYTES.get(family):
        return None
    try:
        name = socket.if_indextoname(index)
    except OSError:
        name = f"interface {index}"
    return InterfaceAddress(name, ipaddress.ip_interface(f"{ipaddress.ip_address(raw)}/{prefix}"))


def source_address_towards(destination: str) -> str | None:
    """Return the address of ours that the routing table picks towards a destination; None without a route.

    Nothing is sent: connecting a UDP socket only asks the routing table.
    """
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((destination, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None
