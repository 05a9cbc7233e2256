"""Engines forked from a process that has the engine's modules loaded, for tests that start many: `voylo serve` without
the seconds in which Python imports it. Each is a process of its own, to be killed like any other."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from server.commands.serve import serve
from tests.api.documented import documented_client
from tests.support.process import API_KEY, environment

READY_SECONDS = 45


class ForkedEngine:
    """An engine that is ready."""

    def __init__(self, process: BaseProcess, ready: dict[str, str | dict[str, str]]) -> None:
        self._process = process
        self.http = str(ready["http"])
        sip = ready["sip"]
        assert isinstance(sip, dict)
        host, _, port = sip["udp"].rpartition(":")
        self.sip = (host, int(port))

    def client(self) -> httpx.AsyncClient:
        """A client with the bootstrap key."""
        return documented_client(base_url=self.http, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=10)

    async def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self._process.kill()
        await asyncio.to_thread(self._process.join)


class Forge:
    """Forks engines, after it has loaded what they need once."""

    def __init__(self) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["pytest", "tests.support.forked", "server.process"])

    @asynccontextmanager
    async def serving(self, data_dir: Path, **changes: str) -> AsyncIterator[ForkedEngine]:
        """`voylo serve` with this environment; killed at the end."""
        said = data_dir.with_suffix(".out")
        said.write_bytes(b"")
        arguments = (environment(data_dir, **changes), said, data_dir.with_suffix(".log"))
        process = self._context.Process(target=_serve, args=arguments)
        process.start()
        try:
            async with asyncio.timeout(READY_SECONDS):
                while (ready := _ready(said)) is None:
                    assert process.is_alive(), data_dir.with_suffix(".log").read_text()[-4000:]
                    await asyncio.sleep(0.02)
            yield ForkedEngine(process, ready)
        finally:
            process.kill()
            await asyncio.to_thread(process.join)


def _ready(said: Path) -> dict[str, str | dict[str, str]] | None:
    for line in said.read_text().splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            found: dict[str, str | dict[str, str]] = json.loads(line)
            if found["event"] == "ready":
                return found
    return None


def _serve(environ: dict[str, str], said: Path, log: Path) -> None:
    os.environ.clear()
    os.environ.update(environ)
    for path, descriptor in ((said, 1), (log, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
    raise SystemExit(serve(None, demo=False))
