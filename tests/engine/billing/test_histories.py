"""Any history of an account: whatever happens, and however often, the ledger sums to zero, the wallet is the sum of its
entries, and nothing is charged twice (contract §15.1)."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from engine.billing.rentals import RentalOrder, RentalUnpaid
from engine.errors import EngineError
from engine.model import CallOutcome, NewCall
from tests.engine.billing.book import BOOK, a_number
from tests.engine.billing.test_rental_terms import PASSPORT
from tests.engine.billing.test_telephones import Dialling
from tests.engine.opened import opened

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("top up"), st.integers(1, 900_000)),
        st.tuples(st.just("choose"), st.sampled_from(["small", "large"])),
        st.tuples(st.just("rent"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["pay", "give up", "keep", "reject"]), st.integers(0, 3)),
        st.tuples(st.just("approve"), st.integers(0, 3)),
        st.tuples(st.just("channels"), st.integers(1, 5)),
        st.tuples(st.just("begin"), st.sampled_from(["own", "rented"])),
        st.tuples(st.just("talk on"), st.integers(2, 5)),
        st.tuples(st.just("dial"), st.integers(1, 300)),
        st.tuples(st.just("end"), st.integers(0, 400)),
        st.tuples(st.just("days pass"), st.integers(1, 40)),
    ),
    min_size=10,
    max_size=40,
)


class History(Dialling):
    """An account to which things happen; each is done twice where doing it twice must change nothing."""

    own: str
    rented: str

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.running: list[NewCall] = []
        self.ended: list[str] = []
        self.rented_ids: list[str] = []

    async def happen(self, what: str, value: Any) -> None:
        steps: dict[str, Callable[[Any], Any]] = {
            "top up": self._top_up,
            "choose": self._choose,
            "rent": self._rent,
            "pay": self._pay,
            "give up": self._give_up,
            "keep": self._keep,
            "channels": self._set_channels,
            "approve": self._approve,
            "reject": self._reject,
            "begin": self._begin_call,
            "talk on": self._talk_on,
            "dial": self._dial_on,
            "end": self._end_call,
            "days pass": self._days_pass,
        }
        # what is refused, for want of money or because it does not fit, must leave everything sound as well
        with suppress(EngineError):
            await steps[what](value)

    async def _top_up(self, amount: int) -> None:
        topup = (await self.billing.top_up(self.engine.workspace_id, amount)).topup
        for _ in range(2):
            await self.billing.settle(topup.id)

    async def _choose(self, code: str) -> None:
        plan = next(plan for plan in await self.billing.plans.offered() if plan.code == code)
        for _ in range(2):
            await self.billing.plans.choose(self.engine.workspace_id, plan.id)

    async def _rent(self, channels: int) -> None:
        order = RentalOrder("AE", channels, None, {"companyName": "Example Ltd"}, [PASSPORT])
        try:
            rental = await self.engine.rentals.order(self.engine.workspace_id, order)
        except RentalUnpaid as unpaid:
            rental = await self.engine.rentals.get(self.engine.workspace_id, unpaid.rental_id)
        self.rented_ids.append(rental.id)

    async def _of_rental(self, act: str, index: int, *arguments: Any) -> None:
        if self.rented_ids:
            rental_id = self.rented_ids[index % len(self.rented_ids)]
            for _ in range(2):
                await getattr(self.engine.rentals, act)(self.engine.workspace_id, rental_id, *arguments)

    async def _pay(self, index: int) -> None:
        await self._of_rental("pay", index)

    async def _give_up(self, index: int) -> None:
        await self._of_rental("cancel", index)

    async def _keep(self, index: int) -> None:
        await self._of_rental("resume", index)

    async def _set_channels(self, channels: int) -> None:
        await self._of_rental("set_channels", channels, channels)

    async def _approve(self, index: int) -> None:
        if self.rented_ids:
            place = index % len(self.rented_ids)
            for _ in range(2):
                await self.engine.rental_review.approve(self.rented_ids[place], f"+9714555{place:04d}")

    async def _reject(self, index: int) -> None:
        if self.rented_ids:
            for _ in range(2):
                await self.engine.rental_review.reject(self.rented_ids[index % len(self.rented_ids)], "No")

    async def _begin_call(self, number: str) -> None:
        new = self.call(self.own if number == "own" else self.rented)
        await self.metering.admit(new)
        await self.begin(new)
        self.running.append(new)

    async def _talk_on(self, minutes: int) -> None:
        for call in self.running:
            await self.metering.reserve(call, minutes)

    async def _dial_on(self, seconds: int) -> None:
        for call in self.running[-1:]:
            telephone = self.telephone(call, self.rented)
            await self.metering.admit(telephone)
            await self.dial(telephone, call, seconds)

    async def _end_call(self, seconds: int) -> None:
        if not self.running:
            return
        call = self.running.pop(0)
        end = CallOutcome(
            "answered", "caller", "normal", call.created_at + timedelta(seconds=seconds), duration_seconds=seconds
        )
        for _ in range(2):
            await self.records.finish(call.id, end)
        self.ended.append(call.id)

    async def _days_pass(self, days: int) -> None:
        now = self.engine.clock.advance(days=days)
        for _ in range(2):
            await self.metering.sweep(now)
            await self.billing.plans.renew_due(now)
            await self.engine.rental_terms.run(now)
            await self.engine.invoices.run(now)

    async def sound(self) -> None:
        check = await self.billing.check()
        assert (check.unbalanced, check.wallets) == ([], [])
        rows = await self._rows("SELECT cause, cause_id, call_id, amount FROM ledger_transactions")
        assert max(Counter((row.cause, row.cause_id) for row in rows).values(), default=1) == 1
        (entries,) = await self._rows("SELECT coalesce(sum(amount), 0) AS total FROM ledger_entries")
        assert entries.total == 0
        balance, reserved = await self.wallet()
        assert balance == sum(row.amount for row in rows)
        paid: Counter[str] = Counter()
        for row in rows:
            if row.cause == "call":
                paid[row.call_id] -= row.amount
        calls = await self._rows("SELECT id, cost FROM calls")
        assert {call.id: call.cost for call in calls if call.cost} == dict(paid)
        used = await self._rows(
            "SELECT coalesce(sum(calls), 0) AS calls, coalesce(sum(cost), 0) AS cost FROM usage_totals"
        )
        assert (used[0].calls, used[0].cost) == (len(self.ended), sum(paid.values()))
        if not self.running:
            assert reserved == 0
        invoiced = await self._rows("SELECT seq FROM invoices ORDER BY seq")
        assert [row.seq for row in invoiced] == list(range(1, len(invoiced) + 1))

    async def _rows(self, query: str) -> Any:
        return (await self.engine.store.read(lambda connection: connection.execute(text(query)))).all()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_after_any_history_the_ledger_is_sound_and_nothing_was_charged_twice(steps: list[tuple[str, Any]]) -> None:
    async def run(path: Path) -> None:
        async with opened(path, charging=True) as engine:
            history = History(engine)
            await history.billing.import_prices(BOOK)
            history.own = await a_number(engine, "byo", "+97142345679")
            history.rented = await a_number(engine, "rental")
            await history.pay_in(300_000)
            for what, value in steps:
                await history.happen(what, value)
            await history.sound()
            for _ in range(len(history.running)):
                await history.happen("end", 61)
            await history.sound()
            await history.records.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
