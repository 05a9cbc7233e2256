"""Non-INVITE server transaction: every row of the table, its timers, and what loss does to it."""

from __future__ import annotations

from sip.message import Message
from sip.transaction import non_invite_server
from sip.transaction.table import Event, State
from tests.sip.support import Bench, Outcome, check_every_row

EXPECTED: dict[State, dict[Event, Outcome]] = {
    State.TRYING: {
        Event.RECEIVE_REQUEST: (State.TRYING, "", ""),
        Event.SEND_1XX: (State.PROCEEDING, "183", ""),
        Event.SEND_2XX: (State.COMPLETED, "183", ""),
        Event.SEND_3XX_6XX: (State.COMPLETED, "183", ""),
    },
    State.PROCEEDING: {
        Event.RECEIVE_REQUEST: (State.PROCEEDING, "183", ""),
        Event.SEND_1XX: (State.PROCEEDING, "183", ""),
        Event.SEND_2XX: (State.COMPLETED, "183", ""),
        Event.SEND_3XX_6XX: (State.COMPLETED, "183", ""),
        Event.TRANSPORT_ERROR: (State.TERMINATED, "", "transport"),
    },
    State.COMPLETED: {
        Event.RECEIVE_REQUEST: (State.COMPLETED, "183", ""),
        Event.SEND_2XX: (State.COMPLETED, "", ""),
        Event.SEND_3XX_6XX: (State.COMPLETED, "", ""),
        Event.TRANSPORT_ERROR: (State.TERMINATED, "", "transport"),
        Event.TIMER_J: (State.TERMINATED, "", ""),
    },
}


class NonInviteServer(Bench):
    def __init__(self, state: State = State.TRYING, *, transport: str = "udp") -> None:
        super().__init__(transport=transport)
        self.transaction = self.server("BYE")
        self.transaction._data = b"SIP/2.0 183 Latest\r\n\r\n"
        self.transaction.state = state

    def message_for(self, event: Event) -> Message | None:
        return None


def test_every_state_and_event() -> None:
    check_every_row(non_invite_server.TABLE, EXPECTED, NonInviteServer)


class TestTimers:
    def test_retransmissions_get_the_response_for_64_t1(self) -> None:
        bench = Bench()
        transaction = bench.server("BYE")
        bench.respond(transaction, 200)
        bench.pass_time(31.9)
        transaction.handle(Event.RECEIVE_REQUEST)
        assert bench.sent() == ["200", "200"]
        assert bench.layer.counters.retransmissions_sent == 1
        bench.pass_time(0.2)
        assert bench.layer.server_count == 0

    def test_nothing_is_kept_over_a_reliable_transport(self) -> None:
        bench = Bench(transport="tcp")
        bench.respond(bench.server("BYE"), 200)
        bench.pass_time(0)
        assert bench.layer.server_count == 0

    def test_a_retransmission_before_the_response_is_absorbed(self) -> None:
        bench = Bench()
        bench.server("BYE").handle(Event.RECEIVE_REQUEST)
        assert bench.sent() == []

    def test_a_second_final_response_is_discarded(self) -> None:
        bench = Bench()
        transaction = bench.server("BYE")
        bench.respond(transaction, 200)
        bench.respond(transaction, 500)
        transaction.handle(Event.RECEIVE_REQUEST)
        assert bench.sent() == ["200", "200"]
