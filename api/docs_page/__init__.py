"""`/docs`: an interactive page over the OpenAPI document, at the root and under `/v1` (contract §1).

Every file is in this package; the Content-Security-Policy lets the page ask no other host. What is in `swagger-ui` is
not ours (see the README there).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

_HERE: Final = Path(__file__).parent

ASSETS: Final[Mapping[str, tuple[str, str]]] = {
    "start.js": ("start.js", "text/javascript; charset=utf-8"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css; charset=utf-8"),
    "favicon-32x32.png": ("swagger-ui/favicon-32x32.png", "image/png"),
}
"""File and media type by the name in the URL."""

ASSET_SECONDS: Final = 3600
"""How long a browser keeps an asset without asking."""

PATHS: Final[Sequence[str]] = ("/docs", "/v1/docs")


def docs_routes(public_url: str) -> list[BaseRoute]:
    """The routes of the page and of its assets; the page calls the API at `public_url`."""
    page = _File("index.html", "text/html; charset=utf-8", "no-cache", _policy(public_url))
    routes: list[BaseRoute] = []
    for path in PATHS:
        routes.append(Route(path, endpoint=page))
        for name, (file, media_type) in ASSETS.items():
            asset = _File(file, media_type, f"public, max-age={ASSET_SECONDS}", "default-src 'none'")
            routes.append(Route(f"{path}/assets/{name}", endpoint=asset))
    return routes


def _policy(public_url: str) -> str:
    parts = urlsplit(public_url)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            # The interface sets styles on its elements.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            f"connect-src 'self' {parts.scheme}://{parts.netloc}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


@cache
def _read(file: str) -> tuple[bytes, bytes]:
    """A file of this package and its ETag."""
    data = (_HERE / file).read_bytes()
    return data, b'"%b"' % hashlib.sha256(data).hexdigest()[:32].encode()


class _File:
    """The ASGI application behind one file."""

    def __init__(self, file: str, media_type: str, cache_control: str, policy: str) -> None:
        self._file = file
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
        data, etag = _read(self._file)
        known = dict(scope["headers"]).get(b"if-none-match") == etag
        headers = [*self._headers, (b"etag", etag)]
        if not known:
            headers.append((b"content-length", str(len(data)).encode()))
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if known or method == "HEAD" else data})
