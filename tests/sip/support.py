"""A virtual clock, a user agent core without sockets, and a wire with faults: what the tests of transactions and calls
stand on."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sip.core.agent import CallReceived, Located, UserAgentCore
from sip.core.call import Call
from sip.core.config import UserAgentConfig
from sip.core.events import CallEvent
from sip.core.incoming import IncomingCall
from sip.core.messaging import MessageReceived
from sip.core.outgoing import OutgoingCall
from sip.core.redirect import FOLLOWED_REDIRECTS
from sip.digest import Credentials
from sip.endpoint import Endpoint
from sip.fields import NameAddr
from sip.message import Request, Response, parse_message
from sip.transaction.layer import TransactionLayer
from sip.transaction.table import Event, State, Table
from sip.transaction.timers import TimerConfig
from sip.transaction.transaction import ClientTransaction, ServerTransaction
from sip.uri import SipUri

LOCAL = Endpoint("udp", "192.0.2.1", 5060)
PEER = Endpoint("udp", "192.0.2.99", 5070)
OFFER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.99\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = OFFER.replace(b".99", b".1").replace(b"4000", b"6000")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Agent:
    """A core on a virtual clock at LOCAL. What it sends is parsed and kept until a test takes it."""

    def __init__(
        self,
        config: UserAgentConfig | None = None,
        *,
        clock: Clock | None = None,
        local: Endpoint = LOCAL,
        on_call: Callable[[IncomingCall], None] | None = None,
        on_message: Callable[[MessageReceived], None] | None = None,
        locate: Callable[[SipUri, Located], None] | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.local = local
        self.bans: list[str] = []
        self.core = UserAgentCore(
            config or UserAgentConfig(),
            clock=self.clock,
            local_address_for=lambda _host: local.host,
            on_ban=lambda host, _seconds: self.bans.append(host),
            on_message=on_message,
            locate=locate,
        )
        self.core.sender.add_listener(local)
        self.calls: list[IncomingCall] = []
        self.events: dict[Call, list[CallEvent]] = {}
        self.on_call = on_call
        self.wire: Wire | None = None

    def attend(self, call: Call) -> list[CallEvent]:
        """Collect the events of a call; the list grows."""
        events: list[CallEvent] = []
        self.events[call] = events
        call.on_event = events.append
        return events

    def deliver(self) -> None:
        """Hand out the core's events, as its driver has to."""
        while True:
            events, notices = self.core.events(), self.core.notices()
            if not events and not notices:
                break
            for callback, argument in notices:
                callback(argument)
            for call, event in events:
                if not isinstance(event, CallReceived):
                    call.deliver(event)
                    continue
                assert isinstance(call, IncomingCall)
                self.calls.append(call)
                if self.on_call is not None:
                    self.on_call(call)

    def take(self) -> list[tuple[Request | Response, Endpoint]]:
        """What was sent since the last time, with where it went."""
        self.deliver()
        return [(parse_message(sent.data), sent.remote) for sent in self.core.data_to_send()]

    def sent(self) -> list[Request | Response]:
        """What was sent since the last time."""
        return [message for message, _remote in self.take()]

    def fail_to_send(self) -> list[tuple[Request | Response, Endpoint]]:
        """Report all that was sent since the last time as impossible to send, and return it."""
        self.deliver()
        sent = self.core.data_to_send()
        for datagram in sent:
            self.core.transport_failed(datagram)
        self.deliver()
        return [(parse_message(datagram.data), datagram.remote) for datagram in sent]

    def statuses(self) -> list[int]:
        """The status codes of the responses sent since the last time."""
        self.deliver()
        labels = [_label(sent.data) for sent in self.core.data_to_send()]  # an answer may echo what does not parse
        return [int(label) for label in labels if label.isdigit()]

    def receive(self, message: bytes | str | Request | Response, source: Endpoint = PEER) -> None:
        """Let a message arrive."""
        self.core.receive_datagram(encode(message), source, self.local)
        self.deliver()

    def answer_to(self, message: bytes | str | Request | Response, source: Endpoint = PEER) -> list[Request | Response]:
        """Let a message arrive and take what is sent at once."""
        self.receive(message, source)
        return self.sent()

    def answer_and_take(
        self, message: bytes | str | Request | Response, source: Endpoint = PEER
    ) -> list[tuple[Request | Response, Endpoint]]:
        """Let a message arrive and take what is sent at once, with where it went."""
        self.receive(message, source)
        return self.take()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, every timer running at its own time."""
        end = self.clock.now + seconds
        while (due := self.core.next_timeout()) is not None and due <= end:
            self.clock.now = max(due, self.clock.now)
            self.core.handle_timeout()
            self.deliver()
        self.clock.now = end

    def sent_times(self, seconds: float) -> list[float]:
        """Let time pass and tell when, from now, something was sent."""
        start = self.clock.now
        end = start + seconds
        times: list[float] = []
        while (due := self.core.next_timeout()) is not None and due <= end:
            self.clock.now = max(due, self.clock.now)
            self.core.handle_timeout()
            self.deliver()
            times += [round(self.clock.now - start, 6) for _ in self.core.data_to_send()]
        self.clock.now = end
        return times

    def call(self, **changes: object) -> IncomingCall:
        """Let an INVITE arrive and return the call it makes."""
        self.receive(invite(**changes))  # type: ignore[arg-type]
        return self.calls[-1]

    def place(
        self,
        *,
        body: bytes = OFFER,
        credentials: Credentials | None = None,
        headers: Sequence[tuple[str, str]] = (),
        target: str = "sip:+15550100@192.0.2.99:5070",
        remotes: Sequence[Endpoint] = (PEER,),
        follow_redirects: int = FOLLOWED_REDIRECTS,
    ) -> OutgoingCall:
        """Place a call to PEER, or to the first of `remotes` that takes it, and collect its events."""
        call = self.core.place_call(
            SipUri.parse(target),
            from_=NameAddr(None, SipUri("sip", "me", host="example.net")),
            body=body,
            credentials=credentials,
            headers=headers,
            follow_redirects=follow_redirects,
        )
        self.attend(call)
        call.start(*remotes)
        return call


class Wire:
    """Joins two agents that share a clock. `fate(number, data, sender)` gives the delays in seconds with which a
    datagram arrives: none when it is lost, two when it is duplicated; different ones reorder."""

    DELAY = 0.01

    def __init__(
        self, one: Agent, other: Agent, fate: Callable[[int, bytes, Agent], Sequence[float]] | None = None
    ) -> None:
        assert one.clock is other.clock
        self.agents = (one, other)
        self.clock = one.clock
        self.fate = fate or (lambda _number, _data, _sender: (self.DELAY,))
        self.log: list[tuple[float, Agent, bytes]] = []
        self._numbers = itertools.count()
        self._order = itertools.count()
        self._flying: list[tuple[float, int, Agent, Agent, bytes]] = []

    def run(self, seconds: float) -> None:
        """Let time pass on both sides and on the wire between them."""
        end = self.clock.now + seconds
        while True:
            for sender in self.agents:
                self._collect(sender)
            times = [due for agent in self.agents if (due := agent.core.next_timeout()) is not None]
            if self._flying:
                times.append(self._flying[0][0])
            if not times or min(times) > end:
                break
            self.clock.now = max(self.clock.now, min(times))
            while self._flying and self._flying[0][0] <= self.clock.now:
                _, _, sender, receiver, data = heapq.heappop(self._flying)
                receiver.core.receive_datagram(data, sender.local, receiver.local)
                receiver.deliver()
                self._collect(receiver)
            for agent in self.agents:
                agent.core.handle_timeout()
                agent.deliver()
        self.clock.now = end

    def methods(self, sender: Agent) -> list[str]:
        """Start lines of what an agent sent: methods and status codes."""
        return [_label(data) for _, agent, data in self.log if agent is sender]

    def _collect(self, sender: Agent) -> None:
        sender.deliver()
        receiver = self.agents[1] if sender is self.agents[0] else self.agents[0]
        for datagram in sender.core.data_to_send():
            self.log.append((self.clock.now, sender, datagram.data))
            for delay in self.fate(next(self._numbers), datagram.data, sender):
                flight = (self.clock.now + delay, next(self._order), sender, receiver, datagram.data)
                heapq.heappush(self._flying, flight)


class Bench:
    """One transaction on a layer of its own, with a user that writes down what it is told."""

    def __init__(self, *, transport: str = "udp", timers: TimerConfig | None = None) -> None:
        self.clock = Clock()
        self.layer = TransactionLayer(timers or TimerConfig(), self.clock)
        self.remote = Endpoint(transport, "192.0.2.99", 5070)
        self.told: list[str] = []

    def client(self, method: str = "INVITE") -> ClientTransaction:
        """Start a client transaction."""
        made = parse_message(request(method, branch="z9hG4bKours", via="192.0.2.1:5060"))
        assert isinstance(made, Request)
        return self.layer.send_request(made, self.remote, LOCAL, self)

    def server(self, method: str = "INVITE", *, branch: str | None = "z9hG4bKtheirs") -> ServerTransaction:
        """Start a server transaction."""
        made = parse_message(request(method, branch=branch))
        assert isinstance(made, Request)
        return self.layer.serve_request(made, self.remote, LOCAL, self)

    def respond(self, transaction: ServerTransaction, status: int) -> bool:
        """Answer the request of a server transaction."""
        made = parse_message(request(transaction.key[-1] or "", branch="z9hG4bKtheirs"))  # type: ignore[arg-type]
        assert isinstance(made, Request)
        return transaction.respond(made.build_response(status, to_tag="ours"))

    def sent(self) -> list[str]:
        """Labels of what was sent since the last time."""
        output, self.layer.output = self.layer.output, []
        return [_label(datagram.data) for datagram in output]

    def pass_time(self, seconds: float) -> list[tuple[float, str]]:
        """Let time pass; when and what was sent meanwhile."""
        start, end = self.clock.now, self.clock.now + seconds
        sent: list[tuple[float, str]] = []
        while (due := self.layer.timers.next_deadline()) is not None and due <= end:
            self.clock.now = max(self.clock.now, due)
            entry = self.layer.timers.pop_due()
            if entry is not None:
                entry[0](entry[1])
            sent += [(round(self.clock.now - start, 6), label) for label in self.sent()]
        self.clock.now = end
        return sent

    def response_received(self, transaction: ClientTransaction, message: Response) -> None:
        self.told.append(str(message.status))

    def request_failed(self, transaction: ClientTransaction, failure: str) -> None:
        self.told.append(failure)

    def ack_received(self, transaction: ServerTransaction, ack: Request) -> None:
        self.told.append("ACK")

    def response_failed(self, transaction: ServerTransaction, failure: str) -> None:
        self.told.append(failure)


# What a row does: the next state, what is sent, what the user is told. None: the event is ignored
Outcome = tuple[State, str, str] | None


def check_every_row(
    table: Table, expected: Mapping[State, Mapping[Event, Outcome]], bench: Callable[[State], Any]
) -> None:
    """Feed every event in every state to a fresh transaction and compare; what `expected` leaves out must be ignored.

    `bench(state)` makes a Bench whose `transaction` is in that state with nothing sent or told yet.
    """
    for state in State:
        for event in Event:
            wanted = expected.get(state, {}).get(event)
            where = f"{state.name} on {event.name}"
            if state is State.INITIAL:
                assert ((state, event) in table) == (event is Event.START), where
                continue
            fixture = bench(state)
            handled = fixture.transaction.handle(event, fixture.message_for(event))
            if wanted is None:
                assert not handled, where
                assert fixture.transaction.state is state, where
                continue
            assert handled, where
            outcome = (fixture.transaction.state, " ".join(fixture.sent()), " ".join(fixture.told))
            assert outcome == wanted, where


def pair(
    fate: Callable[[int, bytes, Agent], Sequence[float]] | None = None,
    on_call: Callable[[IncomingCall], None] | None = None,
) -> tuple[Agent, Agent, Wire]:
    """A caller at LOCAL, a callee at PEER, and the wire between them."""
    clock = Clock()
    caller = Agent(clock=clock)
    callee = Agent(clock=clock, local=PEER, on_call=on_call)
    return caller, callee, Wire(caller, callee, fate)


def losing(*labels: str) -> Callable[[int, bytes, Agent], Sequence[float]]:
    """A fate that loses the first message of each label (method or status code); a label given twice loses two."""
    left = list(labels)

    def fate(_number: int, data: bytes, _sender: Agent) -> Sequence[float]:
        label = _label(data)
        if label in left:
            left.remove(label)
            return ()
        return (Wire.DELAY,)

    return fate


def invite(
    *,
    branch: str | None = "z9hG4bKinvite",
    call_id: str = "call-1",
    from_tag: str | None = "caller",
    to_tag: str | None = None,
    cseq: int = 1,
    uri: str = "sip:+15550100@192.0.2.1",
    body: bytes = OFFER,
    headers: Sequence[str] = (),
    contact: str | None = "<sip:caller@192.0.2.99:5070>",
    via: str = "192.0.2.99:5070;rport",
) -> bytes:
    """An INVITE from PEER."""
    lines = list(headers)
    if contact is not None:
        lines.append(f"Contact: {contact}")
    if body:
        lines.append("Content-Type: application/sdp")
    return request(
        "INVITE",
        branch=branch,
        call_id=call_id,
        from_tag=from_tag,
        to_tag=to_tag,
        cseq=cseq,
        uri=uri,
        body=body,
        headers=lines,
        via=via,
    )


def request(
    method: str,
    *,
    branch: str | None,
    call_id: str = "call-1",
    from_tag: str | None = "caller",
    to_tag: str | None = None,
    cseq: int = 1,
    uri: str = "sip:+15550100@192.0.2.1",
    body: bytes = b"",
    headers: Sequence[str] = (),
    via: str = "192.0.2.99:5070;rport",
) -> bytes:
    """A request from PEER."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {via}" + (f";branch={branch}" if branch else ""),
        "Max-Forwards: 70",
        "From: <sip:caller@example.net>" + (f";tag={from_tag}" if from_tag else ""),
        "To: <sip:+15550100@192.0.2.1>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *headers,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def response(
    to: Request,
    status: int,
    *,
    tag: str | None = "callee",
    body: bytes = b"",
    headers: Sequence[tuple[str, str]] = (),
    contact: str | None = "<sip:callee@192.0.2.99:5070>",
) -> Response:
    """The response of PEER to a request of ours."""
    made = to.build_response(status, to_tag=tag, headers=headers)
    if contact is not None and 100 < status < 300 and to.method == "INVITE":
        made.headers.add("Contact", contact)
    if body:
        made.headers.add("Content-Type", "application/sdp")
        made.body = body
    return made


def encode(message: bytes | str | Request | Response) -> bytes:
    """The bytes of a message in any form."""
    return message.encode() if isinstance(message, str) else bytes(message)


def only_request(messages: Sequence[Request | Response]) -> Request:
    """The one message that was sent, a request."""
    assert len(messages) == 1, messages
    message = messages[0]
    assert isinstance(message, Request)
    return message


def only_response(messages: Sequence[Request | Response]) -> Response:
    """The one message that was sent, a response."""
    assert len(messages) == 1, messages
    message = messages[0]
    assert isinstance(message, Response)
    return message


def _label(data: bytes) -> str:
    first, second, _ = data.split(b" ", 2)
    return (second if first == b"SIP/2.0" else first).decode()
