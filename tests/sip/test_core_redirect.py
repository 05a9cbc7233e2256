"""Calls that go elsewhere: 3xx responses (RFC 3261 §8.1.3.4), and addresses that want no calls for now (§21.5.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.core.events import Answered, CallEvent, Redirected, Rejected
from sip.core.redirect import WAITING_TARGETS, Redirects
from sip.core.unavailable import ADDRESSES, LONGEST_PAUSE, UnavailablePeers, parse_retry_after
from sip.digest import Credentials, DigestAuthenticator
from sip.endpoint import Endpoint
from sip.headers import Headers
from sip.message import Request, Response
from sip.uri import SipUri
from tests.sip.support import ANSWER, OFFER, PEER, Agent, losing, only_request, pair, request, response

NEXT = Endpoint("udp", "192.0.2.60", 5060)


def moved(to: Request, *contacts: str, status: int = 302) -> Response:
    return response(to, status, headers=[("Contact", contact) for contact in contacts])


def invites(messages: Sequence[Request | Response]) -> list[Request]:
    return [message for message in messages if isinstance(message, Request) and message.method == "INVITE"]


class Moving:
    """A call whose INVITE has been sent."""

    def __init__(self, **place: object) -> None:
        self.agent = Agent()
        self.call = self.agent.place(**place)  # type: ignore[arg-type]
        self.invite = only_request(self.agent.sent())

    @property
    def events(self) -> list[CallEvent]:
        return self.agent.events[self.call]

    def hear(self, answer: Response, source: Endpoint = PEER) -> list[Request]:
        """The INVITEs that a response causes."""
        return invites(self.agent.answer_to(answer, source))


class TestFollowing:
    @pytest.mark.parametrize("status", [300, 301, 302, 399])
    def test_rfc_3261_8_1_3_4_the_same_call_with_a_new_cseq_goes_to_the_contact(self, status: int) -> None:
        call = Moving()
        call.agent.receive(moved(call.invite, "<sip:bob@192.0.2.60>", status=status))
        (_ack, _), (again, remote) = call.agent.take()
        assert isinstance(again, Request)
        assert remote == NEXT
        assert str(again.uri) == "sip:bob@192.0.2.60"
        assert (again.call_id, again.from_, again.to) == (call.invite.call_id, call.invite.from_, call.invite.to)
        assert again.cseq.number == call.invite.cseq.number + 1
        assert again.top_via.branch != call.invite.top_via.branch
        assert again.body == OFFER
        assert again.headers.get("Session-Expires") == "1800"
        assert call.events == [Redirected(SipUri.parse("sip:bob@192.0.2.60"))]
        call.agent.receive(response(again, 200, body=ANSWER), NEXT)
        assert isinstance(call.events[-1], Answered)

    def test_rfc_3261_8_1_3_4_in_the_order_of_q_until_one_answers(self) -> None:
        call = Moving()
        (first,) = call.hear(moved(call.invite, "<sip:c@192.0.2.61>;q=0.1, <sip:a@192.0.2.60>;q=0.9", "<sip:b@x>;q=.5"))
        seen = [str(first.uri)]
        current = first
        while again := call.hear(response(current, 486), NEXT):
            current = again[0]
            seen.append(str(current.uri))
        assert seen == ["sip:b@x", "sip:a@192.0.2.60", "sip:c@192.0.2.61"]
        assert isinstance(call.events[-1], Rejected)
        assert call.events[-1].status == 486

    def test_rfc_3261_21_6_a_6xx_is_the_last_word(self) -> None:
        call = Moving()
        (first,) = call.hear(moved(call.invite, "<sip:a@192.0.2.60>, <sip:b@192.0.2.61>"))
        assert call.hear(response(first, 603), NEXT) == []
        assert isinstance(call.events[-1], Rejected)

    def test_a_target_that_says_nothing_gives_way_to_the_next(self) -> None:
        call = Moving()
        call.hear(moved(call.invite, "<sip:a@192.0.2.60>, <sip:b@192.0.2.61>"))
        call.agent.pass_time(32.1)
        assert str(invites(call.agent.sent())[-1].uri) == "sip:b@192.0.2.61"

    def test_a_redirection_of_a_redirection_goes_first(self) -> None:
        call = Moving()
        (first,) = call.hear(moved(call.invite, "<sip:a@192.0.2.60>, <sip:b@192.0.2.61>"))
        (second,) = call.hear(moved(first, "<sip:c@192.0.2.62>"), NEXT)
        assert str(second.uri) == "sip:c@192.0.2.62"
        assert second.cseq.number == first.cseq.number + 1
        (third,) = call.hear(response(second, 404), NEXT)
        assert str(third.uri) == "sip:b@192.0.2.61"

    @pytest.mark.parametrize("status", [305, 380])
    def test_rfc_3261_21_3_another_proxy_or_service_ends_the_call(self, status: int) -> None:
        call = Moving()
        assert call.hear(moved(call.invite, "<sip:a@192.0.2.60>", status=status)) == []
        (rejected,) = call.events
        assert isinstance(rejected, Rejected)
        assert rejected.status == status

    @pytest.mark.parametrize(
        "contacts", [(), ("<tel:+15550100>",), ("<http://x>", "<mailto:a@b>"), ("<sip:+15550100@192.0.2.99:5070>",)]
    )
    def test_where_nothing_new_can_be_called_the_3xx_is_final(self, contacts: Sequence[str]) -> None:
        call = Moving()
        assert call.hear(moved(call.invite, *contacts)) == []
        (rejected,) = call.events
        assert isinstance(rejected, Rejected)
        assert rejected.status == 302

    def test_two_that_send_a_call_to_each_other_are_asked_once(self) -> None:
        call = Moving()
        (first,) = call.hear(moved(call.invite, "<sip:a@192.0.2.60>"))
        assert call.hear(moved(first, "<sip:+15550100@192.0.2.99:5070>, <sip:a@192.0.2.60>"), NEXT) == []
        assert isinstance(call.events[-1], Rejected)

    @pytest.mark.parametrize(("limit", "wanted"), [(0, 0), (1, 1), (None, 5)])
    def test_at_most_so_many_are_followed(self, limit: int | None, wanted: int) -> None:
        call = Moving(**({} if limit is None else {"follow_redirects": limit}))
        current, followed = call.invite, 0
        while again := call.hear(moved(current, f"<sip:{followed}@192.0.2.60>"), PEER if not followed else NEXT):
            current, followed = again[0], followed + 1
        assert followed == wanted
        assert isinstance(call.events[-1], Rejected)

    def test_rfc_3261_26_2_2_a_secure_call_stays_secure(self) -> None:
        redirects = Redirects(SipUri.parse("sips:a@b"), 5)
        made = moved(Moving().invite, "<sip:c@d>;q=1", "<sips:e@f>;q=0.1")
        redirects.learn(made)
        assert str(redirects.next()) == "sips:e@f"
        assert redirects.next() is None

    def test_rfc_3261_19_1_5_headers_in_a_contact_are_not_taken_over(self) -> None:
        call = Moving()
        (again,) = call.hear(moved(call.invite, "<sip:a@192.0.2.60;method=BYE?Route=%3Csip:x%3E&Replaces=y>"))
        assert str(again.uri) == "sip:a@192.0.2.60"
        assert "Route" not in again.headers
        assert "Replaces" not in again.headers

    def test_credentials_are_asked_for_anew_at_the_next_target(self) -> None:
        call = Moving(credentials=Credentials("alice", "secret"))
        (value, *_) = DigestAuthenticator("realm", b"k" * 32, 300).challenge("realm", "192.0.2.99", 0.0)
        (authorized,) = call.hear(response(call.invite, 401, headers=[("WWW-Authenticate", value)]))
        assert "Authorization" in authorized.headers
        (again,) = call.hear(moved(authorized, "<sip:a@192.0.2.60>"))
        assert "Authorization" not in again.headers
        assert again.cseq.number == authorized.cseq.number + 1

    @pytest.mark.parametrize(
        ("contact", "status", "route", "answered"),
        [
            ("<sip:other@192.0.2.99:5099>", 401, False, True),  # the same host
            ("<sip:a@192.0.2.60>", 401, False, False),
            ("<sip:a@192.0.2.60>", 407, False, False),
            ("<sip:a@192.0.2.60>", 407, True, True),  # the proxy that the call goes by
            ("<sip:a@192.0.2.60>", 401, True, False),
        ],
    )
    def test_credentials_are_for_the_host_that_was_called(
        self, contact: str, status: int, route: bool, answered: bool
    ) -> None:
        headers = [("Route", "<sip:192.0.2.99:5070;lr>")] if route else []
        call = Moving(credentials=Credentials("alice", "secret"), headers=headers)
        (again,) = call.hear(moved(call.invite, contact))
        (value, *_) = DigestAuthenticator("realm", b"k" * 32, 300).challenge("realm", "192.0.2.99", 0.0)
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        assert bool(call.hear(response(again, status, headers=[(name, value)]))) is answered
        if not answered:
            assert isinstance(call.events[-1], Rejected)
            assert call.events[-1].status == status

    def test_in_the_dialog_with_another_host_no_challenge_is_answered_either(self) -> None:
        call = Moving(credentials=Credentials("alice", "secret"))
        (again,) = call.hear(moved(call.invite, "<sip:a@192.0.2.60>"))
        call.agent.receive(response(again, 200, body=ANSWER))
        call.call.hangup()
        bye = call.agent.sent()[-1]
        assert isinstance(bye, Request)
        (value, *_) = DigestAuthenticator("realm", b"k" * 32, 300).challenge("realm", "192.0.2.99", 0.0)
        call.agent.receive(response(bye, 401, headers=[("WWW-Authenticate", value)]))
        assert call.agent.sent() == []

    def test_a_cancelled_call_is_not_sent_on(self) -> None:
        call = Moving()
        call.agent.receive(response(call.invite, 180))
        call.call.cancel()
        call.agent.sent()
        assert call.hear(moved(call.invite, "<sip:a@192.0.2.60>")) == []
        assert isinstance(call.events[-1], Rejected)

    def test_early_dialogs_of_the_old_target_are_forgotten(self) -> None:
        call = Moving()
        call.agent.receive(response(call.invite, 183, body=ANSWER))
        call.hear(moved(call.invite, "<sip:a@192.0.2.60>"))
        assert call.agent.core.dialogs == 0


class TestLocating:
    """Names are looked up by the floor below; the core waits."""

    def waiting(self) -> tuple[Moving, list[tuple[SipUri, object]]]:
        call = Moving()
        asked: list[tuple[SipUri, object]] = []
        call.agent.core.locate = lambda uri, located: asked.append((uri, located))
        assert call.hear(moved(call.invite, "<sip:a@host.example>, <sip:b@192.0.2.61>")) == []
        return call, asked

    def test_the_invite_goes_to_what_is_found(self) -> None:
        call, asked = self.waiting()
        ((uri, located),) = asked
        assert uri.host == "host.example"
        located((NEXT,))  # type: ignore[operator]
        ((again, remote),) = call.agent.take()
        assert isinstance(again, Request)
        assert (str(again.uri), remote) == ("sip:a@host.example", NEXT)

    def test_a_name_without_address_gives_way_to_the_next_target(self) -> None:
        call, asked = self.waiting()
        asked[0][1](())  # type: ignore[operator]
        assert len(asked) == 2
        asked[1][1](())  # type: ignore[operator]
        (*_, rejected) = call.events
        call.agent.deliver()
        (*_, rejected) = call.events
        assert isinstance(rejected, Rejected)
        assert rejected.cause == "transport"

    def test_a_call_given_up_meanwhile_is_not_made(self) -> None:
        call, asked = self.waiting()
        call.call.hangup()
        asked[0][1]((NEXT,))  # type: ignore[operator]
        assert call.agent.sent() == []
        assert isinstance(call.events[-1], Rejected)


@pytest.mark.parametrize("lost", [(), ("302",), ("ACK",), ("302", "302", "ACK"), ("INVITE", "302")])
def test_a_redirection_is_followed_once_whatever_is_lost(lost: Sequence[str]) -> None:
    caller, callee, wire = pair(losing(*lost))

    def on_call(call: object) -> None:
        incoming = callee.calls[-1]
        callee.attend(incoming)
        if len(callee.calls) == 1:
            incoming.reject(302, headers=[("Contact", f"<sip:other@{PEER.host}:{PEER.port}>")])
        else:
            incoming.answer(ANSWER)

    callee.on_call = on_call
    call = caller.place()
    wire.run(20)
    assert [type(event).__name__ for event in caller.events[call]] == ["Redirected", "Answered"]
    assert len(callee.calls) == 2


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "wanted"),
        [
            ("18000;duration=3600", 18000),
            ("120 (I'm in a meeting)", 120),
            ("0", 0),
            ("-1", None),
            ("soon", None),
            ("99999999999999", None),
            (None, None),
        ],
    )
    def test_rfc_3261_20_33_it_is_read_without_comment_and_parameters(
        self, value: str | None, wanted: int | None
    ) -> None:
        assert parse_retry_after(Headers(() if value is None else (("Retry-After", value),))) == wanted

    @given(st.text(alphabet=st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=30))
    def test_nothing_raises(self, value: str) -> None:
        parse_retry_after(Headers.trusted([("Retry-After", value)]))

    @pytest.mark.parametrize("status", [404, 480, 486, 500, 503, 600])
    def test_it_is_told_with_the_rejection(self, status: int) -> None:
        call = Moving()
        call.hear(response(call.invite, status, headers=[("Retry-After", "60")]))
        (rejected,) = call.events
        assert isinstance(rejected, Rejected)
        assert (rejected.status, rejected.retry_after) == (status, 60)

    def test_rfc_3261_21_5_4_an_address_that_is_unavailable_is_not_called_until_then(self) -> None:
        call = Moving()
        call.hear(response(call.invite, 503, headers=[("Retry-After", "60")]))
        call.agent.pass_time(40)
        call.agent.sent()
        second = call.agent.place()
        assert call.agent.sent() == []
        (rejected,) = call.agent.events[second]
        assert isinstance(rejected, Rejected)
        assert (rejected.status, rejected.retry_after) == (503, 20)
        call.agent.pass_time(20)
        call.agent.place()
        assert only_request(call.agent.sent()).method == "INVITE"

    def test_rfc_3263_4_3_the_other_addresses_are(self) -> None:
        call = Moving(remotes=(PEER, NEXT))
        (again,) = call.hear(response(call.invite, 503, headers=[("Retry-After", "60")]))
        call.hear(response(again, 486), NEXT)
        call.agent.sent()
        call.agent.place(remotes=(PEER, NEXT))
        ((_invite, remote),) = call.agent.take()
        assert remote == NEXT

    @pytest.mark.parametrize("headers", [[], [("Retry-After", "0")], [("Retry-After", "x")]])
    def test_a_503_without_a_time_keeps_nobody_away(self, headers: list[tuple[str, str]]) -> None:
        call = Moving()
        call.hear(response(call.invite, 503, headers=headers))
        call.agent.place()
        assert len(invites(call.agent.sent())) == 1

    def test_calls_in_progress_are_not_concerned(self) -> None:
        call = Moving()
        call.agent.receive(response(call.invite, 200, body=ANSWER))
        other = call.agent.place()
        rejected = [m for m in call.agent.sent() if isinstance(m, Request) and m.call_id == other.call_id]
        call.agent.receive(response(rejected[0], 503, headers=[("Retry-After", "60")]))
        call.agent.sent()
        call.call.hangup()
        assert only_request(call.agent.sent()).method == "BYE"

    def test_what_is_remembered_is_bounded_in_time_and_number(self) -> None:
        peers = UnavailablePeers()
        peers.note(PEER, 10**9, 0.0)
        assert peers.remaining(PEER, 1.0) == LONGEST_PAUSE - 1
        assert peers.remaining(PEER, LONGEST_PAUSE) == 0
        assert len(peers) == 0
        for port in range(ADDRESSES + 5):
            peers.note(Endpoint("udp", "192.0.2.1", port), 60, 0.0)
        assert len(peers) == ADDRESSES


def test_a_flood_of_contacts_is_cut() -> None:
    redirects = Redirects(SipUri.parse("sip:a@b"), 100)
    made = moved(Moving().invite, *(f"<sip:{number}@x>" for number in range(100)))
    redirects.learn(made)
    assert sum(1 for _ in iter(redirects.next, None)) == WAITING_TARGETS


def test_a_redirected_callee_may_call_back() -> None:
    """The peer we were sent to knows us by the same Call-ID; a request of the old one finds no dialog."""
    call = Moving()
    call.agent.receive(response(call.invite, 180))
    call.hear(moved(call.invite, "<sip:a@192.0.2.60>"))
    data = request(
        "BYE", branch="z9hG4bKb", call_id=call.call.call_id, from_tag="callee", to_tag=call.invite.from_.tag, cseq=1
    )
    answers = call.agent.answer_to(data)
    assert [answer.status for answer in answers if isinstance(answer, Response)] == [481]
