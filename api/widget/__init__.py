"""The phone in a web page (contract §17): `/embed`, its assets, and the script `/v1/phone.js` that puts it into a page.

Every file is in this package. The page may be framed anywhere, as whoever has its token may use it; it asks this server
and the WebSocket that the server names. What is in `sip.js` is not ours (see the README there).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.routing import BaseRoute, Route

from api.static_file import StaticFile

_HERE: Final = Path(__file__).parent

ASSETS: Final[Mapping[str, tuple[str, str]]] = {
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "sip.min.js": ("sip.js/sip.min.js", "text/javascript; charset=utf-8"),
}
"""File and media type by the name in the URL, under `/embed/`."""

ASSET_SECONDS: Final = 3600
"""How long a browser keeps an asset without asking."""

_KEPT: Final = f"public, max-age={ASSET_SECONDS}"
_PAGE_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self' ws: wss:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
_ASSET_POLICY: Final = "default-src 'none'"


def widget_routes() -> list[BaseRoute]:
    """The routes of the page, of its assets and of the script."""
    page = StaticFile(_HERE / "page.html", "text/html; charset=utf-8", "no-cache", _PAGE_POLICY)
    script = StaticFile(_HERE / "phone.js", "text/javascript; charset=utf-8", _KEPT, _ASSET_POLICY)
    routes: list[BaseRoute] = [Route("/embed", endpoint=page), Route("/v1/phone.js", endpoint=script)]
    for name, (file, media_type) in ASSETS.items():
        routes.append(Route(f"/embed/{name}", endpoint=StaticFile(_HERE / file, media_type, _KEPT, _ASSET_POLICY)))
    return routes
