"""Running calls under the hands of both SDKs: placed, told to go on elsewhere, hung up; the called phone hears it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import voylo

from tests.sdk.nodejs import build, require_node, run_beside
from tests.support.callee import a_callee
from tests.support.engine import running_engine
from tests.support.flow import Flow

pytestmark = pytest.mark.timeout(120)

OWN, OTHER = "+12015550100", "+12015550123"
NAMES = ("VOYLO_API_KEY", "VOYLO_WORKSPACE_ID", "VOYLO_API_URL")
TONE = '<Response><Play loop="0">/tone-{hertz}.wav</Play></Response>'

Calls = Callable[[str, str, dict[str, str]], Awaitable[Any]]


async def sync_python(environment: dict[str, str]) -> Calls:
    """A method of `client.calls`, of a client without async, by name; with an id and named arguments."""
    sdk = voylo.VoyloClient(*(environment[name] for name in NAMES))

    async def call(method: str, public_id: str, given: dict[str, str]) -> Any:
        named = {("from_" if name == "from" else name): value for name, value in given.items()}
        return await asyncio.to_thread(getattr(sdk.calls, method), *([public_id] if public_id else []), **named)

    return call


async def async_python(environment: dict[str, str]) -> Calls:
    sdk = voylo.AsyncVoyloClient(*(environment[name] for name in NAMES))

    async def call(method: str, public_id: str, given: dict[str, str]) -> Any:
        named = {("from_" if name == "from" else name): value for name, value in given.items()}
        return await getattr(sdk.calls, method)(*([public_id] if public_id else []), **named)

    return call


async def node(environment: dict[str, str]) -> Calls:
    require_node()
    await asyncio.to_thread(build)

    async def call(method: str, public_id: str, given: dict[str, str]) -> Any:
        body = {camel(name): value for name, value in given.items()}
        arguments = [*([public_id] if public_id else []), *([body] if body else [])]
        command = ["node", "test/support/control.mjs", method, *map(json.dumps, arguments)]
        answer = json.loads(await run_beside(*command, env=environment))
        return None if answer is None else Answer(answer)

    return call


class Answer:
    """What Node gives, with the names of Python."""

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def __getattr__(self, name: str) -> Any:
        return self._members[camel(name)]


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


@pytest.mark.parametrize("opened", [sync_python, async_python, node])
async def test_a_running_call_is_redirected_and_hung_up(
    opened: Callable[[dict[str, str]], Awaitable[Calls]], tmp_path: Path
) -> None:
    documents = {"/": TONE.format(hertz=440), "/other": TONE.format(hertz=880)}
    async with running_engine(tmp_path) as engine, a_callee() as phone, Flow(documents) as flow:
        first = engine.process.first_start
        assert first is not None
        environment = {
            "VOYLO_API_URL": engine.process.bound.http,
            "VOYLO_API_KEY": first.api_key,
            "VOYLO_WORKSPACE_ID": first.workspace_id,
        }
        calls = await opened(environment)
        await engine.number(OWN, None, sip={"outbound": phone.carrier})
        application = await engine.application(actionUrl=flow.url("/"))
        order = {"from": OWN, "to": OTHER, "application_id": application["id"]}
        placed = await calls("create", "", order)
        call = await phone.call()
        call.answer(600)
        await call.hears(440, 0.2)
        running = await calls("get", placed.public_id, {})
        assert (running.pending, running.pending_status) == (True, "answered")
        redirected = await calls("redirect", placed.public_id, {"action_url": flow.url("/other")})
        assert redirected.public_id == placed.public_id
        await call.hears(880, 0.2)
        await calls("redirect", placed.public_id, {"xml": TONE.format(hertz=660)})
        await call.hears(660, 0.2)
        assert await calls("hangup", placed.public_id, {}) is None
        await call.hung_up()
        await engine.ended_call()
        record = await calls("get", placed.public_id, {})
        assert (record.pending, record.outcome, record.hangup_by) == (False, "answered", "api")
