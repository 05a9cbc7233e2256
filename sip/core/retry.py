"""The same request again, with what its refusal asks for: credentials (RFC 3261 §22.2), a longer session interval (RFC
4028 §7.3), or time, after an offer of the peer that it met (RFC 3261 §14.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.core.offers import GLARE_RETRIES, Offers, retry_delay
from sip.core.session_terms import INTERVALS_TRIED, raised_proposal
from sip.dialog import Dialog
from sip.digest import DigestSession
from sip.message import Request, Response

if TYPE_CHECKING:
    from sip.core.call import Call

CHALLENGES_ANSWERED = 3
"""401 and 407 responses answered in a row: a proxy's, the server's, and one stale nonce."""


def amended(call: Call, request: Request, response: Response, dialog: Dialog | None = None) -> Request | None:
    """The request again, with what the response asks for: credentials, or a longer session interval (RFC 4028
    §7.3). None when that is no use."""
    if response.status != 422:
        return with_credentials(call, request, response, dialog)
    if call._intervals_raised >= INTERVALS_TRIED:
        return None
    again = Request(request.method, request.uri, request.headers.copy(), request.body)
    least = raised_proposal(again, response)
    if least is None:
        return None
    call._intervals_raised += 1
    call._least_interval = least
    again.headers.remove("Via")
    again.headers.set("CSeq", f"{request.cseq.number + 1} {request.method}")
    if call.dialog is not None:
        call.dialog.local_sequence = max(call.dialog.local_sequence, again.cseq.number)
    return again


def with_credentials(call: Call, request: Request, response: Response, dialog: Dialog | None = None) -> Request | None:
    """The request again, with an answer to the challenge in the response; None when there is none to give
    (§22.2)."""
    if response.status not in {401, 407}:
        return None
    credentials = call._credentials_for(response)
    if credentials is None:
        return None
    if call._challenges_answered >= CHALLENGES_ANSWERED:
        return None
    call._challenges_answered += 1
    if call._digest is None or not ("Authorization" in request.headers or "Proxy-Authorization" in request.headers):
        call._digest = DigestSession(credentials)
    again = call._sender.answer_challenge(request, response, call._digest)
    dialog = dialog or call.dialog
    if again is not None and dialog is not None:
        dialog.local_sequence = max(dialog.local_sequence + 1, again.cseq.number)
        again.headers.set("CSeq", f"{dialog.local_sequence} {again.method}")
    return again


def retry_offer_after(call: Call, offers: Offers, method: str, body: bytes, response: Response) -> bool:
    """Have an offer made again that met another one; False when the response is none that asks for it (§14.1)."""
    delay = retry_delay(response, owns_call_id=call._owns_call_id)
    if delay is None or offers.attempts >= GLARE_RETRIES or call.ended:
        return False
    offers.attempts += 1
    offers.wanted = (method, body)
    offers.retry = call._sender.layer.timers.schedule(delay, _retry_due, (call, offers))
    return True


def _retry_due(due: tuple[Call, Offers]) -> None:
    call, offers = due
    offers.retry = None
    call._exchange_over(offers)
