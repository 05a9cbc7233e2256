"""The application of a simulated call: documents by URL, a function, an ASGI or WSGI app in the same process, or HTTP.

Whatever it is, it is a function of a request; `reply_to` makes of its answer what an `HttpExchange` gives.
"""

from __future__ import annotations

import asyncio
import http.client
import io
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from voyloml.exchange import HttpFailure, HttpReply, HttpRequest

BASE_URL: Final = "http://app.test/"
"""What relative URLs resolve against where the simulation is not given a URL."""


HTTP_SECONDS: Final = 10.0
HTTP_BYTES: Final = 1_048_576
"""Of a real server's answer; more than any document may have."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the call, as the application sees it."""

    at: float
    method: str
    url: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Such as `/menu`."""
        return urlsplit(self.url).path or "/"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an application answers, `delay` seconds after the request."""

    body: str | bytes = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


NOT_FOUND: Final = Reply("nothing at this URL in the simulation", status=404)

Answer: TypeAlias = str | bytes | Reply
Pages: TypeAlias = Mapping[str, "Answer | Sequence[Answer] | Callable[[Asked], Answer]"]
"""Answers by URL, by path, or by `METHOD path`; of several the next one each time, the last one again and again."""
Function: TypeAlias = Callable[[Asked], "Answer | Awaitable[Answer]"]


def asked_of(request: HttpRequest) -> Asked:
    """A request, with its parameters read."""
    raw = request.body.decode() if request.method == "POST" else urlsplit(request.url).query
    parameters = dict(parse_qsl(raw, keep_blank_values=True))
    at = asyncio.get_running_loop().time()
    return Asked(at, request.method, request.url, parameters, request.headers, request.body)


async def reply_to(asked: Asked, answer: Function) -> HttpReply:
    """What a function answers, as the interpreter wants it. Raises HttpFailure."""
    loop = asyncio.get_running_loop()
    given = answer(asked)
    if not isinstance(given, str | bytes | Reply):
        given = await given
    reply = given if isinstance(given, Reply) else Reply(given)
    if reply.delay:
        await asyncio.sleep(reply.delay)
    body = reply.body.encode() if isinstance(reply.body, str) else reply.body
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return HttpReply(reply.status, headers, body, round((loop.time() - asked.at) * 1000), asked.url)


def pages(answers: Pages) -> Function:
    """Answers out of a table; what is not in it does not exist (404)."""
    queues: dict[str, deque[Answer]] = {}
    for key, value in answers.items():
        if not callable(value):
            queues[key] = deque([value] if isinstance(value, str | bytes | Reply) else value)

    def answer(asked: Asked) -> Answer:
        plain = asked.url.partition("?")[0]
        for key in (f"{asked.method} {asked.path}", asked.url, plain, asked.path):
            given = answers.get(key)
            if callable(given):
                return given(asked)
            if key in queues:
                queue = queues[key]
                return queue.popleft() if len(queue) > 1 else queue[0]
        return NOT_FOUND

    return answer


def asgi(app: Callable[..., Awaitable[None]]) -> Function:
    """Asks an ASGI application (FastAPI, Starlette) in this process."""

    async def answer(asked: Asked) -> Answer:
        parts = urlsplit(asked.url)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": asked.method,
            "scheme": parts.scheme,
            "path": parts.path or "/",
            "raw_path": (parts.path or "/").encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in _headers(asked).items()],
            "client": ("127.0.0.1", 1),
            "server": (parts.hostname or "", parts.port or 80),
        }
        status, headers, body = 500, dict[str, str](), b""
        received = False

        async def receive() -> dict[str, Any]:
            nonlocal received
            if received:
                return {"type": "http.disconnect"}
            received = True
            return {"type": "http.request", "body": asked.body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            nonlocal status, headers, body
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {name.decode(): value.decode() for name, value in message.get("headers", ())}
            elif message["type"] == "http.response.body":
                body += message.get("body", b"")

        await app(scope, receive, send)
        return Reply(body, status, headers)

    return answer


def wsgi(app: Callable[..., Iterable[bytes]]) -> Function:
    """Asks a WSGI application (Flask, Django) in this process."""

    def answer(asked: Asked) -> Answer:
        parts = urlsplit(asked.url)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": asked.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": parts.path or "/",
            "QUERY_STRING": parts.query,
            "CONTENT_LENGTH": str(len(asked.body)),
            "CONTENT_TYPE": _headers(asked).get("Content-Type", ""),
            "SERVER_NAME": parts.hostname or "",
            "SERVER_PORT": str(parts.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": io.BytesIO(asked.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in _headers(asked).items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        began: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            began.append((status, headers))

        body = b"".join(app(environ, start_response))
        status, headers = began[-1]
        return Reply(body, int(status.split()[0]), dict(headers))

    return answer


def over_http(asked: Asked) -> Answer:
    """Asks a real server, blocking: on a virtual clock that takes no time. Raises HttpFailure."""
    parts = urlsplit(asked.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=HTTP_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(asked.method, target, body=asked.body or None, headers=dict(asked.headers))
        response = connection.getresponse()
        body = response.read(HTTP_BYTES)
    except TimeoutError:
        raise HttpFailure("timeout", "no answer in time") from None
    except OSError as error:
        raise HttpFailure("connect", f"no connection: {error.strerror or error}") from None
    except http.client.HTTPException as error:
        raise HttpFailure("protocol", f"no HTTP: {error}") from None
    finally:
        connection.close()
    return Reply(body, response.status, dict(response.getheaders()))


def _headers(asked: Asked) -> dict[str, str]:
    headers = {"Host": urlsplit(asked.url).netloc, **asked.headers}
    return headers | ({"Content-Length": str(len(asked.body))} if asked.body else {})
