"""Billing on one core: ends of calls rated, charged and posted to the ledger, and usage reports over many calls.

The ends are those of an engine with charging on, through the same records, closing and store: half over a rented number
with a rate by prefix, half over an own number on a plan; each had reserved its first minute. What comes out is checked:
the wallet holds what the prices say, and the ledger sums to zero.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from engine.accounts import Accounts
from engine.billing.accounts import Billing
from engine.billing.charging import CallCharges
from engine.billing.prices import CountryPrices, PlanPrice, PriceBook
from engine.ids import new_call_id, new_uuid
from engine.model import CallOutcome, NewCall
from engine.outbox import Outbox
from engine.records import CallRecords
from engine.store import Store
from engine.store.usage import SLOT_MS, GroupBy

ENDS_PER_SECOND: Final = 1_000
REPORT_SECONDS: Final = 1.0
ROUNDS: Final = 3
"""The best counts: what else the machine does shows in the others."""

AT_ONCE: Final = 500
"""Calls that are about to end at the same time: as many as an engine under load has waiting for its store."""

START: Final = datetime(2026, 6, 23, 8, tzinfo=UTC)
RATE, OVERAGE, PAID_IN = 700, 120, 1_000_000_000
BOOK: Final = PriceBook(
    "USD",
    60,
    (PlanPrice("bench", "Bench", 0, 0, OVERAGE, None),),
    (CountryPrices("AE", "United Arab Emirates", 0, 0, 450, 1900, {"+97150": RATE, "+44": 300, "+447": 800}),),
)

_NUMBER = """
INSERT INTO numbers (id, workspace_id, e164, search_text, kind, country, status, inbound_enabled, outbound_enabled,
    channels, created_at, updated_at) VALUES (?, ?, ?, '', ?, 'AE', 'active', 1, 1, 10000, 0, 0)
"""
_RESERVED = "INSERT INTO reservations (call_id, account_id, amount, plan_s, created_at) VALUES (?, ?, ?, 0, 0)"
_FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO calls (id, public_id, workspace_id, direction, from_number, to_number, status, number_id, destination_kind,
    variables, outcome, hangup_by, hangup_cause, sip_code, started_at, answered_at, ended_at, ring_s, duration_s,
    billed_s, cost, currency, routing_attempts, created_at)
SELECT printf('%08x-0000-4000-8000-%012x', i, i), printf('cl_%012x', i), :workspace, 'outbound', '+97142345678',
    '+971501234567', 'completed', own.id, 'pstn', '{}',
    'answered', 'caller', 'normal', 200, :first + i * :step, :first + i * :step + 300, :first + i * :step + 60000, 1,
    60, 60, 700, 'USD', '[]', :first + i * :step
FROM n JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS k FROM numbers) AS own ON own.k = n.i % :numbers
"""
_ADD_UP = """
INSERT INTO usage_totals (workspace_id, slot, number_id, calls, billed_s, cost)
SELECT workspace_id, created_at - created_at % :slot, number_id, count(*), sum(billed_s), sum(cost) FROM calls
GROUP BY 1, 2, 3
"""


class Reseller:
    """A store with one account that is charged, and numbers of both kinds."""

    def __init__(self, folder: Path, store: Store, workspace_id: str, account_id: str) -> None:
        self.path = folder / "voylo.db"
        self.store = store
        self.workspace_id = workspace_id
        self.account_id = account_id
        self.billing = Billing(store, enabled=True)
        self.records = CallRecords(store, Outbox(), CallCharges(store, enabled=True))

    @classmethod
    async def open(cls, folder: Path) -> Reseller:
        """With money in the wallet and the plan."""
        store = await Store.open(f"sqlite+aiosqlite:///{folder}/voylo.db")
        first = await Accounts(store).bootstrap()
        assert first is not None
        account_id = (await Billing(store).overview(first.workspace_id)).account_id
        made = cls(folder, store, first.workspace_id, account_id)
        await made.billing.import_prices(BOOK)
        await made.billing.plans.assign(account_id, "bench")
        await made.billing.adjust(account_id, PAID_IN, "paid")
        return made

    def numbers(self, count: int) -> list[str]:
        """Ids of new numbers: every other one is rented."""
        made = [(new_uuid(), f"+9714{index:07d}", "byo" if index % 2 else "rental") for index in range(count)]
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executemany(_NUMBER, [(uuid, self.workspace_id, e164, kind) for uuid, e164, kind in made])
            connection.commit()
        return [uuid for uuid, _, _ in made]

    def reserve(self, calls: list[NewCall]) -> None:
        """What the calls have reserved of the wallet."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executemany(_RESERVED, [(call.id, self.account_id, RATE) for call in calls])
            connection.commit()

    async def close(self) -> None:
        """Stores what waits."""
        await self.records.close()
        await self.store.close()


async def closings(folder: Path, count: int) -> tuple[float, float]:
    """Ends a second, and milliseconds of CPU for each. Raises RuntimeError when the ledger is not what it must be."""
    reseller = await Reseller.open(folder)
    numbers = reseller.numbers(2)
    calls: list[NewCall] = []
    for index in range(count):
        call_id, public_id = new_call_id()
        called = "+971501234567"
        calls.append(
            NewCall(
                call_id, public_id, reseller.workspace_id, "outbound", "+97142345678", called, "dialing", START,
                number_id=numbers[index % 2],
            )
        )  # fmt: skip
    for first in range(0, count, AT_ONCE):
        some = calls[first : first + AT_ONCE]
        await asyncio.gather(*(reseller.records.create(new, "call.placed") for new in some))
        await asyncio.gather(*(reseller.records.answered(new.id, START) for new in some))
    reseller.reserve(calls)
    outcome = CallOutcome("answered", "caller", "normal", START + timedelta(seconds=61), sip_code=200)
    waiting = iter(calls)

    async def end_some() -> None:
        for new in waiting:
            await reseller.records.finish(new.id, outcome)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(end_some() for _ in range(AT_ONCE)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    wallet = await reseller.billing.wallet(reseller.workspace_id)
    check = await reseller.billing.check()
    await reseller.close()
    # Two minutes each, at the rate of the prefix or at the plan's overage
    paid = PAID_IN - count // 2 * 2 * (RATE + OVERAGE)
    if (wallet.wallet.balance, wallet.reserved) != (paid, 0) or check.unbalanced or check.wallets:
        raise RuntimeError(f"the wallet holds {wallet.wallet.balance}, not {paid}, or the ledger is wrong: {check}")
    return count / seconds, cpu / count * 1000


async def reports(folder: Path, count: int) -> dict[GroupBy, float]:
    """Seconds that a report over so many calls in a month takes, by its key; the month begins and ends in the middle
    of a quarter of an hour. Raises RuntimeError when a report is wrong."""
    reseller = await Reseller.open(folder)
    reseller.numbers(50)
    first, month = int(START.timestamp() * 1000) + 300_000, 30 * 86_400_000
    parameters = {
        "count": count,
        "workspace": reseller.workspace_id,
        "numbers": 50,
        "first": first,
        "step": month // count,
    }
    with closing(sqlite3.connect(reseller.path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_FILL, parameters)
        connection.execute(_ADD_UP, {"slot": SLOT_MS})
        connection.commit()
    start = START + timedelta(minutes=5)
    keys: tuple[GroupBy, ...] = ("day", "workspace", "number")
    taken: dict[GroupBy, float] = {}
    for key in keys:
        began = time.perf_counter()
        rows = await reseller.billing.usage(reseller.workspace_id, start, start + timedelta(days=30, minutes=3), key)
        taken[key] = time.perf_counter() - began
        found = (sum(row.calls for row in rows), sum(row.billed_s for row in rows), sum(row.cost for row in rows))
        if found != (count, 60 * count, RATE * count):
            raise RuntimeError(f"the report by {key} adds up to {found}")
    await reseller.close()
    return taken


def run(*, quick: bool) -> dict[str, object]:
    """Print and return the figures."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        measured: list[tuple[float, float]] = []
        for _ in range(1 if quick else ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                measured.append(asyncio.run(closings(Path(folder), 2_000 if quick else 10_000)))
        rate, cpu_ms = max(measured)
        print(
            f"ends of calls rated and posted, on one core: {rate:.0f} a second (at least {ENDS_PER_SECOND}), "
            f"{cpu_ms:.3f} ms of CPU each; every round: {', '.join(f'{each:.0f}' for each, _ in measured)}",
            flush=True,
        )
        count = 100_000 if quick else 1_000_000
        with tempfile.TemporaryDirectory() as folder:
            taken = asyncio.run(reports(Path(folder), count))
    finally:
        os.sched_setaffinity(0, allowed)
    shown = ", ".join(f"by {key} {seconds:.3f} s" for key, seconds in taken.items())
    print(f"usage report over {count} calls of 50 numbers: {shown} (under {REPORT_SECONDS:g} s)")
    return {
        "ends_per_second": rate,
        "end_cpu_ms": cpu_ms,
        "report_seconds": taken,
        "missed": rate < ENDS_PER_SECOND or max(taken.values()) >= REPORT_SECONDS,
    }
