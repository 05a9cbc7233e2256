"""`GET /metrics` of a whole engine, before, during and after one call and its deliveries (contract §18)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.engine.receiver import receiving
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.phone import a_phone

NUMBER = "+15550100"
COUNTED = {
    "voylo_calls_active": 0,
    "voylo_calls_total": 0,
    "voylo_deliveries_delivered_total": 0,
    "voylo_delivery_attempts_failed_total": 0,
    "voylo_deliveries_given_up_total": 0,
    "voylo_delivery_targets_waiting": 0,
    "voylo_media_sessions": 0,
}
Values = dict[str, float]


async def scraped(engine: TestEngine) -> Values:
    """Every sample by its name with its labels, as the endpoint shows it."""
    response = await engine.client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = [line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#")]
    values = {name: float(value) for name, value in samples}
    assert len(values) == len(samples), "no sample twice"
    return values


async def until(engine: TestEngine, condition: Callable[[Values], bool]) -> Values:
    """What is shown once it is as wanted."""
    async with asyncio.timeout(10):
        while not condition(values := await scraped(engine)):
            await asyncio.sleep(0.02)
    return values


def counted(values: Values) -> Values:
    return {name: values[name] for name in COUNTED}


def late(values: Values) -> float:
    """Parts of ticks that began, however late."""
    return sum(value for name, value in values.items() if name.startswith("voylo_media_ticks_late_total{by="))


async def test_a_call_and_its_deliveries_are_counted(tmp_path: Path) -> None:
    """One delivery arrives; the other is refused, and given up at once."""
    async with (
        running_engine(tmp_path / "data", limits={"webhook_attempts": 1}) as engine,
        a_phone() as phone,
        receiving() as taking,
        receiving() as refusing,
        Flow({"/menu": '<Response><Play loop="0">/tone-440.wav</Play></Response>'}) as flow,
    ):
        refusing.status = 500
        assert counted(await scraped(engine)) == COUNTED
        await engine.post("/v1/webhooks", {"url": f"{refusing.base}/hook", "events": ["call.completed"]})
        application = await engine.application(actionUrl=flow.url("/menu"), finishedUrl=f"{taking.base}/finished")
        await engine.number(NUMBER, application)

        call = phone.call(NUMBER, engine.sip)
        await call.hears(440, 0.1)
        talking = await scraped(engine)
        in_call = {"voylo_calls_active": 1, "voylo_calls_total": 1, "voylo_media_sessions": 1}
        assert counted(talking) == COUNTED | in_call
        ticks = "voylo_media_ticks_total"
        later = await until(engine, lambda values: values[ticks] >= talking[ticks] + 25)
        assert late(later) > late(talking) > 0, "each tick has parts that began early or late"

        call.outgoing.hangup()
        record = await engine.ended_call()
        ended = await until(engine, lambda values: values["voylo_deliveries_given_up_total"] == 1)
        ended = await until(engine, lambda values: values["voylo_deliveries_delivered_total"] == 1)
        ended = await until(engine, lambda values: values["voylo_delivery_targets_waiting"] == 0)
        assert counted(ended) == COUNTED | {
            "voylo_calls_total": 1,
            "voylo_deliveries_delivered_total": 1,
            "voylo_delivery_attempts_failed_total": 1,
            "voylo_deliveries_given_up_total": 1,
        }
        for receiver in (taking, refusing):
            (received,) = receiver.requests
            assert received.json["event"] == "call.completed"
            assert received.json["call_id"] == record["id"]
