"""`voylo call`, `calls` and `trace` against a running engine (contract §22.1)."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from pathlib import Path

import pytest

from tests.server.test_cli import clean_environment
from tests.support.callee import a_callee
from tests.support.engine import TestEngine, running_engine


async def voylo(*arguments: str, **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", *arguments,
        env=clean_environment(**environment), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def access(engine: TestEngine) -> dict[str, str]:
    key = engine.client.headers["authorization"].removeprefix("Bearer ")
    return {"VOYLO_API_URL": engine.process.bound.http, "VOYLO_API_KEY": key}


@pytest.fixture
async def engine(tmp_path: Path):
    async with running_engine(tmp_path) as started:
        assert gc.get_freeze_count() > 100_000, "collections in calls pass over what was there at the start"
        yield started
    assert gc.get_freeze_count() == 0, "one that is over leaves nothing uncollected to its process"


async def test_a_call_is_placed_listed_and_explained(engine: TestEngine) -> None:
    application = await engine.application(xmlTemplate="<Response><Hangup/></Response>")
    async with a_callee() as phone:
        phone.on_call = lambda call: call.answer()
        await engine.number("+15550100", None, sip={"outbound": phone.carrier})
        options = ["--from", "+15550100", "--to", "+201091447677", "--app", application["id"], "--var", "name=Berta"]
        status, out, err = await voylo("call", *options, "--json", **access(engine))
        assert (status, err) == (0, "")
        public_id = json.loads(out)["publicId"]
        record = await engine.ended_call()
    assert record["publicId"] == public_id
    assert record["variables"] == {"name": "Berta"}
    status, out, _ = await voylo("calls", **access(engine))
    assert status == 0
    assert f"{public_id}  outbound  +15550100 -> +201091447677  answered" in out
    status, out, _ = await voylo("trace", public_id, **access(engine))
    assert status == 0
    kinds = [line.split()[1] for line in out.splitlines()]
    assert kinds[0] == "call.placed"
    assert {"call.answered", "verb", "call.completed"} <= set(kinds)


async def test_what_goes_wrong_is_said_on_stderr(engine: TestEngine) -> None:
    options = ["--from", "+15550100", "--to", "+201091447677", "--app", "00000000-0000-4000-8000-000000000000"]
    status, out, err = await voylo("call", *options, **access(engine))
    assert (status, out) == (1, "")
    assert err == "400: from must be a number of this workspace\n"
    status, _, err = await voylo("calls")
    assert (status, err) == (2, "VOYLO_API_KEY: set it to an API key of the engine\n")
    status, _, err = await voylo("calls", VOYLO_API_URL="http://127.0.0.1:1", VOYLO_API_KEY="x")
    assert status == 1
    assert "is the engine running" in err
    status, _, err = await voylo("trace", "cl_000000000000", **access(engine))
    assert (status, err) == (1, "404: Call not found\n")
