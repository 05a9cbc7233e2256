"""`/docs`: everything it needs comes from this server, and it may ask no other."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

import api as api_package
from api.docs_page import ASSETS, PATHS
from tests.api.client import BASE, Api


async def fetched(api: Api, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url=BASE) as client:
        return await client.request(
            method, path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )


@pytest.mark.parametrize("path", PATHS)
async def test_the_page_and_all_it_loads_come_from_here(api: Api, path: str) -> None:
    page = await fetched(api, path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(wanted) == 5
    for link in wanted:
        assert "//" not in link, "only relative links"
        loaded = await fetched(api, str(httpx.URL(BASE + path).join(link)))
        assert loaded.status_code == 200, link
        assert loaded.content
    script = (await fetched(api, f"{path}/assets/start.js")).text
    assert 'url: "openapi.json"' in script
    assert "validatorUrl: null" in script
    assert (await fetched(api, path.removesuffix("docs") + "openapi.json")).status_code == 200


async def test_the_policy_lets_it_ask_this_server_alone(api: Api) -> None:
    policy = dict(
        part.strip().split(" ", 1)
        for part in (await fetched(api, "/docs")).headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {BASE}"
    assert policy["frame-ancestors"] == "'none'"
    assert "x-request-id" in (await fetched(api, "/docs")).headers


async def test_assets_are_kept_by_browsers_and_known_by_their_etag(api: Api) -> None:
    path = "/docs/assets/swagger-ui-bundle.js"
    first = await fetched(api, path)
    assert first.headers["cache-control"] == "public, max-age=3600"
    again = await fetched(api, path, If_None_Match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    head = await fetched(api, path, "HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(first.content)))
    refused = await fetched(api, path, "POST")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    for outside in ("/docs/assets/", "/docs/assets/nothing.js", "/docs/assets/..%2f__init__.py", "/docs/"):
        assert (await fetched(api, outside)).status_code == 404


def test_every_asset_is_in_the_package_with_its_licence() -> None:
    assert api_package.__file__ is not None
    folder = Path(api_package.__file__).parent / "docs_page"
    for file, _ in ASSETS.values():
        assert (folder / file).is_file()
    for name in ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt", "README.md"):
        assert (folder / "swagger-ui" / name).is_file()
