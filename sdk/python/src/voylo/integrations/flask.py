"""Decorators that make Flask views of functions.

@app.post("/menu")
@action(secret)
def menu(call: ActionRequest) -> VoyloResponse: ...

@app.post("/events")
@webhook(secret)
def told(event: Event) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from flask import Response, current_app, request

from voylo.errors import VoyloReceivedError, VoyloSignatureError
from voylo.generated.actions import ActionRequest
from voylo.received import Document, Event, document, receive_action, receive_event
from voylo.webhooks import SIGNATURE_HEADER, TOLERANCE

View = Callable[..., Response]


def action(secrets: str | Sequence[str], *, tolerance: float = TOLERANCE) -> Callable[[Callable[..., Document]], View]:
    """Makes a view of a function that says what a call does next; parts of the URL come after the request.

    `secrets` are the application's signing secrets. A request that they do not sign is answered with 403.
    """

    def decorate(handler: Callable[..., Document]) -> View:
        @wraps(handler)
        def view(**parts: Any) -> Response:
            try:
                call = received_action(secrets, tolerance)
            except (VoyloSignatureError, VoyloReceivedError) as error:
                return _refusal(error)
            answer = current_app.ensure_sync(handler)(call, **parts)
            return Response(document(answer), content_type="application/xml; charset=utf-8")

        return view

    return decorate


def webhook(secrets: str | Sequence[str], *, tolerance: float = TOLERANCE) -> Callable[[Callable[..., Any]], View]:
    """Makes a view of a function that is told of events; it is answered with 204.

    `secrets` are those of the webhook, or of the application whose finished URL it is. A request that they do not sign
    is answered with 403. When the function raises, the engine sends the event again later.
    """

    def decorate(handler: Callable[..., Any]) -> View:
        @wraps(handler)
        def view(**parts: Any) -> Response:
            try:
                event = received_event(secrets, tolerance)
            except (VoyloSignatureError, VoyloReceivedError) as error:
                return _refusal(error)
            current_app.ensure_sync(handler)(event, **parts)
            return Response(status=204)

        return view

    return decorate


def received_action(secrets: str | Sequence[str], tolerance: float = TOLERANCE) -> ActionRequest:
    """As `voylo.receive_action`, of the request that is being handled."""
    header = request.headers.get(SIGNATURE_HEADER)
    return receive_action(secrets, request.get_data(), header, query=request.query_string, tolerance=tolerance)


def received_event(secrets: str | Sequence[str], tolerance: float = TOLERANCE) -> Event:
    """As `voylo.receive_event`, of the request that is being handled."""
    return receive_event(secrets, request.get_data(), request.headers.get(SIGNATURE_HEADER), tolerance=tolerance)


def _refusal(error: VoyloSignatureError | VoyloReceivedError) -> Response:
    status = 403 if isinstance(error, VoyloSignatureError) else 400
    return Response(str(error), status, content_type="text/plain; charset=utf-8")
