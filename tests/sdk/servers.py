"""Small HTTP servers in threads of their own: one that answers from a list, and a proxy that loses answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


@dataclass
class Answer:
    """What is answered to one request; `lost` closes the connection instead, `never` keeps it waiting."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    never: bool = False


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Listening:
    """A server's URL and the requests it has seen."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self.closing = threading.Event()

    def answer(self, request: Seen) -> Answer:
        raise NotImplementedError


class Answering(Listening):
    """Answers each request with the next of its answers, and then with the last."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__()
        self._answers = answers

    def answer(self, request: Seen) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Losing(Listening):
    """Passes requests on, and loses the answers to the first `lost` of them."""

    def __init__(self, target: str, lost: int) -> None:
        super().__init__()
        self._target = target
        self._lost = lost

    def answer(self, request: Seen) -> Answer:
        lost = len(self.seen) <= self._lost
        headers = {name: value for name, value in request.headers.items() if name not in {"host", "connection"}}
        url = f"{self._target}{request.path}"
        answer = httpx.request(request.method, url, content=request.body, headers=headers, timeout=10)
        body = answer.json() if answer.content else None
        kept = {name: value for name, value in answer.headers.items() if name.startswith(("x-", "idempotency-"))}
        return Answer(answer.status_code, body, kept, lost=lost)


@contextmanager
def serving(listening: Listening) -> Iterator[Listening]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, self.path, headers, body)
            listening.seen.append(seen)
            answer = listening.answer(seen)
            if answer.never:
                listening.closing.wait(10)
            if answer.lost or answer.never:
                self.close_connection = True
                return
            raw = b"" if answer.body is None else answer.body
            content = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815 - http.server's own names

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    listening.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield listening
    finally:
        listening.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
