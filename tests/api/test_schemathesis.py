"""The running API against its own OpenAPI document, with all of schemathesis's checks."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from engine.calls import CallServices, LegSettings, OutgoingCalls, Switchboard
from engine.limits import Limits
from tests.api.client import Api
from tests.engine.billing.book import BOOK
from tests.engine.opened import Opened, a_call, opened
from voyloml import LanguageLimits

SECONDS = 400
"""A bound for machines that are slow or busy, not a measure."""

EXAMPLES = 10
PROJECT = Path(__file__).parent.parent.parent


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[str]:
    """The base URL of the API on a free loopback port."""
    # asyncio switches Nagle's algorithm off only for sockets that say they are TCP.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        server = uvicorn.Server(uvicorn.Config(api.app, log_config=None, lifespan="off", loop="none"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


def outgoing(engine: Opened) -> OutgoingCalls:
    """What makes calls, for requests that are answered before one would be made."""
    unused: Any = None
    services = CallServices(
        records=engine.records,
        sources=unused,
        exchange=unused,
        language=LanguageLimits(),
        call_seconds=1,
        calling=unused,
        recordings=engine.recordings,
        recording_files=unused,
        callbacks=unused,
        hearing=unused,
        conferences=unused,
        queues=unused,
        streams=unused,
    )
    legs = LegSettings(codecs=())
    return OutgoingCalls(
        engine.store, engine.directory, Switchboard(), unused, legs, services, Limits(), realm=lambda: "voice.example"
    )


@pytest.mark.timeout(SECONDS + 10)
async def test_no_generated_request_gets_an_answer_outside_the_document(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as engine:
        api = Api(engine, outgoing=outgoing(engine))
        await engine.billing.import_prices(BOOK)
        plans = await api.get("/v1/plans")
        application = await api.application()
        number = await api.number("+12015550123")
        trunk = await api.inbound_trunk()
        webhook = await api.post("/v1/webhooks", {"url": "https://crm.example", "events": ["*"]})
        keys = await api.get("/v1/api-keys")
        call = a_call(engine.workspace_id)
        await engine.records.create(call)
        async with served(api) as url:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
                *("--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "1", "--no-color"),
                *("--header", f"Authorization: Bearer {api.key}"),
                *("--header", f"X-Workspace-Id: {engine.workspace_id}"),
                cwd=tmp_path,
                env=os.environ
                | {
                    "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks",
                    "PYTHONPATH": str(PROJECT),
                    "VOYLO_TEST_APPLICATION": application["id"],
                    "VOYLO_TEST_NUMBER": number["id"],
                    "VOYLO_TEST_CALL": call.public_id,
                    "VOYLO_TEST_TRUNK": trunk["id"],
                    "VOYLO_TEST_WEBHOOK": webhook.body["id"],
                    "VOYLO_TEST_PLAN": plans.body[0]["id"],
                    "VOYLO_TEST_KEY": keys.body["data"][0]["id"],
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    assert process.returncode == 0, output.decode()[-20_000:]
