"""Outgoing calls: answers, forks, challenges, CANCEL and its races (RFC 3261 §13.2, §9.1, §22.2)."""

from __future__ import annotations

import pytest

from sip.core.call_state import CallState
from sip.core.events import Answered, Failed, HungUp, Progress, Rejected, RemoteHangup
from sip.core.outgoing import OutgoingCall
from sip.digest import Credentials, DigestAuthenticator, parse_auth_params
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.message import Request, Response
from tests.sip.support import ANSWER, OFFER, PEER, Agent, only_request, only_response, request, response

CREDENTIALS = Credentials("alice", "secret")


def placed(agent: Agent, **changes: object) -> tuple[OutgoingCall, Request]:
    call = agent.place(**changes)  # type: ignore[arg-type]
    return call, only_request(agent.sent())


def confirmed(agent: Agent) -> tuple[OutgoingCall, Request, Request]:
    call, invite = placed(agent)
    agent.receive(response(invite, 200, body=ANSWER))
    return call, invite, only_request(agent.sent())


def kinds(agent: Agent, call: OutgoingCall) -> list[str]:
    return [type(event).__name__ for event in agent.events[call]]


class TestInvite:
    def test_it_carries_what_a_first_request_needs(self) -> None:
        """RFC 3261 §8.1.1."""
        agent = Agent()
        _call, invite = placed(agent, headers=[("P-Asserted-Identity", "<sip:+15550199@example.net>")])
        assert str(invite.uri) == "sip:+15550100@192.0.2.99:5070"
        via = invite.top_via
        assert (via.transport, via.host, via.port) == ("UDP", "192.0.2.1", 5060)
        assert (via.branch or "").startswith("z9hG4bK")
        assert via.wants_rport
        assert invite.max_forwards == 70
        assert invite.from_.tag
        assert invite.to.tag is None
        assert invite.cseq.method == "INVITE"
        assert str(invite.contacts[0].uri) == "sip:me@192.0.2.1:5060"
        assert invite.content_type == "application/sdp"
        assert invite.body == OFFER
        assert invite.headers.get("P-Asserted-Identity") == "<sip:+15550199@example.net>"
        assert invite.headers.get("User-Agent") == "Voylo/1.0"
        assert {"INVITE", "BYE"} <= invite.allow

    @pytest.mark.parametrize("name", ["Via", "from", "t", "CSeq", "Contact", "m", "Content-Length", "Authorization"])
    def test_what_the_protocol_writes_cannot_be_given(self, name: str) -> None:
        with pytest.raises(LocalProtocolError):
            Agent().place(headers=[(name, "x")])

    @pytest.mark.parametrize("value", ["a\r\nVia: x", "a\nb", "a\x00b"])
    def test_a_header_cannot_break_out_of_its_line(self, value: str) -> None:
        agent = Agent()
        with pytest.raises(LocalProtocolError):
            agent.place(headers=[("X-Custom", value)])
        assert agent.core.calls == 0

    def test_headers_in_the_target_uri_stay_out_of_the_request(self) -> None:
        _call, invite = placed(Agent(), target="sip:a@192.0.2.99;method=BYE?Route=%3Csip:x%3E&body=y")
        assert str(invite.uri) == "sip:a@192.0.2.99"
        assert "Route" not in invite.headers

    def test_calls_do_not_share_identifiers(self) -> None:
        agent = Agent()
        one, other = placed(agent)[1], placed(agent)[1]
        assert one.call_id != other.call_id
        assert one.from_.tag != other.from_.tag
        assert one.top_via.branch != other.top_via.branch


class TestAnswer:
    def test_progress_then_answer_then_ack(self) -> None:
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, 100))
        agent.receive(response(invite, 180))
        assert call.state is CallState.EARLY
        agent.receive(response(invite, 183, body=ANSWER))
        agent.receive(response(invite, 200, body=ANSWER))
        ringing, early, answered = agent.events[call]
        assert isinstance(ringing, Progress)
        assert (ringing.status, ringing.body) == (180, None)
        assert isinstance(early, Progress)
        assert (early.status, early.body) == (183, ANSWER)
        assert isinstance(answered, Answered)
        assert answered.body == ANSWER
        assert call.state is CallState.CONFIRMED
        ack = only_request(agent.sent())
        assert ack.method == "ACK"
        assert ack.cseq.number == invite.cseq.number
        assert ack.top_via.branch != invite.top_via.branch
        assert str(ack.uri) == "sip:callee@192.0.2.99:5070"
        assert ack.to.tag == "callee"

    def test_a_repeated_200_gets_the_same_ack_and_tells_nothing(self) -> None:
        """RFC 3261 §13.2.2.4: our ACK was lost."""
        agent = Agent()
        call, invite, ack = confirmed(agent)
        agent.receive(response(invite, 200, body=ANSWER))
        assert bytes(only_request(agent.sent())) == bytes(ack)
        assert kinds(agent, call) == ["Answered"]

    def test_requests_follow_the_recorded_route(self) -> None:
        agent = Agent()
        call, invite = placed(agent)
        routes = [("Record-Route", "<sip:192.0.2.50;lr>"), ("Record-Route", "<sip:192.0.2.60:5080;lr>")]
        agent.receive(response(invite, 200, body=ANSWER, headers=routes))
        ((ack, remote),) = agent.take()
        assert (remote.host, remote.port) == ("192.0.2.60", 5080)
        assert [str(route) for route in ack.route] == ["<sip:192.0.2.60:5080;lr>", "<sip:192.0.2.50;lr>"]
        call.hangup()
        ((bye, remote),) = agent.take()
        assert (remote.host, remote.port) == ("192.0.2.60", 5080)
        assert isinstance(bye, Request)
        assert str(bye.uri) == "sip:callee@192.0.2.99:5070"

    def test_a_late_offer_is_acknowledged_by_the_application(self) -> None:
        agent = Agent()
        call, invite = placed(agent, body=b"")
        agent.receive(response(invite, 200, body=OFFER))
        assert agent.sent() == []
        assert call.state is CallState.ANSWERED
        call.acknowledge(ANSWER)
        ack = only_request(agent.sent())
        assert (ack.method, ack.body) == ("ACK", ANSWER)
        assert call.state is CallState.CONFIRMED

    def test_hanging_up_on_a_late_offer_acknowledges_it_first(self) -> None:
        agent = Agent()
        call, invite = placed(agent, body=b"")
        agent.receive(response(invite, 200, body=OFFER))
        call.hangup()
        assert [m.method for m in agent.sent() if isinstance(m, Request)] == ["ACK", "BYE"]

    def test_a_200_without_contact_is_answered_to_the_target(self) -> None:
        agent = Agent()
        _call, invite = placed(agent)
        agent.receive(response(invite, 200, contact=None))
        assert str(only_request(agent.sent()).uri) == "sip:+15550100@192.0.2.99:5070"


class TestRejection:
    def test_the_response_is_told_and_acknowledged(self) -> None:
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, 486, headers=[("Retry-After", "60")]))
        assert only_request(agent.sent()).method == "ACK"
        (event,) = agent.events[call]
        assert isinstance(event, Rejected)
        assert (event.status, event.reason, event.cause) == (486, "Busy Here", "response")
        assert event.headers.get("Retry-After") == "60"
        assert call.ended
        assert agent.core.calls == 0

    @pytest.mark.parametrize("status", [300, 302, 404, 503, 600, 699])
    def test_every_class_of_failure_is_one(self, status: int) -> None:
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, status))
        (event,) = agent.events[call]
        assert isinstance(event, Rejected)
        assert event.status == status
        assert only_request(agent.sent()).method == "ACK"

    def test_silence_is_a_timeout(self) -> None:
        agent = Agent()
        call, _ = placed(agent)
        agent.pass_time(32.1)
        (event,) = agent.events[call]
        assert isinstance(event, Rejected)
        assert (event.status, event.cause, event.reason) == (None, "timeout", "No response")

    def test_a_transport_error_is_told(self) -> None:
        agent = Agent()
        call = agent.place()
        (datagram,) = agent.core.data_to_send()
        agent.core.transport_failed(datagram)
        agent.deliver()
        (event,) = agent.events[call]
        assert isinstance(event, Rejected)
        assert (event.status, event.cause, event.reason) == (None, "transport", "Cannot be reached")
        assert agent.core.statistics.send_errors == 1

    def test_a_target_without_address_is_a_transport_failure(self) -> None:
        agent = Agent()
        call = agent.core.place_call(agent.place().request.uri, from_=agent.place().request.from_)  # type: ignore[arg-type]
        agent.attend(call)
        call.fail("nowhere.example cannot be resolved")
        agent.deliver()
        (event,) = agent.events[call]
        assert isinstance(event, Rejected)
        assert (event.status, event.cause, event.reason) == (None, "transport", "nowhere.example cannot be resolved")


class TestForks:
    def test_the_first_answer_wins_and_others_are_acknowledged_and_ended(self) -> None:
        """RFC 3261 §13.2.2.4."""
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, 180, tag="one"))
        agent.receive(response(invite, 180, tag="two"))
        agent.receive(response(invite, 200, tag="two", body=ANSWER))
        agent.sent()
        agent.receive(response(invite, 200, tag="one", body=ANSWER, contact="<sip:one@192.0.2.11>"))
        sent = agent.take()
        assert [(m.method, m.to.tag, r.host) for m, r in sent if isinstance(m, Request)] == [
            ("ACK", "one", "192.0.2.11"),
            ("BYE", "one", "192.0.2.11"),
        ]
        assert kinds(agent, call) == ["Progress", "Progress", "Answered"]
        assert call.dialog is not None
        assert call.dialog.remote_tag == "two"

    def test_a_repeated_answer_of_a_loser_is_acknowledged_again_but_ended_once(self) -> None:
        agent = Agent()
        _call, invite, _ = confirmed(agent)
        agent.receive(response(invite, 200, tag="loser"))
        agent.sent()
        agent.receive(response(invite, 200, tag="loser"))
        assert only_request(agent.sent()).method == "ACK"

    def test_requests_in_an_early_dialog_find_the_call(self) -> None:
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, 180, tag="one"))
        agent.receive(response(invite, 180, tag="two"))
        agent.receive(response(invite, 180, tag=None))
        assert agent.core.dialogs == 2
        ids = {"call_id": invite.call_id, "from_tag": "two", "to_tag": invite.from_.tag}
        assert only_response(agent.answer_to(request("INFO", branch="z9hG4bKi1", cseq=7, **ids))).status == 200  # type: ignore[arg-type]
        assert kinds(agent, call)[-1] == "Info"
        agent.receive(response(invite, 200, tag="two", body=ANSWER))
        assert agent.core.dialogs == 1
        assert only_response(_late(agent, ids)).status == 500  # the sequence of the early dialog goes on
        call.hangup()
        agent.pass_time(33)
        assert agent.core.dialogs == 0

    def test_early_dialogs_end_with_the_call(self) -> None:
        agent = Agent()
        _call, invite = placed(agent)
        for number in range(100):
            agent.receive(response(invite, 180, tag=f"fork{number}"))
        assert agent.core.dialogs == 16
        agent.receive(response(invite, 486))
        assert agent.core.dialogs == 0

    def test_endless_forks_are_not_followed(self) -> None:
        agent = Agent()
        _call, invite, _ = confirmed(agent)
        for number in range(100):
            agent.receive(response(invite, 200, tag=f"fork{number}"))
        assert len(agent.sent()) == 2 * 16


def _late(agent: Agent, ids: dict[str, str | None]) -> list[Request | Response]:
    agent.sent()
    return agent.answer_to(request("INFO", branch="z9hG4bKi2", cseq=6, **ids))  # type: ignore[arg-type]


class TestChallenge:
    @pytest.mark.parametrize(
        ("status", "asked", "given"),
        [(401, "WWW-Authenticate", "Authorization"), (407, "Proxy-Authenticate", "Proxy-Authorization")],
    )
    def test_it_is_answered_once_with_the_credentials(self, status: int, asked: str, given: str) -> None:
        agent = Agent()
        call, invite = placed(agent, credentials=CREDENTIALS)
        server = DigestAuthenticator("example.net", b"x" * 32)
        challenges = [(asked, value) for value in server.challenge(None, "192.0.2.1", 0)]
        agent.receive(response(invite, status, headers=challenges))
        ack, again = (m for m in agent.sent() if isinstance(m, Request))
        assert (ack.method, again.method) == ("ACK", "INVITE")
        assert again.cseq.number == invite.cseq.number + 1
        assert again.call_id == invite.call_id
        assert again.from_.tag == invite.from_.tag
        assert again.top_via.branch != invite.top_via.branch
        assert again.body == invite.body
        assert len(again.via) == 1
        result = server.verify(
            again.headers.get_all(given), "INVITE", None, "192.0.2.1", 1, CREDENTIALS, str(again.uri)
        )
        assert result.ok
        agent.receive(response(again, 200, body=ANSWER))
        assert kinds(agent, call) == ["Answered"]
        assert only_request(agent.sent()).headers.get_all(given) == again.headers.get_all(given)

    def test_a_second_refusal_of_the_same_credentials_is_final(self) -> None:
        agent = Agent()
        call, invite = placed(agent, credentials=CREDENTIALS)
        server = DigestAuthenticator("example.net", b"x" * 32)
        for _ in range(2):
            challenges = [("WWW-Authenticate", value) for value in server.challenge(None, "192.0.2.1", 0)]
            agent.receive(response(invite, 401, headers=challenges))
            requests = [m for m in agent.sent() if isinstance(m, Request)]
            invite = requests[-1]
        (event,) = agent.events[call]
        assert isinstance(event, Rejected)
        assert event.status == 401

    def test_a_stale_nonce_is_answered_again_but_not_for_ever(self) -> None:
        agent = Agent()
        call, invite = placed(agent, credentials=CREDENTIALS)
        server = DigestAuthenticator("example.net", b"x" * 32)
        sent = 0
        while not call.ended:
            challenges = [("WWW-Authenticate", v) for v in server.challenge(None, "192.0.2.1", 0, stale=True)]
            agent.receive(response(invite, 401, headers=challenges))
            invite = [m for m in agent.sent() if isinstance(m, Request)][-1]
            sent += 1
        assert 2 <= sent <= 4

    def test_two_proxies_and_the_server_are_answered_together(self) -> None:
        """RFC 3261 §22.3: what one proxy was shown, it is shown again when the next one asks."""
        agent = Agent()
        _call, invite = placed(agent, credentials=CREDENTIALS)
        for status, asked, realm in (
            (407, "Proxy-Authenticate", "p1"),
            (407, "Proxy-Authenticate", "p2"),
            (401, "WWW-Authenticate", "home"),
        ):
            value = f'Digest realm="{realm}", nonce="n-{realm}", qop="auth"'
            agent.receive(response(invite, status, headers=[(asked, value)]))
            invite = [m for m in agent.sent() if isinstance(m, Request)][-1]
        proxies = [parse_auth_params(value)[1] for value in invite.headers.get_all("Proxy-Authorization")]
        assert [(params["realm"], params["nc"]) for params in proxies] == [("p1", "00000003"), ("p2", "00000002")]
        assert len(invite.headers.get_all("Authorization")) == 1

    def test_without_credentials_it_is_a_rejection(self) -> None:
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, 401, headers=[("WWW-Authenticate", 'Digest realm="x", nonce="y"')]))
        assert kinds(agent, call) == ["Rejected"]

    @pytest.mark.parametrize("value", ["", "Basic realm=x", 'Digest realm="x', "Digest nonce=y", "\x7f"])
    def test_a_challenge_that_cannot_be_answered_is_a_rejection(self, value: str) -> None:
        agent = Agent()
        call, invite = placed(agent, credentials=CREDENTIALS)
        data = bytes(response(invite, 401, headers=[("WWW-Authenticate", "#")])).replace(b": #", b": " + value.encode())
        agent.receive(data)
        agent.pass_time(33)
        assert kinds(agent, call) == ["Rejected"]

    def test_the_bye_of_the_call_is_authenticated_too(self) -> None:
        agent = Agent()
        call, invite = placed(agent, credentials=CREDENTIALS)
        agent.receive(response(invite, 200, body=ANSWER))
        agent.sent()
        call.hangup()
        bye = only_request(agent.sent())
        server = DigestAuthenticator("example.net", b"x" * 32)
        challenges = [("WWW-Authenticate", value) for value in server.challenge(None, "192.0.2.1", 0)]
        agent.receive(response(bye, 401, headers=challenges))
        again = only_request(agent.sent())
        assert again.method == "BYE"
        assert again.cseq.number == bye.cseq.number + 1
        agent.receive(response(again, 200))
        assert agent.events[call][-1] == HungUp(200)


class TestCancel:
    def test_it_waits_for_a_provisional_response(self) -> None:
        """RFC 3261 §9.1."""
        agent = Agent()
        call, invite = placed(agent)
        call.cancel(reason="SIP;cause=200")
        assert agent.sent() == []
        agent.receive(response(invite, 100))
        cancel = only_request(agent.sent())
        assert cancel.method == "CANCEL"
        assert cancel.top_via.branch == invite.top_via.branch
        assert cancel.headers.get("Reason") == "SIP;cause=200"

    def test_it_is_sent_once_however_often_the_peer_rings(self) -> None:
        agent = Agent()
        call, invite = placed(agent)
        call.cancel()
        agent.receive(response(invite, 180))
        agent.receive(response(invite, 183))
        assert [m.method for m in agent.sent() if isinstance(m, Request)] == ["CANCEL"]

    def test_a_reason_that_cannot_be_sent_is_a_bug_and_changes_nothing(self) -> None:
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, 180))
        with pytest.raises(LocalProtocolError):
            call.cancel(reason="SIP\n;cause=200")
        call.cancel(reason="SIP;cause=200")
        assert only_request(agent.sent()).method == "CANCEL"

    def test_the_487_ends_the_call(self) -> None:
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, 180))
        call.hangup()
        call.cancel()
        cancel = only_request(agent.sent())
        agent.receive(response(cancel, 200))
        agent.receive(response(invite, 487))
        assert only_request(agent.sent()).method == "ACK"
        rejected = agent.events[call][-1]
        assert isinstance(rejected, Rejected)
        assert (rejected.status, rejected.cause) == (487, "response")

    def test_a_200_that_crosses_it_is_acknowledged_and_ended(self) -> None:
        """Contract §14.3."""
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, 180))
        call.cancel()
        agent.sent()
        agent.receive(response(invite, 200, body=ANSWER))
        assert [m.method for m in agent.sent() if isinstance(m, Request)] == ["ACK", "BYE"]
        assert kinds(agent, call) == ["Progress", "Rejected"]
        assert call.ended
        agent.receive(response(invite, 200, body=ANSWER))
        assert only_request(agent.sent()).method == "ACK"

    def test_a_200_before_any_provisional_response_is_ended_too(self) -> None:
        agent = Agent()
        call, invite = placed(agent)
        call.cancel()
        agent.receive(response(invite, 200, body=ANSWER))
        assert [m.method for m in agent.sent() if isinstance(m, Request)] == ["ACK", "BYE"]
        assert kinds(agent, call) == ["Rejected"]

    def test_a_peer_that_forgets_the_invite_does_not_hold_the_call(self) -> None:
        """RFC 3261 §9.1: 64*T1 after the CANCEL the INVITE counts as cancelled."""
        agent = Agent()
        call, invite = placed(agent)
        agent.receive(response(invite, 180))
        agent.pass_time(100)
        call.cancel()
        agent.receive(response(only_request(agent.sent()), 200))
        agent.pass_time(31.9)
        assert not call.ended
        agent.pass_time(0.2)
        rejected = agent.events[call][-1]
        assert isinstance(rejected, Rejected)
        assert rejected.cause == "timeout"

    def test_a_call_that_was_not_sent_yet_ends_at_once(self) -> None:
        agent = Agent()
        from_ = agent.place().request.from_
        agent.sent()
        call = agent.core.place_call(agent.place().request.uri, from_=from_)  # type: ignore[arg-type]
        agent.sent()
        agent.attend(call)
        call.cancel()
        call.start(PEER)
        call.fail("too late")
        assert agent.sent() == []
        assert kinds(agent, call) == ["Rejected"]

    def test_no_credentials_are_sent_after_it(self) -> None:
        agent = Agent()
        call, invite = placed(agent, credentials=CREDENTIALS)
        call.cancel()
        agent.receive(response(invite, 401, headers=[("WWW-Authenticate", 'Digest realm="x", nonce="y", qop="auth"')]))
        assert only_request(agent.sent()).method == "ACK"
        assert kinds(agent, call) == ["Rejected"]


class TestFailover:
    """RFC 3263 §4.3."""

    SECOND = Endpoint("udp", "192.0.2.98", 5060)

    def next_invite(self, agent: Agent) -> Request:
        """The INVITE that went to the second address; the ACK to the first one's answer may stand before it."""
        message, remote = agent.take()[-1]
        assert isinstance(message, Request)
        assert (message.method, remote) == ("INVITE", self.SECOND)
        return message

    def test_a_503_sends_the_same_call_to_the_next_address_in_a_transaction_of_its_own(self) -> None:
        agent = Agent()
        call, first = placed(agent, remotes=(PEER, self.SECOND))
        agent.receive(response(first, 503))
        second = self.next_invite(agent)
        assert second.call_id == first.call_id
        assert second.top_via.branch != first.top_via.branch
        assert (len(second.via), len(second.contacts), second.body) == (1, 1, OFFER)
        agent.receive(response(second, 200, body=ANSWER))
        assert only_request(agent.sent()).method == "ACK"
        assert kinds(agent, call) == ["Answered"]

    def test_an_address_that_cannot_be_reached_or_says_nothing_is_passed_over(self) -> None:
        for fault in ("transport", "timeout"):
            agent = Agent()
            call = agent.place(remotes=(PEER, self.SECOND))
            agent.deliver()
            (datagram,) = agent.core.data_to_send()
            if fault == "transport":
                agent.core.transport_failed(datagram)
            else:
                agent.pass_time(32.1)
            self.next_invite(agent)
            assert kinds(agent, call) == []

    def test_addresses_without_a_listener_are_passed_over(self) -> None:
        agent = Agent()
        agent.place(remotes=(Endpoint("tls", "192.0.2.97", 5061), self.SECOND))
        self.next_invite(agent)
        call = agent.place(remotes=(Endpoint("tls", "192.0.2.97", 5061),))
        assert agent.take() == []
        rejected = agent.events[call][-1]
        assert isinstance(rejected, Rejected)
        assert (rejected.status, rejected.cause) == (None, "transport")

    @pytest.mark.parametrize("status", [486, 500, 603])
    def test_any_other_refusal_is_final(self, status: int) -> None:
        agent = Agent()
        call, first = placed(agent, remotes=(PEER, self.SECOND))
        agent.receive(response(first, status))
        assert only_request(agent.sent()).method == "ACK"
        assert kinds(agent, call) == ["Rejected"]

    def test_the_last_refusal_stands_when_there_is_no_address_left(self) -> None:
        agent = Agent()
        call, first = placed(agent, remotes=(PEER, self.SECOND))
        agent.receive(response(first, 503))
        agent.receive(response(self.next_invite(agent), 503))
        rejected = agent.events[call][-1]
        assert isinstance(rejected, Rejected)
        assert rejected.status == 503

    def test_after_a_cancel_no_other_address_is_tried(self) -> None:
        agent = Agent()
        call, first = placed(agent, remotes=(PEER, self.SECOND))
        agent.receive(response(first, 180))
        call.cancel()
        agent.sent()
        agent.receive(response(first, 503))
        assert only_request(agent.sent()).method == "ACK"
        assert kinds(agent, call) == ["Progress", "Rejected"]

    def test_silence_after_ringing_is_no_reason_to_ring_elsewhere(self) -> None:
        agent = Agent()
        call, first = placed(agent, remotes=(PEER, self.SECOND))
        agent.receive(response(first, 180))
        agent.pass_time(200)
        assert agent.sent() == []
        assert kinds(agent, call) == ["Progress"]


class TestEnd:
    def test_hanging_up_sends_bye(self) -> None:
        agent = Agent()
        call, invite, _ = confirmed(agent)
        call.hangup()
        call.cancel()
        bye = only_request(agent.sent())
        assert (bye.method, bye.cseq.number) == ("BYE", invite.cseq.number + 1)
        agent.receive(response(bye, 200))
        assert agent.events[call][-1] == HungUp(200)
        assert agent.core.dialogs == 0

    def test_the_bye_of_the_peer_ends_the_call(self) -> None:
        agent = Agent()
        call, invite, _ = confirmed(agent)
        bye = request(
            "BYE", branch="z9hG4bKbye", call_id=invite.call_id, from_tag="callee", to_tag=invite.from_.tag, cseq=1
        )
        assert only_response(agent.answer_to(bye)).status == 200
        assert agent.events[call][-1] == RemoteHangup(None)

    def test_byes_that_cross_end_the_call_once(self) -> None:
        agent = Agent()
        call, invite, _ = confirmed(agent)
        call.hangup()
        ours = only_request(agent.sent())
        theirs = request(
            "BYE", branch="z9hG4bKbye", call_id=invite.call_id, from_tag="callee", to_tag=invite.from_.tag, cseq=1
        )
        assert only_response(agent.answer_to(theirs)).status == 200
        agent.receive(response(ours, 481))
        assert kinds(agent, call) == ["Answered", "RemoteHangup"]
        assert agent.sent_times(60) == []
        assert agent.core.layer.client_count == 0

    def test_a_dialog_that_the_peer_denies_is_gone(self) -> None:
        """RFC 3261 §12.2.1.2."""
        agent = Agent()
        call, _, _ = confirmed(agent)
        call.reinvite(OFFER)
        agent.receive(response(only_request(agent.sent()), 481))
        assert agent.events[call][-1] == Failed("gone")
        assert "BYE" in [m.method for m in agent.sent() if isinstance(m, Request)]
