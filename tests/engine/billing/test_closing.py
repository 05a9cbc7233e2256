"""Calls that end together are charged together, and none of them twice (contract §15.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine.model import CallOutcome
from engine.store import Store
from tests.engine.billing.book import BOOK, a_number
from tests.engine.billing.test_metering import Metered
from tests.engine.opened import START, database_url, opened


@pytest.fixture
async def metered(tmp_path: Path) -> AsyncIterator[Metered]:
    async with opened(tmp_path) as engine:
        made = Metered(engine)
        await made.billing.import_prices(BOOK)
        yield made
        await made.records.close()


async def test_many_ends_at_once_are_each_charged_once_by_two_processes(metered: Metered) -> None:
    account_id = (await metered.billing.overview(metered.engine.workspace_id)).account_id
    await metered.billing.plans.assign(account_id, "small")
    rental = await a_number(metered.engine, "rental")
    own = await a_number(metered.engine, "byo", "+97142345679")
    store = await Store.open(database_url(metered.engine.path))
    second = Metered(metered.engine, store)
    calls = [metered.call(number) for number in (rental, own) for _ in range(30)]
    await asyncio.gather(*map(metered.begin, calls))
    ended = CallOutcome("answered", "caller", "normal", START + timedelta(seconds=61))
    await asyncio.gather(*(each.records.finish(new.id, ended) for new in calls for each in (metered, second)))
    # thirty calls of two minutes at 0.0450; sixty minutes on the plan of two, the other 58 at 0.0120
    assert (await metered.wallet())[0] == -(30 * 900 + 58 * 120)
    transactions = await metered.billing.transactions(metered.engine.workspace_id, 1, 100)
    # 30 of the rental, and 29 of the other: one call took the plan's two minutes
    assert transactions.total_items == 59
    assert (await metered.billing.overview(metered.engine.workspace_id)).minutes_used == 60
    check = await metered.billing.check()
    assert (check.unbalanced, check.wallets) == ([], [])
    await second.records.close()
    await store.close()


async def test_of_calls_that_end_together_one_that_another_process_has_closed_keeps_nobody_waiting(
    metered: Metered,
) -> None:
    number = await a_number(metered.engine, "rental")
    calls = [metered.call(number) for _ in range(5)]
    for new in calls:
        await metered.begin(new)
    store = await Store.open(database_url(metered.engine.path))
    second = Metered(metered.engine, store)
    await second.end(calls[2], 60)
    costs = await asyncio.gather(*(metered.end(new, 60) for new in calls))
    assert costs == [450] * 5
    assert (await metered.wallet())[0] == -5 * 450
    await second.records.close()
    await store.close()
