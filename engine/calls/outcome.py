"""How a call ended: who ended it, why, and the words and codes that the outside gets for it (contract §6.3, §14.2)."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model import HangupBy, HangupCause, Outcome


@dataclass(frozen=True, slots=True)
class End:
    """The end of a call as one value.

    `outcome` is the outcome of a call that was never answered; an answered one is `answered` whatever ends it.
    `sip_code` is the final response that an unanswered caller gets, and what the record shows for it; 0 for none, in a
    call out that nobody responded to.
    """

    by: HangupBy
    cause: HangupCause
    outcome: Outcome
    sip_code: int


CALLER_HUNG_UP = End("caller", "normal", "canceled", 487)
CALLER_CANCELED = End("caller", "canceled", "canceled", 487)
DOCUMENT_ENDED = End("platform", "normal", "rejected", 603)
REJECTED = End("platform", "rejected", "rejected", 603)
BUSY = End("platform", "busy", "busy", 486)
APPLICATION_ERROR = End("platform", "application_error", "failed", 503)
NO_APPLICATION = End("platform", "application_error", "failed", 480)
NUMBER_INACTIVE = End("platform", "rejected", "rejected", 403)
CHANNELS_IN_USE = End("platform", "channel_limit", "busy", 486)
INSUFFICIENT_FUNDS = End("platform", "insufficient_funds", "rejected", 402)
NO_COMMON_MEDIA = End("platform", "rejected", "failed", 488)
PORTS_EXHAUSTED = End("platform", "network_error", "failed", 503)
TIME_LIMIT = End("platform", "time_limit", "no_answer", 480)
MEDIA_TIMEOUT = End("platform", "media_timeout", "failed", 408)
MEDIA_UNSECURED = End("platform", "network_error", "failed", 488)
NETWORK_ERROR = End("platform", "network_error", "failed", 500)
STORE_UNAVAILABLE = End("platform", "network_error", "failed", 503)
SHUTDOWN = End("platform", "normal", "failed", 503)
INTERNAL_ERROR = End("platform", "application_error", "failed", 500)
API_HANGUP = End("api", "normal", "rejected", 603)
CALLEE_HUNG_UP = End("callee", "normal", "failed", 487)
RING_TIMEOUT = End("platform", "no_answer", "no_answer", 487)
NOT_REACHED = End("platform", "unreachable", "unreachable", 503)
RANG_OUT = End("platform", "no_answer", "no_answer", 480)
CALLER_ID_NOT_ALLOWED = End("platform", "caller_id_not_allowed", "rejected", 403)
NO_SUCH_CALLEE = End("platform", "unallocated_number", "failed", 404)
TRUNK_CHANNELS_IN_USE = End("platform", "channel_limit", "failed", 503)
NO_CARRIER = End("platform", "unreachable", "failed", 0)
API_CANCELED = End("api", "canceled", "canceled", 487)
