"""sipp sends requests that no call makes, and answers ours: what is served, what is refused and how (RFC 3261 §8.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sip import Health, HealthChange, MessageReceived
from tests.interop.sipp_party import MovableClock, Party, until
from tests.interop.sipp_run import Sipp

pytestmark = pytest.mark.interop

Parties = Callable[..., Awaitable[Party]]


@pytest.mark.parametrize("scenario", ["options-asked", "max-forwards-0"])
async def test_a_question_is_answered(sipp: Sipp, party: Parties, scenario: str) -> None:
    ours = await party()
    await sipp.calls(scenario, ours.address)
    assert ours.agent.statistics.refused == 0
    assert ours.agent.statistics.calls_received == 0


@pytest.mark.parametrize(
    "scenario",
    [
        "method-unknown", "method-not-allowed", "event-unknown", "extension-required", "scheme-unknown", "body-unknown",
        "message-refused", "refer-outside", "bye-outside", "info-outside", "update-outside", "prack-outside",
        "notify-outside", "cancel-outside", "replaces-nothing",
    ],
)  # fmt: skip
async def test_a_request_is_refused_by_the_protocol_itself(sipp: Sipp, party: Parties, scenario: str) -> None:
    ours = await party()
    await sipp.calls(scenario, ours.address)
    assert ours.agent.statistics.refused == 1
    assert ours.agent.statistics.calls_received == 0


async def test_a_request_that_came_twice_by_two_ways_makes_one_call(sipp: Sipp, party: Parties) -> None:
    ours = await party()
    async with sipp.calling("merged", ours.address):
        call, _events = await ours.call()
        await until(lambda: ours.agent.statistics.refused == 1)
        call.reject(486)
    assert ours.agent.statistics.calls_received == 1


async def test_a_message_is_taken_where_somebody_takes_them(sipp: Sipp, party: Parties) -> None:
    taken: list[MessageReceived] = []
    ours = await party(on_message=taken.append)
    await sipp.calls("message-taken", ours.address)
    (message,) = taken
    assert (message.content_type, message.body.strip(), message.call) == ("text/plain", b"hello", None)


async def test_a_message_is_refused_as_the_configuration_says(sipp: Sipp, party: Parties) -> None:
    ours = await party(message_status=503)
    await sipp.calls("message-elsewhere", ours.address)
    assert ours.agent.statistics.refused == 1


async def test_another_version_of_sip_is_refused(sipp: Sipp, party: Parties) -> None:
    ours = await party()
    ours.parse_errors = 1
    await sipp.calls("version-unknown", ours.address)
    assert ours.agent.statistics.refused == 1


async def test_a_carrier_is_asked_whether_it_is_there(sipp: Sipp, party: Parties) -> None:
    ours = await party()
    changes: asyncio.Queue[HealthChange] = asyncio.Queue()
    async with sipp.waits("options-answering") as carrier:
        probe = ours.agent.probe(carrier.replace(user=None), changes.put_nowait, at_once=True)
        change = await changes.get()
        probe.stop()
    assert change.state is Health.UP
    assert ours.agent.transaction_counters.client_transactions == 1


async def test_a_carrier_that_answers_503_twice_is_down(sipp: Sipp, party: Parties, clock: MovableClock) -> None:
    ours = await party()
    changes: asyncio.Queue[HealthChange] = asyncio.Queue()
    async with sipp.waits("options-dead", "-m", "2") as carrier:
        probe = ours.agent.probe(carrier.replace(user=None), changes.put_nowait, at_once=True, interval=10)
        await until(lambda: probe.last_checked is not None)
        assert probe.state is Health.UNKNOWN, "one bad answer may be an accident"
        clock.move(15)
        change = await changes.get()
        probe.stop()
    assert change.state is Health.DOWN
    assert ours.agent.transaction_counters.client_transactions == 2
