"""Every limit of the configuration is in the settings of the part that keeps it (contract §20).

That the parts keep them is for their own tests; here a running engine is asked what it was given.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from engine.limits import Limits
from server.config.sections import LimitsSection
from server.process import EngineProcess
from tests.api.client import invalid
from tests.support.engine import TestEngine, running_engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

Given = Callable[[EngineProcess], tuple[Any, ...]]


def of_language(name: str) -> Given:
    """What calls and what the API's checks of documents go by."""
    return lambda process: (
        getattr(process.outgoing._services.language, name),
        getattr(process.applications._language, name),
    )


ARRIVES: Final[dict[str, tuple[Any, Given]]] = {
    "calls_per_second": (17, lambda process: (process.outgoing._pacing._rate,)),
    "concurrent_calls": (103, lambda process: (process.outgoing._limits.concurrent_calls,)),
    "call_seconds": (4321, lambda process: (process.outgoing._services.call_seconds,)),
    "variables": (53, of_language("variables")),
    "variable_chars": (1021, of_language("variable_chars")),
    "variables_bytes": (16_381, of_language("variables_bytes")),
    "idempotency_hours": (
        23,
        lambda process: (process.idempotent._keys._hours, process.outgoing._keys._hours),
    ),
    "document_bytes": (262_147, of_language("document_bytes")),
    "document_elements": (211, of_language("document_elements")),
    "document_depth": (7, of_language("document_depth")),
    "verbs_per_call": (503, of_language("verbs_per_call")),
    "redirects": (19, of_language("redirects")),
    "action_connect_seconds": (3.1, of_language("action_connect_seconds")),
    "action_seconds": (10.3, of_language("action_seconds")),
    "action_retries": (3, of_language("action_retries")),
    "webhook_seconds": (10.7, lambda process: (process.delivery_sender._settings.seconds,)),
    "webhook_attempts": (9, lambda process: (process.delivery_sender._settings.attempts,)),
    "webhooks": (29, lambda process: (process.webhooks._most,)),
    "audio_bytes": (
        20_971_523,
        lambda process: (process.decoder.limits.file_bytes, process.outgoing._services.sources.files._max_bytes),
    ),
    "audio_seconds": (11.3, lambda process: (process.outgoing._services.sources.files._fetch_seconds,)),
    "streams_per_call": (5, lambda process: (process.outgoing._services.streams.per_call,)),
    "stream_buffer_seconds": (127, lambda process: (process.outgoing._services.streams.buffer_seconds,)),
    "conference_members": (251, lambda process: (process.outgoing._services.conferences._most,)),
    "sip_message_bytes": (65_521, lambda process: (process.user_agent.config.limits.message_bytes,)),
    "sip_headers": (131, lambda process: (process.user_agent.config.limits.headers,)),
    "auth_failures": (6, lambda process: (process.user_agent.config.auth_failures,)),
    "ban_seconds": (601, lambda process: (process.user_agent.config.ban_seconds,)),
    "sip_source_rate": (107, lambda process: (process.user_agent.config.source_rate,)),
    "sip_source_burst": (211, lambda process: (process.user_agent.config.source_burst,)),
    "drain_seconds": (31, lambda process: (process.outgoing._limits.drain_seconds,)),
    "delivery_days": (37, lambda process: (process.delivery_sender._settings.keep_days,)),
}
"""A value that is not the default, and where the engine has it, by key."""

SEEN: Final = {"requests_per_minute": 613, "request_burst": 97, "trunk_destinations": 11}
"""What the API keeps and answers tell."""

VALUES: Final = {key: value for key, (value, _) in ARRIVES.items()} | SEEN


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestEngine]:
    """An engine with these values."""
    path: Path = tmp_path_factory.mktemp("data")
    async with running_engine(path, limits=VALUES) as started:
        yield started


async def test_every_key_is_among_them_with_another_value_than_its_default() -> None:
    assert VALUES.keys() == LimitsSection.model_fields.keys()
    assert [key for key, field in LimitsSection.model_fields.items() if VALUES[key] == field.default] == []
    assert set(Limits.__dataclass_fields__) <= VALUES.keys()


@pytest.mark.parametrize("key", ARRIVES)
async def test_a_limit_arrives_where_it_is_kept(engine: TestEngine, key: str) -> None:
    value, given = ARRIVES[key]
    assert set(given(engine.process)) == {value}


async def test_calls_that_come_in_have_the_same_settings_as_those_that_go_out(engine: TestEngine) -> None:
    assert engine.process.incoming._services is engine.process.outgoing._services


async def test_answers_tell_how_many_requests_a_key_may_send(engine: TestEngine) -> None:
    assert engine.process.first_start is not None
    accounts = engine.process.accounts
    raw = (await accounts.create_key(engine.process.first_start.workspace_id, "unused")).raw
    answer = await engine.client.get("/v1/applications", headers={"Authorization": f"Bearer {raw}"})
    assert answer.headers["x-ratelimit-limit"] == str(SEEN["requests_per_minute"])
    assert answer.headers["x-ratelimit-remaining"] == str(SEEN["request_burst"] - 1)


async def test_a_trunk_has_as_many_destinations_as_it_may(engine: TestEngine) -> None:
    most = SEEN["trunk_destinations"]
    body = {"name": "Desk", "destinations": [{"uri": f"sip:d{number}@192.0.2.1"} for number in range(most + 1)]}
    refused = await engine.client.post("/v1/trunks/inbound", json=body)
    assert (refused.status_code, refused.json()) == (400, invalid(destinations=f"must have at most {most} entries"))
    body["destinations"] = body["destinations"][1:]
    assert (await engine.client.post("/v1/trunks/inbound", json=body)).status_code == 201
