"""A file of this package over HTTP, with its ETag and with headers that say what a browser may do with it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.types import Receive, Scope, Send


class StaticFile:
    """The ASGI application behind one file, for GET and HEAD. `policy` is its Content-Security-Policy."""

    def __init__(self, path: Path, media_type: str, cache_control: str, policy: str) -> None:
        self._path = path
        self._headers = [
            (b"content-type", media_type.encode()),
            (b"cache-control", cache_control.encode()),
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request (ASGI)."""
        from api.endpoint import respond
        from api.errors import error_body

        method = scope["method"]
        if method not in {"GET", "HEAD"}:
            await respond(send, 405, error_body(405, f"{method} is not allowed here"), [(b"allow", b"GET, HEAD")])
            return
        data, etag = _read(self._path)
        known = dict(scope["headers"]).get(b"if-none-match") == etag
        headers = [*self._headers, (b"etag", etag)]
        if not known:
            headers.append((b"content-length", str(len(data)).encode()))
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if known or method == "HEAD" else data})


@cache
def _read(path: Path) -> tuple[bytes, bytes]:
    """A file and its ETag."""
    data = path.read_bytes()
    return data, b'"%b"' % hashlib.sha256(data).hexdigest()[:32].encode()
