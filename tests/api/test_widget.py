"""`/embed` and `/v1/phone.js` (contract §17): everything they need comes from this server."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

import api as api_package
from api.widget import ASSETS
from tests.api.client import BASE, Api
from tests.api.test_docs_page import fetched


async def test_the_page_and_all_it_loads_come_from_here(api: Api) -> None:
    page = await fetched(api, "/embed?token=voywt_x")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["referrer-policy"] == "no-referrer", "its address has the token"
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert wanted == ["embed/page.css", "embed/page.js"]
    script = await fetched(api, "/embed/page.js")
    imported = re.findall(r'from "\./([^"]+)"', script.text)
    assert imported == ["sip.min.js"]
    for link in (*wanted, *(f"embed/{name}" for name in imported)):
        loaded = await fetched(api, str(httpx.URL(BASE + "/embed").join(link)))
        assert loaded.status_code == 200, link
        assert loaded.content


async def test_the_page_may_be_framed_and_asks_this_server_and_its_websocket_alone(api: Api) -> None:
    policy = dict(
        part.strip().split(" ", 1)
        for part in (await fetched(api, "/embed")).headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws: wss:"
    assert "frame-ancestors" not in policy


async def test_the_script_for_other_pages(api: Api) -> None:
    script = await fetched(api, "/v1/phone.js")
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "window.Voylo = Voylo" in script.text
    again = await fetched(api, "/v1/phone.js", If_None_Match=script.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert (await fetched(api, "/v1/phone.js", "POST")).status_code == 405
    for outside in ("/phone.js", "/embed/", "/embed/nothing.js", "/embed/README.md", "/embed/..%2f__init__.py"):
        assert (await fetched(api, outside)).status_code == 404


def test_every_asset_is_in_the_package_with_its_licence() -> None:
    assert api_package.__file__ is not None
    folder = Path(api_package.__file__).parent / "widget"
    for file in ("page.html", "phone.js", *(file for file, _ in ASSETS.values())):
        assert (folder / file).is_file()
    for name in ("LICENSE.md", "README.md"):
        assert (folder / "sip.js" / name).is_file()
