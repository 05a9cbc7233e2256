"""Status callbacks: a URL of a document is told what has become of something, signed as every request of ours.

One request each, not repeated; what comes of it is in the call's log, and of the answer nothing is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from voyloml import HttpExchange, HttpFailure, HttpRequest
from voyloml.callback import callback_request

if TYPE_CHECKING:
    from engine.calls.call import Call


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
        method: str = "POST",
        logged: bool = True,
    ) -> asyncio.Task[None]:
        """Begins to request the callback that `call` has given, about itself or another call, once `after` is done.

        With GET the form is in the query. The call's log gets `<kind>_callback` with the status, or
        `<kind>_callback_failed`, unless it is not `logged`.
        """
        request = _request(call, about or call, url, form, method)
        task = asyncio.create_task(
            self._tell(call, kind if logged else None, url, request, after), name=f"callback {call.new.public_id}"
        )
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _tell(
        self, call: Call, kind: str | None, url: str, request: HttpRequest, after: asyncio.Task[None] | None
    ) -> None:
        # The URL as it was given: with GET what the callback tells is in the request's, and does not belong in a log.
        if after is not None:
            await asyncio.wait({after})
        try:
            reply = await self._exchange(request)
        except HttpFailure as failure:
            if kind is not None:
                call.log(f"{kind}_callback_failed", {"url": url, "error": failure.message})
            return
        if kind is not None:
            call.log(f"{kind}_callback", {"url": url, "status": reply.status})


def _request(call: Call, about: Call, url: str, form: Mapping[str, str], method: str) -> HttpRequest:
    named = {
        "CallSid": about.new.public_id,
        "CallUuid": about.new.id,
        "ApplicationId": about.application.id,
        "WorkspaceId": about.new.workspace_id,
        **form,
    }
    return callback_request(url, named, call.application.signing_secret, int(call.now().timestamp()), method)
