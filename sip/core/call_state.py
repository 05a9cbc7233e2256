"""How far a call has come."""

from __future__ import annotations

from enum import Enum


class CallState(Enum):
    """How far a call has come, the same for both directions."""

    PROCEEDING = "proceeding"
    EARLY = "early"  # ringing, or early media
    ANSWERED = "answered"  # there is a 2xx, its ACK is missing
    CONFIRMED = "confirmed"
    ENDED = "ended"
