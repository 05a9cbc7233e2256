"""A whole engine in the test's own process, on free loopback ports and an empty data directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from server.config import Config
from server.process import EngineProcess, running
from tests.api.documented import documented_client
from tests.support.database import empty_database
from tests.support.lanes import lane_ports

LOOPBACK = ["127.0.0.0/8", "::1/128"]


def engine_config(data_dir: Path, **sections: Mapping[str, Any]) -> Config:
    """Defaults for a test, with sections overridden: `engine_config(tmp_path, limits={"call_seconds": 2})`."""
    base: dict[str, dict[str, Any]] = {
        "http": {"bind": "127.0.0.1:0"},
        "sip": {"udp": "127.0.0.1:0", "tcp": ""},
        "media": {"rtp_ports": "{}-{}".format(*lane_ports(20_000, 20_399))},
        "storage": {"data_dir": str(data_dir)},
        "log": {"level": "warning"},
    }
    for name, values in sections.items():
        base.setdefault(name, {}).update(values)
    return Config.model_validate(base)


class TestEngine:
    """A running engine, its API key, and the calls on it in a few words."""

    __test__ = False

    def __init__(self, process: EngineProcess, client: httpx.AsyncClient) -> None:
        self.process = process
        self.client = client
        self.sip = process.loopback_sip()

    async def post(self, path: str, body: Any, status: int = 201) -> Any:
        """POST as JSON; asserts the status and returns the body."""
        response = await self.client.post(path, json=body)
        assert response.status_code == status, response.text
        return response.json()

    async def application(self, **fields: Any) -> dict[str, Any]:
        """Creates an application."""
        created = await self.post("/v1/applications", {"name": "test", **fields})
        assert isinstance(created, dict)
        return created

    async def number(self, e164: str, application: Mapping[str, Any] | None, **fields: Any) -> dict[str, Any]:
        """Imports a number that loopback may call, routed to `application`."""
        destination = None if application is None else {"kind": "application", "id": application["id"]}
        body = {"e164": e164, "destination": destination, "sip": {"allowedSourceIps": LOOPBACK}, **fields}
        imported = await self.post("/v1/numbers/import", body)
        assert isinstance(imported, dict)
        return imported

    async def calls(self) -> list[dict[str, Any]]:
        """`GET /v1/calls`, newest first."""
        response = await self.client.get("/v1/calls")
        assert response.status_code == 200, response.text
        calls = response.json()
        assert isinstance(calls, list)
        return calls

    async def ended_call(self, seconds: float = 10.0) -> dict[str, Any]:
        """The newest call, once its record is closed and no call is running."""
        async with asyncio.timeout(seconds):
            while True:
                calls = await self.calls()
                if calls and not calls[0]["pending"] and len(self.process.switchboard) == 0:
                    return calls[0]
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running_engine(data_dir: Path, **sections: Mapping[str, Any]) -> AsyncIterator[TestEngine]:
    """An engine for the length of the block."""
    await empty_database(data_dir)
    async with running(engine_config(data_dir, **sections)) as process:
        first = process.first_start
        assert first is not None
        headers = {"Authorization": f"Bearer {first.api_key}"}
        async with documented_client(base_url=process.bound.http, headers=headers, timeout=10) as client:
            yield TestEngine(process, client)
