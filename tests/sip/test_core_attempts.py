"""The addresses that one request may go to: TCP for what is too long, those that a name stands for, and those that
failed a short while ago (RFC 3261 §18.1.1, RFC 3263 §4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from sip.core.agent import Located
from sip.core.events import HungUp, OfferAnswered, OfferRejected, Rejected
from sip.core.outgoing import OutgoingCall
from sip.core.sending import DATAGRAM_BYTES
from sip.digest import Credentials
from sip.endpoint import Endpoint
from sip.message import Request
from sip.uri import SipUri
from tests.sip.support import ANSWER, OFFER, PEER, Agent, only_request, response

TCP = Endpoint("tcp", "192.0.2.1", 5060)
PEER_TCP = Endpoint("tcp", PEER.host, PEER.port)
LONG = OFFER + b"a=x-long:" + b"x" * DATAGRAM_BYTES + b"\r\n"
FIRST, SECOND = Endpoint("udp", "192.0.2.71", 5060), Endpoint("udp", "192.0.2.72", 5060)


class InCall:
    """A confirmed call of ours, whose peer has this Contact."""

    def __init__(
        self,
        contact: str = "<sip:callee@192.0.2.99:5070>",
        locate: Callable[[SipUri, Located], None] | None = None,
        listeners: Sequence[Endpoint] = (TCP,),
    ) -> None:
        self.agent = Agent(locate=locate)
        for listener in listeners:
            self.agent.core.sender.add_listener(listener)
        self.call: OutgoingCall = self.agent.place(credentials=Credentials("alice", "secret"))
        self.events = self.agent.events[self.call]
        invite = only_request(self.agent.sent())
        self.agent.receive(response(invite, 200, body=ANSWER, contact=contact))
        self.ack = self.agent.take()
        self.events.clear()

    def sent(self) -> tuple[Request, Endpoint]:
        ((message, remote),) = self.agent.take()
        assert isinstance(message, Request)
        return message, remote

    def failed(self) -> tuple[Request, Endpoint]:
        ((message, remote),) = self.agent.fail_to_send()
        assert isinstance(message, Request)
        return message, remote


class TestLength:
    """RFC 3261 §18.1.1."""

    @pytest.mark.parametrize("method", ["reinvite", "update"])
    def test_a_long_request_of_a_dialog_goes_over_tcp(self, method: str) -> None:
        made = InCall()
        made.call._offers.peer_allow = ("INVITE, UPDATE",)
        getattr(made.call, method)(LONG)
        request, remote = made.sent()
        assert (request.top_via.transport, remote) == ("TCP", PEER_TCP)
        made.agent.receive(response(request, 200, body=ANSWER))
        assert made.events == [OfferAnswered(ANSWER)]

    def test_it_comes_back_to_udp_where_nobody_listens_on_tcp(self) -> None:
        made = InCall()
        made.call.reinvite(LONG)
        over_tcp, _ = made.failed()
        request, remote = made.sent()
        assert (request.top_via.transport, remote, request.body) == ("UDP", PEER, LONG)
        assert request.cseq == over_tcp.cseq
        assert request.top_via.branch != over_tcp.top_via.branch
        made.agent.pass_time(0.5)
        assert made.sent()[0].top_via.branch == request.top_via.branch  # and is repeated there
        made.agent.receive(response(request, 200, body=ANSWER))
        assert made.events == [OfferAnswered(ANSWER)]

    def test_a_peer_without_tcp_is_not_asked_for_it_each_time(self) -> None:
        made = InCall()
        for wait, transports in ((0, ["TCP", "UDP"]), (10, ["UDP"]), (31, ["TCP", "UDP"])):
            made.agent.pass_time(wait)
            made.agent.sent()
            made.call.reinvite(LONG)
            seen = []
            while not seen or seen[-1] != "UDP":
                request, _ = made.failed() if len(seen) + 1 < len(transports) else made.sent()
                seen.append(request.top_via.transport)
            assert seen == transports
            made.agent.receive(response(request, 200, body=ANSWER))
            made.agent.sent()

    def test_what_counts_is_the_message_as_it_is_sent(self) -> None:
        made = InCall()
        sizes = {}
        for length in range(300, DATAGRAM_BYTES):
            made.call.reinvite(b"v" * length)
            ((data, remote, _local, _transaction),) = made.agent.core.data_to_send()
            sizes[len(data)] = remote.transport
            request = made.call._offer_out.request  # type: ignore[union-attr]
            made.agent.receive(response(request, 488))
            made.agent.sent()
        assert {transport for size, transport in sizes.items() if size <= DATAGRAM_BYTES} == {"udp"}
        assert {transport for size, transport in sizes.items() if size > DATAGRAM_BYTES} == {"tcp"}
        assert DATAGRAM_BYTES in sizes

    @pytest.mark.parametrize(
        ("contact", "listeners"),
        [("<sip:callee@192.0.2.99:5070;transport=udp>", (TCP,)), ("<sip:callee@192.0.2.99:5070>", ())],
    )
    def test_without_a_choice_it_stays_with_udp(self, contact: str, listeners: Sequence[Endpoint]) -> None:
        made = InCall(contact, listeners=listeners)
        made.call.reinvite(LONG)
        assert made.sent()[1] == PEER

    def test_a_503_over_tcp_is_no_reason_to_try_udp(self) -> None:
        made = InCall()
        made.call.reinvite(LONG)
        made.agent.receive(response(made.sent()[0], 503))
        made.agent.sent()
        assert made.events == [OfferRejected(503, "Service Unavailable")]

    def test_a_call_that_is_given_up_is_not_tried_by_udp(self) -> None:
        agent = Agent()
        agent.core.sender.add_listener(TCP)
        call = agent.place(body=LONG)
        call.cancel()
        ((_, remote),) = agent.fail_to_send()
        assert remote == PEER_TCP
        assert agent.sent() == []
        assert isinstance(agent.events[call][-1], Rejected)

    def test_credentials_may_make_an_invite_too_long(self) -> None:
        agent = Agent()
        agent.core.sender.add_listener(TCP)
        agent.place(credentials=Credentials("alice", "secret"), body=OFFER + b"x" * 400)
        ((invite, remote),) = agent.take()
        assert isinstance(invite, Request)
        assert remote == PEER
        agent.receive(response(invite, 401, headers=[("WWW-Authenticate", f'Digest realm="r", nonce="{"n" * 200}"')]))
        _ack, (again, remote) = agent.take()
        assert isinstance(again, Request)
        assert (again.top_via.transport, remote) == ("TCP", PEER_TCP)

    def test_the_dialog_of_an_invite_that_went_over_tcp_stays_on_its_connection(self) -> None:
        agent = Agent()
        agent.core.sender.add_listener(TCP)
        agent.core.sender.is_connected = lambda remote: remote == PEER_TCP
        call = agent.place(body=LONG)
        ((invite, remote),) = agent.take()
        assert isinstance(invite, Request)
        assert remote == PEER_TCP
        # Many a phone leaves the transport out of its Contact
        agent.receive(response(invite, 200, body=ANSWER, contact=f"<sip:callee@{PEER.host}:{PEER.port}>"))
        ((ack, remote),) = agent.take()
        assert isinstance(ack, Request)
        assert (ack.method, ack.top_via.transport, remote) == ("ACK", "TCP", PEER_TCP)
        call.hangup()
        ((bye, remote),) = agent.take()
        assert isinstance(bye, Request)
        assert (bye.method, bye.top_via.transport, remote) == ("BYE", "TCP", PEER_TCP)


class Directory:
    """Where names lead, each look-up answered when the test says so."""

    def __init__(self, *remotes: Endpoint, at_once: bool = True) -> None:
        self.remotes = remotes
        self.at_once = at_once
        self.asked: list[str] = []
        self.waiting: list[Located] = []

    def __call__(self, uri: SipUri, located: Located) -> None:
        self.asked.append(str(uri))
        if self.at_once:
            located(self.remotes)
        else:
            self.waiting.append(located)


NAMED = "<sip:callee@peer.example.com>"


class TestNames:
    """RFC 3263: a remote target or route with a host name."""

    def test_every_address_of_the_remote_target_is_tried(self) -> None:
        directory = Directory(FIRST, SECOND)
        made = InCall(NAMED, directory)
        assert [remote for _, remote in made.ack] == [FIRST]
        made.call.reinvite(OFFER)
        first, remote = made.failed()
        assert (str(first.uri), remote) == ("sip:callee@peer.example.com", FIRST)
        again, remote = made.sent()
        assert (remote, again.cseq) == (SECOND, first.cseq)
        made.agent.receive(response(again, 200, body=ANSWER))
        assert made.events == [OfferAnswered(ANSWER)]
        assert set(directory.asked) == {"sip:callee@peer.example.com"}

    def test_a_server_that_is_overloaded_or_silent_is_followed_by_the_next(self) -> None:
        made = InCall(NAMED, Directory(FIRST, SECOND))
        made.call.reinvite(OFFER)
        made.agent.receive(response(made.sent()[0], 503), FIRST)
        _ack, (again, remote) = made.agent.take()
        assert (isinstance(again, Request), remote) == (True, SECOND)
        made.agent.pass_time(33)
        made.agent.sent()
        assert made.events[0] == OfferRejected(None, "timeout")

    def test_a_503_that_is_repeated_is_acknowledged_again(self) -> None:
        """RFC 3261 §17.1.1.3."""
        made = InCall(NAMED, Directory(FIRST, SECOND))
        made.call.reinvite(OFFER)
        refusal = response(made.sent()[0], 503)
        made.agent.receive(refusal, FIRST)
        made.agent.take()
        ((ack, remote),) = made.agent.answer_and_take(refusal, FIRST)
        assert isinstance(ack, Request)
        assert (ack.method, remote) == ("ACK", FIRST)
        made.agent.pass_time(33)
        made.agent.take()
        assert made.agent.answer_and_take(refusal, FIRST) == []

    def test_a_route_is_looked_up_instead_of_the_target(self) -> None:
        directory = Directory(FIRST)
        agent = Agent(locate=directory)
        agent.place()
        invite = only_request(agent.sent())
        agent.receive(
            response(invite, 200, body=ANSWER, headers=[("Record-Route", "<sip:proxy.example.com;lr>")], contact=NAMED)
        )
        ((_ack, remote),) = agent.take()
        assert remote == FIRST
        assert directory.asked == ["sip:proxy.example.com;lr"]

    def test_records_that_lead_to_another_transport_change_the_via(self) -> None:
        made = InCall(NAMED, Directory(Endpoint("tcp", "192.0.2.71", 5060)))
        assert isinstance(made.ack[0][0], Request)
        assert made.ack[0][0].top_via.transport == "TCP"
        made.call.hangup()
        assert made.sent()[0].top_via.transport == "TCP"

    def test_a_request_waits_for_the_look_up(self) -> None:
        directory = Directory(FIRST, at_once=False)
        made = InCall(NAMED, directory)
        assert made.ack == []
        made.call.hangup()
        made.agent.pass_time(5)
        assert made.agent.sent() == []
        for located in directory.waiting:
            located([FIRST])
        (ack, _), (bye, remote) = made.agent.take()
        assert isinstance(ack, Request)
        assert isinstance(bye, Request)
        assert (ack.method, bye.method, remote) == ("ACK", "BYE", FIRST)
        made.agent.receive(response(bye, 200), FIRST)
        assert made.events == [HungUp(200)]

    def test_a_name_without_addresses_fails_the_request(self) -> None:
        directory = Directory(FIRST)
        made = InCall(NAMED, directory)
        directory.remotes = ()
        made.call.hangup()
        made.agent.pass_time(0)
        assert made.events == [HungUp(None)]
        assert made.agent.core.layer.client_count == 1  # the INVITE, which is answered

    def test_a_final_answer_is_the_end_of_it(self) -> None:
        made = InCall(NAMED, Directory(FIRST, SECOND))
        made.call.reinvite(OFFER)
        request, _ = made.sent()
        made.agent.receive(response(request, 488), FIRST)
        made.agent.fail_to_send()  # its ACK
        assert made.agent.sent() == []
        assert made.events == [OfferRejected(488, "Not Acceptable Here")]


class TestAddressesThatFailed:
    """They come last for half a minute."""

    def test_the_next_call_begins_with_another_one(self) -> None:
        agent = Agent()
        agent.place(remotes=(FIRST, SECOND))
        ((_, remote),) = agent.fail_to_send()
        assert remote == FIRST
        agent.sent()
        for wait, order in ((29, [SECOND, FIRST]), (2, [FIRST, SECOND])):
            agent.pass_time(wait)
            agent.sent()
            call = agent.place(remotes=(FIRST, SECOND))
            assert agent.take()[0][1] == order[0]
            call.cancel()

    def test_they_are_tried_all_the_same(self) -> None:
        agent = Agent()
        for _ in range(2):
            call = agent.place(remotes=(FIRST,))
            ((_, remote),) = agent.fail_to_send()
            (event,) = agent.events[call]
            assert isinstance(event, Rejected)
            assert (remote, event.cause) == (FIRST, "transport")

    def test_a_response_that_cannot_be_sent_says_nothing_about_an_address(self) -> None:
        agent = Agent()
        agent.call().reject(486)
        agent.fail_to_send()
        assert len(agent.core.sender.unreachable) == 0
