"""Chromium without a screen, driven over its DevTools protocol: opens a page and runs scripts in it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

EAR = Path(__file__).with_name("chromium_ear.js")
BLANK = "about:blank"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    # Candidates with the address, not a name for multicast DNS, and loopback among them. A page that was left is over.
    "--disable-features=WebRtcHideLocalIpsWithMdns,BackForwardCache",
    "--allow-loopback-in-peer-connection",
    # wss with a certificate of an authority of the test's own.
    "--ignore-certificate-errors",
    "--remote-debugging-port=0",
)
START_SECONDS = 30.0
SCRIPT_SECONDS = 30.0


class Tab:
    """One open page. After `watch`, `requests` are the URLs it asks for, and `complaints` what the browser says of it,
    such as that its Content-Security-Policy does not allow something."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.console: list[str] = []
        self.events: list[str] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.contexts: dict[str, int] = {}
        self._told = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            waiting = self._waiting.pop(told.get("id", 0), None)
            if waiting is not None:
                waiting.set_result(told)
            elif told.get("method") in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"}:
                self.console.append(json.dumps(told["params"])[:2000])
            elif told.get("method") == "Runtime.executionContextCreated":
                context = told["params"]["context"]
                self.contexts[context["origin"]] = context["id"]
            elif told.get("method") == "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"]["url"])
            elif told.get("method") == "Log.entryAdded":
                entry = told["params"]["entry"]
                self.complaints.append(f"{entry['source']} {entry['level']}: {entry['text']} {entry.get('url', '')}")
            elif "method" in told:
                self.events.append(told["method"])
                self._told.set()

    async def command(self, method: str, **params: Any) -> Any:
        """One DevTools command and its result."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        told = await answer
        assert "error" not in told, told
        return told["result"]

    async def run(self, script: str, *, origin: str | None = None, seconds: float = SCRIPT_SECONDS) -> Any:
        """The value of an expression, awaited where it is a promise; asserts that it did not throw.

        It runs in the page, or in the newest frame of another origin that is in it.
        """
        where = {} if origin is None else {"contextId": self.contexts[origin]}
        try:
            async with asyncio.timeout(seconds):
                told = await self.command(
                    "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, **where
                )
        except TimeoutError:
            raise AssertionError(f"{script} takes too long; the page said {self.console}") from None
        assert "exceptionDetails" not in told, f"{script}: {told['exceptionDetails']}, the page said {self.console}"
        return told["result"].get("value")

    async def watch(self) -> None:
        """Notes what is asked for and complained of from now on."""
        await self.command("Network.enable")
        await self.command("Log.enable")

    async def open(self, url: str) -> None:
        """Opens a page, and waits until it is loaded. What EAR defines is there before its own scripts."""
        self.events.clear()
        self.contexts.clear()
        await self.command("Page.navigate", url=url)
        async with asyncio.timeout(START_SECONDS):
            while "Page.loadEventFired" not in self.events:
                self._told.clear()
                await self._told.wait()

    async def close(self) -> None:
        self._reading.cancel()
        await self._socket.close()


@asynccontextmanager
async def page_server(page: Path, folders: Mapping[str, Path]) -> AsyncIterator[str]:
    """A page at `/`, folders beside it, and where that is."""
    application = web.Application()

    async def serve(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(page)

    application.router.add_get("/", serve)
    for path, folder in folders.items():
        application.router.add_static(path, folder)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def chromium(program: str, folder: Path, microphone: Path) -> AsyncIterator[Tab]:
    """A browser with one empty tab, whose microphone is a WAV file (48 kHz) that is played round and round."""
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, *FLAGS, f"--user-data-dir={folder}", f"--use-file-for-fake-audio-capture={microphone}", BLANK,
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as http:
            socket = await _attach(http, folder / "DevToolsActivePort")
            tab = Tab(socket)
            await tab.command("Runtime.enable")
            await tab.command("Page.enable")
            await tab.command("Page.addScriptToEvaluateOnNewDocument", source=EAR.read_text())
            try:
                yield tab
            finally:
                await tab.close()
    finally:
        # With all its children; what they would still write goes with the folder.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _attach(http: aiohttp.ClientSession, port_file: Path) -> aiohttp.ClientWebSocketResponse:
    """The DevTools connection of the only tab, once there is one."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            await asyncio.sleep(0.05)
            if not port_file.exists() or not (lines := port_file.read_text().splitlines()):
                continue
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.get(f"http://127.0.0.1:{lines[0]}/json/list") as response:
                    tabs = await response.json()
                for tab in tabs:
                    if tab["type"] == "page" and tab["url"] == BLANK:
                        return await http.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0)
