"""Requests of ours inside a dialog that change nothing in it: INFO (RFC 6086) and MESSAGE (RFC 3428)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest

from sip.core.call import Call
from sip.core.call_state import CallState
from sip.core.events import AsideAnswered, Failed, HungUp
from sip.digest import Credentials
from sip.errors import LocalProtocolError
from sip.message import Request, Response
from tests.sip.support import ANSWER, Agent, only_request, request, response

ALICE = Credentials("alice", "secret")
CHALLENGE = ("WWW-Authenticate", 'Digest realm="x", nonce="{nonce}", qop="auth", algorithm=MD5{more}')
Method = Literal["INFO", "MESSAGE"]


class Confirmed:
    """A call of ours that was answered; `events` has what came after that."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.agent = Agent()
        call = self.agent.place(credentials=credentials)
        self.call: Call = call
        self.events = self.agent.events[call]
        (placed,) = self.agent.sent()
        assert isinstance(placed, Request)
        self.agent.receive(response(placed, 200, body=ANSWER))
        (ack,) = self.agent.sent()
        assert isinstance(ack, Request)
        self.cseq = ack.cseq.number
        self.events.clear()

    def tell(self, method: Method = "INFO") -> Request:
        self.call.aside(method, "text/plain", b"hello")
        return only_request(self.agent.sent())

    def answer(self, to: Request, status: int, *headers: tuple[str, str]) -> Sequence[Request | Response]:
        return self.agent.answer_to(response(to, status, headers=headers))


def challenge(nonce: str, more: str = "") -> tuple[str, str]:
    name, value = CHALLENGE
    return name, value.format(nonce=nonce, more=more)


@pytest.mark.parametrize("method", ["INFO", "MESSAGE"])
class TestInTheDialogOfOurCall:
    def test_it_is_sent_there_and_its_answer_told(self, method: Method) -> None:
        made = Confirmed()
        sent = made.tell(method)
        assert (sent.method, str(sent.uri)) == (method, "sip:callee@192.0.2.99:5070")
        assert (sent.headers.get("Content-Type"), sent.body) == ("text/plain", b"hello")
        assert (sent.call_id, sent.to.tag, sent.from_.tag) == (made.call.call_id, "callee", made.call.local_tag)
        assert (sent.cseq.number, sent.cseq.method) == (made.cseq + 1, method)
        assert made.answer(sent, 100) == []
        assert made.events == []
        assert made.answer(sent, 200) == []
        assert made.events == [AsideAnswered(method, 200)]
        assert made.tell(method).cseq.number == made.cseq + 2

    @pytest.mark.parametrize("status", [300, 415, 488, 503, 603])
    def test_a_refusal_is_told_and_the_call_goes_on(self, method: Method, status: int) -> None:
        made = Confirmed()
        assert made.answer(made.tell(method), status) == []
        assert made.events == [AsideAnswered(method, status)]
        assert made.call.state is CallState.CONFIRMED

    def test_a_peer_that_knows_the_dialog_no_more_ends_the_call(self, method: Method) -> None:
        made = Confirmed()
        (bye,) = made.answer(made.tell(method), 481)
        assert isinstance(bye, Request)
        assert bye.method == "BYE"
        assert made.events == [AsideAnswered(method, 481), Failed("gone")]
        assert made.call.ended

    def test_no_answer_is_told_and_the_call_goes_on(self, method: Method) -> None:
        made = Confirmed()
        made.tell(method)
        times = made.agent.sent_times(31.9)
        assert times[:4] == [0.5, 1.5, 3.5, 7.5]
        assert made.events == []
        made.agent.pass_time(0.2)
        assert made.events == [AsideAnswered(method, None)]
        assert made.call.state is CallState.CONFIRMED
        assert made.agent.sent() == []

    def test_what_cannot_be_sent_is_told_and_the_call_goes_on(self, method: Method) -> None:
        made = Confirmed()
        made.call.aside(method, "text/plain", b"hello")
        made.agent.fail_to_send()
        assert made.events == [AsideAnswered(method, None)]
        assert made.call.state is CallState.CONFIRMED

    def test_a_challenge_is_answered_with_the_credentials_of_the_call(self, method: Method) -> None:
        made = Confirmed(ALICE)
        first = made.tell(method)
        again = only_request(made.answer(first, 401, challenge("one")))
        assert (again.method, again.body, again.headers.get("Content-Type")) == (method, b"hello", "text/plain")
        assert again.cseq.number == first.cseq.number + 1
        assert again.top_via.branch != first.top_via.branch
        credentials = again.headers.get("Authorization") or ""
        assert 'username="alice"' in credentials
        assert 'nonce="one"' in credentials
        assert made.events == []
        assert made.answer(again, 200) == []
        assert made.events == [AsideAnswered(method, 200)]
        following = made.tell(method)
        assert following.cseq.number == again.cseq.number + 1

    def test_a_proxy_is_answered_as_well(self, method: Method) -> None:
        made = Confirmed(ALICE)
        name, value = challenge("one")
        again = only_request(made.answer(made.tell(method), 407, (name.replace("WWW", "Proxy"), value)))
        assert 'username="alice"' in (again.headers.get("Proxy-Authorization") or "")
        made.answer(again, 202)
        assert made.events == [AsideAnswered(method, 202)]

    def test_a_challenge_is_told_where_the_call_has_no_credentials(self, method: Method) -> None:
        made = Confirmed()
        assert made.answer(made.tell(method), 401, challenge("one")) == []
        assert made.events == [AsideAnswered(method, 401)]
        assert made.call.state is CallState.CONFIRMED

    def test_credentials_that_are_refused_are_not_sent_again(self, method: Method) -> None:
        made = Confirmed(ALICE)
        again = only_request(made.answer(made.tell(method), 401, challenge("one")))
        assert made.answer(again, 401, challenge("two")) == []
        assert made.events == [AsideAnswered(method, 401)]

    def test_an_old_nonce_is_replaced_but_not_for_ever(self, method: Method) -> None:
        made = Confirmed(ALICE)
        sent, tries = made.tell(method), 0
        while answered := made.answer(sent, 401, challenge(f"n{tries}", ", stale=true")):
            sent, tries = only_request(answered), tries + 1
            assert tries < 10
        assert tries == 3
        assert made.events == [AsideAnswered(method, 401)]
        again = only_request(made.answer(made.tell(method), 401, challenge("later", ", stale=true")))
        assert made.answer(again, 200) == []
        assert made.events[1:] == [AsideAnswered(method, 200)]

    def test_what_comes_after_the_end_of_the_call_is_not_answered(self, method: Method) -> None:
        made = Confirmed(ALICE)
        sent = made.tell(method)
        made.call.hangup()
        bye = only_request(made.agent.sent())
        assert made.answer(sent, 401, challenge("one")) == []
        made.answer(bye, 200)
        assert made.events[-1] == HungUp(200)
        made.call.aside(method, "text/plain", b"hello")
        assert made.agent.sent() == []


class TestBeforeTheCallIsConfirmed:
    def test_a_call_of_ours_that_rings_refuses(self) -> None:
        agent = Agent()
        call = agent.place()
        placed = only_request(agent.sent())
        with pytest.raises(LocalProtocolError, match="INFO can be sent in a confirmed call"):
            call.aside("INFO", "text/plain", b"hello")
        agent.receive(response(placed, 180))
        with pytest.raises(LocalProtocolError, match="MESSAGE can be sent in a confirmed call"):
            call.aside("MESSAGE", "text/plain", b"hello")
        assert agent.sent() == []

    def test_a_call_to_us_takes_it_once_our_answer_is_acknowledged(self) -> None:
        agent = Agent()
        call = agent.call()
        events = agent.attend(call)
        call.ring()
        for status in (180, 200):
            with pytest.raises(LocalProtocolError):
                call.aside("INFO", "text/plain", b"hello")
            if status == 180:
                call.answer(ANSWER)
        agent.sent()
        agent.receive(request("ACK", branch="z9hG4bKack", to_tag=call.local_tag))
        call.aside("INFO", "text/plain", b"hello")
        sent = only_request(agent.sent())
        assert (sent.to.tag, str(sent.uri)) == ("caller", "sip:caller@192.0.2.99:5070")
        agent.receive(response(sent, 200))
        assert events[-1] == AsideAnswered("INFO", 200)
