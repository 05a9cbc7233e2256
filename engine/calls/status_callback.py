"""Status callbacks of verbs: a signed POST, once, whose outcome is in the call's log."""

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
"""Bytes of an answer that are read; nothing is made of them."""


class StatusCallbacks:
    """The status callbacks of one call, in the order of what they tell; they outlive the call."""

    def __init__(self, call: Call, exchange: HttpExchange) -> None:
        self._call = call
        self._exchange = exchange
        self._running: set[asyncio.Task[None]] = set()
        self._last: asyncio.Task[None] | None = None

    def tell(self, url: str | None, kind: str, facts: Mapping[str, str]) -> None:
        """Requests `url`, where there is one, with what is said of every call and `facts`; nobody waits for it.

        The call's log gets `<kind>_callback` with the status, or `<kind>_callback_failed`.
        """
        if url is None:
            return
        new = self._call.new
        form = {
            "CallSid": new.public_id,
            "CallUuid": new.id,
            "ApplicationId": self._call.application.id,
            "WorkspaceId": new.workspace_id,
            **facts,
        }
        task = asyncio.create_task(self._tell(url, kind, form, self._last), name=f"{kind} callback {new.public_id}")
        self._last = task
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _tell(self, url: str, kind: str, form: Mapping[str, str], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        body = urlencode(form).encode()
        request = HttpRequest(
            method="POST",
            url=url,
            headers={
                "User-Agent": USER_AGENT,
                "Content-Type": "application/x-www-form-urlencoded",
                SIGNATURE: sign(self._call.application.signing_secret, body, int(self._call.now().timestamp())),
            },
            body=body,
            connect_timeout=CALLBACK_SECONDS,
            total_timeout=CALLBACK_SECONDS,
            max_bytes=CALLBACK_BYTES,
        )
        try:
            reply = await self._exchange(request)
        except HttpFailure as failure:
            self._call.log(f"{kind}_callback_failed", {"url": url, "error": failure.message})
            return
        self._call.log(f"{kind}_callback", {"url": url, "status": reply.status})
