"""Addresses as they stand in `c=`, `o=` and `a=rtcp` lines (RFC 8866 §5.7).

Only tells them apart; resolving a name is for whoever sends the media.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

IP4: Final = "IP4"
IP6: Final = "IP6"
NAME: Final = "name"

# The last label begins with a letter: resolvers read "127.1" and "0x7f000001" as addresses, and no top-level domain
# looks like that.
_NAME: Final = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})\.)*[A-Za-z][A-Za-z0-9-]{0,62}")
_BROADCAST: Final = ipaddress.IPv4Address("255.255.255.255")

# Peers come back, so what their addresses are is remembered; the keys are bounded by _TEXT_LIMIT characters each.
_REMEMBERED: Final = 2048
_TEXT_LIMIT: Final = 253


@dataclass(frozen=True, slots=True)
class _Nature:
    kind: str
    unspecified: bool
    unicast: bool


def address_kind(text: str) -> str | None:
    """`IP4`, `IP6` or `NAME`; None when `text` is none of them. IPv6 stands without brackets and without a zone."""
    nature = _nature(text) if len(text) <= _TEXT_LIMIT else None
    return nature.kind if nature is not None else None


def is_unspecified(text: str) -> bool:
    """True for `0.0.0.0`, `::` and names under `.invalid`: no media goes there (RFC 3264 §8.4, RFC 6157 §5)."""
    nature = _nature(text) if len(text) <= _TEXT_LIMIT else None
    return nature is not None and nature.unspecified


def is_unicast(text: str) -> bool:
    """True when media sent to `text` reaches at most one host: names, and addresses neither multicast nor broadcast."""
    nature = _nature(text) if len(text) <= _TEXT_LIMIT else None
    return nature is not None and nature.unicast


@lru_cache(maxsize=_REMEMBERED)
def _nature(text: str) -> _Nature | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _Nature(NAME, text.lower().endswith(".invalid"), True) if _NAME.fullmatch(text) else None
    if isinstance(address, ipaddress.IPv4Address):
        return _Nature(IP4, address.is_unspecified, _one_host(address))
    if address.scope_id is not None:
        return None
    inner = address.ipv4_mapped
    return _Nature(
        IP6,
        address.is_unspecified or (inner is not None and inner.is_unspecified),
        _one_host(address) and (inner is None or _one_host(inner)),
    )


def _one_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return not address.is_multicast and address != _BROADCAST
