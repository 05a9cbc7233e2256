"""Inside a call: re-INVITE both ways, glare, INFO, sequence numbers, and requests that fit nowhere (RFC 3261 §12.2,
§14)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sip.core.call_state import CallState
from sip.core.events import (
    Confirmed,
    Failed,
    Info,
    Offer,
    OfferAnswered,
    OfferRejected,
    RemoteHangup,
)
from sip.core.incoming import IncomingCall
from sip.core.outgoing import OutgoingCall
from sip.digest import Credentials, DigestAuthenticator
from sip.errors import LocalProtocolError
from sip.message import Request, Response
from tests.sip.support import (
    ANSWER,
    OFFER,
    Agent,
    invite,
    only_request,
    only_response,
    request,
    response,
)

HOLD = OFFER + b"a=sendonly\r\n"


class Established:
    """An incoming call that is confirmed, and its peer's side of the dialog."""

    def __init__(self) -> None:
        self.agent = Agent()
        self.call: IncomingCall = self.agent.call()
        self.events = self.agent.attend(self.call)
        self.call.answer(ANSWER)
        self.agent.receive(self.ack(1))
        self.agent.sent()
        self.events.clear()

    def ack(self, cseq: int, body: bytes = b"", branch: str = "z9hG4bKack") -> bytes:
        headers = ["Content-Type: application/sdp"] if body else []
        return request("ACK", branch=branch, to_tag=self.call.local_tag, cseq=cseq, body=body, headers=headers)

    def send(self, method: str, cseq: int, *, branch: str | None = None, **more: object) -> list[Request | Response]:
        data = request(method, branch=branch or f"z9hG4bK{cseq}", to_tag=self.call.local_tag, cseq=cseq, **more)  # type: ignore[arg-type]
        return self.agent.answer_to(data)

    def reinvite(
        self,
        cseq: int,
        body: bytes = HOLD,
        *,
        headers: Sequence[str] = (),
        contact: str | None = "<sip:moved@192.0.2.55>",
    ) -> list[Request | Response]:
        data = invite(
            branch=f"z9hG4bK{cseq}",
            to_tag=self.call.local_tag,
            cseq=cseq,
            body=body,
            headers=headers,
            contact=contact,
        )
        return self.agent.answer_to(data)

    def offer(self) -> Offer:
        event = self.events[-1]
        assert isinstance(event, Offer)
        return event


class TestOfferOfThePeer:
    def test_it_is_delivered_and_accepted(self) -> None:
        call = Established()
        assert call.reinvite(2) == []
        assert call.offer().body == HOLD
        call.offer().respond.accept(ANSWER)
        ok = only_response(call.agent.sent())
        assert (ok.status, ok.content_type, ok.body, ok.cseq.number) == (200, "application/sdp", ANSWER, 2)
        assert ok.contacts
        call.agent.receive(call.ack(2))
        assert call.agent.sent_times(60) == []
        assert len(call.events) == 1
        assert call.call.state is CallState.CONFIRMED

    def test_the_answer_is_repeated_until_its_ack(self) -> None:
        call = Established()
        call.reinvite(2)
        call.offer().respond.accept(ANSWER)
        call.agent.sent()
        call.agent.receive(call.ack(1))
        assert call.agent.sent_times(2) == [0.5, 1.5]
        call.agent.receive(call.ack(2))
        assert call.agent.sent_times(60) == []

    def test_the_call_ends_when_no_ack_comes(self) -> None:
        call = Established()
        call.reinvite(2)
        call.offer().respond.accept(ANSWER)
        call.agent.pass_time(32.1)
        assert call.events[-1] == Failed("no_ack")
        assert [m.method for m in call.agent.sent() if isinstance(m, Request)] == ["BYE"]

    def test_accepting_takes_over_the_contact(self) -> None:
        """RFC 3261 §12.2.2."""
        call = Established()
        call.reinvite(2)
        call.offer().respond.accept(ANSWER)
        call.agent.receive(call.ack(2))
        call.agent.sent()
        call.call.hangup()
        ((bye, remote),) = call.agent.take()
        assert isinstance(bye, Request)
        assert str(bye.uri) == "sip:moved@192.0.2.55"
        assert remote.host == "192.0.2.55"

    def test_rejecting_leaves_everything_as_it_was(self) -> None:
        """RFC 3264 §8."""
        call = Established()
        call.reinvite(2)
        call.offer().respond.reject()
        assert only_response(call.agent.sent()).status == 488
        call.agent.receive(call.ack(2, branch="z9hG4bK2"))
        call.call.hangup()
        bye = only_request(call.agent.sent())
        assert str(bye.uri) == "sip:caller@192.0.2.99:5070"

    def test_it_is_answered_once(self) -> None:
        call = Established()
        call.reinvite(2)
        responder = call.offer().respond
        responder.reject(488)
        responder.accept(ANSWER)
        responder.reject(500)
        assert only_response(call.agent.sent()).status == 488

    @pytest.mark.parametrize("status", [300, 699])
    def test_it_is_refused_with_any_failure(self, status: int) -> None:
        call = Established()
        call.reinvite(2)
        call.offer().respond.reject(status)
        assert only_response(call.agent.sent()).status == status

    @pytest.mark.parametrize("status", [180, 200, 299, 700])
    def test_it_is_not_refused_with_a_success(self, status: int) -> None:
        call = Established()
        call.reinvite(2)
        with pytest.raises(LocalProtocolError):
            call.offer().respond.reject(status)

    def test_one_without_body_asks_for_our_offer(self) -> None:
        call = Established()
        call.reinvite(2, body=b"")
        assert call.offer().body == b""
        call.offer().respond.accept(OFFER)
        call.agent.receive(call.ack(2, body=ANSWER))
        assert call.events[-1] == OfferAnswered(ANSWER)

    def test_a_retransmission_is_not_delivered_again(self) -> None:
        call = Established()
        call.reinvite(2)
        call.reinvite(2)
        assert len(call.events) == 1

    def test_a_second_one_before_the_answer_gets_500_and_a_time(self) -> None:
        """RFC 3261 §14.2."""
        call = Established()
        call.reinvite(2)
        refused = only_response(call.reinvite(3))
        assert refused.status == 500
        assert 0 <= int(refused.headers.get("Retry-After") or "-1") <= 10
        call.offer().respond.accept(ANSWER)
        assert only_response(call.agent.sent()).cseq.number == 2

    def test_one_before_the_ack_of_the_last_gets_491(self) -> None:
        call = Established()
        call.reinvite(2)
        call.offer().respond.accept(ANSWER)
        call.agent.sent()
        assert only_response(call.reinvite(3)).status == 491

    def test_a_cancel_ends_it_but_not_the_call(self) -> None:
        call = Established()
        call.reinvite(2)
        responder = call.offer().respond
        answers = call.send("CANCEL", 2)
        assert [(m.status, m.cseq.method) for m in answers if isinstance(m, Response)] == [
            (200, "CANCEL"),
            (487, "INVITE"),
        ]
        responder.accept(ANSWER)
        assert call.agent.sent() == []
        assert not call.call.ended

    def test_a_bye_answers_it(self) -> None:
        """RFC 3261 §15.1.2: pending requests are still answered."""
        call = Established()
        call.reinvite(2)
        answers = call.send("BYE", 3)
        assert {(m.status, m.cseq.method) for m in answers if isinstance(m, Response)} == {
            (200, "BYE"),
            (487, "INVITE"),
        }
        assert call.events[-1] == RemoteHangup(None)

    @pytest.mark.parametrize("contact", ["*", "<tel:+15550100>"])
    def test_an_unusable_contact_is_refused(self, contact: str) -> None:
        call = Established()
        assert only_response(call.reinvite(2, contact=contact)).status == 400
        assert call.events == []

    def test_an_unknown_body_is_refused(self) -> None:
        call = Established()
        data = invite(branch="z9hG4bK2", to_tag=call.call.local_tag, cseq=2).replace(b"application/sdp", b"text/plain")
        refused = only_response(call.agent.answer_to(data))
        assert refused.status == 415
        assert refused.headers.get("Accept") == "application/sdp"
        assert not call.call.ended

    def test_an_early_one_gets_500(self) -> None:
        """RFC 3261 §14.2: the first INVITE has no final response yet."""
        agent = Agent()
        ringing = agent.call()
        ringing.ring()
        agent.sent()
        again = invite(branch="z9hG4bK2", to_tag=ringing.local_tag, cseq=2)
        assert only_response(agent.answer_to(again)).status == 500

    def test_one_whose_sender_cannot_be_reached_is_over_and_the_call_is_not(self) -> None:
        call = Established()
        call.reinvite(2)
        call.agent.pass_time(0.3)
        (trying,) = call.agent.core.data_to_send()
        call.agent.core.transport_failed(trying)
        stale = call.offer().respond
        assert call.reinvite(3) == []
        assert len(call.events) == 2
        stale.accept(ANSWER)
        assert call.agent.sent() == []
        assert not call.call.ended

    def test_a_transport_error_without_one_changes_nothing(self) -> None:
        agent = Agent()
        ringing = agent.call()
        ringing.answer(ANSWER)
        (ok,) = agent.core.data_to_send()
        agent.core.transport_failed(ok)
        assert agent.sent_times(1) == [0.5]

    def test_a_duplicate_that_comes_late_gets_the_same_refusal(self) -> None:
        """A refusal inside a dialog is remembered: nobody would acknowledge a 200 to a stray copy."""
        call = Established()
        call.call.reinvite(OFFER)
        ours = only_request(call.agent.sent())
        assert only_response(call.reinvite(2)).status == 491
        call.agent.receive(response(ours, 200, body=ANSWER))
        call.agent.sent()
        assert [m.status for m in call.reinvite(2) if isinstance(m, Response)] == [491]
        assert not any(isinstance(event, Offer) for event in call.events)


class TestOurOffer:
    def test_it_is_sent_and_its_answer_acknowledged(self) -> None:
        call = Established()
        call.call.reinvite(OFFER)
        ours = only_request(call.agent.sent())
        assert (ours.method, ours.content_type, ours.body) == ("INVITE", "application/sdp", OFFER)
        assert ours.contacts
        assert "INVITE" in ours.allow
        call.agent.receive(response(ours, 200, body=ANSWER, contact="<sip:moved@192.0.2.55>"))
        ack = only_request(call.agent.sent())
        assert (ack.method, ack.cseq.number) == ("ACK", ours.cseq.number)
        assert str(ack.uri) == "sip:moved@192.0.2.55"
        assert call.events == [OfferAnswered(ANSWER)]

    def test_a_repeated_answer_gets_its_ack_again(self) -> None:
        call = Established()
        call.call.reinvite(OFFER)
        ours = only_request(call.agent.sent())
        for _ in range(2):
            call.agent.receive(response(ours, 200, body=ANSWER))
            assert only_request(call.agent.sent()).method == "ACK"
        assert call.events == [OfferAnswered(ANSWER)]

    def test_a_refusal_leaves_the_call_as_it_was(self) -> None:
        call = Established()
        call.call.reinvite(OFFER)
        call.agent.receive(response(only_request(call.agent.sent()), 488))
        assert call.events == [OfferRejected(488, "Not Acceptable Here")]
        assert call.call.state is CallState.CONFIRMED
        call.call.reinvite(OFFER)

    def test_glare_is_answered_491_by_both(self) -> None:
        """RFC 3261 §14.1, §14.2."""
        call = Established()
        call.call.reinvite(OFFER)
        ours = only_request(call.agent.sent())
        assert only_response(call.reinvite(2)).status == 491
        call.agent.receive(response(ours, 491))
        assert call.events == []
        when = call.agent.sent_times(2.0)[0]
        assert 0 <= when <= 2.0  # the Call-ID is the peer's
        assert not call.call.ended

    @pytest.mark.parametrize("status", [408, 481])
    def test_a_dialog_that_is_gone_ends_the_call(self, status: int) -> None:
        call = Established()
        call.call.reinvite(OFFER)
        call.agent.receive(response(only_request(call.agent.sent()), status))
        assert call.events[-1] == Failed("gone")
        assert call.agent.core.calls == 0

    def test_silence_ends_the_call(self) -> None:
        call = Established()
        call.call.reinvite(OFFER)
        call.agent.pass_time(32.1)
        assert call.events == [OfferRejected(None, "timeout"), Failed("gone")]

    def test_only_one_at_a_time(self) -> None:
        call = Established()
        call.call.reinvite(OFFER)
        with pytest.raises(LocalProtocolError):
            call.call.reinvite(OFFER)

    def test_not_while_the_peer_offers(self) -> None:
        call = Established()
        call.reinvite(2)
        with pytest.raises(LocalProtocolError):
            call.call.reinvite(OFFER)

    def test_not_before_the_call_is_confirmed(self) -> None:
        agent = Agent()
        with pytest.raises(LocalProtocolError):
            agent.call().reinvite(OFFER)

    def test_an_answer_after_our_bye_is_acknowledged(self) -> None:
        call = Established()
        call.call.reinvite(OFFER)
        ours = only_request(call.agent.sent())
        call.call.hangup()
        call.agent.sent()
        call.agent.receive(response(ours, 200, body=ANSWER))
        assert only_request(call.agent.sent()).method == "ACK"

    def test_a_challenge_is_answered_with_the_credentials_of_the_call(self) -> None:
        agent = Agent()
        call: OutgoingCall = agent.place(credentials=Credentials("alice", "secret"))
        agent.receive(response(only_request(agent.sent()), 200, body=ANSWER))
        agent.sent()
        call.reinvite(HOLD)
        server = DigestAuthenticator("example.net", b"x" * 32)
        challenges = [("WWW-Authenticate", value) for value in server.challenge(None, "192.0.2.1", 0)]
        agent.receive(response(only_request(agent.sent()), 401, headers=challenges))
        again = [m for m in agent.sent() if isinstance(m, Request)][-1]
        assert (again.method, again.body) == ("INVITE", HOLD)
        assert "Authorization" in again.headers
        agent.receive(response(again, 200, body=ANSWER))
        assert agent.events[call][-1] == OfferAnswered(ANSWER)
        call.hangup()
        bye = [m for m in agent.sent() if isinstance(m, Request)][-1]
        assert bye.cseq.number > again.cseq.number


class TestInfo:
    def test_it_is_answered_and_delivered(self) -> None:
        call = Established()
        body = b"Signal=5\r\nDuration=160\r\n"
        (answer,) = call.send("INFO", 2, body=body, headers=["Content-Type: application/dtmf-relay"])
        assert isinstance(answer, Response)
        assert answer.status == 200
        assert call.events == [Info("application/dtmf-relay", body)]

    def test_a_retransmission_is_delivered_once(self) -> None:
        call = Established()
        for _ in range(2):
            assert only_response(call.send("INFO", 2)).status == 200
        assert len(call.events) == 1

    def test_an_info_package_is_refused(self) -> None:
        """RFC 6086 §4.2.2."""
        call = Established()
        answer = only_response(call.send("INFO", 2, headers=["Info-Package: unknown"]))
        assert answer.status == 469
        assert "Recv-Info" in answer.headers


class TestSequence:
    def test_a_number_below_the_last_gets_500(self) -> None:
        """RFC 3261 §12.2.2."""
        call = Established()
        call.send("INFO", 5)
        assert only_response(call.send("INFO", 4, branch="z9hG4bKlate")).status == 500
        assert len(call.events) == 1

    def test_a_late_bye_still_has_to_be_in_order(self) -> None:
        call = Established()
        call.send("INFO", 5)
        assert only_response(call.send("BYE", 3, branch="z9hG4bKlate")).status == 500
        assert not call.call.ended


class TestOtherRequests:
    def test_options_are_answered(self) -> None:
        call = Established()
        answer = only_response(call.send("OPTIONS", 2))
        assert answer.status == 200
        assert "BYE" in answer.allow

    @pytest.mark.parametrize("method", ["SUBSCRIBE", "MESSAGE", "PUBLISH"])
    def test_what_is_not_supported_gets_405(self, method: str) -> None:
        call = Established()
        answer = only_response(call.send(method, 2))
        assert answer.status == 405
        assert "BYE" in answer.allow

    def test_a_required_extension_gets_420_and_the_call_lives(self) -> None:
        call = Established()
        answer = only_response(call.send("INFO", 2, headers=["Require: nothing, else"]))
        assert (answer.status, answer.headers.get("Unsupported")) == (420, "nothing, else")
        assert not call.call.ended

    @pytest.mark.parametrize("change", [{"call_id": "x"}, {"from_tag": "x"}, {"to_tag": "x"}])
    def test_another_dialog_is_not_ours(self, change: dict[str, str]) -> None:
        call = Established()
        bye = {"branch": "z9hG4bKb", "to_tag": call.call.local_tag, "cseq": 2, **change}
        assert only_response(call.agent.answer_to(request("BYE", **bye))).status == 481  # type: ignore[arg-type]
        assert not call.call.ended

    def test_after_our_bye_only_a_bye_is_welcome(self) -> None:
        call = Established()
        call.call.hangup()
        call.agent.sent()
        assert only_response(call.send("INFO", 2)).status == 481
        assert only_response(call.reinvite(3)).status == 481
        assert only_response(call.send("BYE", 4)).status == 200
        assert call.events == [RemoteHangup(None)]

    def test_after_the_end_nothing_is(self) -> None:
        call = Established()
        call.send("BYE", 2)
        assert only_response(call.send("INFO", 3)).status == 481
        assert only_response(call.send("BYE", 4)).status == 481


def test_the_events_of_an_ended_call_stop() -> None:
    call = Established()
    call.send("BYE", 2)
    call.agent.receive(call.ack(1))
    assert [type(event) for event in call.events] == [RemoteHangup]
    assert not any(isinstance(event, Confirmed) for event in call.events)
