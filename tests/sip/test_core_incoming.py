"""Incoming calls: provisional and final answers, ACK, CANCEL, the end (RFC 3261 §13.3, §9.2, §15)."""

from __future__ import annotations

import pytest

from sip.core.call_state import CallState
from sip.core.events import CallEvent, Cancelled, Confirmed, Failed, HungUp, Info, RemoteHangup
from sip.core.incoming import IncomingCall
from sip.errors import LocalProtocolError
from sip.message import Request, Response
from tests.sip.support import (
    ANSWER,
    LOCAL,
    OFFER,
    PEER,
    Agent,
    invite,
    only_request,
    only_response,
    request,
    response,
)


def ack(call: IncomingCall, *, branch: str = "z9hG4bKack", body: bytes = b"", cseq: int = 1) -> bytes:
    headers = ["Content-Type: application/sdp"] if body else []
    return request("ACK", branch=branch, to_tag=call.local_tag, body=body, headers=headers, cseq=cseq)


def answered(agent: Agent) -> IncomingCall:
    call = agent.call()
    agent.attend(call)
    call.answer(ANSWER)
    agent.sent()
    return call


def confirmed(agent: Agent) -> IncomingCall:
    call = answered(agent)
    agent.receive(ack(call))
    agent.sent()
    return call


class TestReceiving:
    def test_the_call_shows_the_request_and_its_offer(self) -> None:
        agent = Agent()
        call = agent.call()
        assert call.offer == OFFER
        assert call.request.method == "INVITE"
        assert call.call_id == "call-1"
        assert call.source.host == "192.0.2.99"
        assert call.state is CallState.PROCEEDING
        assert not call.ended

    def test_an_invite_without_body_has_no_offer(self) -> None:
        assert Agent().call(body=b"").offer is None

    def test_a_100_leaves_when_the_application_is_slow(self) -> None:
        agent = Agent()
        agent.call()
        assert agent.sent() == []
        agent.pass_time(0.25)
        assert only_response(agent.sent()).status == 100

    def test_a_100_has_no_to_tag(self) -> None:
        agent = Agent()
        agent.call()
        agent.pass_time(0.25)
        assert only_response(agent.sent()).to.tag is None

    def test_a_retransmission_makes_no_second_call(self) -> None:
        agent = Agent()
        agent.call()
        agent.receive(invite())
        assert len(agent.calls) == 1


class TestProgress:
    def test_ringing_and_early_media_share_the_tag_of_the_answer(self) -> None:
        agent = Agent()
        call = agent.call()
        call.ring()
        call.progress(ANSWER)
        call.answer(ANSWER)
        sent = [message for message in agent.sent() if isinstance(message, Response)]
        assert [message.status for message in sent] == [180, 183, 200]
        assert {message.to.tag for message in sent} == {call.local_tag}
        assert sent[1].body == ANSWER
        assert sent[1].content_type == "application/sdp"
        assert call.state is CallState.ANSWERED

    def test_extra_headers_are_sent(self) -> None:
        agent = Agent()
        agent.call().ring(headers=[("Alert-Info", "<urn:alert:service:normal>")])
        assert only_response(agent.sent()).headers.get("Alert-Info") == "<urn:alert:service:normal>"

    def test_a_header_cannot_break_out_of_its_line(self) -> None:
        agent = Agent()
        with pytest.raises(LocalProtocolError):
            agent.call().ring(headers=[("Subject", "x\r\nContact: <sip:evil@example.com>")])

    def test_a_call_that_rings_on_says_so_every_minute(self) -> None:
        """RFC 3261 §13.3.1.1."""
        agent = Agent()
        call = agent.call()
        call.ring()
        agent.sent()
        assert agent.sent_times(200) == [60, 120, 180]
        call.answer(ANSWER)
        agent.receive(ack(call))
        agent.sent()
        assert agent.sent_times(200) == []

    def test_a_caller_that_cannot_be_reached_ends_the_call(self) -> None:
        """RFC 3261 §17.2.4."""
        agent = Agent()
        call = agent.call()
        agent.attend(call)
        call.ring()
        (datagram,) = agent.core.data_to_send()
        agent.core.transport_failed(datagram)
        agent.deliver()
        assert agent.events[call] == [Failed("transport")]
        assert agent.core.calls == 0


class TestExpiry:
    def test_an_invitation_runs_out(self) -> None:
        """RFC 3261 §13.3.1."""
        agent = Agent()
        call = agent.call(headers=["Expires: 20"])
        agent.attend(call)
        call.ring()
        agent.sent()
        agent.pass_time(19.9)
        assert agent.sent() == []
        agent.pass_time(0.2)
        assert only_response(agent.sent()).status == 487
        assert agent.events[call] == [Cancelled(None)]

    def test_not_once_it_is_answered(self) -> None:
        agent = Agent()
        call = agent.call(headers=["Expires: 20"])
        call.answer(ANSWER)
        agent.receive(ack(call))
        agent.sent()
        assert agent.sent_times(60) == []
        assert not call.ended


class TestAnswer:
    def test_the_200_carries_what_makes_a_dialog(self) -> None:
        agent = Agent()
        call = agent.call(headers=["Record-Route: <sip:p1.example.com;lr>"])
        call.answer(ANSWER)
        ok = only_response(agent.sent())
        assert ok.status == 200
        assert str(ok.contacts[0].uri) == "sip:+15550100@192.0.2.1:5060"
        assert ok.headers.get_all("Record-Route") == ["<sip:p1.example.com;lr>"]
        assert {"INVITE", "BYE", "CANCEL"} <= ok.allow
        assert ok.body == ANSWER

    def test_it_is_repeated_until_the_ack(self) -> None:
        """RFC 3261 §13.3.1.4."""
        agent = Agent()
        call = answered(agent)
        assert agent.sent_times(8) == [0.5, 1.5, 3.5, 7.5]
        agent.receive(ack(call))
        assert agent.sent_times(60) == []
        assert agent.events[call] == [Confirmed(None)]
        assert call.state is CallState.CONFIRMED

    def test_the_ack_may_have_the_branch_of_the_invite(self) -> None:
        """Peers of RFC 2543, and sloppy ones, send the ACK to a 2xx inside the transaction."""
        agent = Agent()
        call = answered(agent)
        agent.receive(ack(call, branch="z9hG4bKinvite"))
        assert agent.events[call] == [Confirmed(None)]

    def test_an_ack_with_another_number_is_ignored(self) -> None:
        agent = Agent()
        call = answered(agent)
        agent.receive(ack(call, cseq=2))
        assert agent.events[call] == []

    def test_the_answer_to_our_offer_comes_with_the_ack(self) -> None:
        agent = Agent()
        call = agent.call(body=b"")
        agent.attend(call)
        call.answer(OFFER)
        agent.receive(ack(call, body=ANSWER))
        assert agent.events[call] == [Confirmed(ANSWER)]

    def test_repeated_acks_tell_nothing_again(self) -> None:
        agent = Agent()
        call = confirmed(agent)
        agent.receive(ack(call))
        assert agent.events[call] == [Confirmed(None)]

    def test_without_ack_the_call_ends_with_bye(self) -> None:
        agent = Agent()
        call = answered(agent)
        agent.pass_time(31.9)
        assert agent.events[call] == []
        agent.sent()
        agent.pass_time(0.2)
        assert only_request(agent.sent()).method == "BYE"
        assert agent.events[call] == [Failed("no_ack")]
        assert call.ended

    def test_answering_twice_is_a_bug(self) -> None:
        call = answered(Agent())
        with pytest.raises(LocalProtocolError):
            call.answer(ANSWER)

    def test_a_retransmitted_invite_is_absorbed_after_the_answer(self) -> None:
        agent = Agent()
        answered(agent)
        agent.receive(invite())
        assert agent.sent() == []


class TestReject:
    def test_the_status_is_sent_and_repeated_until_the_ack(self) -> None:
        agent = Agent()
        call = agent.call()
        call.reject(486, headers=[("Retry-After", "5")])
        busy = only_response(agent.sent())
        assert (busy.status, busy.reason, busy.headers.get("Retry-After")) == (486, "Busy Here", "5")
        assert agent.sent_times(2) == [0.5, 1.5]
        agent.receive(ack(call, branch="z9hG4bKinvite"))
        assert agent.sent_times(60) == []
        assert call.ended
        assert agent.core.calls == 0
        assert agent.core.dialogs == 0

    def test_statelessly_it_is_said_once_and_again_for_each_invite(self) -> None:
        """RFC 3261 §8.2.7: nothing is kept, and the tag is the same."""
        agent = Agent()
        agent.call().reject(404, stateless=True)
        first = only_response(agent.sent())
        assert agent.core.layer.server_count == 0
        assert agent.sent_times(60) == []
        agent.call().reject(404, stateless=True)
        again = only_response(agent.sent())
        assert (first.status, first.to.tag) == (again.status, again.to.tag)

    def test_after_a_100_it_is_repeated_all_the_same(self) -> None:
        agent = Agent()
        call = agent.call()
        agent.pass_time(0.3)
        agent.sent()
        call.reject(404, stateless=True)
        assert only_response(agent.sent()).status == 404
        assert agent.sent_times(1) == [0.5]

    @pytest.mark.parametrize("status", [100, 180, 200, 299, 700])
    def test_only_failures_reject(self, status: int) -> None:
        with pytest.raises(LocalProtocolError):
            Agent().call().reject(status)

    def test_an_answered_call_cannot_be_rejected(self) -> None:
        with pytest.raises(LocalProtocolError):
            answered(Agent()).reject(486)


class TestCancel:
    def test_it_gets_200_and_the_invite_487(self) -> None:
        """RFC 3261 §9.2."""
        agent = Agent()
        call = agent.call()
        agent.attend(call)
        call.ring()
        agent.sent()
        answers = agent.answer_to(
            request("CANCEL", branch="z9hG4bKinvite", headers=["Reason: SIP;cause=200;text=elsewhere"])
        )
        assert [(m.status, m.cseq.method) for m in answers if isinstance(m, Response)] == [
            (200, "CANCEL"),
            (487, "INVITE"),
        ]
        assert len({m.to.tag for m in answers}) == 1
        assert agent.events[call] == [Cancelled("SIP;cause=200;text=elsewhere")]
        assert call.ended

    def test_a_retransmitted_cancel_gets_its_200_again(self) -> None:
        agent = Agent()
        agent.call()
        agent.answer_to(request("CANCEL", branch="z9hG4bKinvite"))
        again = only_response(agent.answer_to(request("CANCEL", branch="z9hG4bKinvite")))
        assert (again.status, again.cseq.method) == (200, "CANCEL")

    def test_one_that_crosses_the_200_changes_nothing(self) -> None:
        agent = Agent()
        call = answered(agent)
        answer = only_response(agent.answer_to(request("CANCEL", branch="z9hG4bKinvite")))
        assert (answer.status, answer.cseq.method) == (200, "CANCEL")
        agent.receive(ack(call))
        assert agent.events[call] == [Confirmed(None)]

    def test_one_for_nothing_gets_481(self) -> None:
        agent = Agent()
        agent.call()
        assert only_response(agent.answer_to(request("CANCEL", branch="z9hG4bKother"))).status == 481

    def test_what_the_application_does_afterwards_has_no_effect(self) -> None:
        agent = Agent()
        call = agent.call()
        agent.receive(request("CANCEL", branch="z9hG4bKinvite"))
        agent.sent()
        call.ring()
        call.progress(ANSWER)
        call.answer(ANSWER)
        call.reject(486)
        call.challenge("realm")
        call.hangup()
        assert agent.sent() == []

    def test_a_peer_of_rfc_2543_is_understood(self) -> None:
        agent = Agent()
        call = agent.call(branch=None)
        agent.attend(call)
        answers = agent.answer_to(request("CANCEL", branch=None))
        assert [m.status for m in answers if isinstance(m, Response)] == [200, 487]
        agent.receive(request("ACK", branch=None, to_tag=call.local_tag))
        assert agent.sent_times(60) == []


class TestHangup:
    def test_an_unanswered_call_gets_480(self) -> None:
        agent = Agent()
        call = agent.call()
        call.hangup(reason="Q.850;cause=31")
        call.hangup()
        answer = only_response(agent.sent())
        assert (answer.status, answer.headers.get("Reason")) == (480, "Q.850;cause=31")

    def test_a_confirmed_call_gets_bye(self) -> None:
        agent = Agent()
        call = confirmed(agent)
        call.hangup(reason="Q.850;cause=16")
        call.hangup()
        bye = only_request(agent.sent())
        assert (bye.method, bye.headers.get("Reason")) == ("BYE", "Q.850;cause=16")
        assert bye.to.tag == "caller"
        assert bye.from_.tag == call.local_tag
        assert call.ended
        agent.receive(response(bye, 200))
        assert agent.events[call][-1] == HungUp(200)
        assert agent.core.dialogs == 0

    def test_a_reason_that_cannot_be_sent_is_a_bug_and_changes_nothing(self) -> None:
        agent = Agent()
        call = confirmed(agent)
        with pytest.raises(LocalProtocolError):
            call.hangup(reason="Q.850\r\nVia: x")
        assert not call.ended
        call.hangup()
        assert only_request(agent.sent()).method == "BYE"

    def test_bye_waits_for_the_ack(self) -> None:
        """RFC 3261 §15: the callee must not send BYE before it."""
        agent = Agent()
        call = answered(agent)
        call.hangup()
        assert agent.sent() == []
        agent.receive(ack(call))
        assert only_request(agent.sent()).method == "BYE"

    def test_bye_is_sent_when_the_ack_never_comes(self) -> None:
        agent = Agent()
        call = answered(agent)
        call.hangup()
        agent.pass_time(32.1)
        byes = [m for m in agent.sent() if isinstance(m, Request)]
        assert [m.method for m in byes] == ["BYE"]
        assert agent.events[call] == [Failed("no_ack")]

    def test_a_bye_that_is_not_answered_ends_the_call_all_the_same(self) -> None:
        agent = Agent()
        call = confirmed(agent)
        call.hangup()
        agent.pass_time(32.1)
        assert agent.events[call][-1] == HungUp(None)

    def test_the_bye_of_the_peer_ends_the_call(self) -> None:
        agent = Agent()
        call = confirmed(agent)
        bye = request("BYE", branch="z9hG4bKbye", to_tag=call.local_tag, cseq=2, headers=["Reason: Q.850;cause=16"])
        assert only_response(agent.answer_to(bye)).status == 200
        assert agent.events[call][-1] == RemoteHangup("Q.850;cause=16")
        assert only_response(agent.answer_to(bye)).status == 200
        assert len(agent.events[call]) == 2

    def test_a_bye_before_the_answer_ends_the_invite_as_well(self) -> None:
        """RFC 3261 §15.1.2."""
        agent = Agent()
        call = agent.call()
        agent.attend(call)
        call.ring()
        agent.sent()
        answers = agent.answer_to(request("BYE", branch="z9hG4bKbye", to_tag=call.local_tag, cseq=2))
        assert [(m.status, m.cseq.method) for m in answers if isinstance(m, Response)] == [
            (200, "BYE"),
            (487, "INVITE"),
        ]
        assert agent.events[call] == [RemoteHangup(None)]

    def test_a_bye_instead_of_the_ack_ends_the_repeating(self) -> None:
        agent = Agent()
        call = answered(agent)
        agent.answer_to(request("BYE", branch="z9hG4bKbye", to_tag=call.local_tag, cseq=2))
        assert agent.sent_times(60) == []
        assert agent.events[call] == [RemoteHangup(None)]


class TestEvents:
    def test_what_happens_before_anybody_listens_is_kept(self) -> None:
        agent = Agent()
        call = agent.call()
        call.answer(ANSWER)
        agent.receive(ack(call))
        events = agent.attend(call)
        agent.deliver()
        assert events == [Confirmed(None)]

    def test_it_is_not_kept_without_bound(self) -> None:
        agent = Agent()
        call = confirmed(agent)
        call.on_event = None
        for number in range(200):
            agent.receive(request("INFO", branch=f"z9hG4bKi{number}", to_tag=call.local_tag, cseq=2 + number))
        agent.receive(request("BYE", branch="z9hG4bKbye", to_tag=call.local_tag, cseq=900))
        events = agent.attend(call)
        agent.deliver()
        assert 2 <= len(events) <= 65
        assert events[-1] == RemoteHangup(None)

    def test_what_was_kept_comes_before_what_follows(self) -> None:
        agent = Agent()
        call = confirmed(agent)
        call.on_event = None
        for number in range(3):
            agent.core.receive_datagram(
                request(
                    "INFO", branch=f"z9hG4bKi{number}", to_tag=call.local_tag, cseq=2 + number, body=b"%d" % number
                ),
                PEER,
                LOCAL,
            )
            if number == 1:
                agent.deliver()
        events: list[CallEvent] = []
        queued = agent.core.events()
        call.on_event = events.append
        for owner, event in [*queued, *agent.core.events()]:
            owner.deliver(event)  # type: ignore[arg-type]
        assert [event.body for event in events if isinstance(event, Info)] == [b"0", b"1", b"2"]
