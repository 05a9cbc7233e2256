"""INVITE server transaction: every row of the table, its timers, and what loss does to it."""

from __future__ import annotations

from sip.message import Message, parse_message
from sip.transaction import invite_server
from sip.transaction.table import Event, State
from tests.sip.support import Bench, Outcome, check_every_row, request

EXPECTED: dict[State, dict[Event, Outcome]] = {
    State.PROCEEDING: {
        Event.TIMER_TRYING: (State.PROCEEDING, "100", ""),
        Event.RECEIVE_REQUEST: (State.PROCEEDING, "180", ""),
        Event.SEND_1XX: (State.PROCEEDING, "180", ""),
        Event.SEND_2XX: (State.ACCEPTED, "180", ""),
        Event.SEND_3XX_6XX: (State.COMPLETED, "180", ""),
        Event.TRANSPORT_ERROR: (State.TERMINATED, "", "transport"),
    },
    State.COMPLETED: {
        Event.RECEIVE_REQUEST: (State.COMPLETED, "180", ""),
        Event.TIMER_G: (State.COMPLETED, "180", ""),
        Event.RECEIVE_ACK: (State.CONFIRMED, "", ""),
        Event.TIMER_H: (State.TERMINATED, "", "timeout"),
        Event.TRANSPORT_ERROR: (State.TERMINATED, "", "transport"),
    },
    State.CONFIRMED: {
        Event.RECEIVE_ACK: (State.CONFIRMED, "", ""),
        Event.RECEIVE_REQUEST: (State.CONFIRMED, "", ""),
        Event.TIMER_I: (State.TERMINATED, "", ""),
    },
    State.ACCEPTED: {
        Event.RECEIVE_REQUEST: (State.ACCEPTED, "", ""),
        Event.SEND_2XX: (State.ACCEPTED, "180", ""),
        Event.RECEIVE_ACK: (State.ACCEPTED, "", "ACK"),
        Event.TRANSPORT_ERROR: (State.ACCEPTED, "", "transport"),
        Event.TIMER_L: (State.TERMINATED, "", ""),
    },
}


class InviteServer(Bench):
    """In a state of choice; where a row sends "the latest response", that is a 180, or nothing once the bytes are let
    go."""

    def __init__(self, state: State = State.PROCEEDING, *, transport: str = "udp") -> None:
        super().__init__(transport=transport)
        self.transaction = self.server()
        if state is not State.PROCEEDING or transport == "udp":
            self.transaction._data = b"SIP/2.0 180 Ringing\r\n\r\n"
        self.transaction.state = state

    def message_for(self, event: Event) -> Message | None:
        return parse_message(request("ACK", branch="z9hG4bKtheirs")) if event is Event.RECEIVE_ACK else None


class Fresh(Bench):
    def __init__(self, *, transport: str = "udp") -> None:
        super().__init__(transport=transport)
        self.transaction = self.server()


def test_every_state_and_event() -> None:
    check_every_row(invite_server.TABLE, EXPECTED, InviteServer)


class TestTrying:
    def test_a_100_leaves_after_200_ms_of_silence(self) -> None:
        bench = Fresh()
        assert bench.pass_time(1) == [(0.2, "100")]

    def test_no_100_when_something_was_said_before(self) -> None:
        bench = Fresh()
        bench.respond(bench.transaction, 180)
        assert bench.sent() == ["180"]
        assert bench.pass_time(1) == []

    def test_a_retransmission_before_any_response_is_absorbed(self) -> None:
        bench = Fresh()
        bench.transaction.handle(Event.RECEIVE_REQUEST)
        assert bench.sent() == []

    def test_a_retransmission_gets_the_latest_provisional_response(self) -> None:
        bench = Fresh()
        bench.pass_time(0.3)
        bench.transaction.handle(Event.RECEIVE_REQUEST)
        bench.respond(bench.transaction, 183)
        bench.transaction.handle(Event.RECEIVE_REQUEST)
        assert bench.sent() == ["100", "183", "183"]


class TestFailure:
    def test_it_is_repeated_up_to_t2_until_timer_h(self) -> None:
        bench = Fresh()
        bench.respond(bench.transaction, 486)
        assert bench.sent() == ["486"]
        sent = bench.pass_time(40)
        assert sent == [(t, "486") for t in (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)]
        assert bench.told == ["timeout"]
        assert bench.layer.server_count == 0

    def test_the_ack_ends_it_and_later_ones_are_absorbed_for_t4(self) -> None:
        bench = Fresh()
        bench.respond(bench.transaction, 486)
        bench.sent()
        ack = parse_message(request("ACK", branch="z9hG4bKtheirs"))
        assert bench.transaction.handle(Event.RECEIVE_ACK, ack)
        assert bench.transaction.handle(Event.RECEIVE_ACK, ack)
        assert bench.pass_time(4.9) == []
        assert bench.layer.server_count == 1
        bench.pass_time(0.2)
        assert bench.layer.server_count == 0
        assert bench.told == []

    def test_a_retransmission_gets_it_again(self) -> None:
        bench = Fresh()
        bench.respond(bench.transaction, 486)
        bench.transaction.handle(Event.RECEIVE_REQUEST)
        assert bench.sent() == ["486", "486"]

    def test_nothing_is_repeated_over_a_reliable_transport(self) -> None:
        bench = Fresh(transport="tcp")
        bench.respond(bench.transaction, 486)
        bench.sent()
        assert bench.pass_time(31) == []
        bench.pass_time(2)
        assert bench.told == ["timeout"]

    def test_a_second_final_response_is_refused(self) -> None:
        bench = Fresh()
        assert bench.respond(bench.transaction, 486)
        assert not bench.respond(bench.transaction, 200)
        assert not bench.respond(bench.transaction, 180)
        assert bench.sent() == ["486"]


class TestSuccess:
    def test_the_transaction_absorbs_retransmissions_for_64_t1_and_repeats_nothing(self) -> None:
        bench = Fresh()
        bench.respond(bench.transaction, 200)
        assert bench.sent() == ["200"]
        bench.transaction.handle(Event.RECEIVE_REQUEST)
        assert bench.pass_time(31.9) == []
        assert bench.layer.server_count == 1
        bench.pass_time(0.2)
        assert bench.layer.server_count == 0

    def test_a_2xx_of_the_user_passes_through_again(self) -> None:
        bench = Fresh()
        bench.respond(bench.transaction, 200)
        assert bench.respond(bench.transaction, 200)
        assert bench.sent() == ["200", "200"]

    def test_it_keeps_neither_request_nor_response(self) -> None:
        bench = Fresh()
        bench.respond(bench.transaction, 200)
        assert bench.transaction._data is None
        assert bench.transaction._request is None
