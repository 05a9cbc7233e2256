"""The engine as its own process, started as a user starts it: `voylo serve` and signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.api.documented import documented_client
from tests.support.lanes import lane_ports

WORKSPACE = "ws_0123456789ab"
API_KEY = "vlx_live_" + "Kk0" * 13 + "K"


class VoyloProcess:
    """A `voylo serve` that is ready; `lines` is what it printed on stdout, `sip` and `http` where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, lines: list[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.lines = lines
        host, _, port = ready["sip"]["udp"].rpartition(":")
        self.sip = (host, int(port))
        self.http: str = ready["http"]

    def client(self) -> httpx.AsyncClient:
        """A client with the bootstrap key."""
        return documented_client(base_url=self.http, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=10)

    async def killed_during(self, request: Awaitable[httpx.Response], seconds: float | None) -> Any:
        """Begins a request and kills the process so much later (None: once it is answered); the answer, if one came."""
        asked = asyncio.ensure_future(request)
        if seconds is None:
            await asked
        else:
            await asyncio.sleep(seconds)
        self.process.kill()
        await self.process.wait()
        with contextlib.suppress(httpx.HTTPError):
            return (await asked).json()
        return None

    async def rest_of_stdout(self) -> list[str]:
        """Everything it prints until it ends."""
        assert self.process.stdout is not None
        return [line.decode().rstrip() async for line in self.process.stdout]


def environment(data_dir: Path, **changes: str) -> dict[str, str]:
    """Environment of a test engine: free ports, its own data directory, a fixed workspace and key."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOYLO_")}
    return {
        **clean,
        "VOYLO_STORAGE__DATA_DIR": str(data_dir),
        "VOYLO_HTTP__BIND": "127.0.0.1:0",
        "VOYLO_SIP__UDP": "127.0.0.1:0",
        "VOYLO_SIP__TCP": "",
        "VOYLO_MEDIA__RTP_PORTS": "{}-{}".format(*lane_ports(23_000, 23_199)),
        "VOYLO_LOG__FORMAT": "json",
        "VOYLO_BOOTSTRAP_WORKSPACE_ID": WORKSPACE,
        "VOYLO_BOOTSTRAP_API_KEY": API_KEY,
        **changes,
    }


@asynccontextmanager
async def voylo_serve(data_dir: Path, *arguments: str, **changes: str) -> AsyncIterator[VoyloProcess]:
    """`voylo serve` with these arguments and environment; killed at the end if it still runs."""
    log = (data_dir.parent / f"{data_dir.name}.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "serve", *arguments,
        env=environment(data_dir, **changes), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=log,
    )  # fmt: skip
    try:
        lines: list[str] = []
        assert process.stdout is not None
        async with asyncio.timeout(45):
            async for raw in process.stdout:
                line = raw.decode().rstrip()
                lines.append(line)
                if line.startswith("{") and json.loads(line).get("event") == "ready":
                    break
            else:
                raise AssertionError(Path(log.name).read_text()[-4000:])
        yield VoyloProcess(process, lines, json.loads(lines[-1]))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        log.close()
