"""Sizes and counts that a SIP peer can push on, with their defaults.

The first two have configuration keys (contract §20); the others follow from them and reach :class:`MessageLimits` by
its constructor only. :mod:`sip.message` enforces them.
"""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_BYTES = 65535
"""``limits.sip_message_bytes``: one message, start line to body. Above it: 513."""

HEADERS = 128
"""``limits.sip_headers``: header lines of one message, a folded one counted once. Above it: 400."""

HEADER_BYTES = 8192
"""One header line, unfolded, name included. Above it: 400. Bounds the URIs inside, too."""

URI_BYTES = 2048
"""The Request-URI. Above it: 414."""

LIST_VALUES = 128
"""Values of Via, Contact, Route or Record-Route over all their lines. Above it: 400."""


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """What one message may have at most: octets and counts, the limit itself allowed."""

    message_bytes: int = MESSAGE_BYTES
    headers: int = HEADERS
    header_bytes: int = HEADER_BYTES
    uri_bytes: int = URI_BYTES
    list_values: int = LIST_VALUES


DEFAULT_LIMITS = MessageLimits()
