"""The INVITE server transaction (RFC 3261 §17.2.1, with the Accepted state of RFC 6026 §7.1).

A non-2xx final response is repeated until its ACK comes, and that ACK is absorbed here. A 2xx is repeated by the user
agent (§13.3.1.4): the transaction only stays for 64*T1 to absorb retransmissions of the INVITE and to hand the ACKs up.
"""

from __future__ import annotations

from sip.transaction.table import Action, Event, Row, State, Table

TABLE: Table = {
    # §17.2.1: a 100 is due unless the user answers within 200 ms
    (State.INITIAL, Event.START): Row(State.PROCEEDING, start=(Event.TIMER_TRYING,)),
    (State.PROCEEDING, Event.TIMER_TRYING): Row(State.PROCEEDING, (Action.SEND_TRYING,)),
    # §17.2.1: a retransmission gets the latest provisional response, if there was one
    (State.PROCEEDING, Event.RECEIVE_REQUEST): Row(State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Event.SEND_1XX): Row(State.PROCEEDING, (Action.SEND,), stop=(Event.TIMER_TRYING,)),
    # RFC 6026 §7.1
    (State.PROCEEDING, Event.SEND_2XX): Row(
        State.ACCEPTED, (Action.SEND,), start=(Event.TIMER_L,), stop=(Event.TIMER_TRYING,)
    ),
    # §17.2.1
    (State.PROCEEDING, Event.SEND_3XX_6XX): Row(
        State.COMPLETED, (Action.SEND,), start=(Event.TIMER_G, Event.TIMER_H), stop=(Event.TIMER_TRYING,)
    ),
    # §17.2.4
    (State.PROCEEDING, Event.TRANSPORT_ERROR): Row(State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    # §17.2.1: repeat at T1, 2*T1 ... T2 on unreliable transports, and for each INVITE
    (State.COMPLETED, Event.RECEIVE_REQUEST): Row(State.COMPLETED, (Action.SEND,)),
    (State.COMPLETED, Event.TIMER_G): Row(State.COMPLETED, (Action.SEND,), start=(Event.TIMER_G,)),
    (State.COMPLETED, Event.RECEIVE_ACK): Row(
        State.CONFIRMED, start=(Event.TIMER_I,), stop=(Event.TIMER_G, Event.TIMER_H)
    ),
    (State.COMPLETED, Event.TIMER_H): Row(State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.COMPLETED, Event.TRANSPORT_ERROR): Row(State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    # §17.2.1: later ACKs, and INVITEs that were overtaken by their ACK, are absorbed
    (State.CONFIRMED, Event.RECEIVE_ACK): Row(State.CONFIRMED),
    (State.CONFIRMED, Event.RECEIVE_REQUEST): Row(State.CONFIRMED),
    (State.CONFIRMED, Event.TIMER_I): Row(State.TERMINATED),
    # RFC 6026 §7.1: retransmitted INVITEs are absorbed, the 2xx that the user repeats pass through, ACKs go up
    (State.ACCEPTED, Event.RECEIVE_REQUEST): Row(State.ACCEPTED),
    (State.ACCEPTED, Event.SEND_2XX): Row(State.ACCEPTED, (Action.SEND,)),
    (State.ACCEPTED, Event.RECEIVE_ACK): Row(State.ACCEPTED, (Action.PASS,)),
    (State.ACCEPTED, Event.TRANSPORT_ERROR): Row(State.ACCEPTED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.ACCEPTED, Event.TIMER_L): Row(State.TERMINATED),
}
