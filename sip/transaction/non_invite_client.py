"""The client transaction of every request but INVITE and ACK (RFC 3261 §17.1.2).

The request is repeated until a final response comes, more slowly once a provisional one has shown that it arrived.
"""

from __future__ import annotations

from sip.transaction.table import Action, Event, Row, State, Table

_FINAL = Row(State.COMPLETED, (Action.PASS,), start=(Event.TIMER_K,), stop=(Event.TIMER_E, Event.TIMER_F))

TABLE: Table = {
    # §17.1.2.2
    (State.INITIAL, Event.START): Row(State.TRYING, (Action.SEND,), start=(Event.TIMER_E, Event.TIMER_F)),
    # §17.1.2.2: repeat at T1, 2*T1 ... T2 on unreliable transports
    (State.TRYING, Event.TIMER_E): Row(State.TRYING, (Action.SEND,), start=(Event.TIMER_E,)),
    (State.TRYING, Event.TIMER_F): Row(State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.TRYING, Event.TRANSPORT_ERROR): Row(State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.TRYING, Event.RECEIVE_1XX): Row(State.PROCEEDING, (Action.PASS,)),
    (State.TRYING, Event.RECEIVE_2XX): _FINAL,
    (State.TRYING, Event.RECEIVE_3XX_6XX): _FINAL,
    # §17.1.2.2: the request has arrived, yet its final response may be lost: repeat every T2
    (State.PROCEEDING, Event.TIMER_E): Row(State.PROCEEDING, (Action.SEND,), start=(Event.TIMER_E,)),
    (State.PROCEEDING, Event.TIMER_F): Row(State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): Row(State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.PROCEEDING, Event.RECEIVE_1XX): Row(State.PROCEEDING, (Action.PASS,)),
    (State.PROCEEDING, Event.RECEIVE_2XX): _FINAL,
    (State.PROCEEDING, Event.RECEIVE_3XX_6XX): _FINAL,
    # §17.1.2.2: Completed is there to absorb retransmitted responses
    (State.COMPLETED, Event.RECEIVE_1XX): Row(State.COMPLETED),
    (State.COMPLETED, Event.RECEIVE_2XX): Row(State.COMPLETED),
    (State.COMPLETED, Event.RECEIVE_3XX_6XX): Row(State.COMPLETED),
    (State.COMPLETED, Event.TIMER_K): Row(State.TERMINATED),
}
