"""Composes and sends what the user agent says: requests inside and outside dialogs, and by its base class responses.

Everything ends in the transaction layer's output. Which message is due is decided by the calls and the core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sip.core.attempts import Attempts
from sip.core.config import UserAgentConfig
from sip.core.flows import Flow
from sip.core.responding import Responses
from sip.core.routing import (
    hop_endpoint,
    is_address,
    leaves_choice,
    next_hop_uri,
    same_family,
)
from sip.core.statistics import Statistics
from sip.core.unavailable import UnavailablePeers
from sip.dialog import Dialog
from sip.digest import DigestSession
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.message import Request, Response
from sip.transaction.layer import TransactionLayer, new_branch
from sip.transaction.transaction import ClientTransaction, ClientUser, Failure
from sip.uri import SipUri, write_host_port

DATAGRAM_BYTES = 1300
"""§18.1.1: what is longer than this, 200 bytes less than the usual MTU, does not go by UDP."""

Locate: TypeAlias = Callable[[SipUri, Callable[[Sequence[Endpoint]], None]], None]
"""Finds the addresses of a URI (RFC 3263) and calls its second argument with them, at once or later."""

_WILDCARDS = frozenset({"0.0.0.0", "::", ""})


@dataclass(slots=True)
class SentAck:
    """An ACK to a 2xx, kept to be sent again when the 2xx is (§13.2.2.4); `data` is empty while its next hop is being
    looked up."""

    data: bytes
    remote: Endpoint
    local: Endpoint


class Sender(Responses):
    """The speaking half of a user agent core."""

    def __init__(
        self,
        config: UserAgentConfig,
        layer: TransactionLayer,
        statistics: Statistics,
        local_address_for: Callable[[str], str],
    ) -> None:
        super().__init__(config, layer, statistics)
        self.local_address_for = local_address_for
        self.listeners: tuple[Endpoint, ...] = ()
        self.transports: frozenset[str] = frozenset()
        self.is_connected: Callable[[Endpoint], bool] = lambda _remote: False
        self.locate: Locate | None = None
        self.unreachable = UnavailablePeers()

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

    def flow_for(self, remote: Endpoint, flow: Flow) -> Flow:
        """The flow to an address: `flow` where its transport is the same, or where no listener speaks the other."""
        if remote.transport == flow.local.transport:
            return flow
        try:
            return self.flow_to(remote)
        except LocalProtocolError:
            return flow

    def in_order(self, remotes: Sequence[Endpoint]) -> list[Endpoint]:
        """Addresses in the order in which they are to be tried: those that could not be reached a short while ago come
        last."""
        now = self.layer.timers.clock()
        return sorted(remotes, key=lambda remote: self.unreachable.remaining(remote, now) > 0)

    def _dialog_hop(self, dialog: Dialog, flow: Flow) -> Endpoint:
        """Where the next request of a dialog goes.

        The connection that the dialog runs over is used as long as it is there (RFC 5626 §5.3, RFC 7118 §5), unless the
        route leads elsewhere.
        """
        hop = self.hop(dialog.next_hop)
        peer = flow.peer
        if peer is not None and self.is_connected(peer):
            reachable_only_so = peer.transport in {"ws", "wss"}
            if reachable_only_so or not dialog.route_set or hop.host in {peer.host, peer.name}:
                return peer
        return hop

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
        """Complete a request and start its client transaction. What is too long for a datagram goes over TCP where the
        URI leaves the choice (§18.1.1)."""
        self._complete(request, contact, content_type, body)
        return self._start(request, flow, remote, user)

    def send_in_dialog(
        self,
        dialog: Dialog,
        flow: Flow,
        request: Request,
        user: ClientUser,
        *,
        contact: str | None = None,
        content_type: str | None = None,
        body: bytes = b"",
    ) -> ClientTransaction:
        """Complete a request of a dialog and start its client transaction; where the next hop is a name, once its
        addresses are known, which are tried in turn (RFC 3263)."""
        remote = self._dialog_hop(dialog, flow)
        flow = self.flow_for(remote, flow)
        if is_address(remote.host) or self.locate is None:
            return self.send_request(request, flow, remote, user, contact=contact, content_type=content_type, body=body)
        self._complete(request, contact, content_type, body)
        self._push_via(request, flow)
        transaction = self.layer.prepare_request(request, remote, flow.local, user)
        attempts = Attempts(self, transaction, flow, free=leaves_choice(dialog.next_hop))
        self.locate(dialog.next_hop, attempts.start)
        return transaction

    def send_again(self, request: Request, before: ClientTransaction, user: ClientUser) -> ClientTransaction:
        """Send a complete request that was given a new CSeq to where the one `before` went: with a new branch, as a new
        transaction."""
        return self._start(request, self.flow_on(before.local, before.remote), before.remote, user)

    def _start(self, request: Request, flow: Flow, remote: Endpoint, user: ClientUser) -> ClientTransaction:
        """Start the client transaction of a request that lacks its Via only."""
        self._push_via(request, flow)
        if not (leaves_choice(next_hop_uri(request)) and self.is_long(request, remote)):
            return self.layer.send_request(request, remote, flow.local, user)
        transaction = self.layer.prepare_request(request, remote, flow.local, user)
        Attempts(self, transaction, flow, free=True).start([remote])
        return transaction

    def is_long(self, request: Request, remote: Endpoint) -> bool:
        """Whether a request, Via included, is too long for the datagram that it would go in, and there is TCP."""
        return remote.transport == "udp" and "tcp" in self.transports and len(bytes(request)) > DATAGRAM_BYTES

    def redirected(self, request: Request, flow: Flow) -> Request:
        """A request that was sent or prepared before, with the Via of another flow and a new branch."""
        headers = request.headers.copy()
        headers.remove("Via")
        again = Request(request.method, request.uri, headers, request.body)
        self._push_via(again, flow)
        return again

    def send_ack(self, dialog: Dialog, flow: Flow, invite: Request, body: bytes = b"") -> SentAck:
        """Acknowledge the 2xx to `invite` inside its dialog (§13.2.2.4); returns it for the 2xx that come again."""
        ack = dialog.request("ACK", sequence=invite.cseq.number)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in invite.headers.get_all(name):
                ack.headers.add(name, value)  # §22.1: the credentials of the INVITE
        self._complete(ack, None, None, body)
        remote = self._dialog_hop(dialog, flow)
        sent = SentAck(b"", remote, flow.local)

        def send(remotes: Sequence[Endpoint]) -> None:
            if not remotes:
                return  # the peer goes on to repeat its 2xx, and gives up in the end
            sent.remote = self.in_order(remotes)[0]
            used = self.flow_for(sent.remote, flow)
            sent.local = used.local
            self._push_via(ack, used)
            sent.data = bytes(ack)
            self.send_ack_again(sent)

        if is_address(remote.host) or self.locate is None:
            send([remote])
        else:
            self.locate(dialog.next_hop, send)
        return sent

    def send_ack_again(self, ack: SentAck) -> None:
        """Repeat an ACK for a 2xx that was repeated."""
        if ack.data:
            self.layer.transmit_stateless(ack.data, ack.remote, ack.local)

    def send_bye(
        self, dialog: Dialog, flow: Flow, headers: Sequence[tuple[str, str]], user: ClientUser
    ) -> ClientTransaction:
        """Send BYE in a dialog."""
        request = dialog.request("BYE")
        for name, value in headers:
            request.headers.add(name, value)
        return self.send_in_dialog(dialog, flow, request, user)

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

    def _complete(self, request: Request, contact: str | None, content_type: str | None, body: bytes) -> None:
        """Add what a request has beside Via. With `contact`, what makes or keeps a dialog."""
        if contact is not None:
            request.headers.add("Contact", contact)
            request.headers.extend(self._in_dialogs)
        if body:
            request.headers.set("Content-Type", content_type or "application/sdp")
            request.body = body
        request.headers.add("User-Agent", self.config.user_agent)

    def _push_via(self, request: Request, flow: Flow) -> None:
        sent_by = write_host_port(flow.host, flow.local.port)
        request.headers.prepend("Via", f"SIP/2.0/{flow.local.transport.upper()} {sent_by};rport;branch={new_branch()}")


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
