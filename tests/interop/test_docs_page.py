"""`/docs` of a running engine as Chromium shows it: every operation, and nothing from anywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.docs_page import PATHS
from tests.interop.chromium import chromium
from tests.support.engine import running_engine
from tests.support.tones import sine, wav

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

SECONDS = 100
"""An operation that is opened takes the page many seconds where the machine is busy."""

SHOWN = """
new Promise((resolve) => {
  const look = () => {
    const blocks = [...document.querySelectorAll(".opblock")];
    if (blocks.length < %d) return setTimeout(look, 50);
    const text = (block, part) => block.querySelector(part).textContent.replaceAll("\\u200b", "").trim();
    resolve(blocks.map((block) => text(block, ".opblock-summary-method") + " " + text(block, ".opblock-summary-path")));
  };
  look();
})
"""
OPENED = """
new Promise((resolve) => {
  document.querySelector(".opblock-get .opblock-summary-control").click();
  const look = () => document.querySelector(".opblock.is-open .opblock-body .responses-wrapper")
    ? resolve(true) : setTimeout(look, 50);
  look();
})
"""
ELSEWHERE = 'fetch("https://elsewhere.example/").then(() => "let through", () => "kept")'


async def test_every_operation_is_shown_and_nothing_comes_from_elsewhere(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    microphone = tmp_path / "voice.wav"
    microphone.write_bytes(wav(sine(440, 0.1)))
    async with (
        running_engine(tmp_path / "data") as engine,
        chromium(program("chromium"), tmp_path / "browser", microphone) as tab,
    ):
        here = engine.process.bound.http
        host = urlsplit(here).netloc
        document = (await engine.client.get("/openapi.json")).json()
        operations = {
            f"{method.upper()} {name}"
            for name, item in {**document["paths"], **document["webhooks"]}.items()
            for method in item
            if method in {"get", "post", "put", "patch", "delete"}
        }
        await tab.watch()
        for path in PATHS:
            tab.requests.clear()
            await tab.open(here + path)
            assert set(await tab.run(SHOWN % len(operations), seconds=SECONDS)) == operations
            assert here + path.removesuffix("docs") + "openapi.json" in tab.requests
            assert {urlsplit(url).netloc for url in tab.requests if not url.startswith("data:")} == {host}
            assert (tab.complaints, tab.console) == ([], [])
        assert await tab.run(OPENED, seconds=SECONDS)
        assert (tab.complaints, tab.console) == ([], [])
        assert await tab.run(ELSEWHERE) == "kept"
        async with asyncio.timeout(10):  # what is not allowed is told
            while not any("Content Security Policy" in told for told in tab.complaints):
                await asyncio.sleep(0.02)
