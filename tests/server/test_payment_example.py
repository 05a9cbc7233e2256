"""examples/payments: what a payment provider tells is settled once, and nothing that somebody else tells."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.engine import TestEngine, running_engine

EXAMPLE = Path(__file__).parents[2] / "examples" / "payments" / "webhook.py"
SECRET, ADMIN_TOKEN = "between-us", "operator-token-of-a-test-0123456789"


@asynccontextmanager
async def provider(engine: TestEngine) -> AsyncIterator[httpx.AsyncClient]:
    """The example as a process, and a client that speaks to it as the provider would."""
    settings = {
        "VOYLO_API_URL": engine.process.bound.http,
        "VOYLO_ADMIN_TOKEN": ADMIN_TOKEN,
        "PAYMENT_SECRET": SECRET,
        "PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        env=os.environ | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            url = (await process.stdout.readline()).decode().split()[1]
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            yield client
    finally:
        process.kill()
        await process.communicate()


async def tell(client: httpx.AsyncClient, event: str, topup: str, *, secret: str = SECRET) -> int:
    body = json.dumps({"event": event, "payment": "pay_4711", "topup": topup}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return (await client.post("/", content=body, headers={"X-Signature": signature})).status_code


async def test_a_providers_webhook_settles_a_topup_once(tmp_path: Path) -> None:
    sections = {"billing": {"enabled": True}, "security": {"admin_token": ADMIN_TOKEN}}
    async with running_engine(tmp_path, **sections) as engine, provider(engine) as client:
        topup = (await engine.post("/v1/billing/wallet/topups", {"amount": "25"}))["id"]
        assert await tell(client, "payment.succeeded", topup, secret="a guess") == 401
        assert await tell(client, "payment.pending", topup) == 200
        wallet = await engine.client.get("/v1/billing/wallet")
        assert wallet.json()["balance"] == "0.0000"
        for _ in range(2):
            assert await tell(client, "payment.succeeded", topup) == 200
        assert await tell(client, "payment.succeeded", "00000000-0000-4000-8000-000000000000") == 404
        (transaction,) = (await engine.client.get("/v1/billing/wallet/transactions")).json()["data"]
    assert (transaction["amount"], transaction["balanceAfter"]) == ("25.0000", "25.0000")
    assert transaction["description"] == "Top-up, pay_4711"
