"""UPDATE from both sides (RFC 3311), and what becomes of offers that meet each other, on a virtual clock."""

from __future__ import annotations

import pytest

from sip.core.call_state import CallState
from sip.core.events import Failed, Offer, OfferAnswered, OfferRejected
from sip.core.incoming import IncomingCall
from sip.core.offers import GLARE_RETRIES, TABLE, Exchange, Offers, Step
from sip.core.outgoing import OutgoingCall
from sip.errors import LocalProtocolError
from sip.message import Request, Response
from tests.sip.support import ANSWER, OFFER, Agent, only_request, only_response, request, response

HOLD = OFFER + b"a=sendonly\r\n"


class Confirmed:
    """An incoming call that is confirmed, unless it is told to stay early."""

    def __init__(
        self, *, early: bool = False, body: bytes = OFFER, allow: tuple[str, ...] = ("Allow: INVITE, UPDATE",)
    ) -> None:
        self.agent = Agent()
        self.call: IncomingCall = self.agent.call(headers=("Supported: 100rel", *allow), body=body)
        self.events = self.agent.attend(self.call)
        if early:
            self.call.progress(ANSWER)
            self.progress = only_response(self.agent.sent())
            return
        self.call.answer(ANSWER)
        self.agent.receive(request("ACK", branch="z9hG4bKack", to_tag=self.call.local_tag))
        self.agent.sent()
        self.events.clear()

    def send(
        self, method: str, cseq: int, body: bytes = b"", *, headers: tuple[str, ...] = ()
    ) -> list[Request | Response]:
        lines = [*headers, "Content-Type: application/sdp"] if body else [*headers]
        if method in {"UPDATE", "INVITE"}:
            lines.append("Contact: <sip:moved@192.0.2.55>")
        return self.agent.answer_to(
            request(method, branch=f"z9hG4bK{cseq}", to_tag=self.call.local_tag, cseq=cseq, body=body, headers=lines)
        )

    def offer(self) -> Offer:
        event = self.events[-1]
        assert isinstance(event, Offer)
        return event

    def target(self) -> str:
        assert self.call.dialog is not None
        return str(self.call.dialog.remote_target)


@pytest.mark.parametrize("state", list(Exchange))
@pytest.mark.parametrize("step", list(Step))
def test_an_exchange_moves_by_its_table_and_not_otherwise(state: Exchange, step: Step) -> None:
    """RFC 3264 §4."""
    offers = Offers(None)
    offers.state = state
    if (state, step) in TABLE:
        offers.take(step)
        assert offers.state is TABLE[state, step]
    else:
        with pytest.raises(LocalProtocolError):
            offers.take(step)
        assert offers.state is state


class TestServer:
    """RFC 3311 §5.2."""

    def test_an_offer_is_accepted_with_200_and_the_target_moves(self) -> None:
        call = Confirmed()
        assert call.send("UPDATE", 2, HOLD) == []
        assert call.offer().body == HOLD
        call.offer().respond.accept(ANSWER)
        ok = only_response(call.agent.sent())
        assert (ok.status, ok.body, ok.content_type) == (200, ANSWER, "application/sdp")
        assert ok.contacts
        assert call.target() == "sip:moved@192.0.2.55"
        assert call.agent.sent_times(60) == []

    @pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
    def test_a_refusal_may_say_why(self, method: str) -> None:
        call = Confirmed()
        call.send(method, 2, HOLD)
        refuse = call.offer().respond.reject
        with pytest.raises(LocalProtocolError):
            refuse(488, headers=[("Warning", "x\r\nVia: y")])
        refuse(488, headers=[("Warning", '305 192.0.2.1 "no codec"')])
        refused = only_response(call.agent.sent())
        assert (refused.status, refused.headers.get("Warning")) == (488, '305 192.0.2.1 "no codec"')

    def test_a_refusal_leaves_session_and_target_as_they_were(self) -> None:
        call = Confirmed()
        call.send("UPDATE", 2, HOLD)
        call.offer().respond.reject()
        assert only_response(call.agent.sent()).status == 488
        assert call.target() == "sip:caller@192.0.2.99:5070"
        assert call.send("UPDATE", 3, HOLD) == []  # and the next one is welcome

    def test_one_without_sdp_moves_the_target_and_is_answered_at_once(self) -> None:
        call = Confirmed()
        assert only_response(call.send("UPDATE", 2)).status == 200
        assert call.target() == "sip:moved@192.0.2.55"
        assert call.events == []

    @pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
    def test_one_before_the_last_is_answered_gets_500_and_a_time(self, method: str) -> None:
        call = Confirmed()
        call.send("UPDATE", 2, HOLD)
        refused = only_response(call.send(method, 3, HOLD))
        assert refused.status == 500
        assert 0 <= int(refused.headers.get("Retry-After") or -1) <= 10
        call.offer().respond.accept(ANSWER)
        assert only_response(call.agent.sent()).cseq.number == 2

    @pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
    def test_one_that_meets_ours_gets_491(self, method: str) -> None:
        call = Confirmed()
        call.call.update(OFFER)
        call.agent.sent()
        assert only_response(call.send(method, 2, HOLD)).status == 491

    def test_one_before_the_first_answer_gets_500(self) -> None:
        agent = Agent()
        ringing = agent.call()
        ringing.ring()
        agent.sent()
        headers = ["Content-Type: application/sdp"]
        data = request("UPDATE", branch="z9hG4bKu", to_tag=ringing.local_tag, cseq=2, body=HOLD, headers=headers)
        refused = only_response(agent.answer_to(data))
        assert refused.status == 500
        assert "Retry-After" in refused.headers

    def test_an_early_one_after_the_first_exchange_is_an_offer_and_holds_the_200_back(self) -> None:
        call = Confirmed(early=True)
        call.send("PRACK", 2, headers=(f"RAck: {call.progress.headers.get('RSeq')} 1 INVITE",))
        assert call.send("UPDATE", 3, HOLD) == []
        call.call.answer(ANSWER)
        assert call.agent.sent() == []
        call.offer().respond.accept(ANSWER)
        answers = [(m.status, m.cseq.method) for m in call.agent.sent() if isinstance(m, Response)]
        assert answers == [(200, "UPDATE"), (200, "INVITE")]

    def test_a_bye_answers_it(self) -> None:
        """RFC 3261 §15.1.2."""
        call = Confirmed()
        call.send("UPDATE", 2, HOLD)
        answers = {(m.status, m.cseq.method) for m in call.send("BYE", 3) if isinstance(m, Response)}
        assert answers == {(200, "BYE"), (487, "UPDATE")}

    def test_an_unknown_body_gets_415(self) -> None:
        call = Confirmed()
        data = request(
            "UPDATE",
            branch="z9hG4bKu",
            to_tag=call.call.local_tag,
            cseq=2,
            body=b"x",
            headers=["Content-Type: text/plain"],
        )
        assert only_response(call.agent.answer_to(data)).status == 415


class TestClient:
    """RFC 3311 §5.1."""

    def test_its_offer_is_answered_in_the_200(self) -> None:
        call = Confirmed()
        call.call.update(HOLD)
        update = only_request(call.agent.sent())
        assert (update.method, update.body) == ("UPDATE", HOLD)
        assert update.contacts
        assert {"UPDATE", "PRACK"} <= update.allow
        moved = response(update, 200, body=ANSWER, contact=None, headers=(("Contact", "<sip:moved@192.0.2.55>"),))
        call.agent.receive(moved)
        assert call.events == [OfferAnswered(ANSWER)]
        assert call.target() == "sip:moved@192.0.2.55"
        assert call.agent.sent() == []

    @pytest.mark.parametrize("allow", [(), ("Allow: INVITE, ACK, BYE",)])
    def test_to_a_peer_that_does_not_allow_it_the_offer_goes_into_a_reinvite(self, allow: tuple[str, ...]) -> None:
        call = Confirmed(allow=allow)
        call.call.update(HOLD)
        reinvite = only_request(call.agent.sent())
        assert (reinvite.method, reinvite.body) == ("INVITE", HOLD)
        call.agent.receive(response(reinvite, 200, body=ANSWER))
        assert call.events == [OfferAnswered(ANSWER)]
        with pytest.raises(LocalProtocolError, match="does not allow UPDATE"):
            call.call.update()  # there is no re-INVITE that only tells an address

    def test_early_there_is_nothing_else_for_such_a_peer(self) -> None:
        agent = Agent()
        call = agent.place()
        first = only_request(agent.sent())
        fields = (("Require", "100rel"), ("RSeq", "7"), ("Allow", "INVITE, PRACK"))
        prack = only_request(agent.answer_to(response(first, 183, body=ANSWER, headers=fields)))
        agent.receive(response(prack, 200))
        with pytest.raises(LocalProtocolError, match="does not allow UPDATE"):
            call.update(HOLD)
        agent.receive(response(first, 200, body=ANSWER, headers=(("Allow", "INVITE, UPDATE"),)))
        agent.sent()
        call.update(HOLD)
        assert only_request(agent.sent()).method == "UPDATE"

    def test_a_refusal_is_told_and_the_call_goes_on(self) -> None:
        call = Confirmed()
        call.call.update(HOLD)
        call.agent.receive(response(only_request(call.agent.sent()), 488))
        assert call.events == [OfferRejected(488, "Not Acceptable Here")]
        assert call.call.state is CallState.CONFIRMED
        call.call.update(HOLD)

    @pytest.mark.parametrize("status", [408, 481])
    def test_a_dialog_that_is_gone_ends_the_call(self, status: int) -> None:
        """RFC 3261 §12.2.1.2."""
        call = Confirmed()
        call.call.update(HOLD)
        call.agent.receive(response(only_request(call.agent.sent()), status))
        assert call.events[-1] == Failed("gone")

    def test_no_response_at_all_ends_the_call(self) -> None:
        call = Confirmed()
        call.call.update(HOLD)
        call.agent.pass_time(33)
        assert call.events == [OfferRejected(None, "timeout"), Failed("gone")]

    def test_two_offers_at_once_are_refused_to_the_application(self) -> None:
        call = Confirmed()
        call.call.update(HOLD)
        with pytest.raises(LocalProtocolError):
            call.call.update(OFFER)
        with pytest.raises(LocalProtocolError):
            call.call.reinvite(OFFER)

    def test_an_early_one_needs_the_first_answer(self) -> None:
        agent = Agent()
        call = agent.place()
        with pytest.raises(LocalProtocolError):
            call.update(HOLD)
        first = only_request(agent.sent())
        agent.receive(response(first, 183, body=ANSWER))
        with pytest.raises(LocalProtocolError):
            call.update(HOLD)

    def test_an_early_one_waits_for_the_prack_and_goes_to_its_fork(self) -> None:
        agent = Agent()
        call: OutgoingCall = agent.place()
        first = only_request(agent.sent())
        pracks = {}
        for tag in ("a", "b"):
            fields = (("Require", "100rel"), ("RSeq", "7"), ("Allow", "INVITE, UPDATE"))
            pracks[tag] = only_request(agent.answer_to(response(first, 183, tag=tag, body=ANSWER, headers=fields)))
        with pytest.raises(LocalProtocolError):
            call.update(HOLD)  # which of them?
        call.update(HOLD, fork="b")
        assert agent.sent() == []
        agent.receive(response(pracks["b"], 200))
        update = only_request(agent.sent())
        assert (update.method, update.to.tag) == ("UPDATE", "b")
        agent.receive(response(update, 200, body=OFFER))
        assert agent.events[call][-1] == OfferAnswered(OFFER, "b")

    def test_ours_waits_for_the_prack_of_the_caller(self) -> None:
        call = Confirmed(early=True)
        call.call.update(HOLD)
        assert call.agent.sent() == []
        sent = call.send("PRACK", 2, headers=(f"RAck: {call.progress.headers.get('RSeq')} 1 INVITE",))
        assert [m.method if isinstance(m, Request) else m.status for m in sent] == [200, "UPDATE"]

    @pytest.mark.parametrize("late", [False, True])
    def test_one_of_ours_that_is_out_when_we_answer_the_call_still_gets_its_answer(self, late: bool) -> None:
        call = Confirmed(early=True, body=b"" if late else OFFER)
        rack = (f"RAck: {call.progress.headers.get('RSeq')} 1 INVITE",)
        call.send("PRACK", 2, ANSWER if late else b"", headers=rack)
        call.call.update(HOLD)
        update = only_request(call.agent.sent())
        call.call.answer(ANSWER)
        call.agent.receive(request("ACK", branch="z9hG4bKack", to_tag=call.call.local_tag))
        call.agent.receive(response(update, 200, body=ANSWER))
        assert call.events[-1] == OfferAnswered(ANSWER)
        assert call.call.state is CallState.CONFIRMED


class TestGlare:
    """RFC 3261 §14.1."""

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
    def test_the_side_without_the_call_id_waits_up_to_two_seconds(self, method: str) -> None:
        call = Confirmed()
        offer = call.call.reinvite if method == "INVITE" else call.call.update
        offer(HOLD)
        first = only_request(call.agent.sent())
        call.agent.receive(response(first, 491))
        call.agent.sent()
        call.agent.pass_time(2.0)
        again = next(m for m in call.agent.sent() if isinstance(m, Request))
        assert (again.method, again.body) == (method, HOLD)
        assert again.cseq.number == first.cseq.number + 1
        assert call.events == []

    def test_the_caller_waits_two_to_four_seconds(self) -> None:
        agent = Agent()
        call = agent.place()
        agent.receive(response(only_request(agent.sent()), 200, body=ANSWER))
        agent.sent()
        call.reinvite(HOLD)
        agent.receive(response(only_request(agent.sent()), 491))
        agent.sent()
        times = agent.sent_times(4.0)
        assert 2.1 <= times[0] <= 4.0

    def test_an_offer_made_meanwhile_takes_its_place(self) -> None:
        call = Confirmed()
        call.call.reinvite(HOLD)
        call.agent.receive(response(only_request(call.agent.sent()), 491))
        call.agent.sent()
        call.call.reinvite(OFFER)
        assert call.agent.sent() == []
        call.agent.pass_time(2.0)
        again = [m for m in call.agent.sent() if isinstance(m, Request)]
        assert again[0].body == OFFER

    def test_it_gives_up_after_some_attempts(self) -> None:
        call = Confirmed()
        call.call.reinvite(HOLD)
        for _ in range(GLARE_RETRIES + 1):
            (ours,) = [m for m in call.agent.sent() if isinstance(m, Request) and m.method == "INVITE"][:1]
            call.agent.receive(response(ours, 491))
            call.agent.sent()
            call.agent.pass_time(2.0)
        assert call.events == [OfferRejected(491, "Request Pending")]
        assert not call.call.ended

    def test_a_500_with_a_time_is_waited_for(self) -> None:
        """§14.2."""
        call = Confirmed()
        call.call.update(HOLD)
        call.agent.receive(response(only_request(call.agent.sent()), 500, headers=(("Retry-After", "3"),)))
        assert call.agent.sent_times(3.1)[:1] == [3.0]

    def test_it_is_made_as_soon_as_the_offer_in_its_way_is_refused(self) -> None:
        call = Confirmed()
        call.call.update(HOLD)
        call.agent.receive(response(only_request(call.agent.sent()), 491))
        call.send("INVITE", 2, OFFER)
        call.agent.pass_time(2.5)
        assert not any(isinstance(m, Request) for m in call.agent.sent())
        call.offer().respond.reject()
        assert [m.method if isinstance(m, Request) else m.status for m in call.agent.sent()] == [488, "UPDATE"]

    def test_the_end_of_the_call_stops_its_timer(self) -> None:
        call = Confirmed()
        call.agent.pass_time(40)
        call.call.update(HOLD)
        call.agent.receive(response(only_request(call.agent.sent()), 500, headers=(("Retry-After", "10"),)))
        call.call.hangup()
        call.agent.receive(response(only_request(call.agent.sent()), 200))
        call.agent.pass_time(6)
        assert len(call.agent.core.layer.timers) == 0

    def test_a_hangup_forgets_it(self) -> None:
        call = Confirmed()
        call.call.reinvite(HOLD)
        call.agent.receive(response(only_request(call.agent.sent()), 491))
        call.agent.sent()
        call.call.hangup()
        call.agent.receive(response(only_request(call.agent.sent()), 200))
        assert call.agent.sent_times(5) == []


class TestLateReinvite:
    """RFC 3261 §14.1: a re-INVITE without SDP asks the peer for the offer."""

    def offered(self) -> tuple[Confirmed, Request, Offer]:
        call = Confirmed()
        call.call.reinvite(b"")
        ours = only_request(call.agent.sent())
        assert (ours.body, "Content-Type" in ours.headers) == (b"", False)
        assert call.agent.answer_to(response(ours, 200, body=OFFER)) == []
        return call, ours, call.offer()

    def test_its_offer_is_answered_in_the_ack(self) -> None:
        call, ours, offer = self.offered()
        assert offer.body == OFFER
        offer.respond.accept(ANSWER)
        ack = only_request(call.agent.sent())
        assert (ack.method, ack.body, ack.cseq.number) == ("ACK", ANSWER, ours.cseq.number)
        again = only_request(call.agent.answer_to(response(ours, 200, body=OFFER)))
        assert (again.method, again.body) == ("ACK", ANSWER)
        call.call.update(HOLD)

    def test_refusing_it_ends_the_call(self) -> None:
        call, _ours, offer = self.offered()
        offer.respond.reject()
        assert [m.method for m in call.agent.sent() if isinstance(m, Request)] == ["ACK", "BYE"]


@pytest.mark.parametrize(
    ("records", "uri", "routes", "host"),
    [
        ((), "sip:caller@192.0.2.99:5070", [], "192.0.2.99"),
        (
            ("<sip:192.0.2.7;lr>", "<sip:192.0.2.8;lr>"),
            "sip:caller@192.0.2.99:5070",
            ["sip:192.0.2.7;lr", "sip:192.0.2.8;lr"],
            "192.0.2.7",
        ),
        (
            ("<sip:192.0.2.7>", "<sip:192.0.2.8;lr>"),
            "sip:192.0.2.7",
            ["sip:192.0.2.8;lr", "sip:caller@192.0.2.99:5070"],
            "192.0.2.7",
        ),
    ],
)
def test_each_request_of_a_dialog_goes_by_its_routes(
    records: tuple[str, ...], uri: str, routes: list[str], host: str
) -> None:
    """RFC 3261 §12.2.1.1: loose and strict routes, at the side that was called."""
    agent = Agent()
    call = agent.call(headers=["Allow: UPDATE", *(f"Record-Route: {record}" for record in records)])
    call.answer(ANSWER)
    agent.receive(request("ACK", branch="z9hG4bKack", to_tag=call.local_tag))
    agent.sent()
    sent: list[tuple[Request | Response, object]] = []
    for act in (call.update, call.reinvite):
        act(HOLD)
        ((message, remote),) = agent.take()
        assert isinstance(message, Request)
        sent.append((message, remote.host))
        agent.receive(response(message, 200, body=ANSWER, contact=None))
        sent += [(ack, to.host) for ack, to in agent.take()]
    call.hangup()
    sent += [(bye, to.host) for bye, to in agent.take()]
    assert [m.method for m, _ in sent if isinstance(m, Request)] == ["UPDATE", "INVITE", "ACK", "BYE"]
    for message, to in sent:
        assert isinstance(message, Request)
        assert (str(message.uri), [str(route.uri) for route in message.route], to) == (uri, routes, host)
