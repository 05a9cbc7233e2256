"""`/docs`: an interactive page over the OpenAPI document, at the root and under `/v1` (contract §1).

Every file is in this package; the Content-Security-Policy lets the page ask no other host. What is in `swagger-ui` is
not ours (see the README there).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, Route

from api.static_file import StaticFile

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
    page = StaticFile(_HERE / "index.html", "text/html; charset=utf-8", "no-cache", _policy(public_url))
    routes: list[BaseRoute] = []
    for path in PATHS:
        routes.append(Route(path, endpoint=page))
        for name, (file, media_type) in ASSETS.items():
            asset = StaticFile(_HERE / file, media_type, f"public, max-age={ASSET_SECONDS}", "default-src 'none'")
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
