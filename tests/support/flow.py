"""An application's own server in a test: documents and tones over real HTTP, and a memory of what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.tones import sine, wav


@dataclass(frozen=True, slots=True)
class Asked:
    """One request the engine made; `form` has the first value of each parameter."""

    method: str
    path: str
    form: dict[str, str]
    headers: dict[str, str]
    body: bytes


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Flow:
    """Serves `documents` by path (a string of XML, or an aiohttp handler) and `/tone-<Hz>.wav` to anyone.

    Use as `async with Flow({...}) as flow`; `flow.url("/menu")` is absolute.
    """

    documents: dict[str, str | Handler]
    asked: list[Asked] = field(default_factory=list)
    host: str = "127.0.0.1"

    async def __aenter__(self) -> Flow:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._changed = asyncio.Event()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def url(self, path: str) -> str:
        """The absolute URL of a path."""
        return f"http://{self.host}:{self.port}{path}"

    def steps(self) -> list[str]:
        """The paths asked for documents, in order."""
        return [asked.path for asked in self.asked if not asked.path.startswith("/tone-")]

    async def wait_for(self, path: str, seconds: float = 10.0, **form: str) -> Asked:
        """The first request for `path` with these parameters, now or within `seconds`."""
        async with asyncio.timeout(seconds):
            while True:
                for asked in self.asked:
                    if asked.path == path and form.items() <= asked.form.items():
                        return asked
                self._changed.clear()
                await self._changed.wait()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        form = {name: str(value) for name, value in (await request.post()).items()} | dict(request.query)
        self.asked.append(Asked(request.method, request.path, form, dict(request.headers), body))
        self._changed.set()
        if request.path.startswith("/tone-"):
            hertz = float(request.path.removeprefix("/tone-").removesuffix(".wav"))
            return web.Response(body=wav(sine(hertz, 1.0)), content_type="audio/wav")
        document = self.documents.get(request.path)
        if document is None:
            return web.Response(status=404, text="no such document")
        if isinstance(document, str):
            return web.Response(text=document, content_type="application/xml")
        return await document(request)
