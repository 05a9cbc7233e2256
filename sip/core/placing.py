"""The INVITE of a call that we make, all but what it gets when it is sent (RFC 3261 §8.1.1, §12.1.2)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sip.dialog import MAX_FORWARDS, first_cseq, new_tag
from sip.errors import LocalProtocolError
from sip.fields import NameAddr
from sip.headers import Headers
from sip.message import Request
from sip.names import canonical_name
from sip.replaces import headers_from_uri
from sip.uri import SipUri

_RESERVED = frozenset(
    {
        *("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Content-Length", "Content-Type"),
        *("Record-Route", "Require", "RAck", "RSeq", "Authorization", "Proxy-Authorization"),
    }
)


def compose_invite(
    target: SipUri,
    *,
    from_: NameAddr,
    to: NameAddr | None,
    body: bytes,
    content_type: str,
    headers: Sequence[tuple[str, str]],
    session_proposal: Sequence[tuple[str, str]],
) -> Request:
    """The request. Of the header fields in the target URI it takes over those of a transfer: Replaces and Referred-By.

    Raises LocalProtocolError for header fields that the protocol writes itself, and for text that cannot be a header
    value.
    """
    _check_extra_headers(headers)
    taken_over = headers_from_uri(target) if target.headers else ()
    if any(name == "Replaces" for name, _ in taken_over):
        # RFC 3891 §4: who does not know Replaces would let the call ring beside the one it is to replace
        taken_over = (("Require", "replaces"), *taken_over)
    fields = Headers(
        (
            ("Max-Forwards", MAX_FORWARDS),
            ("From", str(from_.with_tag(new_tag()))),
            ("To", str(to if to is not None else NameAddr(None, target.replace(headers=())))),
            ("Call-ID", secrets.token_hex(16)),
            ("CSeq", f"{first_cseq()} INVITE"),
            *session_proposal,
            *taken_over,
            *headers,
        )
    )
    if body:
        fields.add("Content-Type", content_type)
    return Request("INVITE", target.replace(headers=()).without_params("method"), fields, body)


def _check_extra_headers(headers: Sequence[tuple[str, str]]) -> None:
    """Raise LocalProtocolError when a header field that the protocol itself writes is among those of the
    application."""
    for name, _value in headers:
        if canonical_name(name) in _RESERVED:
            raise LocalProtocolError(f"{name} is written by the protocol")
