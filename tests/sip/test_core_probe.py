"""OPTIONS probes: what counts as a sign of life, when a peer is down, when it is asked (contract §9.1)."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from sip.core.probe import Health, HealthChange, HealthProbe, Locate
from sip.digest import Credentials
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.message import Request
from sip.uri import SipUri
from tests.sip.support import PEER, Agent, Wire, only_request, pair, response

TARGET = SipUri.parse("sip:192.0.2.99:5070")


def found(_uri: SipUri, tell: object) -> None:
    tell([PEER])  # type: ignore[operator]


class Bench:
    """A probe of PEER every 30 s, first at once."""

    def __init__(self, *, locate: Locate = found, credentials: Credentials | None = None) -> None:
        self.agent = Agent()
        self.changes: list[HealthChange] = []
        self.probe = HealthProbe(
            self.agent.core, TARGET, locate, self.changes.append, credentials=credentials, jitter=lambda: 0.5
        )
        self.probe.start(at_once=True)
        self.agent.pass_time(0)

    def answer(self, status: int | None, after: float = 0.0) -> None:
        """Answer the probe that is due, or not, and go on to the next."""
        request = only_request(self.agent.sent())
        self.agent.pass_time(after)
        self.agent.sent()
        if status is not None:
            self.agent.receive(response(request, status))
        self.agent.pass_time(29 - after)
        self.agent.sent()
        self.agent.pass_time(1.000001)

    @property
    def states(self) -> list[Health]:
        return [change.state for change in self.changes]


class TestRequest:
    def test_it_asks_what_a_peer_can(self) -> None:
        request = only_request(Bench().agent.sent())
        assert (request.method, str(request.uri), request.max_forwards) == ("OPTIONS", "sip:192.0.2.99:5070", 70)
        assert request.headers.get("Accept") == "application/sdp"
        assert request.to.tag is None
        assert request.from_.tag

    def test_each_is_a_request_of_its_own(self) -> None:
        bench = Bench()
        one = only_request(bench.agent.sent())
        bench.agent.receive(response(one, 200))
        bench.agent.pass_time(30)
        other = only_request(bench.agent.sent())
        assert one.call_id != other.call_id


class TestHealth:
    @pytest.mark.parametrize("status", [200, 302, 403, 404, 405, 500, 501, 600])
    def test_any_final_response_is_a_sign_of_life(self, status: int) -> None:
        bench = Bench()
        bench.answer(status)
        assert bench.changes == [HealthChange(Health.UP, 0.0, str(status))]

    @pytest.mark.parametrize("status", [408, 503, None])
    def test_two_failures_in_a_row_are_down(self, status: int | None) -> None:
        bench = Bench()
        bench.answer(status)
        assert bench.probe.state is Health.UNKNOWN
        bench.answer(status)
        assert bench.changes == [HealthChange(Health.DOWN, None, "timeout" if status is None else str(status))]

    def test_one_success_is_up_again(self) -> None:
        bench = Bench()
        for status in (200, None, 200, None, 503, None, 404):
            bench.answer(status)
        assert bench.states == [Health.UP, Health.DOWN, Health.UP]

    def test_failures_with_a_success_between_are_not_in_a_row(self) -> None:
        bench = Bench()
        for status in (None, 200, None, 200, 503, 200):
            bench.answer(status)
        assert bench.states == [Health.UP]

    def test_an_answer_after_4_s_is_none(self) -> None:
        bench = Bench()
        bench.answer(200, after=3.9)
        assert bench.states == [Health.UP]
        assert bench.probe.latency == pytest.approx(3.9)
        bench.answer(200, after=4.1)
        bench.answer(200, after=4.1)
        assert bench.states == [Health.UP, Health.DOWN]

    def test_a_provisional_response_is_none(self) -> None:
        bench = Bench()
        bench.answer(100)
        bench.answer(100)
        assert bench.states == [Health.DOWN]

    def test_no_address_is_a_failure(self) -> None:
        nowhere: list[object] = []
        bench = Bench(locate=lambda _uri, tell: tell(()))
        bench.agent.pass_time(31)
        assert bench.states == [Health.DOWN]
        silent = Bench(locate=lambda _uri, tell: nowhere.append(tell))
        silent.agent.pass_time(61)
        assert silent.states == [Health.DOWN]

    def test_a_challenge_is_a_sign_of_life_and_answered_where_there_are_credentials(self) -> None:
        challenge = [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')]
        bench = Bench()
        bench.agent.receive(response(only_request(bench.agent.sent()), 401, headers=challenge))
        assert bench.states == [Health.UP]
        bench = Bench(credentials=Credentials("alice", "secret"))
        bench.agent.receive(response(only_request(bench.agent.sent()), 401, headers=challenge))
        assert "Authorization" in only_request(bench.agent.sent()).headers

    def test_between_two_of_ours_with_loss(self) -> None:
        """The first request and the first answer are lost: the latency counts from the first try."""
        lost = iter([True, False, True])

        def fate(_number: int, _data: bytes, _sender: Agent) -> Sequence[float]:
            return () if next(lost, False) else (Wire.DELAY,)

        agent, _peer, wire = pair(fate)
        changes: list[HealthChange] = []
        probe = HealthProbe(agent.core, TARGET, found, changes.append)
        probe.start(at_once=True)
        wire.run(5)
        (change,) = changes
        assert change.state is Health.UP
        assert change.latency == pytest.approx(1.52)


class TestTime:
    def test_nothing_is_asked_after_stop(self) -> None:
        bench = Bench()
        request = only_request(bench.agent.sent())
        bench.probe.stop()
        bench.probe.stop()
        bench.agent.receive(response(request, 200))
        bench.agent.pass_time(300)
        assert (bench.changes, bench.agent.sent(), bench.agent.core.next_timeout()) == ([], [], None)

    @pytest.mark.parametrize("interval", [9.9, 301, 0, -1])
    def test_the_interval_is_bounded(self, interval: float) -> None:
        with pytest.raises(LocalProtocolError):
            HealthProbe(Agent().core, TARGET, found, lambda _change: None, interval=interval)

    def test_many_are_spread_over_the_interval(self) -> None:
        agent = Agent()
        dice = random.Random(1)
        for number in range(300):
            remote = Endpoint("udp", "192.0.2.99", 6000 + number)
            probe = HealthProbe(
                agent.core,
                TARGET,
                lambda _uri, tell, remote=remote: tell([remote]),  # type: ignore[misc]
                lambda _change: None,
                jitter=dice.random,
            )
            probe.start()
        for _ in range(3):
            seconds = []
            for _second in range(30):
                agent.pass_time(1)
                branches = {it.top_via.branch for it in agent.sent() if isinstance(it, Request)}
                seconds.append(len(branches))
            assert max(seconds) < 150  # repetitions of 4 s included
