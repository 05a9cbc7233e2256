"""The ledger balances and posts each cause once, whatever happens to it (contract §15)."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from engine.errors import Conflict
from engine.store import Store, ledger
from engine.store.ledger import Cause, Posting
from tests.engine.opened import START, database_url

CAUSES: list[Cause] = ["call", "rental", "plan", "topup", "refund", "adjustment"]


async def store_of(path: Path, *accounts: str) -> Store:
    store = await Store.open(database_url(path))
    for account in accounts:
        await store.write(
            lambda connection, account=account: connection.execute(
                text("INSERT INTO accounts VALUES (:id, 'A', 0)"), {"id": account}
            )
        )
    return store


def posting(amount: int, cause_id: str = "c", cause: Cause = "call", account: str = "acc_1") -> Posting:
    return Posting(account, cause, cause_id, amount, "a call", START)


async def test_a_posting_moves_the_wallet_and_its_halves_cancel_out(tmp_path: Path) -> None:
    store = await store_of(tmp_path, "acc_1")
    await store.write(lambda connection: ledger.post(connection, posting(100_000, cause="topup")))
    posted, new, _ = await store.write(lambda connection: ledger.post(connection, posting(-450)))
    assert new
    # 10.0000 less 0.0450 is 9.9550
    assert (posted.amount, posted.balance_after) == (-450, 99_550)
    wallet = await store.read(lambda connection: ledger.wallet_of(connection, "acc_1"))
    assert (wallet.balance, wallet.currency) == (99_550, "USD")
    entries = await store.read(
        lambda connection: connection.execute(text("SELECT book, amount FROM ledger_entries ORDER BY amount"))
    )
    assert entries.all() == [("payments", -100_000), ("wallet", -450), ("sales", 450), ("wallet", 100_000)]
    page = await store.read(lambda connection: ledger.page_of_transactions(connection, "acc_1", 1, 1))
    assert (page.items, page.total_items) == ((posted,), 2)
    await store.close()


async def test_the_same_cause_is_posted_once_by_whoever_comes_first(tmp_path: Path) -> None:
    store = await store_of(tmp_path, "acc_1")
    second = await Store.open(database_url(tmp_path))
    results = await asyncio.gather(
        *(each.write(lambda connection: ledger.post(connection, posting(-450))) for each in [store, second] * 10)
    )
    assert sum(posted.new for posted in results) == 1
    assert len({posted.transaction.id for posted in results}) == 1
    wallet = await second.read(lambda connection: ledger.wallet_of(connection, "acc_1"))
    assert wallet.balance == -450
    await second.close()
    await store.close()


async def test_the_database_itself_refuses_a_second_charge_for_one_call(tmp_path: Path) -> None:
    store = await store_of(tmp_path, "acc_1")
    await store.write(lambda connection: ledger.post(connection, posting(-450)))
    again = text(
        "INSERT INTO ledger_transactions (id, account_id, cause, cause_id, amount, balance_after, currency,"
        " description, created_at) VALUES ('x', 'acc_1', 'call', 'c', -450, -900, 'USD', '', 0)"
    )
    with pytest.raises(Conflict):
        await store.write(lambda connection: connection.execute(again))
    await store.close()


async def test_checks_find_a_wallet_and_a_transaction_that_somebody_changed(tmp_path: Path) -> None:
    store = await store_of(tmp_path, "acc_1", "acc_2")
    posted, _, _ = await store.write(lambda connection: ledger.post(connection, posting(-450)))
    await store.write(lambda connection: ledger.post(connection, posting(5, account="acc_2", cause_id="other")))
    assert await store.read(ledger.wrong_wallets) == []
    assert await store.read(ledger.unbalanced_transactions) == []
    await store.write(lambda connection: connection.execute(text("UPDATE wallets SET balance = 1 WHERE balance < 0")))
    (wrong,) = await store.read(ledger.wrong_wallets)
    assert (wrong.account_id, wrong.balance, wrong.sum_of_entries) == ("acc_1", 1, -450)
    await store.write(
        lambda connection: connection.execute(text("DELETE FROM ledger_entries WHERE book = 'sales' AND amount = 450"))
    )
    assert await store.read(ledger.unbalanced_transactions) == [posted.id]
    await store.close()


ANY_POSTING = st.tuples(
    st.sampled_from(["acc_1", "acc_2"]), st.sampled_from(CAUSES), st.integers(0, 5), st.integers(-(10**9), 10**9)
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(ANY_POSTING, st.booleans()), max_size=25))
def test_after_any_history_the_ledger_sums_to_zero_and_every_wallet_is_the_sum_of_its_rows(
    history: list[tuple[tuple[str, Cause, int, int], bool]],
) -> None:
    """The flag is a crash: the posting is rolled back after it was made, and comes again."""

    async def run(path: Path) -> None:
        store = await store_of(path, "acc_1", "acc_2")
        expected = {"acc_1": 0, "acc_2": 0}
        seen: set[tuple[str, str]] = set()
        for (account, cause, number, amount), crashes in history:
            wanted = posting(amount, f"{account}/{number}", cause, account)

            async def crash(connection: object, wanted: Posting = wanted) -> None:
                await ledger.post(connection, wanted)  # type: ignore[arg-type]
                raise Conflict("crash")

            if crashes:
                with pytest.raises(Conflict):
                    await store.write(crash)
            await store.write(lambda connection, wanted=wanted: ledger.post(connection, wanted))
            if (cause, wanted.cause_id) not in seen:
                seen.add((cause, wanted.cause_id))
                expected[account] += amount
        for account, balance in expected.items():
            wallet = await store.read(lambda connection, account=account: ledger.wallet_of(connection, account))
            assert wallet.balance == balance
        total = await store.read(
            lambda connection: connection.execute(text("SELECT coalesce(sum(amount), 0) FROM ledger_entries"))
        )
        assert total.scalar() == 0
        assert await store.read(ledger.wrong_wallets) == []
        assert await store.read(ledger.unbalanced_transactions) == []
        await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
