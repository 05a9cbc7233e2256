"""ICE as a lite agent (RFC 8445 §2.5): the far end checks its ways to us, we answer and take the one it nominates.

A server with an address that browsers reach needs no more; the engine asks no STUN server and checks no way itself. A
check counts only with the password that our SDP gave to the far end, so an address is not believed but proven.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from aioice.stun import Class, Message, Method, parse_message

Address: TypeAlias = tuple[str, int]

_USERNAME_LIMIT: Final = 513
"""Octets of USERNAME (RFC 8489 §14.3)."""


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """User name fragment and password of one side (RFC 8445 §5.3)."""

    ufrag: str
    password: str = field(repr=False)

    @classmethod
    def new(cls) -> IceCredentials:
        """Random ones, longer than RFC 8445 §5.3 asks for."""
        return cls(secrets.token_hex(4), secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a datagram: the response to send to where it came from, None for none.

    `proven` says that the far end knows the password, `nominated` that it chose this way.
    """

    response: bytes | None = None
    proven: bool = False
    nominated: bool = False


class IceLite:
    """Answers connectivity checks. `local` are our credentials, `remote_ufrag` is the far end's fragment once known."""

    def __init__(self, local: IceCredentials) -> None:
        self.local = local
        self.remote_ufrag: str | None = None

    def receive(self, data: bytes, source: Address) -> Checked:
        """Read one STUN datagram; what is none, or no check for us, gets no answer.

        With a wrong user or password the answer is an error 401, with a role that is ours 487 (RFC 8445 §7.3).
        """
        try:
            request = parse_message(data)
        except (ValueError, LookupError, struct.error):
            return Checked()
        if request.message_method != Method.BINDING or request.message_class != Class.REQUEST:
            return Checked()
        if "USERNAME" not in request.attributes or "MESSAGE-INTEGRITY" not in request.attributes:
            return Checked(self._error(request, 400, "Bad Request", signed=False))
        if not self._known(request.attributes["USERNAME"]) or not request.check_message_integrity(self._key):
            return Checked(self._error(request, 401, "Unauthorized", signed=False))
        if "ICE-CONTROLLED" in request.attributes:
            # A lite agent never controls; two that both do not would wait for ever.
            return Checked(self._error(request, 487, "Role Conflict", signed=True))
        response = Message(Method.BINDING, Class.RESPONSE, request.transaction_id, {"XOR-MAPPED-ADDRESS": source[:2]})
        response.add_message_integrity(self._key)
        return Checked(bytes(response), proven=True, nominated="USE-CANDIDATE" in request.attributes)

    @property
    def _key(self) -> bytes:
        return self.local.password.encode()

    def _known(self, username: str) -> bool:
        """Whether a check is for this session (RFC 8445 §7.2.2: our fragment, a colon, and the far end's)."""
        if len(username.encode()) > _USERNAME_LIMIT:
            return False
        ours, _, theirs = username.partition(":")
        return ours == self.local.ufrag and self.remote_ufrag in {None, theirs}

    def _error(self, request: Message, code: int, reason: str, *, signed: bool) -> bytes:
        response = Message(Method.BINDING, Class.ERROR, request.transaction_id, {"ERROR-CODE": (code, reason)})
        if signed:
            response.add_message_integrity(self._key)
        else:
            response.add_fingerprint()
        return bytes(response)
