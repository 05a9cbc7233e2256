"""What can go wrong in the SIP room, by whose fault it is.

The peer's faults carry what RFC 3261 answers to them, so that no caller translates an exception by guesswork.
Our own faults are bugs and never reach the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip.model import Request

REASON_CHARS = 80
"""Longest reason phrase an error may put on the wire, in characters."""


class SipError(Exception):
    """Base of everything the SIP room raises."""


class SipParseError(SipError, ValueError):
    """The peer broke the grammar.

    ``status`` is the answer to a request with this fault (400, 414, 501, 505, 513); a response with a fault is dropped.
    ``reason`` is safe as a Reason-Phrase: printable ASCII, bounded, free of the peer's bytes.
    ``field`` names the header field, SDP line or part of the message.
    ``partial`` is set when a faulty request can still be answered, see :func:`sip.message.parse_message`.
    ``framing`` is true when the end of the message is in doubt, so that a stream has to be closed (RFC 3261 §18.3).
    """

    def __init__(
        self,
        reason: str,
        *,
        status: int = 400,
        field: str | None = None,
        partial: Request | None = None,
        framing: bool = False,
    ) -> None:
        reason = "".join(c if " " <= c <= "~" else "?" for c in reason[:REASON_CHARS])
        super().__init__(f"{field}: {reason}" if field else reason)
        self.reason = reason
        self.status = status
        self.field = field
        self.partial = partial
        self.framing = framing


class LocalProtocolError(SipError):
    """We were about to break the protocol: a bug on this side, never the peer's 400."""
