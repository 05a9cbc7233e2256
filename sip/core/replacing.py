"""Which call an INVITE with Replaces means, and what it is refused with when there is none (RFC 3891 §3)."""

from __future__ import annotations

from collections.abc import Callable

from sip.core.call import Call
from sip.core.call_state import CallState
from sip.core.inspection import Refusal
from sip.core.outgoing import OutgoingCall
from sip.dialog import Dialog, DialogKey
from sip.message import Request
from sip.replaces import Replaces

_EARLY = frozenset({CallState.PROCEEDING, CallState.EARLY})


def find_replaced(request: Request, find: Callable[[DialogKey], tuple[Call, Dialog] | None]) -> Call | Refusal | None:
    """The call that an INVITE is to take the place of; None when it asks for no such thing. `find` looks a dialog up.

    Raises SipParseError for a malformed Replaces. Who may replace whom is for the application to decide (§9).
    """
    values = request.headers.get_all("Replaces")
    if not values:
        return None
    if len(values) > 1 or "," in values[0]:
        return Refusal(400)
    wanted = Replaces.parse(values[0])
    found = find((wanted.call_id, wanted.to_tag, wanted.from_tag))
    if found is None:
        return Refusal(481)
    call = found[0]
    if call.ended:
        return Refusal(603)  # its BYE is on the way
    if call.state in _EARLY:
        # only the side that is called may be rung off; a call that rings here is not replaced but answered
        return call if isinstance(call, OutgoingCall) else Refusal(481)
    return Refusal(486) if wanted.early_only else call
