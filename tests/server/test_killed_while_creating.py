"""A process killed around a request that creates: the same key never creates a second thing (contract §6.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.process import voylo_serve

KEY = {"Idempotency-Key": "k"}
BODY = {"name": "ci"}


@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.005, 0.01, None])
async def test_a_key_creates_once_whenever_the_process_is_killed(tmp_path: Path, seconds: float | None) -> None:
    """`seconds` after the request is sent; None: once it is answered."""
    async with voylo_serve(tmp_path / "data") as engine, engine.client() as client:
        assert (await client.get("/v1/api-keys")).status_code == 200
        first = await engine.killed_during(client.post("/v1/api-keys", json=BODY, headers=KEY), seconds)
    async with voylo_serve(tmp_path / "data") as engine, engine.client() as client:
        again = await client.post("/v1/api-keys", json=BODY, headers=KEY)
        assert again.status_code == 201, again.text
        if first is not None:
            assert again.json() == first
            assert again.headers["idempotency-replayed"] == "true"
        keys = (await client.get("/v1/api-keys")).json()["data"]
        assert [key["id"] for key in keys if key["name"] == "ci"] == [again.json()["id"]]
        shown = {"Authorization": f"Bearer {again.json()['key']}"}
        assert (await client.get("/v1/applications", headers=shown)).status_code == 200
