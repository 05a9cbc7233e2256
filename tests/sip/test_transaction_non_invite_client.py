"""Non-INVITE client transaction: every row of the table, its timers, and what loss does to it."""

from __future__ import annotations

from sip.message import Message
from sip.transaction import non_invite_client
from sip.transaction.table import Event, State
from tests.sip.support import Bench, Outcome, check_every_row, response

HEARD: dict[Event, Outcome] = {
    Event.RECEIVE_1XX: (State.PROCEEDING, "", "180"),
    Event.RECEIVE_2XX: (State.COMPLETED, "", "200"),
    Event.RECEIVE_3XX_6XX: (State.COMPLETED, "", "486"),
    Event.TRANSPORT_ERROR: (State.TERMINATED, "", "transport"),
    Event.TIMER_F: (State.TERMINATED, "", "timeout"),
}
EXPECTED: dict[State, dict[Event, Outcome]] = {
    State.TRYING: {**HEARD, Event.TIMER_E: (State.TRYING, "BYE", "")},
    State.PROCEEDING: {**HEARD, Event.TIMER_E: (State.PROCEEDING, "BYE", "")},
    State.COMPLETED: {
        Event.RECEIVE_1XX: (State.COMPLETED, "", ""),
        Event.RECEIVE_2XX: (State.COMPLETED, "", ""),
        Event.RECEIVE_3XX_6XX: (State.COMPLETED, "", ""),
        Event.TIMER_K: (State.TERMINATED, "", ""),
    },
}


class NonInviteClient(Bench):
    def __init__(self, state: State = State.TRYING, *, transport: str = "udp") -> None:
        super().__init__(transport=transport)
        self.transaction = self.client("BYE")
        self.sent()
        self.transaction.state = state

    def message_for(self, event: Event) -> Message | None:
        status = {Event.RECEIVE_1XX: 180, Event.RECEIVE_2XX: 200, Event.RECEIVE_3XX_6XX: 486}.get(event)
        return None if status is None else response(self.transaction.request, status)

    def hear(self, status: int) -> None:
        self.transaction.receive(response(self.transaction.request, status))


def test_every_state_and_event() -> None:
    check_every_row(non_invite_client.TABLE, EXPECTED, NonInviteClient)


class TestTimers:
    def test_the_request_is_repeated_up_to_t2_until_timer_f(self) -> None:
        bench = NonInviteClient()
        sent = bench.pass_time(40)
        assert sent == [(t, "BYE") for t in (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)]
        assert bench.told == ["timeout"]
        assert bench.layer.client_count == 0

    def test_a_provisional_response_slows_the_repeating_to_t2(self) -> None:
        bench = NonInviteClient()
        bench.hear(100)
        assert bench.pass_time(13) == [(t, "BYE") for t in (0.5, 4.5, 8.5, 12.5)]

    def test_a_provisional_response_does_not_extend_timer_f(self) -> None:
        bench = NonInviteClient()
        bench.pass_time(20)
        bench.hear(100)
        bench.pass_time(12.1)
        assert bench.told == ["100", "timeout"]

    def test_completed_absorbs_repetitions_for_t4(self) -> None:
        bench = NonInviteClient()
        bench.hear(200)
        bench.pass_time(4.9)
        bench.hear(200)
        assert bench.told == ["200"]
        assert bench.layer.client_count == 1
        bench.pass_time(0.2)
        assert bench.layer.client_count == 0

    def test_over_a_reliable_transport_nothing_is_repeated_or_kept(self) -> None:
        bench = NonInviteClient(transport="tcp")
        assert bench.pass_time(10) == []
        bench.hear(200)
        bench.pass_time(0)
        assert bench.layer.client_count == 0
