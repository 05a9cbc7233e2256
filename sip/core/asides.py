"""Requests of ours inside a dialog that change nothing in it: INFO (RFC 6086 §4) and MESSAGE (RFC 3428 §9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip.core.events import AsideAnswered
from sip.core.retry import with_credentials
from sip.message import Request, Response
from sip.transaction.transaction import ClientTransaction, Failure

if TYPE_CHECKING:
    from sip.core.call import Call


_NO_SUCH_DIALOG: Final = 481


class Aside:
    """A ClientUser for one request; a challenge is answered, whatever else comes is the end of it.

    That the peer knows the dialog no more ends the call (§12.2.1.2). No answer at all does not, although it might: some
    phones drop what they do not understand.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def send(self, method: str, content_type: str, body: bytes) -> None:
        """Send the request in the dialog of the call."""
        call = self._call
        assert call.dialog is not None
        request = call.dialog.request(method)
        call._sender.send_in_dialog(call.dialog, call.flow, request, self, content_type=content_type, body=body)

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: a response to the request."""
        if response.status < 200:
            return
        call, request = self._call, transaction.request
        again: Request | None = None if call.ended else with_credentials(call, request, response)
        if again is not None:
            call._sender.send_again(again, transaction, self)
            return
        call._challenges_answered = 0
        call._emit(AsideAnswered(request.method, response.status))
        if response.status == _NO_SUCH_DIALOG:
            call._lost("gone")

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: no final response, which ends the call no more than a refusal would."""
        self._call._emit(AsideAnswered(transaction.request.method, None))
