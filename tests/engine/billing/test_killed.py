"""`kill -9` of the processes that end and charge calls, two of them on one store: no call is charged twice, none is
lost, and the ledger is sound (contract §15.1)."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from engine.model import CallOutcome
from engine.store.calls import unfinished_calls
from tests.engine.billing.book import BOOK, a_number
from tests.engine.billing.test_metering import Metered
from tests.engine.billing.test_telephones import Dialling
from tests.engine.opened import database_url, opened

CALLS = 480


class Worker:
    """A process that ends calls; `said` are those that it says are ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: set[str] = set()
        self.ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, path: Path, *arguments: object) -> Worker:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.engine.billing.closing_worker", database_url(path), *map(str, arguments),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )
        )  # fmt: skip

    @staticmethod
    async def go(*workers: Worker) -> None:
        for worker in workers:
            await asyncio.wait_for(worker.ready.wait(), 30)
        for worker in workers:
            assert worker.process.stdin is not None
            worker.process.stdin.write(b"go\n")

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.strip() == b"ready":
                self.ready.set()
            else:
                self.said.add(line.decode().strip())

    async def over(self) -> int:
        await self._reading
        return await self.process.wait()


async def test_workers_that_are_killed_charge_every_call_once(tmp_path: Path) -> None:
    chance = random.Random(15)
    async with opened(tmp_path, charging=True) as engine:
        made = Dialling(engine)
        await made.billing.import_prices(BOOK)
        await made.pay_in(10_000_000)
        plan = next(plan for plan in await made.billing.plans.offered() if plan.code == "small")
        await made.billing.plans.choose(engine.workspace_id, plan.id)
        rental, own = await a_number(engine, "rental"), await a_number(engine, "byo", "+97142345679")
        calls = [made.call(number) for number in (rental, own) for _ in range(CALLS // 2)]
        await asyncio.gather(*map(made.begin, calls))
        dialled = calls[:: CALLS // 60]
        for call in dialled:
            await made.dial(made.telephone(call, rental), call, 20)
        await made.metering.admit(calls[0])
        early, other, middle, late = await asyncio.gather(
            *(
                Worker.start(tmp_path, *arguments)
                for arguments in (("begun", 1), ("paused", 120), ("written", 2), ("committed", 30))
            )
        )
        # one dies before it has written anything, the one beside it at a random moment
        await Worker.go(early, other)
        assert await early.over() == -9
        await asyncio.sleep(chance.uniform(0.0, 0.05))
        other.process.kill()
        assert await other.over() == -9
        await _consistent(made, early.said | other.said)
        # one dies between what it wrote and the commit, the other when some of those who wait know of the commit
        await Worker.go(middle, late)
        assert await asyncio.gather(middle.over(), late.over()) == [-9, -9]
        await _consistent(made, middle.said | late.said)
        # what is left is ended by who comes after them, and again by another
        second = Metered(engine)
        left = await engine.store.read(lambda connection: unfinished_calls(connection, CALLS))
        assert len(left) > CALLS // 4
        ends = [
            each.records.finish(
                call.id,
                CallOutcome("answered", "caller", "normal", call.created_at + timedelta(seconds=61), telephones=True),
            )
            for call in left
            for each in (made, second)
        ]
        await asyncio.gather(*ends)
        await second.records.close()
        ids = {call.id for call in calls}
        await _consistent(made, ids)
        # 240 calls of two minutes at 0.0450; 480 minutes on the plan, of which it includes two; 60 telephones at 0.0300
        assert (await made.wallet()) == (10_000_000 - 190_000 - 240 * 900 - 478 * 120 - 60 * 300, 0)
        assert (await made.billing.overview(engine.workspace_id)).minutes_used == 480
        rows = await made.billing.usage(engine.workspace_id, calls[0].created_at, engine.clock.advance(hours=1), "day")
        assert [(row.calls, row.cost) for row in rows] == [(480, 240 * 900 + 478 * 120 + 60 * 300)]
        await made.records.close()


async def _consistent(made: Metered, ended: set[str]) -> None:
    """What is ended is charged, what is charged is ended, and everything sums up; all of `ended` is."""
    store = made.engine.store
    query = text("SELECT id, cost, ended_at FROM calls")
    calls = (await store.read(lambda connection: connection.execute(query))).all()
    assert ended <= {call.id for call in calls if call.ended_at is not None}
    query = text("SELECT call_id, cause_id, -amount AS paid FROM ledger_transactions WHERE cause = 'call'")
    posted = (await store.read(lambda connection: connection.execute(query))).all()
    assert max(Counter(row.cause_id for row in posted).values(), default=1) == 1
    paid: Counter[str] = Counter()
    for row in posted:
        paid[row.call_id] += row.paid
    assert {call.id: call.cost for call in calls if call.cost} == dict(paid)
    query = text("SELECT coalesce(sum(calls), 0) AS calls, coalesce(sum(cost), 0) AS cost FROM usage_totals")
    used = (await store.read(lambda connection: connection.execute(query))).one()
    assert used.cost == sum(paid.values())
    assert used.calls == sum(call.ended_at is not None for call in calls)
    check = await made.billing.check()
    assert (check.unbalanced, check.wallets) == ([], [])
