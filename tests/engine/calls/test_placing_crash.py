"""A process killed around the dialling: the same key afterwards never dials a second time (contract §6.2, §11.6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.callee import a_callee
from tests.support.process import voylo_serve

FROM = "+15550100"
TO = "+201091447677"


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.02, None])
async def test_a_key_dials_once_whenever_the_process_is_killed(tmp_path: Path, seconds: float | None) -> None:
    """`seconds` after the request is sent; None: once it is answered."""
    async with a_callee() as phone:
        async with voylo_serve(tmp_path / "data") as engine, engine.client() as client:
            created = await client.post("/v1/applications", json={"name": "a", "xmlTemplate": "<Response/>"})
            number = {"e164": FROM, "sip": {"outbound": phone.carrier}}
            assert (await client.post("/v1/numbers/import", json=number)).status_code == 201
            order = {"from": FROM, "to": TO, "applicationId": created.json()["id"]}
            request = client.post("/v1/calls", json=order, headers={"Idempotency-Key": "k"})
            first = await engine.killed_during(request, seconds)
        async with voylo_serve(tmp_path / "data") as engine, engine.client() as client:
            again = await client.post("/v1/calls", json=order, headers={"Idempotency-Key": "k"})
            assert again.status_code == 202, again.text
            if first is not None:
                assert again.json() == first
                assert again.headers["idempotency-replayed"] == "true"
            (call,) = (await client.get("/v1/calls")).json()
            assert call["publicId"] == again.json()["publicId"]
            replayed = "idempotency-replayed" in again.headers
            if replayed:
                assert (call["outcome"], call["hangupCause"]) == ("failed", "network_error")
            else:
                await phone.call()
        dialled = {taken.incoming.request.call_id for taken in phone.calls}
        assert len(dialled) <= 1
        assert {taken.header("X-Voylo-Call-Id") for taken in phone.calls} <= {again.json()["publicId"]}
