"""Requests of the peer inside a dialog of a call, each to whom it concerns (RFC 3261 §12.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.core.call_state import CallState
from sip.core.events import Info
from sip.core.reinvite import receive_reinvite
from sip.core.transfer import Transfers
from sip.core.update import receive_update
from sip.dialog import Dialog
from sip.endpoint import Endpoint
from sip.message import Request

if TYPE_CHECKING:
    from sip.core.call import Call


def receive_in_dialog(call: Call, dialog: Dialog, request: Request, source: Endpoint, local: Endpoint) -> None:
    """A request inside a dialog of this call, other than ACK and CANCEL, that matched no transaction."""
    core = call._core
    if call._closed or (call.ended and request.method != "BYE"):
        core.refuse(request, source, local, 481)
        return
    if not dialog.accepts_sequence(request.cseq.number):
        call._sender.reply(request, source, local, 500)  # §12.2.2: out of order
        return
    if request.method == "BYE":
        call._receive_bye(request, source, local)
    elif request.method == "INVITE":
        receive_reinvite(call, request, source, local)
    elif request.method == "INFO":
        _receive_info(call, request, source, local)
    elif request.method == "PRACK":
        call._receive_prack(request, source, local)
    elif request.method == "UPDATE":
        offers = next((offers for offers in call._all_offers() if offers.dialog is dialog), None)
        if offers is None:
            call._sender.reply(request, source, local, 481)
        else:
            receive_update(call, offers, request, source, local)
    elif request.method in {"REFER", "NOTIFY"}:
        _receive_transfer(call, request, source, local)
    elif request.method == "MESSAGE":
        core.take_message(request, source, local, call)
    else:
        core.answer_options(request, source, local)


def _receive_info(call: Call, request: Request, source: Endpoint, local: Endpoint) -> None:
    if "Info-Package" in request.headers:
        call._sender.reply(request, source, local, 469, headers=(("Recv-Info", ""),))  # RFC 6086 §4.2.2
        return
    call._sender.reply(request, source, local, 200)
    call._emit(Info(request.content_type, request.body))


def _receive_transfer(call: Call, request: Request, source: Endpoint, local: Endpoint) -> None:
    if call._transfers is None:
        call._transfers = Transfers(call)
    if request.method == "NOTIFY":
        call._transfers.receive_notify(request, source, local)
    elif call.state in {CallState.ANSWERED, CallState.CONFIRMED}:
        call._transfers.receive_refer(request, source, local)
    else:
        call._sender.reply(request, source, local, 403)  # there is nobody yet to be sent elsewhere
