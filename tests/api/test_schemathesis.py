"""The running API against its own OpenAPI document, with all of schemathesis's checks."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
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
from tests.support.callee import a_callee
from tests.support.engine import running_engine
from voyloml import LanguageLimits

SECONDS = 400
"""A bound for machines that are slow or busy, not a measure."""

EXAMPLES = 10
GENEROUS = {"requests_per_minute": 1_000_000, "request_burst": 100_000, "calls_per_second": 1000}
OF_CALLS = (
    "createCall", "hangUpCall", "redirectCall", "pauseRecording", "resumeRecording", "listCalls", "getCall",
    "listCallRecordings", "getCallLog",
)  # fmt: skip
OF_PEOPLE = ("createWorkspace", "updateWorkspace", "deleteWorkspace", "getMe")
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


def only(operations: Sequence[str]) -> list[str]:
    return [part for name in operations for part in ("--include-operation-id", name)]


async def complains_of_nothing(url: str, folder: Path, *options: str, headers: Mapping[str, str], **known: str) -> None:
    """Run schemathesis; `known` are ids of what there is, for the hooks."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
        *("--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "1", "--no-color"),
        *(part for name, value in headers.items() for part in ("--header", f"{name}: {value}")),
        *options,
        cwd=folder,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks", "PYTHONPATH": str(PROJECT)}
        | {f"VOYLO_TEST_{name.upper()}": value for name, value in known.items()},
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
            await complains_of_nothing(
                url,
                tmp_path,
                headers={"Authorization": f"Bearer {api.key}", "X-Workspace-Id": engine.workspace_id},
                application=application["id"],
                number=number["id"],
                call=call.public_id,
                trunk=trunk["id"],
                webhook=webhook.body["id"],
                plan=plans.body[0]["id"],
                key=keys.body["data"][0]["id"],
            )


@pytest.mark.timeout(2 * SECONDS + 10)
async def test_calls_that_are_made_and_steered_and_what_only_people_may_do(tmp_path: Path) -> None:
    """On the whole engine. Only what asks nothing of another host: calls go to a phone on loopback."""
    async with a_callee() as phone, running_engine(tmp_path / "data", limits=GENEROUS) as engine:
        application = await engine.application(xmlTemplate="<Response><Pause length='300'/></Response>")
        number = await engine.number("+12015550123", None, sip={"outbound": phone.carrier})
        order = {"from": "+12015550123", "to": "+12015550124", "applicationId": application["id"]}
        placed = await engine.post("/v1/calls", order, 202)
        (await phone.call()).answer()
        phone.on_call = lambda call: call.incoming.reject(486)
        first = engine.process.first_start
        assert first is not None
        known = {
            "application": application["id"], "dialled": application["id"], "number": number["id"],
            "call": placed["publicId"], "workspace": first.workspace_id,
        }  # fmt: skip
        url = str(engine.client.base_url)
        workspace = {"X-Workspace-Id": first.workspace_id}
        key = {"Authorization": engine.client.headers["Authorization"]}
        await complains_of_nothing(url, tmp_path, *only(OF_CALLS), headers=key | workspace, **known)
        dialled = len(phone.calls)
        signing_in = {"email": first.owner_email, "password": first.owner_password}
        signed_in = await engine.client.post("/v1/auth/login", json=signing_in)
        session = signed_in.cookies["voylo_session"]
        # The hooks sign in, which the check for answers without credentials would not know.
        signed = (*only(OF_PEOPLE), "--exclude-checks", "ignored_auth")
        await complains_of_nothing(url, tmp_path, *signed, headers=workspace, session=session, **known)
        left = (await engine.client.get("/v1/workspaces")).json()
        record = (await engine.client.get(f"/v1/calls/{placed['publicId']}")).json()
    assert dialled > 2
    assert (record["outcome"], record["hangupCause"]) == ("answered", "normal")
    assert left[0]["id"] == first.workspace_id
