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
    """What came of a check: the response to send to where it came from.

    `proven` says that the far end knows the password, `nominated` that it chose this way.
    """

    response: bytes
    proven: bool = False
    nominated: bool = False


def parse_check(data: bytes) -> Message | None:
    """Read a datagram as a Binding request (RFC 8489); None where it is none that can be read."""
    try:
        request = parse_message(data)
    except (ValueError, LookupError, struct.error):
        return None
    binding = request.message_method == Method.BINDING and request.message_class == Class.REQUEST
    return request if binding else None


def user_of(request: Message) -> str:
    """The user fragment of whom a check is for (RFC 8445 §7.2.2: it stands before the colon), empty for none."""
    username = request.attributes.get("USERNAME", "")
    return username.partition(":")[0] if len(username.encode()) <= _USERNAME_LIMIT else ""


def refusal(request: Message) -> bytes:
    """The answer to a check that is for nobody, or proves nothing (RFC 8489 §9.1.3)."""
    whole = "USERNAME" in request.attributes and "MESSAGE-INTEGRITY" in request.attributes
    response = _error(request, 401, "Unauthorized") if whole else _error(request, 400, "Bad Request")
    response.add_fingerprint()
    return bytes(response)


class IceLite:
    """Answers connectivity checks. `local` are our credentials, `remote_ufrag` is the far end's fragment once known."""

    def __init__(self, local: IceCredentials) -> None:
        self.local = local
        self.remote_ufrag: str | None = None

    def answer(self, request: Message, source: Address) -> Checked:
        """Answer one check that came from `source`.

        With a wrong user or password the answer is an error 401, with a role that is ours 487 (RFC 8445 §7.3).
        """
        key = self.local.password.encode()
        if not self._known(request) or not request.check_message_integrity(key):
            return Checked(refusal(request))
        if "ICE-CONTROLLED" in request.attributes:
            # A lite agent never controls; two that both do not would wait for ever.
            conflict = _error(request, 487, "Role Conflict")
            conflict.add_message_integrity(key)
            return Checked(bytes(conflict))
        response = Message(Method.BINDING, Class.RESPONSE, request.transaction_id, {"XOR-MAPPED-ADDRESS": source[:2]})
        response.add_message_integrity(key)
        return Checked(bytes(response), proven=True, nominated="USE-CANDIDATE" in request.attributes)

    def _known(self, request: Message) -> bool:
        _, _, theirs = request.attributes.get("USERNAME", "").partition(":")
        return user_of(request) == self.local.ufrag and self.remote_ufrag in {None, theirs}


def _error(request: Message, code: int, reason: str) -> Message:
    return Message(Method.BINDING, Class.ERROR, request.transaction_id, {"ERROR-CODE": (code, reason)})
