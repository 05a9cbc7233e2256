"""Addresses that may send as much as they like, because the configuration names them as those of a peer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

from engine.model import Network

TRUSTED_ADDRESSES: Final = 2**24
"""A network of more addresses, 10.0.0.0/8 being the largest, tells nothing about who is in it."""


class TrustedSources:
    """What `networks` gives, collected when it is first asked for, and again after `forget`."""

    def __init__(self, networks: Callable[[], Iterable[Network]]) -> None:
        self._networks = networks
        self._known: frozenset[Network] | None = None

    def forget(self) -> None:
        """The networks have changed."""
        self._known = None

    def trusts(self, host: str) -> bool:
        """Whether an address is in one of the networks, and not in one with half the world; a name never is."""
        if self._known is None:
            self._known = frozenset(it for it in self._networks() if it.num_addresses <= TRUSTED_ADDRESSES)
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._known)
