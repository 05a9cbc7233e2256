"""One engine for all tests of a module: after each test nothing is left of it but its call records."""

from __future__ import annotations

from tests.support.engine import TestEngine

COLLECTIONS = ("numbers", "trunks/inbound", "trunks/outbound", "applications", "agents", "webhooks")
"""Numbers come first: what they point at cannot be deleted before."""

MANY_REQUESTS = {"requests_per_minute": 100_000, "request_burst": 10_000}
"""`limits` of the engine: all tests have the same API key."""


async def clear(engine: TestEngine) -> None:
    """Hangs up every call and deletes everything that can be created."""
    await engine.process.switchboard.hang_up_all()
    for collection in COLLECTIONS:
        path = f"/v1/{collection}"
        listed = (await engine.client.get(path, params={"limit": 100})).json()["data"]
        for item in listed:
            answer = await engine.client.delete(f"{path}/{item['id']}")
            assert answer.status_code == 204, answer.text
