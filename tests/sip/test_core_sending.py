"""Composition of messages: flows, stateless tags, short answers to strangers, credentials."""

from __future__ import annotations

import pytest

from sip.core.config import UserAgentConfig
from sip.core.sending import Sender
from sip.core.statistics import Statistics
from sip.digest import Credentials, DigestSession
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.message import Request, Response, parse_message
from sip.transaction.layer import TransactionLayer
from sip.transaction.timers import TimerConfig
from tests.sip.support import LOCAL, PEER, Clock, invite, request, response


def sender(*listeners: Endpoint, **config: object) -> Sender:
    made = Sender(
        UserAgentConfig(**config),  # type: ignore[arg-type]
        TransactionLayer(TimerConfig(), Clock()),
        Statistics(),
        lambda host: "2001:db8::5" if ":" in host else "192.0.2.5",
    )
    for listener in listeners or (LOCAL,):
        made.add_listener(listener)
    return made


def parsed(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


class TestFlows:
    def test_a_wildcard_listener_shows_the_address_of_the_routing_table(self) -> None:
        made = sender(Endpoint("udp", "0.0.0.0", 5060))
        assert made.flow_to(PEER).host == "192.0.2.5"

    def test_a_listener_with_an_address_shows_it(self) -> None:
        assert sender().flow_to(PEER).host == "192.0.2.1"

    def test_the_advertised_address_comes_first(self) -> None:
        assert sender(advertised_address="203.0.113.1").flow_to(PEER).host == "203.0.113.1"

    def test_the_advertised_address_is_not_told_to_the_other_family(self) -> None:
        made = sender(Endpoint("udp", "::", 5060), advertised_address="203.0.113.1")
        assert made.flow_to(Endpoint("udp", "2001:db8::99", 5060)).host == "2001:db8::5"
        named = sender(Endpoint("udp", "::", 5060), advertised_address="sip.example.com")
        assert named.flow_to(Endpoint("udp", "2001:db8::99", 5060)).host == "sip.example.com"

    def test_the_family_of_the_peer_chooses_the_listener(self) -> None:
        four, six = Endpoint("udp", "0.0.0.0", 5060), Endpoint("udp", "::", 5062)
        made = sender(four, six)
        assert made.flow_to(PEER).local is four
        assert made.flow_to(Endpoint("udp", "2001:db8::99", 5060)).local is six
        assert made.flow_to(Endpoint("udp", "2001:db8::99", 5060)).contact("a") == "<sip:a@[2001:db8::5]:5062>"

    def test_among_several_the_routing_table_chooses(self) -> None:
        loopback, lan = Endpoint("udp", "127.0.0.1", 5060), Endpoint("udp", "192.0.2.5", 5060)
        assert sender(loopback, lan).flow_to(PEER).local is lan

    def test_a_transport_without_listener_is_refused(self) -> None:
        with pytest.raises(LocalProtocolError):
            sender().flow_to(Endpoint("tcp", "192.0.2.99", 5060))

    def test_a_user_part_is_escaped(self) -> None:
        assert sender().flow_to(PEER).contact("a b>") == "<sip:a%20b%3E@192.0.2.1:5060>"


class TestStatelessTags:
    def test_copies_of_a_request_get_the_same(self) -> None:
        made = sender()
        assert made.stateless_tag(parsed(invite())) == made.stateless_tag(parsed(invite()))

    @pytest.mark.parametrize(
        "change", [{"call_id": "x"}, {"from_tag": "x"}, {"cseq": 2}, {"branch": "z9hG4bKother"}], ids=str
    )
    def test_other_requests_get_another(self, change: dict[str, object]) -> None:
        made = sender()
        assert made.stateless_tag(parsed(invite(**change))) != made.stateless_tag(parsed(invite()))  # type: ignore[arg-type]

    def test_nobody_else_can_compute_it(self) -> None:
        assert sender().stateless_tag(parsed(invite())) != sender().stateless_tag(parsed(invite()))


class TestUnaskedAnswers:
    def answer(self, size: int, *, remote: Endpoint = PEER, status: int = 401) -> Response:
        made = sender()
        challenges = [("WWW-Authenticate", f'Digest realm="{n}", nonce="{"x" * 80}"') for n in range(2)]
        made.send_unasked(
            made.response(
                parsed(request("INVITE", branch="z9hG4bK1")), status, headers=[*challenges, ("Allow", "INVITE, BYE")]
            ),
            size,
            remote,
            LOCAL,
        )
        (datagram,) = made.layer.output
        assert remote.reliable or len(datagram.data) <= 1.5 * size
        message = parse_message(datagram.data)
        assert isinstance(message, Response)
        return message

    def test_a_long_request_gets_everything(self) -> None:
        answer = self.answer(1000)
        assert "Server" in answer.headers
        assert len(answer.headers.get_all("WWW-Authenticate")) == 2

    def test_a_short_one_gets_what_is_vital(self) -> None:
        answer = self.answer(300)
        assert "Server" not in answer.headers
        assert "Allow" not in answer.headers
        assert len(answer.headers.get_all("WWW-Authenticate")) == 1

    def test_allow_stays_where_the_status_demands_it(self) -> None:
        assert "Allow" in self.answer(330, status=405).headers

    def test_what_cannot_be_made_short_enough_is_not_sent(self) -> None:
        made = sender()
        asked = parsed(request("INVITE", branch="z9hG4bK1"))
        for size, sent in ((10, 0), (300, 1)):
            made.send_unasked(made.response(asked, 404), size, PEER, LOCAL)
            assert len(made.layer.output) == sent
        assert made.statistics.withheld == 1

    def test_over_a_connection_nothing_is_left_out(self) -> None:
        answer = self.answer(10, remote=Endpoint("tcp", "192.0.2.99", 5070))
        assert len(answer.headers.get_all("WWW-Authenticate")) == 2


class TestCredentials:
    def test_a_stale_challenge_is_answered_a_refusal_is_not(self) -> None:
        made = sender()
        ours = parsed(invite())
        for stale, wanted in (("", False), (", stale=true", True), (", stale=TRUE", True), (", stale=false", False)):
            digest = DigestSession(Credentials("alice", "secret"))
            heard = response(ours, 401, headers=[("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')])
            again = made.answer_challenge(ours, heard, digest)
            assert again is not None
            value = f'Digest realm="r", nonce="n2", qop="auth"{stale}'
            heard = response(ours, 401, headers=[("WWW-Authenticate", value)])
            assert (made.answer_challenge(again, heard, digest) is not None) is wanted

    def test_the_request_itself_is_left_alone(self) -> None:
        made = sender()
        ours = parsed(invite())
        before = bytes(ours)
        heard = response(ours, 407, headers=[("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')])
        again = made.answer_challenge(ours, heard, DigestSession(Credentials("alice", "secret")))
        assert again is not None
        assert bytes(ours) == before
        assert again.cseq.number == ours.cseq.number + 1
        assert "Via" not in again.headers
