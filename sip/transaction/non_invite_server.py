"""The server transaction of every request but INVITE and ACK (RFC 3261 §17.2.2).

It answers retransmissions of the request with the response that was already given.
"""

from __future__ import annotations

from sip.transaction.table import Action, Event, Row, State, Table

_FINAL = Row(State.COMPLETED, (Action.SEND,), start=(Event.TIMER_J,))

TABLE: Table = {
    (State.INITIAL, Event.START): Row(State.TRYING),
    # §17.2.2: nothing to repeat yet
    (State.TRYING, Event.RECEIVE_REQUEST): Row(State.TRYING),
    (State.TRYING, Event.SEND_1XX): Row(State.PROCEEDING, (Action.SEND,)),
    (State.TRYING, Event.SEND_2XX): _FINAL,
    (State.TRYING, Event.SEND_3XX_6XX): _FINAL,
    # §17.2.2
    (State.PROCEEDING, Event.RECEIVE_REQUEST): Row(State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Event.SEND_1XX): Row(State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Event.SEND_2XX): _FINAL,
    (State.PROCEEDING, Event.SEND_3XX_6XX): _FINAL,
    (State.PROCEEDING, Event.TRANSPORT_ERROR): Row(State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    # §17.2.2: a second final response is discarded, a retransmission gets the first
    (State.COMPLETED, Event.RECEIVE_REQUEST): Row(State.COMPLETED, (Action.SEND,)),
    (State.COMPLETED, Event.SEND_2XX): Row(State.COMPLETED),
    (State.COMPLETED, Event.SEND_3XX_6XX): Row(State.COMPLETED),
    (State.COMPLETED, Event.TRANSPORT_ERROR): Row(State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.COMPLETED, Event.TIMER_J): Row(State.TERMINATED),
}
