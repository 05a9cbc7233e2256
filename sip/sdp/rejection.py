"""Why a description that can be read is refused all the same, as the outside is told (RFC 3261 §20.43)."""

from __future__ import annotations

from typing import Final

from sip.errors import REASON_CHARS, LocalProtocolError, SipError

# Warning codes of RFC 3261 §20.43
INCOMPATIBLE_ADDRESS: Final = 301
INCOMPATIBLE_TRANSPORT: Final = 302
MEDIA_TYPE_UNAVAILABLE: Final = 304
INCOMPATIBLE_FORMAT: Final = 305
MISCELLANEOUS: Final = 399

_AGENT_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")


class SdpRejected(SipError):
    """A description is well formed and there is no agreement on it.

    `status` is the answer to an INVITE that carried it (RFC 3261 §13.3.1.3), `reason` says why in a few words free of
    anything the peer wrote, `warning` is the warn-code for a Warning header (RFC 3261 §20.43), `medium` is the number
    of the `m=` line that it is about, from 1; None where it is about no single one.
    """

    def __init__(self, reason: str, *, warning: int, status: int = 488, medium: int | None = None) -> None:
        super().__init__(f"media line {medium}: {reason}" if medium is not None else reason)
        self.reason = reason
        self.warning = warning
        self.status = status
        self.medium = medium

    def warning_header(self, agent: str) -> tuple[str, str]:
        """The Warning header for the 488 (RFC 3261 §20.43); `agent` is our host, with a port or without.

        An IPv6 address alone may stand without its brackets. Raises `LocalProtocolError` when `agent` is no host.
        """
        if agent.count(":") > 1 and "[" not in agent:
            agent = f"[{agent}]"
        if not agent or not set(agent) <= _AGENT_CHARS:
            raise LocalProtocolError("a warning by who is no host")
        # Some reasons come from the media room, in words of its own.
        text = "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in str(self)[:REASON_CHARS])
        return "Warning", f'{self.warning} {agent} "{text}"'
