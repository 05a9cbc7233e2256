"""The ASGI application: explicit routes, a request id on every answer, and a barrier around each request."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Awaitable, Sequence
from typing import Final

import structlog
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from api.docs_page import docs_routes
from api.endpoint import Endpoint, respond
from api.errors import error_body
from api.metrics import RequestCounter, metrics_operation
from api.openapi import openapi_operations
from api.operation import Operation
from api.paths import PathTable
from api.rate_limit import RateLimiter
from api.resources import (
    agent_widget,
    agents,
    api_keys,
    applications,
    billing,
    calls,
    health,
    inbound_trunks,
    invoices,
    members,
    monitor,
    numbers,
    outbound_trunks,
    recordings,
    rental_review,
    rentals,
    sessions,
    voyloml,
    webhooks,
    workspaces,
)
from api.services import ApiServices
from api.widget import widget_routes

logger = structlog.get_logger(__name__)

PATH_LOGGED: Final = 200
"""Characters of a path that a log entry shows."""

_numbers: Final = random.Random(secrets.randbits(128))
"""Of request ids, which need to differ but are no secret."""

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

OPERATIONS: Final[Sequence[Operation]] = (
    *applications.OPERATIONS,
    *numbers.OPERATIONS,
    *inbound_trunks.OPERATIONS,
    *outbound_trunks.OPERATIONS,
    *agents.OPERATIONS,
    *agent_widget.OPERATIONS,
    *calls.OPERATIONS,
    *recordings.OPERATIONS,
    *billing.OPERATIONS,
    *invoices.OPERATIONS,
    *rentals.OPERATIONS,
    *rental_review.OPERATIONS,
    *webhooks.OPERATIONS,
    *voyloml.OPERATIONS,
    *workspaces.OPERATIONS,
    *members.OPERATIONS,
    *api_keys.OPERATIONS,
    *sessions.OPERATIONS,
    *monitor.OPERATIONS,
    *health.OPERATIONS,
)


def create_app(services: ApiServices) -> ASGIApp:
    """The application that serves every path of the API."""
    limiter = RateLimiter(services.limits.requests_per_minute, services.limits.request_burst)
    counter = RequestCounter()
    operations = (*OPERATIONS, metrics_operation(counter, services.metrics))
    by_path: dict[str, list[Operation]] = {}
    for operation in (*operations, *openapi_operations(operations, services.public_url)):
        by_path.setdefault(operation.path, []).append(operation)
    pages = Router([*docs_routes(services.public_url), *widget_routes()], redirect_slashes=False, default=_unknown_path)
    endpoints = {path: Endpoint(of_path, services, limiter, counter) for path, of_path in by_path.items()}
    return _Barrier(PathTable(endpoints, pages))


async def _unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await respond(send, 404, error_body(404, "There is nothing at this path"), [], head=scope["method"] == "HEAD")


class _Barrier:
    """Gives each request an id and keeps a failure inside it.

    An `X-Request-Id` of the client is taken over when it is plain text, so that a proxy's logs and ours name the same.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        started = False

        def send_with_id(message: Message) -> Awaitable[None]:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            return send(message)

        # Each request runs in a task with a context of its own, so that there is nothing to unbind.
        bind_contextvars(request=request_id.decode())
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("api.failed", method=scope["method"], path=scope["path"][:PATH_LOGGED])
            if started:
                raise
            await respond(send_with_id, 500, error_body(500, "Something went wrong on our side"), [])


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return b"%016x" % _numbers.getrandbits(64)
