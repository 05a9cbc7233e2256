"""What the outside is told of a live call: events to webhooks, the record to the finished URL (contract §7.3, §13)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.engine.receiver import receiving
from tests.support.engine import running_engine
from tests.support.phone import a_phone
from voyloml import verify_signature

NUMBER = "+15550100"


async def test_a_call_is_told_of_from_its_arrival_to_its_end(tmp_path: Path) -> None:
    async with receiving() as receiver, running_engine(tmp_path) as engine, a_phone() as phone:
        template = '<Response><Play digits="1"/><Hangup/></Response>'
        application = await engine.application(xmlTemplate=template, finishedUrl=f"{receiver.base}/finished")
        webhook = await engine.post("/v1/webhooks", {"url": f"{receiver.base}/hook", "events": ["*"]})
        number = await engine.number(NUMBER, application)
        call = phone.call(NUMBER, engine.sip)
        await call.hung_up()
        record = await engine.ended_call()
        events = {request.json["event"]: request for request in await receiver.until(3, "/hook")}
        (finished,) = await receiver.until(1, "/finished")
        assert set(events) == {"call.received", "call.answered", "call.completed"}
        completed = events["call.completed"].json
        assert finished.json == completed
        for request, secret in (
            (events["call.completed"], webhook["secret"]),
            (finished, application["signingSecret"]),
        ):
            assert verify_signature(secret, request.body, request.headers["voylo-signature"])
        assert completed["public_id"] == record["publicId"]
        assert completed["number_id"] == number["id"]
        for camel, snake in (
            ("outcome", "outcome"), ("hangupBy", "hangup_by"), ("hangupCause", "hangup_cause"),
            ("durationS", "duration_s"), ("endedAt", "ended_at"), ("applicationId", "application_id"),
        ):  # fmt: skip
            assert completed[snake] == record[camel]
        path = f"/v1/applications/{application['id']}/deliveries"
        async with asyncio.timeout(10):
            while (items := (await engine.client.get(path)).json()["data"])[0]["status"] != "delivered":
                await asyncio.sleep(0.02)
        assert (items[0]["eventType"], items[0]["attempts"]) == ("call.completed", 1)
        resend = await engine.client.post(f"{path}/{items[0]['id']}/resend")
        assert resend.status_code == 204
        again = (await receiver.until(2, "/finished"))[1]
        assert again.body == finished.body
        assert again.headers["voylo-event-id"] == finished.headers["voylo-event-id"]
