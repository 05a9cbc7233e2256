"""Decorators that make Starlette endpoints of functions; FastAPI takes them as path operations too.

@action(secret)
def menu(call: ActionRequest) -> VoyloResponse: ...

@webhook(secret)
async def told(event: Event) -> None: ...

app = Starlette(routes=[Route("/menu", menu, methods=["POST"]), Route("/events", told, methods=["POST"])])
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from voylo.errors import VoyloReceivedError, VoyloSignatureError
from voylo.generated.actions import ActionRequest
from voylo.received import Document, Event, document, receive_action, receive_event
from voylo.webhooks import SIGNATURE_HEADER, TOLERANCE

Endpoint = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")


class VoyloMLResponse(Response):
    """A document as an answer."""

    media_type = "application/xml"

    def render(self, content: Document) -> bytes:
        """The XML of a builder, of a text, or of nothing."""
        return document(content).encode()


def action(
    secrets: str | Sequence[str], *, tolerance: float = TOLERANCE
) -> Callable[[Callable[[ActionRequest], Document | Awaitable[Document]]], Endpoint]:
    """Makes an endpoint of a function that says what a call does next.

    `secrets` are the application's signing secrets. A request that they do not sign is answered with 403.
    """

    def decorate(handler: Callable[[ActionRequest], Document | Awaitable[Document]]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                call = await received_action(request, secrets, tolerance)
            except (VoyloSignatureError, VoyloReceivedError) as error:
                return _refusal(error)
            return VoyloMLResponse(await _run(handler, call))

        return _named(endpoint, handler)

    return decorate


def webhook(
    secrets: str | Sequence[str], *, tolerance: float = TOLERANCE
) -> Callable[[Callable[[Event], Any]], Endpoint]:
    """Makes an endpoint of a function that is told of events; it is answered with 204.

    `secrets` are those of the webhook, or of the application whose finished URL it is. A request that they do not sign
    is answered with 403. When the function raises, the engine sends the event again later.
    """

    def decorate(handler: Callable[[Event], Any]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                event = await received_event(request, secrets, tolerance)
            except (VoyloSignatureError, VoyloReceivedError) as error:
                return _refusal(error)
            await _run(handler, event)
            return Response(status_code=204)

        return _named(endpoint, handler)

    return decorate


async def received_action(
    request: Request, secrets: str | Sequence[str], tolerance: float = TOLERANCE
) -> ActionRequest:
    """As `voylo.receive_action`, of a request."""
    header = request.headers.get(SIGNATURE_HEADER)
    query = request.url.query
    return receive_action(secrets, await request.body(), header, query=query, tolerance=tolerance)


async def received_event(request: Request, secrets: str | Sequence[str], tolerance: float = TOLERANCE) -> Event:
    """As `voylo.receive_event`, of a request."""
    return receive_event(secrets, await request.body(), request.headers.get(SIGNATURE_HEADER), tolerance=tolerance)


def status_of(error: VoyloSignatureError | VoyloReceivedError) -> int:
    """The HTTP status that refuses what was received."""
    return 403 if isinstance(error, VoyloSignatureError) else 400


def _refusal(error: VoyloSignatureError | VoyloReceivedError) -> Response:
    return PlainTextResponse(str(error), status_of(error))


async def _run(handler: Callable[[T], Any], given: T) -> Any:
    """What the handler returns; one without async runs in a thread, so that it does not hold up others."""
    if inspect.iscoroutinefunction(handler):
        return await handler(given)
    answer = await run_in_threadpool(handler, given)
    return await answer if inspect.isawaitable(answer) else answer


def _named(endpoint: Endpoint, handler: Callable[..., Any]) -> Endpoint:
    endpoint.__name__ = getattr(handler, "__name__", "endpoint")
    endpoint.__doc__ = handler.__doc__
    return endpoint
