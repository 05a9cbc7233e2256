"""Dependencies of FastAPI that are what was received; `voylo.integrations.starlette` has the decorators.

@app.post("/menu")
def menu(call: Annotated[ActionRequest, Depends(Action(secret))]) -> VoyloMLResponse:
    return VoyloMLResponse(VoyloResponse().say("Hello"))

@app.post("/events", status_code=204)
def told(event: Annotated[Event, Depends(Webhook(secret))]) -> None: ...
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import HTTPException
from starlette.requests import Request

from voylo.errors import VoyloReceivedError, VoyloSignatureError
from voylo.generated.actions import ActionRequest
from voylo.integrations.starlette import (
    VoyloMLResponse,
    action,
    received_action,
    received_event,
    status_of,
    webhook,
)
from voylo.received import Event
from voylo.webhooks import TOLERANCE

__all__ = ["Action", "VoyloMLResponse", "Webhook", "action", "webhook"]


class Action:
    """A request for the next document of a call; 403 where the application's signing secrets do not sign it."""

    def __init__(self, secrets: str | Sequence[str], *, tolerance: float = TOLERANCE) -> None:
        self._secrets = secrets
        self._tolerance = tolerance

    async def __call__(self, request: Request) -> ActionRequest:
        """What FastAPI calls for each request."""
        try:
            return await received_action(request, self._secrets, self._tolerance)
        except (VoyloSignatureError, VoyloReceivedError) as error:
            raise HTTPException(status_of(error), str(error)) from None


class Webhook:
    """An event; 403 where the webhook's secrets, or the application's of a finished URL, do not sign it."""

    def __init__(self, secrets: str | Sequence[str], *, tolerance: float = TOLERANCE) -> None:
        self._secrets = secrets
        self._tolerance = tolerance

    async def __call__(self, request: Request) -> Event:
        """What FastAPI calls for each request."""
        try:
            return await received_event(request, self._secrets, self._tolerance)
        except (VoyloSignatureError, VoyloReceivedError) as error:
            raise HTTPException(status_of(error), str(error)) from None
