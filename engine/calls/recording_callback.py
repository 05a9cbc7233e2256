"""The status callback of a recording (contract §10.7): requested once when the audio can be fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from engine.http import USER_AGENT
from voyloml import HttpExchange, HttpFailure, HttpRequest, sign
from voyloml.capabilities import Recorded
from voyloml.signature import HEADER as SIGNATURE

if TYPE_CHECKING:
    from engine.calls.call import Call

CALLBACK_SECONDS: Final = 10.0
CALLBACK_BYTES: Final = 4096
"""Bytes of an answer to a status callback that are read; nothing is made of them."""


async def tell_recorded(call: Call, exchange: HttpExchange, url: str, recorded: Recorded) -> None:
    """Requests the status callback, once; what comes of it is in the call's log."""
    new = call.new
    form = {
        "CallSid": new.public_id,
        "CallUuid": new.id,
        "ApplicationId": call.application.id,
        "WorkspaceId": new.workspace_id,
        "RecordingSid": recorded.sid,
        "RecordingUrl": recorded.url,
        "RecordingDuration": str(round(recorded.seconds)),
        "RecordingStatus": "completed",
    }
    body = urlencode(form).encode()
    request = HttpRequest(
        method="POST",
        url=url,
        headers={
            "User-Agent": USER_AGENT,
            "Content-Type": "application/x-www-form-urlencoded",
            SIGNATURE: sign(call.application.signing_secret, body, int(call.now().timestamp())),
        },
        body=body,
        connect_timeout=CALLBACK_SECONDS,
        total_timeout=CALLBACK_SECONDS,
        max_bytes=CALLBACK_BYTES,
    )
    try:
        reply = await exchange(request)
    except HttpFailure as failure:
        call.log("recording_callback_failed", {"url": url, "error": failure.message})
        return
    call.log("recording_callback", {"url": url, "status": reply.status})
