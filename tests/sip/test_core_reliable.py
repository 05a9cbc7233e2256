"""Reliable provisional responses from both sides (RFC 3262), on a virtual clock."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sip.core.call_state import CallState
from sip.core.events import Answered, Confirmed, Failed, Offer, OfferAnswered, Progress
from sip.core.incoming import IncomingCall
from sip.core.outgoing import OutgoingCall
from sip.core.reliable import parse_rack
from sip.errors import LocalProtocolError, SipParseError
from sip.message import Request, Response
from tests.sip.support import ANSWER, OFFER, Agent, only_request, only_response, request, response

REQUIRED = ("Require: 100rel",)
SUPPORTED = ("Supported: 100rel",)


class Called:
    """An incoming call that nobody has answered, and the caller's side of it."""

    def __init__(self, headers: Sequence[str] = SUPPORTED, body: bytes = OFFER) -> None:
        self.agent = Agent()
        self.call: IncomingCall = self.agent.call(headers=headers, body=body)
        self.events = self.agent.attend(self.call)

    def prack(self, to: Response, cseq: int = 2, body: bytes = b"", rack: str | None = None) -> Response:
        headers = [f"RAck: {rack or '{} {}'.format(to.headers.get('RSeq'), to.cseq)}"]
        if body:
            headers.append("Content-Type: application/sdp")
        data = request(
            "PRACK",
            branch=f"z9hG4bKp{cseq}",
            to_tag=self.call.local_tag,
            cseq=cseq,
            headers=headers,
            body=body,
        )
        self.agent.receive(data)
        answers = self.agent.sent()
        self.after = answers[1:]
        first = answers[0]
        assert isinstance(first, Response)
        return first

    def only(self) -> Response:
        return only_response(self.agent.sent())


class TestServer:
    """RFC 3262 §3."""

    @pytest.mark.parametrize(
        ("headers", "asked", "reliable"),
        [((), True, False), (SUPPORTED, False, False), (SUPPORTED, True, True), (REQUIRED, False, True)],
    )
    def test_a_180_is_reliable_when_required_or_asked_for_and_supported(
        self, headers: Sequence[str], asked: bool, reliable: bool
    ) -> None:
        call = Called(headers)
        call.call.ring(reliable=asked)
        ringing = call.only()
        assert ("RSeq" in ringing.headers) is reliable
        assert (ringing.require == ("100rel",)) is reliable

    @pytest.mark.parametrize(("headers", "reliable"), [((), False), (SUPPORTED, True), (REQUIRED, True)])
    def test_a_183_with_sdp_is_reliable_where_the_caller_can(self, headers: Sequence[str], reliable: bool) -> None:
        call = Called(headers)
        call.call.progress(ANSWER)
        progress = call.only()
        assert progress.body == ANSWER
        assert ("RSeq" in progress.headers) is reliable

    def test_it_is_repeated_with_doubling_intervals_until_its_prack(self) -> None:
        call = Called()
        call.call.ring(reliable=True)
        ringing = call.only()
        assert call.agent.sent_times(16) == [0.5, 1.5, 3.5, 7.5, 15.5]
        assert call.prack(ringing).status == 200
        assert call.agent.sent_times(60) == []

    def test_without_prack_for_64_t1_the_call_fails_with_504(self) -> None:
        call = Called()
        call.call.ring(reliable=True)
        call.agent.sent()
        call.agent.pass_time(31.9)
        assert not call.call.ended
        call.agent.sent()
        call.agent.pass_time(0.2)
        assert 504 in call.agent.statuses()
        assert call.events == [Failed("no_prack")]
        assert call.agent.core.calls == 0

    def test_the_next_one_waits_for_the_prack_and_has_the_next_number(self) -> None:
        call = Called(REQUIRED)
        call.call.ring()
        call.call.progress(ANSWER)
        ringing = call.only()
        assert ringing.status == 180
        assert call.prack(ringing).status == 200
        (progress,) = call.after
        assert isinstance(progress, Response)
        assert (progress.status, progress.body) == (183, ANSWER)
        assert int(progress.headers.get("RSeq") or 0) == int(ringing.headers.get("RSeq") or 0) + 1

    @pytest.mark.parametrize("rack", ["1 1 INVITE", "{} 2 INVITE", "{} 1 UPDATE"])
    def test_a_prack_that_matches_nothing_gets_481(self, rack: str) -> None:
        call = Called()
        call.call.ring(reliable=True)
        ringing = call.only()
        assert call.prack(ringing, rack=rack.format(ringing.headers.get("RSeq"))).status == 481
        assert call.agent.sent_times(0.6) == [0.5]

    def test_a_second_prack_gets_481_and_a_copy_the_same_answer(self) -> None:
        call = Called()
        call.call.ring(reliable=True)
        ringing = call.only()
        assert call.prack(ringing).status == 200
        assert call.prack(ringing).status == 200
        assert call.prack(ringing, cseq=3).status == 481

    @pytest.mark.parametrize("rack", ["x", "1 INVITE", "-1 1 INVITE", "99999999999 1 INVITE"])
    def test_a_malformed_rack_gets_400(self, rack: str) -> None:
        call = Called()
        call.call.ring(reliable=True)
        assert call.prack(call.only(), rack=rack).status == 400

    def test_a_200_waits_for_the_prack_to_a_response_with_sdp(self) -> None:
        call = Called()
        call.call.progress(ANSWER)
        progress = call.only()
        call.call.answer(ANSWER)
        assert call.agent.sent() == []
        with pytest.raises(LocalProtocolError):
            call.call.answer(ANSWER)
        assert call.prack(progress).status == 200
        (ok,) = call.after
        assert isinstance(ok, Response)
        assert (ok.status, ok.cseq.method, ok.body) == (200, "INVITE", b"")  # the answer has arrived before

    def test_a_200_does_not_wait_for_one_without(self) -> None:
        call = Called(REQUIRED)
        call.call.ring()
        ringing = call.only()
        call.call.answer(ANSWER)
        ok = call.only()
        assert (ok.status, ok.body) == (200, ANSWER)
        call.agent.receive(request("ACK", branch="z9hG4bKa", to_tag=call.call.local_tag))
        assert call.agent.sent_times(5) == []  # §3: not repeated after a final response
        assert call.prack(ringing).status == 200  # but its PRACK is still welcome

    def test_a_cancel_ends_the_repeating(self) -> None:
        call = Called()
        call.call.progress(ANSWER)
        call.agent.sent()
        call.agent.receive(request("CANCEL", branch="z9hG4bKinvite"))
        assert call.agent.statuses() == [200, 487]
        call.agent.receive(request("ACK", branch="z9hG4bKinvite", to_tag=call.call.local_tag))
        assert call.agent.sent_times(60) == []

    def test_a_long_wait_is_said_again_with_a_number_of_its_own(self) -> None:
        """RFC 3261 §13.3.1.1."""
        call = Called(REQUIRED)
        call.call.ring()
        first = call.only()
        call.prack(first)
        assert call.agent.sent_times(149) == []
        call.agent.pass_time(1.1)
        again = call.only()
        assert again.status == 180
        assert int(again.headers.get("RSeq") or 0) == int(first.headers.get("RSeq") or 0) + 1

    def test_our_offer_is_answered_in_the_prack(self) -> None:
        """§5: the INVITE carried none."""
        call = Called(body=b"")
        call.call.progress(OFFER)
        progress = call.only()
        assert progress.body == OFFER
        assert call.prack(progress, body=ANSWER).status == 200
        assert call.events == [OfferAnswered(ANSWER)]
        call.call.answer(OFFER)
        assert call.only().body == b""
        call.agent.receive(request("ACK", branch="z9hG4bKa", to_tag=call.call.local_tag))
        assert call.events[-1] == Confirmed(None)
        assert call.call.state is CallState.CONFIRMED

    def test_an_offer_is_not_entrusted_to_an_unreliable_response(self) -> None:
        """§5."""
        call = Called((), body=b"")
        call.call.progress(OFFER)
        assert call.only().body == b""
        call.call.answer(OFFER)
        assert call.only().body == OFFER

    def test_a_new_offer_in_the_prack_is_answered_in_its_200_before_the_call_is(self) -> None:
        """§5."""
        call = Called()
        call.call.progress(ANSWER)
        progress = call.only()
        call.call.answer(ANSWER)
        headers = [f"RAck: {progress.headers.get('RSeq')} 1 INVITE", "Content-Type: application/sdp"]
        prack = request("PRACK", branch="z9hG4bKp", to_tag=call.call.local_tag, cseq=2, headers=headers, body=OFFER)
        assert call.agent.answer_to(prack) == []
        offer = call.events[-1]
        assert isinstance(offer, Offer)
        assert offer.body == OFFER
        offer.respond.accept(ANSWER)
        answers = [(m.status, m.cseq.method, m.body) for m in call.agent.sent() if isinstance(m, Response)]
        assert answers == [(200, "PRACK", ANSWER), (200, "INVITE", b"")]


class Placed:
    """An outgoing call, and what its peers answer."""

    def __init__(self, body: bytes = OFFER) -> None:
        self.agent = Agent()
        self.call: OutgoingCall = self.agent.place(body=body)
        self.events = self.agent.events[self.call]
        self.invite = only_request(self.agent.sent())

    def reliable(
        self,
        rseq: int,
        *,
        tag: str = "callee",
        body: bytes = b"",
        status: int = 183,
        headers: Sequence[tuple[str, str]] = (),
    ) -> list[Request | Response]:
        fields = (("Require", "100rel"), ("RSeq", str(rseq)), *headers)
        return self.agent.answer_to(response(self.invite, status, tag=tag, body=body, headers=fields))


class TestClient:
    """RFC 3262 §4."""

    def test_reliability_is_offered_and_not_required(self) -> None:
        call = Placed()
        assert "100rel" in call.invite.supported
        assert call.invite.require == ()

    def test_each_is_acknowledged_in_its_dialog_by_its_route(self) -> None:
        """RFC 3261 §12.2.1.1: reversed Record-Route, the Contact as target."""
        call = Placed()
        routes = (("Record-Route", "<sip:two.example.net;lr>"), ("Record-Route", "<sip:192.0.2.7;lr>"))
        call.agent.receive(
            response(call.invite, 183, headers=(("Require", "100rel"), ("RSeq", "7"), *routes), body=ANSWER)
        )
        ((prack, remote),) = call.agent.take()
        assert isinstance(prack, Request)
        assert (prack.method, prack.headers.get("RAck")) == ("PRACK", f"7 {call.invite.cseq.number} INVITE")
        assert prack.cseq.number == call.invite.cseq.number + 1
        assert str(prack.uri) == "sip:callee@192.0.2.99:5070"
        assert [str(route.uri) for route in prack.route] == ["sip:192.0.2.7;lr", "sip:two.example.net;lr"]
        assert remote.host == "192.0.2.7"
        assert isinstance(call.events[-1], Progress)

    def test_copies_and_those_out_of_order_are_ignored(self) -> None:
        call = Placed()
        prack = only_request(call.reliable(7))
        assert call.reliable(7) == []
        assert call.reliable(9) == []
        assert len(call.events) == 1
        call.agent.receive(response(prack, 200))
        assert only_request(call.reliable(8)).headers.get("RAck", "").split()[0] == "8"  # type: ignore[union-attr]
        assert len(call.events) == 2

    def test_each_fork_counts_for_itself(self) -> None:
        call = Placed()
        first, second = only_request(call.reliable(7, tag="a")), only_request(call.reliable(90, tag="b"))
        assert (first.to.tag, second.to.tag) == ("a", "b")
        assert [event.fork for event in call.events if isinstance(event, Progress)] == ["a", "b"]

    def test_a_lost_prack_is_repeated_by_its_transaction(self) -> None:
        call = Placed()
        prack = only_request(call.reliable(7))
        assert call.agent.sent_times(2) == [0.5, 1.5]
        call.agent.receive(response(prack, 200))
        assert call.agent.sent_times(20) == []

    def test_an_offer_in_one_is_answered_in_its_prack(self) -> None:
        """§5: our INVITE carried none."""
        call = Placed(b"")
        assert call.reliable(7, body=OFFER) == []
        offer = call.events[-1]
        assert isinstance(offer, Offer)
        assert (offer.body, offer.fork) == (OFFER, "callee")
        offer.respond.accept(ANSWER)
        prack = only_request(call.agent.sent())
        assert (prack.method, prack.body, prack.content_type) == ("PRACK", ANSWER, "application/sdp")
        call.agent.receive(response(prack, 200))
        ack = only_request(call.agent.answer_to(response(call.invite, 200)))
        assert (ack.method, ack.body) == ("ACK", b"")
        assert call.call.state is CallState.CONFIRMED

    def test_rejecting_that_offer_gives_the_call_up(self) -> None:
        call = Placed(b"")
        call.reliable(7, body=OFFER)
        offer = call.events[-1]
        assert isinstance(offer, Offer)
        offer.respond.reject()
        assert [m.method for m in call.agent.sent() if isinstance(m, Request)] == ["PRACK", "CANCEL"]

    def test_the_offer_of_a_fork_that_lost_disturbs_nobody(self) -> None:
        call = Placed(b"")
        call.reliable(7, tag="a", body=OFFER)
        offer = call.events[-1]
        assert isinstance(offer, Offer)
        call.agent.receive(response(call.invite, 200, tag="b", body=OFFER))
        assert isinstance(call.events[-1], Answered)
        offer.respond.accept(ANSWER)
        assert call.agent.sent() == []
        call.call.acknowledge(ANSWER)
        assert only_request(call.agent.sent()).method == "ACK"
        assert call.call.state is CallState.CONFIRMED

    def test_the_answer_in_one_holds_whatever_the_200_says(self) -> None:
        """§5, RFC 3261 §13.2.1."""
        call = Placed()
        call.reliable(7, body=ANSWER)
        call.agent.receive(response(call.invite, 200, body=OFFER))
        answered = call.events[-1]
        assert isinstance(answered, Answered)
        assert (answered.body, answered.fork) == (ANSWER, "callee")

    def test_the_answer_in_an_unreliable_one_may_change_in_the_200(self) -> None:
        call = Placed()
        call.agent.receive(response(call.invite, 183, body=OFFER))
        call.agent.receive(response(call.invite, 200, body=ANSWER))
        answered = call.events[-1]
        assert isinstance(answered, Answered)
        assert answered.body == ANSWER

    def test_requests_after_the_answer_go_on_from_the_number_of_the_prack(self) -> None:
        call = Placed()
        prack = only_request(call.reliable(7))
        call.agent.receive(response(prack, 200))
        call.agent.receive(response(call.invite, 200, body=ANSWER))
        call.agent.sent()
        call.call.hangup()
        assert only_request(call.agent.sent()).cseq.number == prack.cseq.number + 1

    def test_the_first_200_wins_and_another_gets_ack_and_bye(self) -> None:
        """RFC 3261 §13.2.2.4."""
        call = Placed()
        call.reliable(7, tag="a", body=ANSWER)
        call.reliable(7, tag="b", body=OFFER)
        call.agent.receive(response(call.invite, 200, tag="b"))
        call.agent.sent()
        sent = call.agent.answer_to(response(call.invite, 200, tag="a"))
        assert [(m.method, m.to.tag) for m in sent if isinstance(m, Request)] == [("ACK", "a"), ("BYE", "a")]
        answered = call.events[-1]
        assert isinstance(answered, Answered)
        assert (answered.fork, answered.body) == ("b", OFFER)

    def test_a_199_ends_its_fork_alone(self) -> None:
        """RFC 6228 §4."""
        call = Placed()
        call.reliable(7, tag="a")
        call.reliable(7, tag="b")
        call.agent.receive(response(call.invite, 199, tag="a"))
        assert call.agent.core.dialogs == 1
        assert call.reliable(8, tag="a") == []
        assert only_request(call.reliable(8, tag="b")).method == "PRACK"

    def test_a_fork_is_ended_by_a_bye_and_its_late_200_as_well(self) -> None:
        """RFC 3261 §15."""
        call = Placed()
        call.reliable(7, tag="a")
        call.call.end_fork("a")
        bye = only_request(call.agent.sent())
        assert (bye.method, bye.to.tag) == ("BYE", "a")
        sent = call.agent.answer_to(response(call.invite, 200, tag="a"))
        assert [m.method for m in sent if isinstance(m, Request)] == ["ACK", "BYE"]
        assert call.call.ended

    def test_a_cancel_after_one_carries_the_reason(self) -> None:
        call = Placed()
        call.reliable(7)
        call.call.cancel(reason="SIP;cause=200")
        cancel = only_request(call.agent.sent())
        assert (cancel.method, cancel.headers.get("Reason")) == ("CANCEL", "SIP;cause=200")


@pytest.mark.parametrize("rseq", ["x", "-1", "4294967296", ""])
def test_a_malformed_rseq_makes_no_prack(rseq: str) -> None:
    call = Placed()
    fields = (("Require", "100rel"), ("RSeq", rseq))
    assert call.agent.answer_to(response(call.invite, 183, headers=fields)) == []


def test_rack_is_three_values() -> None:
    """RFC 3262 §7.2."""
    with pytest.raises(SipParseError):
        parse_rack(Agent().call(headers=("RAck: 1 INVITE",)).request)
    assert parse_rack(Agent().call(headers=("RAck: 7 1 INVITE",)).request) == (7, 1, "INVITE")
