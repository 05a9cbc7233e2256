"""Dialogs: the state that two user agents share, and the requests made inside it (RFC 3261 §12).

Plain state and message building. Which call a dialog serves, and when a request may be sent, is decided above; where a
request goes in the network is read from `next_hop`.
"""

from __future__ import annotations

import secrets
from enum import Enum

from sip.errors import LocalProtocolError, SipParseError
from sip.fields import NameAddr
from sip.headers import Headers
from sip.message import Request, Response
from sip.uri import OtherUri, SipUri

MAX_FORWARDS = "70"  # §8.1.1.6
FIRST_CSEQ_BITS = 16  # §8.1.1.5 asks for less than 2**31; a small start leaves room for any number of requests


class DialogState(Enum):
    """§12: a provisional response with a tag makes an early dialog, a 2xx a confirmed one."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


DialogKey = tuple[str, str, str | None]


def new_tag() -> str:
    """A From or To tag: 64 random bits, twice what §19.3 asks for."""
    return secrets.token_hex(8)


def first_cseq() -> int:
    """A CSeq number to begin a dialog with (§8.1.1.5)."""
    return 1 + secrets.randbits(FIRST_CSEQ_BITS)


class Dialog:
    """One dialog, seen from our side.

    `local_party` and `remote_party` are the values that go into From and To, tags included. A peer of RFC 2543 has no
    tag: `remote_tag` is None then, which is a value like any other when dialogs are compared (§12.1.1).
    """

    __slots__ = (
        "call_id",
        "local_party",
        "local_sequence",
        "local_tag",
        "remote_party",
        "remote_sequence",
        "remote_tag",
        "remote_target",
        "route_set",
        "state",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local_tag: str,
        remote_tag: str | None,
        local_party: str,
        remote_party: str,
        remote_target: SipUri,
        route_set: tuple[NameAddr, ...],
        local_sequence: int,
        remote_sequence: int | None,
        state: DialogState,
    ) -> None:
        self.call_id = call_id
        self.local_tag = local_tag
        self.remote_tag = remote_tag
        self.local_party = local_party
        self.remote_party = remote_party
        self.remote_target = remote_target
        self.route_set = route_set
        self.local_sequence = local_sequence
        self.remote_sequence = remote_sequence
        self.state = state

    @classmethod
    def from_request(cls, request: Request, local_tag: str) -> Dialog:
        """The dialog which our response to `request` makes (§12.1.1); it begins early.

        Raises SipParseError when the request has no Contact that a request could be sent to, or a malformed
        Record-Route.
        """
        to = request.headers.get("To", "") or ""
        return cls(
            call_id=request.call_id,
            local_tag=local_tag,
            remote_tag=request.from_.tag,
            local_party=f"{to};tag={local_tag}",
            remote_party=request.headers.get("From", "") or "",
            remote_target=contact_uri(request),
            route_set=tuple(request.record_route),  # §12.1.1: in the order of the request
            local_sequence=first_cseq(),
            remote_sequence=request.cseq.number,
            state=DialogState.EARLY,
        )

    @classmethod
    def from_response(cls, request: Request, response: Response) -> Dialog:
        """The dialog which `response` to our `request` makes (§12.1.2): early for a 1xx, confirmed for a 2xx.

        A response without a usable Contact leaves the Request-URI as the remote target, which is where RFC 2543 peers
        expect it. Raises SipParseError when its Record-Route is malformed.
        """
        try:
            target = contact_uri(response)
        except SipParseError:
            if not isinstance(request.uri, SipUri):
                raise
            target = request.uri
        return cls(
            call_id=request.call_id,
            local_tag=request.from_.tag or "",
            remote_tag=response.to.tag,
            local_party=request.headers.get("From", "") or "",
            remote_party=response.headers.get("To", "") or "",
            remote_target=target,
            route_set=tuple(reversed(response.record_route)),  # §12.1.2: reversed for the side that called
            local_sequence=request.cseq.number,
            remote_sequence=None,
            state=DialogState.CONFIRMED if response.status >= 200 else DialogState.EARLY,
        )

    @property
    def key(self) -> DialogKey:
        """What identifies the dialog: Call-ID, local tag, remote tag."""
        return (self.call_id, self.local_tag, self.remote_tag)

    @property
    def next_hop(self) -> SipUri:
        """Where requests of this dialog go: the first route, loose or strict, else the remote target (§12.2.1.1,
        §8.1.2)."""
        if self.route_set and isinstance(self.route_set[0].uri, SipUri):
            return self.route_set[0].uri
        return self.remote_target

    def request(self, method: str, *, sequence: int | None = None) -> Request:
        """A request inside the dialog (§12.2.1.1), without Via and body; these are added when it is sent.

        Takes the next CSeq number. An ACK is given the number of its INVITE as `sequence`, and is due even when a BYE
        overtook it. Raises LocalProtocolError for another request in a dialog that has ended.
        """
        if self.state is DialogState.TERMINATED and method != "ACK":
            raise LocalProtocolError(f"{method} in a dialog that has ended")
        if sequence is None:
            self.local_sequence += 1
            sequence = self.local_sequence
        uri: SipUri | OtherUri = self.remote_target
        routes = [str(route) for route in self.route_set]
        if self.route_set and not _is_loose(self.route_set[0].uri):
            # §12.2.1.1: a strict router wants to find itself in the Request-URI, and the target at the end of the Route
            uri = self.route_set[0].uri
            if isinstance(uri, SipUri):
                uri = uri.replace(headers=()).without_params("method")
            routes = [*routes[1:], f"<{self.remote_target}>"]
        headers = Headers(
            (
                *(("Route", route) for route in routes),
                ("Max-Forwards", MAX_FORWARDS),
                ("From", self.local_party),
                ("To", self.remote_party),
                ("Call-ID", self.call_id),
                ("CSeq", f"{sequence} {method}"),
            )
        )
        return Request(method, uri, headers)

    def accepts_sequence(self, number: int) -> bool:
        """Whether a request with this CSeq number is in order (§12.2.2); notes the number when it is.

        ACK and CANCEL repeat the number of their INVITE and are not asked about.
        """
        if self.remote_sequence is not None and number < self.remote_sequence:
            return False
        self.remote_sequence = number
        return True

    def refresh_target(self, message: Request | Response) -> None:
        """Take over the Contact of a re-INVITE or of the 2xx to one (§12.2.1.2, §12.2.2); without one nothing changes.

        Raises SipParseError for a Contact that no request can be sent to.
        """
        if "Contact" in message.headers:
            self.remote_target = contact_uri(message)


def contact_uri(message: Request | Response) -> SipUri:
    """The URI of the one Contact that a dialog-forming message must have (§8.1.1.8); raises SipParseError without
    it."""
    if message.contact_wildcard:
        raise SipParseError("Contact is *", field="Contact")
    contacts = message.contacts
    if not contacts:
        raise SipParseError("Missing Contact", field="Contact")
    uri = contacts[0].uri
    if not isinstance(uri, SipUri):
        raise SipParseError("Contact is not a SIP URI", field="Contact")
    # §19.1.1: neither headers nor a method belong into the Request-URI that this becomes
    return uri.replace(headers=()).without_params("method") if uri.headers or uri.has_param("method") else uri


def _is_loose(uri: SipUri | OtherUri) -> bool:
    return isinstance(uri, SipUri) and uri.has_param("lr")
