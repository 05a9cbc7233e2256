"""Sizes and counts that a SIP peer can push on, with their defaults (contract §20, keys under ``limits.``).

Only the numbers stand here; :mod:`sip.message` enforces them.
"""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_BYTES = 65535
"""``limits.sip_message_bytes``: one message, start line to body. Above it: 513."""

HEADERS = 128
"""``limits.sip_headers``: header lines of one message, a folded one counted once. Above it: 400."""

HEADER_BYTES = 8192
"""``limits.sip_header_bytes``: one header line, unfolded, name included. Above it: 400. Bounds the URIs inside, too."""

URI_BYTES = 2048
"""``limits.sip_uri_bytes``: the Request-URI. Above it: 414."""

LIST_VALUES = 128
"""``limits.sip_list_values``: values of Via, Contact, Route or Record-Route over all their lines. Above it: 400."""


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """What one message may have at most: octets and counts, the limit itself allowed."""

    message_bytes: int = MESSAGE_BYTES
    headers: int = HEADERS
    header_bytes: int = HEADER_BYTES
    uri_bytes: int = URI_BYTES
    list_values: int = LIST_VALUES


DEFAULT_LIMITS = MessageLimits()
