"""Status callbacks: a URL of a document is told what has become of something, signed as every request of ours.

One POST each, not repeated; what comes of it is in the call's log, and of the answer nothing is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from engine.http import USER_AGENT
from voyloml import HttpExchange, HttpFailure, HttpRequest, sign
from voyloml.signature import HEADER as SIGNATURE

if TYPE_CHECKING:
    from engine.calls.call import Call

CALLBACK_SECONDS: Final = 10.0
CALLBACK_BYTES: Final = 4096
"""Bytes of an answer to a status callback that are read; nothing is made of them."""


class StatusCallbacks:
    """Requests that are under way."""

    def __init__(self, exchange: HttpExchange) -> None:
        self._exchange = exchange
        self._under_way: set[asyncio.Task[None]] = set()

    def tell(
        self,
        call: Call,
        kind: str,
        url: str,
        form: Mapping[str, str],
        *,
        about: Call | None = None,
        after: asyncio.Task[None] | None = None,
        logged: bool = True,
    ) -> asyncio.Task[None]:
        """Begins to request the callback that `call` has given, about itself or another call, once `after` is done.

        The call's log gets `<kind>_callback` with the status, or `<kind>_callback_failed`, unless it is not `logged`.
        """
        request = _request(call, about or call, url, form)
        task = asyncio.create_task(
            self._tell(call, kind if logged else None, request, after), name=f"callback {call.new.public_id}"
        )
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _tell(self, call: Call, kind: str | None, request: HttpRequest, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait({after})
        try:
            reply = await self._exchange(request)
        except HttpFailure as failure:
            if kind is not None:
                call.log(f"{kind}_callback_failed", {"url": request.url, "error": failure.message})
            return
        if kind is not None:
            call.log(f"{kind}_callback", {"url": request.url, "status": reply.status})


def _request(call: Call, about: Call, url: str, form: Mapping[str, str]) -> HttpRequest:
    named = {
        "CallSid": about.new.public_id,
        "CallUuid": about.new.id,
        "ApplicationId": about.application.id,
        "WorkspaceId": about.new.workspace_id,
        **form,
    }
    body = urlencode(named).encode()
    return HttpRequest(
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
