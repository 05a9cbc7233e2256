"""The token buckets before the parser: rate, burst, refusals, trust, bounds; and what the core makes of them."""

from __future__ import annotations

from sip.admission import ANSWER_SECONDS, TRUST_SECONDS, Admission
from sip.core.config import UserAgentConfig
from sip.defence import Defence
from sip.endpoint import Endpoint
from sip.message import Request, Response, response_to
from tests.sip.support import PEER, Agent, invite, request


def admission(**changes: object) -> Admission:
    defence = Defence(limit=5, window=60.0, ban_seconds=600.0, sources=100)
    return Admission(defence, **{"rate": 10.0, "burst": 20.0, "sources": 1000, **changes})  # type: ignore[arg-type]


def admitted(table: Admission, host: str, times: int, now: float) -> int:
    return sum(table.admits(host, now) for _ in range(times))


class TestBucket:
    def test_a_burst_then_the_rate(self) -> None:
        table = admission()
        assert admitted(table, "192.0.2.1", 100, 0.0) == 20
        assert admitted(table, "192.0.2.1", 100, 1.0) == 10
        assert admitted(table, "192.0.2.1", 100, 100.0) == 20
        assert table.throttled == 80 + 90 + 80

    def test_addresses_do_not_share_one_but_those_of_an_ipv6_network_do(self) -> None:
        table = admission()
        assert admitted(table, "192.0.2.1", 30, 0.0) == admitted(table, "192.0.2.2", 30, 0.0) == 20
        assert admitted(table, "2001:db8::1", 15, 0.0) == 15
        assert admitted(table, "2001:db8::2", 15, 0.0) == 5
        assert admitted(table, "2001:db8:0:1::2", 15, 0.0) == 15
        assert admitted(table, "::ffff:192.0.2.9", 15, 0.0) == admitted(table, "::ffff:192.0.2.8", 15, 0.0) == 15

    def test_a_rate_of_zero_limits_nobody_and_remembers_nobody(self) -> None:
        table = admission(rate=0.0)
        assert admitted(table, "a", 1000, 0.0) == 1000
        assert len(table) == 0

    def test_what_was_refused_costs_more_and_the_debt_is_bounded(self) -> None:
        table = admission()
        assert table.admits("a", 0.0)
        table.charge("a", 10.0, 0.0)
        assert admitted(table, "a", 100, 0.0) == 9
        for _ in range(1000):
            table.charge("a", 10.0, 0.0)
        assert admitted(table, "a", 100, 1.9) == 0
        assert admitted(table, "a", 100, 3.0) > 0

    def test_a_ban_comes_first(self) -> None:
        table = admission()
        for _ in range(5):
            table.defence.record_failure("a", 0.0)
        assert not table.admits("a", 1.0)
        assert (table.throttled, table.defence.dropped) == (0, 1)


class TestTrust:
    def test_a_proven_address_is_not_limited_for_a_while(self) -> None:
        table = admission()
        table.trust("a", 0.0, 100.0)
        assert admitted(table, "a", 500, 0.0) == 500
        assert admitted(table, "a", 500, 101.0) == 20

    def test_the_application_is_asked_when_an_address_runs_dry_and_not_for_each_message(self) -> None:
        asked: list[str] = []

        def is_trusted(host: str) -> bool:
            asked.append(host)
            return host == "good"

        table = admission(is_trusted=is_trusted)
        assert admitted(table, "good", 500, 0.0) == 500
        assert admitted(table, "bad", 500, 0.0) == 20
        assert asked == ["good", "bad"]
        assert admitted(table, "bad", 500, 1.5) == 15
        assert admitted(table, "good", 500, ANSWER_SECONDS + 1.5) == 500
        assert asked == ["good", "bad", "bad", "good"]


class TestMemory:
    def test_any_number_of_addresses_is_remembered_in_bounded_memory(self) -> None:
        table = admission(sources=100)
        for number in range(10_000):
            table.admits(f"10.0.{number >> 8}.{number & 255}", 0.0)
            table.trust(f"t{number}", 0.0)
        assert len(table) <= 200

    def test_an_address_that_goes_on_is_not_forgotten_for_new_ones(self) -> None:
        table = admission(sources=100)
        taken = 0
        for number in range(10_000):
            table.admits(f"10.0.{number >> 8}.{number & 255}", 0.0)
            taken += table.admits("flood", 0.0)
        assert taken == 20


LIMITED = UserAgentConfig(source_rate=10, source_burst=30)


def answer_to(message: Request | Response, status: int) -> Response:
    """What the peer says to a request of ours."""
    assert isinstance(message, Request)
    return response_to(message, status, None, to_tag=message.to.tag or "theirs")


class TestCore:
    def test_a_flood_is_dropped_unread_and_others_are_answered(self) -> None:
        agent = Agent(LIMITED)
        answers = 0
        for number in range(1000):
            options = request("OPTIONS", branch=f"z9hG4bK{number}", call_id=f"c{number}")
            answers += len(agent.answer_to(options))
        assert answers == 30
        assert agent.core.statistics.throttled == 970
        assert agent.core.statistics.messages_received == 30
        other = Endpoint("udp", "192.0.2.50", 5060)
        assert len(agent.answer_to(request("OPTIONS", branch="z9hG4bKx", call_id="x"), other)) == 1

    def test_a_peer_that_we_call_is_heard_however_much_it_has_to_answer(self) -> None:
        agent = Agent(LIMITED)
        for _ in range(1000):
            agent.place()
            (sent,) = agent.sent()
            for status in (100, 180, 486):
                agent.receive(answer_to(sent, status))
            agent.sent()
        assert agent.core.statistics.throttled == 0
        agent.clock.now += TRUST_SECONDS + 1
        for number in range(100):
            agent.receive(request("OPTIONS", branch=f"z9hG4bK{number}", call_id=f"c{number}"))
        assert agent.core.statistics.throttled == 70

    def test_answers_to_nothing_and_answers_in_a_call_prove_nothing(self) -> None:
        agent = Agent(LIMITED)
        agent.place()
        (sent,) = agent.sent()
        forged = bytes(answer_to(sent, 180)).replace(b"branch=z9hG4bK", b"branch=z9hG4bKno")
        for _ in range(100):
            agent.receive(forged)
        assert agent.core.statistics.throttled == 70

        agent = Agent(LIMITED)
        call = agent.call()
        call.answer(b"")
        (ok,) = [message for message in agent.sent() if isinstance(message, Response) and message.status == 200]
        agent.receive(request("ACK", branch="z9hG4bKack", to_tag=ok.to.tag))
        call.hangup()
        (bye,) = [message for message in agent.sent() if isinstance(message, Request)]
        agent.receive(answer_to(bye, 200))
        assert agent.core.layer.find_client(response_to(bye, 200, None)) is not None
        for number in range(100):
            agent.receive(request("OPTIONS", branch=f"z9hG4bK{number}", call_id=f"c{number}"))
        assert agent.core.statistics.throttled == 73

    def test_refused_requests_run_an_address_dry_ten_times_as_fast(self) -> None:
        agent = Agent(LIMITED)
        refused = [
            agent.answer_to(request("BYE", branch=f"z9hG4bK{n}", to_tag="no", call_id=f"c{n}")) for n in range(9)
        ]
        assert [len(answers) for answers in refused] == [1, 1, 1, 0, 0, 0, 0, 0, 0]

    def test_garbage_runs_it_dry_as_well(self) -> None:
        agent = Agent(LIMITED)
        text = request("OPTIONS", branch="z9hG4bK1").replace(b"CSeq: 1", b"CSeq: x")
        for _ in range(5):
            agent.receive(text)
        assert agent.statuses() == [400, 400, 400]

    def test_silent_mode_gives_strangers_nothing_and_carriers_everything(self) -> None:
        silent = UserAgentConfig(silent=True)
        stranger = Agent(silent)
        assert stranger.answer_to(request("OPTIONS", branch="z9hG4bK1")) == []
        assert stranger.answer_to(request("BYE", branch="z9hG4bK2", to_tag="no")) == []
        assert stranger.answer_to(b"OPTIONS x SIP/2.0\r\n\r\n") == []
        assert stranger.core.statistics.silenced == 2
        carrier = Agent(silent)
        carrier.core.admission.trust(PEER.host, carrier.clock())
        assert [answer.status for answer in carrier.answer_to(request("OPTIONS", branch="z9hG4bK1"))] == [200]  # type: ignore[union-attr]

    def test_silent_mode_still_challenges_but_not_a_known_scanner(self) -> None:
        agent = Agent(UserAgentConfig(silent=True))
        call = agent.call()
        agent.statuses()
        call.challenge("example.net")
        assert agent.statuses() == [401]
        agent.receive(invite(call_id="scan", branch="z9hG4bKs", headers=["User-Agent: friendly-scanner"]))
        assert len(agent.calls) == 1
        assert agent.statuses() == []
