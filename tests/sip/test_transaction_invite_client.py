"""INVITE client transaction: every row of the table, its timers, and what loss does to it."""

from __future__ import annotations

import pytest

from sip.message import Message, Request, parse_message
from sip.transaction import failure_ack, invite_client
from sip.transaction.table import Event, State
from sip.transaction.timers import TimerConfig
from tests.sip.support import Bench, Outcome, check_every_row, response

EXPECTED: dict[State, dict[Event, Outcome]] = {
    State.CALLING: {
        Event.TIMER_A: (State.CALLING, "INVITE", ""),
        Event.TIMER_B: (State.TERMINATED, "", "timeout"),
        Event.TRANSPORT_ERROR: (State.TERMINATED, "", "transport"),
        Event.RECEIVE_1XX: (State.PROCEEDING, "", "180"),
        Event.RECEIVE_2XX: (State.ACCEPTED, "", "200"),
        Event.RECEIVE_3XX_6XX: (State.COMPLETED, "ACK", "486"),
    },
    State.PROCEEDING: {
        Event.TIMER_B: (State.TERMINATED, "", "timeout"),
        Event.RECEIVE_1XX: (State.PROCEEDING, "", "180"),
        Event.RECEIVE_2XX: (State.ACCEPTED, "", "200"),
        Event.RECEIVE_3XX_6XX: (State.COMPLETED, "ACK", "486"),
    },
    State.COMPLETED: {
        Event.RECEIVE_3XX_6XX: (State.COMPLETED, "ACK", ""),
        Event.TIMER_D: (State.TERMINATED, "", ""),
        Event.TRANSPORT_ERROR: (State.TERMINATED, "", "transport"),
    },
    State.ACCEPTED: {
        Event.RECEIVE_2XX: (State.ACCEPTED, "", "200"),
        Event.TIMER_M: (State.TERMINATED, "", ""),
    },
}


class InviteClient(Bench):
    def __init__(self, state: State = State.CALLING, *, transport: str = "udp") -> None:
        super().__init__(transport=transport)
        self.transaction = self.client()
        self.sent()
        self.transaction.state = state

    def message_for(self, event: Event) -> Message | None:
        status = {Event.RECEIVE_1XX: 180, Event.RECEIVE_2XX: 200, Event.RECEIVE_3XX_6XX: 486}.get(event)
        return None if status is None else response(self.transaction.request, status)

    def hear(self, status: int) -> None:
        self.transaction.receive(response(self.transaction.request, status))


def test_every_state_and_event() -> None:
    check_every_row(invite_client.TABLE, EXPECTED, InviteClient)


class TestTimers:
    def test_the_request_is_repeated_with_doubling_intervals_until_timer_b(self) -> None:
        bench = InviteClient()
        sent = bench.pass_time(40)
        assert sent == [(t, "INVITE") for t in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
        assert bench.told == ["timeout"]
        assert bench.transaction.state is State.TERMINATED
        assert bench.layer.client_count == 0
        assert bench.layer.counters.timeouts == 1

    def test_timer_b_fires_after_64_t1(self) -> None:
        bench = InviteClient()
        bench.pass_time(31.9)
        assert bench.told == []
        bench.pass_time(0.2)
        assert bench.told == ["timeout"]

    def test_nothing_is_repeated_over_a_reliable_transport(self) -> None:
        bench = InviteClient(transport="tcp")
        assert bench.pass_time(31) == []
        bench.pass_time(2)
        assert bench.told == ["timeout"]

    def test_a_provisional_response_ends_the_repeating_and_the_waiting(self) -> None:
        bench = InviteClient()
        bench.pass_time(0.6)
        bench.hear(180)
        assert bench.pass_time(300) == []
        assert bench.told == ["180"]

    def test_completed_lasts_64_t1_and_acknowledges_each_repetition(self) -> None:
        bench = InviteClient()
        bench.hear(486)
        bench.pass_time(20)
        bench.hear(486)
        assert bench.sent() == ["ACK", "ACK"]
        assert bench.told == ["486"]
        bench.pass_time(11.9)
        assert bench.layer.client_count == 1
        bench.pass_time(0.2)
        assert bench.layer.client_count == 0

    def test_completed_ends_at_once_over_a_reliable_transport(self) -> None:
        bench = InviteClient(transport="tcp")
        bench.hear(486)
        bench.pass_time(0)
        assert bench.layer.client_count == 0

    def test_accepted_passes_each_2xx_up_for_64_t1(self) -> None:
        bench = InviteClient()
        bench.hear(200)
        bench.pass_time(31)
        bench.hear(200)
        assert bench.told == ["200", "200"]
        assert bench.sent() == []
        bench.pass_time(1.1)
        assert bench.layer.client_count == 0

    def test_the_base_values_are_configurable(self) -> None:
        bench = Bench(timers=TimerConfig(t1=0.1))
        bench.client()
        bench.sent()
        assert [time for time, _ in bench.pass_time(10)] == pytest.approx([0.1, 0.3, 0.7, 1.5, 3.1, 6.3])

    def test_every_timer_is_gone_when_the_transaction_is(self) -> None:
        bench = InviteClient()
        bench.transaction.discard()
        assert len(bench.layer.timers) == 0
        assert bench.told == []


class TestAck:
    def test_it_is_made_from_the_invite_and_the_to_of_the_response(self) -> None:
        """RFC 3261 §17.1.1.3."""
        bench = InviteClient()
        invite = bench.transaction.request
        invite.headers.add("Route", "<sip:proxy.example.com;lr>")
        invite.headers.add("Via", "SIP/2.0/UDP other.example.com;branch=z9hG4bKother")
        ack = parse_message(bytes(failure_ack(invite, response(invite, 486, tag="theirs"))))
        assert isinstance(ack, Request)
        assert ack.method == "ACK"
        assert str(ack.uri) == str(invite.uri)
        assert [str(via) for via in ack.via] == [str(invite.top_via)]
        assert ack.headers.get("From") == invite.headers.get("From")
        assert ack.to.tag == "theirs"
        assert ack.call_id == invite.call_id
        assert (ack.cseq.number, ack.cseq.method) == (invite.cseq.number, "ACK")
        assert ack.headers.get_all("Route") == ["<sip:proxy.example.com;lr>"]
        assert ack.max_forwards == 70
        assert ack.body == b""

    def test_a_repeated_response_gets_the_same_ack(self) -> None:
        bench = InviteClient()
        bench.hear(486)
        first = bench.layer.output[-1]
        bench.hear(486)
        assert bench.layer.output[-1].data == first.data
        assert bench.layer.counters.retransmissions_sent == 1
