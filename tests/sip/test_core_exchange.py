"""One request outside any dialog: addresses tried in turn, challenges answered, an end in any case."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sip.core.exchange import CHALLENGES_ANSWERED, Exchange, ExchangeResult
from sip.core.flows import Flow
from sip.digest import Credentials, DigestSession, parse_auth_params
from sip.endpoint import Endpoint
from sip.headers import Headers
from sip.message import Request, Response
from sip.uri import SipUri
from tests.sip.support import PEER, Agent, only_request, response

OTHER = Endpoint("udp", "192.0.2.98", 5060)
NO_LISTENER = Endpoint("tcp", "192.0.2.97", 5060)
TARGET = SipUri.parse("sip:192.0.2.99")


class Bench:
    """An exchange of OPTIONS and its results."""

    def __init__(self, *, credentials: Credentials | None = None, timeout: float | None = None) -> None:
        self.agent = Agent()
        self.results: list[ExchangeResult] = []
        self.sequence = 0
        digest = DigestSession(credentials) if credentials is not None else None
        self.exchange = Exchange(self.agent.core, self.compose, self.results.append, digest=digest, timeout=timeout)

    def compose(self, flow: Flow) -> Request:
        self.sequence += 1
        fields = [
            ("From", f"<sip:{flow.host}>;tag=1"),
            ("To", "<sip:x>"),
            ("Call-ID", "1"),
            ("CSeq", f"{self.sequence} OPTIONS"),
        ]
        return Request("OPTIONS", TARGET, Headers(fields))

    def start(self, *remotes: Endpoint) -> None:
        self.exchange.start(remotes)

    def taken(self) -> tuple[Request, Endpoint]:
        ((message, remote),) = self.agent.take()
        assert isinstance(message, Request)
        return message, remote

    def answer(self, status: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        request, remote = self.taken()
        self.agent.receive(response(request, status, headers=headers), remote)

    @property
    def result(self) -> ExchangeResult:
        (result,) = self.results
        return result


def challenge(nonce: str, realm: str = "r", more: str = "") -> tuple[str, str]:
    return ("WWW-Authenticate", f'Digest realm="{realm}", nonce="{nonce}", qop="auth"{more}')


class TestNextNonce:
    """RFC 7616 §3.5."""

    @pytest.mark.parametrize(
        ("status", "asks", "info", "answers"),
        [
            (401, "WWW-Authenticate", "Authentication-Info", "Authorization"),
            (407, "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization"),
        ],
    )
    def test_the_next_request_answers_the_nonce_that_was_passed_on(
        self, status: int, asks: str, info: str, answers: str
    ) -> None:
        bench = Bench(credentials=Credentials("bob", "zanzibar"))
        bench.start(PEER)
        bench.answer(status, [(asks, 'Digest realm="r", nonce="n1", qop="auth"')])
        bench.answer(200, [(info, 'nextnonce="n2"')])
        again = Exchange(bench.agent.core, bench.compose, bench.results.append, digest=bench.exchange._digest)
        again.start([PEER])
        request, _ = bench.taken()
        _, params = parse_auth_params(request.headers.get(answers) or "")
        assert (params["nonce"], params["nc"]) == ("n2", "00000001")


class TestAnswer:
    @pytest.mark.parametrize("status", [200, 302, 404, 486, 600])
    def test_a_final_response_is_the_end(self, status: int) -> None:
        bench = Bench()
        bench.start(PEER, OTHER)
        bench.answer(status)
        assert bench.result.response is not None
        assert (bench.result.response.status, bench.result.failure, bench.result.remote) == (status, None, PEER)
        bench.agent.pass_time(60)
        assert bench.agent.sent() == []
        assert bench.agent.core.layer.client_count == 0

    def test_a_provisional_response_is_not(self) -> None:
        bench = Bench()
        bench.start(PEER)
        request, _ = bench.taken()
        bench.agent.receive(response(request, 100))
        assert bench.results == []
        bench.agent.receive(response(request, 200))
        assert bench.result.response is not None

    def test_a_repeated_response_is_told_once(self) -> None:
        bench = Bench()
        bench.start(PEER)
        request, _ = bench.taken()
        for _ in range(3):
            bench.agent.receive(response(request, 200))
        assert len(bench.results) == 1


class TestAddresses:
    """RFC 3263 §4.3."""

    def test_the_next_is_tried_on_503_as_a_new_request(self) -> None:
        bench = Bench()
        bench.start(PEER, OTHER)
        first, remote = bench.taken()
        bench.agent.receive(response(first, 503), remote)
        second, remote = bench.taken()
        assert remote == OTHER
        assert second.top_via.branch != first.top_via.branch
        assert second.cseq.number > first.cseq.number

    def test_the_next_is_tried_on_silence(self) -> None:
        bench = Bench()
        bench.start(PEER, OTHER)
        bench.taken()
        bench.agent.pass_time(32.1)
        *_, (last, remote) = bench.agent.take()
        assert remote == OTHER
        bench.agent.receive(response(last, 200), remote)  # type: ignore[arg-type]
        assert bench.result.remote == OTHER

    def test_the_next_is_tried_on_a_transport_error(self) -> None:
        bench = Bench()
        bench.start(PEER, OTHER)
        (datagram,) = bench.agent.core.data_to_send()
        bench.agent.core.transport_failed(datagram)
        assert bench.taken()[1] == OTHER

    def test_those_nobody_of_ours_can_reach_are_passed_over(self) -> None:
        bench = Bench()
        bench.start(NO_LISTENER, OTHER)
        assert bench.taken()[1] == OTHER

    def test_the_last_failure_is_told(self) -> None:
        bench = Bench()
        bench.start(PEER)
        bench.answer(503)
        assert bench.result.response is not None
        silent = Bench()
        silent.start(PEER, OTHER)
        silent.agent.pass_time(70)
        assert (silent.result.response, silent.result.failure, silent.result.remote) == (None, "timeout", OTHER)

    @pytest.mark.parametrize("remotes", [(), (NO_LISTENER,)])
    def test_without_any_it_cannot_be_reached(self, remotes: tuple[Endpoint, ...]) -> None:
        bench = Bench()
        bench.start(*remotes)
        assert (bench.result.failure, bench.result.request) == ("unreachable", None)


class TestTimeout:
    def test_it_bounds_all_tries_together(self) -> None:
        bench = Bench(timeout=4.0)
        bench.start(PEER, OTHER)
        bench.agent.pass_time(2)
        *_, (last, remote) = bench.agent.take()
        bench.agent.receive(response(last, 503), remote)  # type: ignore[arg-type]
        bench.agent.pass_time(2.1)
        assert bench.result.failure == "timeout"
        bench.agent.sent()
        bench.agent.pass_time(60)
        assert bench.agent.sent() == []
        assert bench.agent.core.layer.client_count == 0

    def test_an_abandoned_one_is_silent(self) -> None:
        bench = Bench(timeout=4.0)
        bench.start(PEER)
        request, _ = bench.taken()
        bench.exchange.abandon()
        bench.agent.receive(response(request, 200))
        bench.agent.pass_time(60)
        assert (bench.results, bench.agent.sent()) == ([], [])
        bench.start(PEER)
        assert bench.agent.sent() == []


class TestChallenges:
    def test_they_are_answered_with_a_new_cseq(self) -> None:
        bench = Bench(credentials=Credentials("alice", "secret"))
        bench.start(PEER)
        bench.answer(401, [challenge("n")])
        request, _ = bench.taken()
        assert request.cseq.number == 2
        assert parse_auth_params(request.headers.get("Authorization") or "")[1]["uri"] == "sip:192.0.2.99"
        bench.agent.receive(response(request, 200))
        assert bench.result.response is not None

    def test_a_wrong_password_is_told_after_one_answer(self) -> None:
        bench = Bench(credentials=Credentials("alice", "wrong"))
        bench.start(PEER)
        bench.answer(401, [challenge("n1")])
        bench.answer(401, [challenge("n2")])
        assert bench.result.response is not None
        assert bench.result.response.status == 401

    def test_without_credentials_the_challenge_is_the_result(self) -> None:
        bench = Bench()
        bench.start(PEER)
        bench.answer(401, [challenge("n")])
        assert bench.result.response is not None

    def test_a_server_that_calls_every_nonce_stale_does_not_hold_us(self) -> None:
        bench = Bench(credentials=Credentials("alice", "secret"))
        bench.start(PEER)
        for number in range(CHALLENGES_ANSWERED + 1):
            bench.answer(401, [challenge(f"n{number}", more=", stale=true")])
        assert isinstance(bench.result.response, Response)
        assert bench.agent.sent() == []

    def test_proxies_and_server_are_answered_together(self) -> None:
        """RFC 3261 §22.3."""
        bench = Bench(credentials=Credentials("alice", "secret"))
        bench.start(PEER)
        bench.answer(407, [("Proxy-Authenticate", challenge("1", "p1")[1])])
        bench.answer(407, [("Proxy-Authenticate", challenge("2", "p2")[1])])
        bench.answer(401, [challenge("3", "home")])
        request = only_request(bench.agent.sent())
        assert len(request.headers.get_all("Proxy-Authorization")) == 2
        assert len(request.headers.get_all("Authorization")) == 1
