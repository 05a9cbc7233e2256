"""The INVITE client transaction (RFC 3261 §17.1.1, with the Accepted state of RFC 6026 §7.2).

The request is repeated until anything at all is heard. A non-2xx final response is acknowledged here, and again for
each of its retransmissions. A 2xx is acknowledged by the user agent (§13.2.2.4): every one of them is passed up for
64*T1, so that retransmissions get their ACK and the 2xx of another fork gets its ACK and BYE.
"""

from __future__ import annotations

from sip.transaction.table import Action, Event, Row, State, Table

TABLE: Table = {
    # §17.1.1.2: the transaction is made with the request to send
    (State.INITIAL, Event.START): Row(State.CALLING, (Action.SEND,), start=(Event.TIMER_A, Event.TIMER_B)),
    # §17.1.1.2: repeat at T1, 2*T1, 4*T1 ... on unreliable transports
    (State.CALLING, Event.TIMER_A): Row(State.CALLING, (Action.SEND,), start=(Event.TIMER_A,)),
    (State.CALLING, Event.TIMER_B): Row(State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    # §17.1.4: a request that cannot be sent
    (State.CALLING, Event.TRANSPORT_ERROR): Row(State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    # §17.1.1.2: any response ends the retransmissions
    (State.CALLING, Event.RECEIVE_1XX): Row(State.PROCEEDING, (Action.PASS,), stop=(Event.TIMER_A, Event.TIMER_B)),
    # RFC 6026 §7.2: a 2xx leads to Accepted, no longer straight to Terminated
    (State.CALLING, Event.RECEIVE_2XX): Row(
        State.ACCEPTED, (Action.PASS,), start=(Event.TIMER_M,), stop=(Event.TIMER_A, Event.TIMER_B)
    ),
    # §17.1.1.2, §17.1.1.3: the ACK to a failure belongs to the transaction
    (State.CALLING, Event.RECEIVE_3XX_6XX): Row(
        State.COMPLETED,
        (Action.SEND_ACK, Action.PASS),
        start=(Event.TIMER_D,),
        stop=(Event.TIMER_A, Event.TIMER_B),
    ),
    # §17.1.1.2
    (State.PROCEEDING, Event.RECEIVE_1XX): Row(State.PROCEEDING, (Action.PASS,)),
    (State.PROCEEDING, Event.RECEIVE_2XX): Row(
        State.ACCEPTED, (Action.PASS,), start=(Event.TIMER_M,), stop=(Event.TIMER_B,)
    ),
    (State.PROCEEDING, Event.RECEIVE_3XX_6XX): Row(
        State.COMPLETED, (Action.SEND_ACK, Action.PASS), start=(Event.TIMER_D,), stop=(Event.TIMER_B,)
    ),
    # §9.1: timer B runs in this state only after a CANCEL, and ends an INVITE that nobody answers any more
    (State.PROCEEDING, Event.TIMER_B): Row(State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    # §17.1.1.2: a failure that is heard again was not acknowledged; the user has heard of it already
    (State.COMPLETED, Event.RECEIVE_3XX_6XX): Row(State.COMPLETED, (Action.SEND_ACK,)),
    (State.COMPLETED, Event.TIMER_D): Row(State.TERMINATED),
    (State.COMPLETED, Event.TRANSPORT_ERROR): Row(State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    # RFC 6026 §7.2: each 2xx, of this branch or of another fork
    (State.ACCEPTED, Event.RECEIVE_2XX): Row(State.ACCEPTED, (Action.PASS,)),
    (State.ACCEPTED, Event.TIMER_M): Row(State.TERMINATED),
}
