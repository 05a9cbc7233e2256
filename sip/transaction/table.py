"""The vocabulary of the transaction tables: states, events, actions and rows (RFC 3261 §17, RFC 6026).

A machine is a mapping from (state, event) to a Row; whatever has no row is ignored, as the RFC asks. This module holds
no behaviour: `transaction.py` carries the rows out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """States of the four machines; each uses some of them."""

    INITIAL = 0
    CALLING = 1
    TRYING = 2
    PROCEEDING = 3
    COMPLETED = 4
    CONFIRMED = 5
    ACCEPTED = 6  # RFC 6026: an INVITE that was answered with a 2xx
    TERMINATED = 7


class Event(IntEnum):
    """What may happen to a transaction. The timers come first: an event is also the name of its timer."""

    TIMER_A = 0
    TIMER_B = 1
    TIMER_D = 2
    TIMER_E = 3
    TIMER_F = 4
    TIMER_G = 5
    TIMER_H = 6
    TIMER_I = 7
    TIMER_J = 8
    TIMER_K = 9
    TIMER_L = 10
    TIMER_M = 11
    TIMER_TRYING = 12  # the 200 ms of §17.2.1 within which a 100 must leave; the RFC gives it no letter

    START = 13
    RECEIVE_REQUEST = 14  # a retransmission, seen by a server transaction
    RECEIVE_ACK = 15
    RECEIVE_1XX = 16
    RECEIVE_2XX = 17
    RECEIVE_3XX_6XX = 18
    SEND_1XX = 19
    SEND_2XX = 20
    SEND_3XX_6XX = 21
    TRANSPORT_ERROR = 22


class Action(IntEnum):
    """What a row makes the transaction do, besides starting and stopping timers."""

    SEND = 0  # a client sends its request (again), a server its latest response
    SEND_TRYING = 1  # a server sends a 100 of its own
    SEND_ACK = 2  # a client acknowledges a non-2xx final response (§17.1.1.3)
    PASS = 3  # the message goes to the transaction user
    REPORT_TIMEOUT = 4
    REPORT_TRANSPORT_ERROR = 5


RETRANSMISSION_TIMERS = frozenset({Event.TIMER_A, Event.TIMER_E, Event.TIMER_G})


@dataclass(frozen=True, slots=True)
class Row:
    """What one event does in one state; timers are stopped and started before the actions are carried out."""

    state: State
    actions: tuple[Action, ...] = ()
    start: tuple[Event, ...] = ()
    stop: tuple[Event, ...] = ()


Table = Mapping[tuple[State, Event], Row]
