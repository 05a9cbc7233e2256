"""Composes and sends what the user agent says: responses, refusals, requests inside and outside dialogs.

Everything ends in the transaction layer's output. Which message is due is decided by the calls and the core.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sip.core.config import UserAgentConfig
from sip.core.inspection import ALLOW, SUPPORTED
from sip.core.routing import hop_endpoint, response_endpoint, same_family
from sip.core.statistics import Statistics
from sip.dialog import Dialog
from sip.digest import DigestSession
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.message import Request, Response, response_to
from sip.transaction.layer import TransactionLayer, new_branch
from sip.transaction.transaction import ClientTransaction, ClientUser, Failure, ServerTransaction, ServerUser
from sip.uri import SipUri, write_host_port

AMPLIFICATION = 1.5
"""Bytes of an answer that nobody authenticated for, by bytes of the request: above it, what is not vital is left
out."""

# What such an answer can do without, in the order in which it goes.
_DISPENSABLE = ("Server", "Accept-Encoding", "Allow-Events", "Supported", "Accept", "Allow")
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})


@dataclass(frozen=True, slots=True)
class Flow:
    """Our side of the path to one peer: the socket, and the address of it that the peer is told."""

    local: Endpoint
    host: str  # in Via, Contact; no brackets
    peer: Endpoint | None = None  # the other end, where the path is a connection

    def contact(self, user: str | None = None) -> str:
        """The value of Contact for this flow."""
        transport = self.local.transport
        params = () if transport == "udp" else (("transport", transport),)
        return f"<{SipUri('sip', user, host=self.host, port=self.local.port, params=params)}>"


@dataclass(frozen=True, slots=True)
class SentAck:
    """An ACK to a 2xx, kept to be sent again when the 2xx is (§13.2.2.4)."""

    data: bytes
    remote: Endpoint
    local: Endpoint


class Sender:
    """The speaking half of a user agent core."""

    def __init__(
        self,
        config: UserAgentConfig,
        layer: TransactionLayer,
        statistics: Statistics,
        local_address_for: Callable[[str], str],
    ) -> None:
        self.config = config
        self.layer = layer
        self.statistics = statistics
        self.local_address_for = local_address_for
        self.allow = ALLOW  # the methods that we say we know
        self.listeners: tuple[Endpoint, ...] = ()
        self.transports: frozenset[str] = frozenset()
        self.is_connected: Callable[[Endpoint], bool] = lambda _remote: False
        self.may_answer: Callable[[Response, str], bool] = lambda _response, _host: True
        self._tag_key = secrets.token_bytes(32)

    def add_listener(self, endpoint: Endpoint) -> None:
        """Let messages leave from this bound address."""
        self.listeners = (*self.listeners, endpoint)
        self.transports |= {endpoint.transport}

    def flow_on(self, local: Endpoint, remote: Endpoint) -> Flow:
        """The flow between a listener and a peer."""
        peer = remote if remote.reliable else None
        advertised = self.config.advertised_address
        if advertised is not None and same_family(advertised, remote.host):
            return Flow(local, advertised, peer)
        return Flow(local, self.local_address_for(remote.host) if local.host in _WILDCARDS else local.host, peer)

    def flow_to(self, remote: Endpoint) -> Flow:
        """The flow for a new request: the listener of the right transport and family that the routing table would use.

        Raises LocalProtocolError when no listener speaks the transport.
        """
        candidates = [local for local in self.listeners if local.transport == remote.transport]
        if not candidates:
            raise LocalProtocolError(f"no listener for {remote.transport}")
        same_family = [local for local in candidates if (":" in local.host) == (":" in remote.host)] or candidates
        if len(same_family) > 1:
            address = self.local_address_for(remote.host)
            exact = [local for local in same_family if local.host == address]
            same_family = exact or [local for local in same_family if local.host in _WILDCARDS] or same_family
        return self.flow_on(same_family[0], remote)

    def hop(self, uri: SipUri) -> Endpoint:
        """The transport address that a request with this next hop goes to."""
        return hop_endpoint(uri, self.transports)

    def dialog_hop(self, dialog: Dialog, flow: Flow) -> tuple[Endpoint, Flow]:
        """Where the next request of a dialog goes, and over which flow.

        The connection that the dialog runs over is used as long as it is there (RFC 5626 §5.3, RFC 7118 §5), unless the
        route leads elsewhere. A next hop of another transport than the flow's gets a flow of its own.
        """
        hop = self.hop(dialog.next_hop)
        peer = flow.peer
        if peer is not None and self.is_connected(peer):
            reachable_only_so = peer.transport in {"ws", "wss"}
            if reachable_only_so or not dialog.route_set or hop.host in {peer.host, peer.name}:
                return peer, flow
        if hop.transport == flow.local.transport:
            return hop, flow
        try:
            return hop, self.flow_to(hop)
        except LocalProtocolError:
            return hop, flow

    def stateless_tag(self, request: Request) -> str:
        """A To tag that is the same for each copy of a request, and that nobody else can compute (§8.2.7)."""
        values = (request.headers.get(name) or "" for name in ("Call-ID", "From", "CSeq", "Via"))
        return hashlib.blake2b("\n".join(values).encode(), digest_size=8, key=self._tag_key).hexdigest()

    def response(
        self,
        request: Request,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        contact: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Response:
        """A response with what §8.2.6 asks for. With `contact`, what makes or keeps a dialog is added (§12.1.1,
        §13.3.1.4)."""
        if to_tag is None:
            to_tag = self.stateless_tag(request)
        response = response_to(request, status, reason, to_tag=to_tag)
        fields = response.headers
        if contact is not None:
            fields.add("Contact", contact)
            fields.add("Allow", self.allow)
            if SUPPORTED:
                fields.add("Supported", SUPPORTED)
        for name, value in headers:
            fields.add(name, value)
        fields.add("Server", self.config.user_agent)
        return response

    def serve(
        self, request: Request, source: Endpoint, local: Endpoint, user: ServerUser | None = None
    ) -> ServerTransaction:
        """Start the server transaction of a request."""
        return self.layer.serve_request(request, response_endpoint(request.top_via, source), local, user)

    def reply(
        self,
        request: Request,
        source: Endpoint,
        local: Endpoint,
        status: int,
        *,
        to_tag: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer a request finally, and remember the answer for its retransmissions."""
        self.serve(request, source, local).respond(self.response(request, status, to_tag=to_tag, headers=headers))

    def refuse(
        self,
        request: Request,
        source: Endpoint,
        local: Endpoint,
        status: int,
        reason: str | None = None,
        *,
        size: int,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer with an error and forget (§8.2.7): a retransmission is refused again in the same words."""
        self.statistics.refused += 1
        self.answer_unasked(request, source, local, status, reason, size=size, headers=headers)

    def answer_unasked(
        self,
        request: Request,
        source: Endpoint,
        local: Endpoint,
        status: int,
        reason: str | None = None,
        *,
        size: int,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer a request of `size` bytes without a transaction, to where its top Via says."""
        response = self.response(request, status, reason, headers=headers)
        self.send_unasked(response, size, response_endpoint(request.top_via, source), local)

    def send_unasked(self, response: Response, size: int, remote: Endpoint, local: Endpoint) -> None:
        """Send a response without a transaction, shortened to stay near the `size` of its request in bytes.

        The source of a datagram may be forged: whoever it names must not be sent much more than we were. What cannot
        be made short enough is not sent.
        """
        if not self.may_answer(response, remote.host):
            return
        data = bytes(response)
        for name in _DISPENSABLE:
            if remote.reliable or len(data) <= AMPLIFICATION * size:
                break
            if name in response.headers and not (name == "Allow" and response.status == 405):
                response.headers.remove(name)
                data = bytes(response)
        if not remote.reliable and len(data) > AMPLIFICATION * size:
            for name in ("WWW-Authenticate", "Proxy-Authenticate"):
                challenges = response.headers.get_all(name)
                if len(challenges) > 1:
                    response.headers.set(name, challenges[0])
                    data = bytes(response)
            if len(data) > AMPLIFICATION * size:
                self.statistics.withheld += 1
                return
        self.layer.transmit_stateless(data, remote, local)

    def send_request(
        self,
        request: Request,
        flow: Flow,
        remote: Endpoint,
        user: ClientUser,
        *,
        contact: str | None = None,
        content_type: str | None = None,
        body: bytes = b"",
    ) -> ClientTransaction:
        """Complete a request and start its client transaction."""
        if contact is not None:
            request.headers.add("Contact", contact)
            request.headers.add("Allow", self.allow)
            if SUPPORTED:
                request.headers.add("Supported", SUPPORTED)
        if body:
            request.headers.set("Content-Type", content_type or "application/sdp")
            request.body = body
        self._complete(request, flow)
        return self.layer.send_request(request, remote, flow.local, user)

    def send_again(self, request: Request, flow: Flow, remote: Endpoint, user: ClientUser) -> ClientTransaction:
        """Send a complete request that was given a new CSeq: with a new branch, as a new transaction."""
        self._push_via(request, flow)
        return self.layer.send_request(request, remote, flow.local, user)

    def send_ack(self, dialog: Dialog, flow: Flow, invite: Request, body: bytes = b"") -> SentAck:
        """Acknowledge the 2xx to `invite` inside its dialog (§13.2.2.4); returns it for the 2xx that come again."""
        ack = dialog.request("ACK", sequence=invite.cseq.number)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in invite.headers.get_all(name):
                ack.headers.add(name, value)  # §22.1: the credentials of the INVITE
        if body:
            ack.headers.add("Content-Type", "application/sdp")
            ack.body = body
        remote, flow = self.dialog_hop(dialog, flow)
        self._complete(ack, flow)
        sent = SentAck(bytes(ack), remote, flow.local)
        self.send_ack_again(sent)
        return sent

    def send_ack_again(self, ack: SentAck) -> None:
        """Repeat an ACK for a 2xx that was repeated."""
        self.layer.transmit_stateless(ack.data, ack.remote, ack.local)

    def send_bye(
        self, dialog: Dialog, flow: Flow, headers: Sequence[tuple[str, str]], user: ClientUser
    ) -> ClientTransaction:
        """Send BYE in a dialog."""
        request = dialog.request("BYE")
        for name, value in headers:
            request.headers.add(name, value)
        remote, flow = self.dialog_hop(dialog, flow)
        return self.send_request(request, flow, remote, user)

    def answer_challenge(self, request: Request, response: Response, digest: DigestSession) -> Request | None:
        """The request with the next CSeq and credentials for the challenges in a 401 or 407, and for those that
        `digest` has met before: each proxy on the way asks for itself (§22.2, §22.3).

        None when no challenge can be answered, or when the server has refused just these credentials.
        """
        proxy = response.status != 401
        if not digest.learn(
            response.headers.get_all("Proxy-Authenticate" if proxy else "WWW-Authenticate"), proxy=proxy
        ):
            return None
        headers = request.headers.copy()
        for name in ("Via", "Authorization", "Proxy-Authorization"):
            headers.remove(name)
        headers.set("CSeq", f"{request.cseq.number + 1} {request.method}")
        for name, value in digest.authorize(request.method, str(request.uri), request.body):
            headers.add(name, value)
        return Request(request.method, request.uri, headers, request.body)

    def _complete(self, request: Request, flow: Flow) -> None:
        request.headers.add("User-Agent", self.config.user_agent)
        self._push_via(request, flow)

    def _push_via(self, request: Request, flow: Flow) -> None:
        sent_by = write_host_port(flow.host, flow.local.port)
        request.headers.prepend("Via", f"SIP/2.0/{flow.local.transport.upper()} {sent_by};rport;branch={new_branch()}")


class Unattended:
    """A ClientUser for requests whose outcome changes nothing: the BYE to a fork that lost."""

    __slots__ = ()

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """Whatever the answer, the transaction has ended its retransmissions."""

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """The peer is gone, which is as good."""


UNATTENDED = Unattended()


class LateAnswer:
    """A ClientUser for a re-INVITE whose call is over: a 2xx that comes all the same is acknowledged, each time, or the
    peer would repeat it for 64*T1 (§13.2.2.4)."""

    __slots__ = ("_ack", "_dialog", "_flow", "_sender")

    def __init__(self, sender: Sender, dialog: Dialog, flow: Flow) -> None:
        self._sender = sender
        self._dialog = dialog
        self._flow = flow
        self._ack: SentAck | None = None

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: a response to the re-INVITE."""
        if not 200 <= response.status < 300:
            return
        if self._ack is None:
            self._ack = self._sender.send_ack(self._dialog, self._flow, transaction.request)
        else:
            self._sender.send_ack_again(self._ack)

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: no final response, which is as good."""
