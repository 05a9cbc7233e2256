"""`/healthz` and `/readyz` (contract §18, §22.4)."""

from __future__ import annotations

from tests.api.client import Api, error


async def test_a_living_process_says_so_to_anybody(api: Api) -> None:
    api.is_ready, api.is_draining = False, True
    assert tuple(await api.get("/healthz", key=None)) == (200, {"status": "ok"})


async def test_ready_means_database_and_sip_are_up_and_nobody_stops(api: Api) -> None:
    assert tuple(await api.get("/readyz", key=None)) == (200, {"status": "ready"})
    api.is_ready = False
    answer = await api.get("/readyz", key=None)
    assert tuple(answer) == (503, error(503, "Service Unavailable", "The database, SIP or the media plane is not up"))
    assert answer.headers["retry-after"] == "1"
    api.is_ready, api.is_draining = True, True
    answer = await api.get("/readyz", key=None)
    assert tuple(answer) == (503, error(503, "Service Unavailable", "The engine is stopping"))
