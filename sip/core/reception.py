"""What becomes of a message that has arrived: answered as malformed, matched to its transaction, dialog or call, or
made a new call (RFC 3261 §8.2, §9.2, §12.2.2, §16.3, §18.1.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sip.core.call import Call
from sip.core.incoming import IncomingCall
from sip.core.inspection import (
    OFFERING_METHODS,
    Refusal,
    inspect_content,
    inspect_extensions,
    inspect_target,
    is_scanner,
    refused_message,
)
from sip.core.replacing import find_replaced
from sip.core.routing import note_source
from sip.core.session_terms import SESSION_REFRESHES, inspect_session_expires
from sip.dialog import DialogKey
from sip.endpoint import Endpoint
from sip.errors import SipParseError
from sip.message import Request, Response, parse_message
from sip.transaction.layer import cancelled_key, server_key
from sip.transaction.table import Event

if TYPE_CHECKING:
    from sip.core.agent import UserAgentCore


class Reception:
    """The listening half of a user agent core. `on_fault(source, reason)` hears of messages that did not parse."""

    def __init__(self, core: UserAgentCore, on_fault: Callable[[Endpoint, str], None]) -> None:
        self._core = core
        self._on_fault = on_fault
        self.size = 0  # bytes of the message that is being handled

    def receive(self, data: bytes, source: Endpoint, local: Endpoint) -> None:
        """Handle one message that came from `source` to the listener `local`."""
        self._core.statistics.messages_received += 1
        self.size = len(data)
        try:
            message = parse_message(data, self._core.config.limits, stream=not source.framed)
        except SipParseError as error:
            self._core.statistics.parse_errors += 1
            self._answer_fault(error, source, local)
            return
        if isinstance(message, Response):
            self._receive_response(message, source)
            return
        try:
            self._receive_request(message, source, local)
        except SipParseError as error:
            # a header field that only this request had a use for
            self._core.statistics.parse_errors += 1
            if message.method != "ACK":
                self._core.refuse(message, source, local, error.status, error.reason)

    def _answer_fault(self, error: SipParseError, source: Endpoint, local: Endpoint) -> None:
        """Answer a request that does not parse, as far as enough of it does (§8.2, §16.3); responses and ACKs are
        dropped."""
        self._on_fault(source, error.reason)
        request = error.partial
        if request is None or request.method == "ACK":
            return
        note_source(request, source)
        headers = (("Allow", self._core.sender.allow),) if error.status in {405, 501} else ()
        self._core.refuse(request, source, local, error.status, error.reason, headers)

    def _receive_response(self, response: Response, source: Endpoint) -> None:
        transaction = self._core.layer.find_client(response)
        via = response.top_via
        if transaction is None or len(response.via) > 1:
            self._core.statistics.stray_responses += 1  # §18.1.2, §8.1.3.3
            return
        ours = transaction.request.top_via
        if (via.host.lower(), via.port) != (ours.host.lower(), ours.port):
            self._core.statistics.stray_responses += 1
            return
        # Who is called, registered with or probed answers as much as it is asked. Not so whoever is only in a call:
        # a number may be open to everybody.
        admission, now = self._core.admission, self._core.clock()
        if admission.needs_proof(source.host, now) and transaction.request.to.tag is None:
            admission.trust(source.host, now)
        try:
            transaction.receive(response)
        except SipParseError:
            self._core.statistics.parse_errors += 1

    def _receive_request(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        note_source(request, source)
        key = server_key(request)
        transaction = self._core.layer.find_server(key)
        if request.method == "ACK":
            if transaction is None or not transaction.handle(Event.RECEIVE_ACK, request):
                self._receive_ack(request)
            return
        if transaction is not None:
            self._core.layer.counters.retransmissions_received += 1
            transaction.handle(Event.RECEIVE_REQUEST)
            return
        if request.method == "CANCEL":
            self._receive_cancel(request, source, local)
            return
        if request.method == "REGISTER" and self._core.registering is not None and request.to.tag is None:
            if not self._is_silenced(request):
                self._core.registering.receive(request, source, local, self.size)
            return
        refusal = inspect_target(request, self._core.config.uri_schemes, self._core.methods)
        if refusal is not None:
            if request.method == "MESSAGE" and refusal.status == 405:
                refusal = refused_message(self._core.config.message_status, refusal)
            self._refuse(request, source, local, refusal)
        elif request.to.tag is not None:
            self._receive_in_dialog(request, source, local)
        else:
            self._receive_out_of_dialog(request, source, local)

    def _receive_ack(self, ack: Request) -> None:
        entry = self._core.find_dialog(_dialog_key(ack))
        if entry is None:
            self._core.statistics.stray_acks += 1
            return
        entry[0].receive_ack(ack)

    def _receive_cancel(self, cancel: Request, source: Endpoint, local: Endpoint) -> None:
        """§9.2: answered by itself, whatever becomes of the INVITE."""
        invite = self._core.layer.find_server(cancelled_key(cancel))
        if invite is None:
            self._core.refuse(cancel, source, local, 481)
            return
        call = invite.user if isinstance(invite.user, Call) else None
        self._core.sender.reply(cancel, source, local, 200, to_tag=None if call is None else call.local_tag)
        if call is not None:
            call.receive_cancel(invite, cancel)

    def _receive_in_dialog(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        entry = self._core.find_dialog(_dialog_key(request))
        if entry is None:
            self._core.refuse(request, source, local, 481)  # §12.2.2
            return
        refusal = inspect_extensions(request)
        if refusal is None and request.method in OFFERING_METHODS:
            refusal = inspect_content(request)
        if refusal is None and request.method in SESSION_REFRESHES:
            refusal = inspect_session_expires(request, self._core.config.min_se)
        if refusal is not None:
            self._core.sender.reply(request, source, local, refusal.status, headers=refusal.headers)
            return
        call, dialog = entry
        call.receive_request(dialog, request, source, local)

    def _receive_out_of_dialog(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        if self._is_silenced(request):
            return
        if self._core.layer.is_merged(request):
            self._core.refuse(request, source, local, 482)  # §8.2.2.2
            return
        refusal = inspect_extensions(request)
        if refusal is None and request.method == "INVITE":
            refusal = inspect_content(request) or inspect_session_expires(request, self._core.config.min_se)
        if refusal is not None:
            self._refuse(request, source, local, refusal)
        elif request.method not in {"INVITE", "OPTIONS", "MESSAGE"}:
            # A call is only transferred by who takes part in it: a REFER out of nowhere is not served
            self._core.refuse(request, source, local, 403 if request.method == "REFER" else 481)
        elif self._core.draining or (request.method != "OPTIONS" and self._is_full()):
            retry = (("Retry-After", str(self._core.config.retry_after_seconds)),)
            self._core.refuse(request, source, local, 503, headers=retry)
        elif request.method == "OPTIONS":
            self._core.answer_options(request, source, local)
        elif request.method == "MESSAGE":
            self._core.take_message(request, source, local)
        else:
            self._receive_call(request, source, local)

    def _receive_call(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        core = self._core
        replaced = find_replaced(request, core.find_dialog)
        if isinstance(replaced, Refusal):
            self._refuse(request, source, local, replaced)
            return
        flow = core.sender.flow_on(local, source)
        call = IncomingCall(core, flow, request, source, local, core.sender.stateless_tag(request), self.size)
        call.replaces = replaced
        core.introduce(call)

    def _is_silenced(self, request: Request) -> bool:
        """Whether the request comes from a scanner and we are silent to those; counts it then."""
        if not self._core.config.silent or not is_scanner(request):
            return False
        self._core.statistics.silenced += 1
        return True

    def _is_full(self) -> bool:
        core = self._core
        return core.calls >= core.config.calls or core.layer.server_count >= core.config.server_transactions

    def _refuse(self, request: Request, source: Endpoint, local: Endpoint, refusal: Refusal) -> None:
        self._core.refuse(request, source, local, refusal.status, headers=refusal.headers)


def _dialog_key(request: Request) -> DialogKey:
    """The dialog that a request of the peer is in: its To tag is ours, its From tag the peer's (§12.2.2)."""
    return (request.call_id, request.to.tag or "", request.from_.tag)
