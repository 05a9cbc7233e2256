"""The ledger: balanced transactions, one for each cause, and the wallet's balance beside them (contract §15).

Everything runs on the connection of a write, so that a posting is committed with what it is for or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.ids import new_uuid
from engine.model import Page
from engine.store.billing_tables import ledger_entries, ledger_transactions, price_books, wallets
from engine.store.prepared import Parameters, RowStatement, execute_rows
from engine.store.tables import accounts
from engine.store.times import from_ms, to_ms

Cause = Literal["call", "rental", "plan", "topup", "refund", "adjustment"]
Book = Literal["wallet", "sales", "payments", "corrections"]

DEFAULT_CURRENCY: Final = "USD"

COUNTER_BOOKS: Final[dict[Cause, Book]] = {
    "call": "sales",
    "rental": "sales",
    "plan": "sales",
    "refund": "sales",
    "topup": "payments",
    "adjustment": "corrections",
}
"""Where the other half of a wallet's transaction stands."""


@dataclass(frozen=True, slots=True)
class Posting:
    """A change of a wallet by `amount` ten-thousandths, below 0 for a charge; `cause_id` names what it is for."""

    account_id: str
    cause: Cause
    cause_id: str
    amount: int
    description: str
    at: datetime
    call_id: str | None = None
    rental_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wallet:
    """What an account has, in ten-thousandths of the currency."""

    account_id: str
    balance: int
    currency: str
    low_threshold: int | None = None
    low: bool = False
    """Whether the balance was below the threshold after the last posting."""

    def after(self, amount: int) -> Wallet:
        """The wallet with `amount` more in it."""
        balance = self.balance + amount
        return replace(self, balance=balance, low=self.low_threshold is not None and balance < self.low_threshold)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A posted change of a wallet (contract §15.2)."""

    id: str
    account_id: str
    type: Cause
    amount: int
    balance_after: int
    currency: str
    description: str
    call_id: str | None
    rental_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A wallet whose balance is not the sum of its entries."""

    account_id: str
    balance: int
    sum_of_entries: int


class Posted(NamedTuple):
    """A transaction, whether it is new, and the wallet when that has just become low."""

    transaction: Transaction
    new: bool
    low: Wallet | None


INSERT_TRANSACTION: Final = RowStatement(70, insert(ledger_transactions))
INSERT_ENTRY: Final = RowStatement(71, insert(ledger_entries))
SET_BALANCE: Final = RowStatement(
    72,
    update(wallets)
    .where(wallets.c.account_id == bindparam("wallet"))
    .values(balance=bindparam("new_balance"), low=bindparam("new_low")),
)


async def post(connection: AsyncConnection, posting: Posting) -> Posted:
    """Posts to the ledger and moves the wallet.

    A cause that was posted before changes nothing and gives the transaction of then. Two processes that post the same
    cause wait for each other at the row of the wallet.
    """
    wallet = await wallet_of(connection, posting.account_id, lock=True)
    known = await _find(connection, posting.cause, posting.cause_id)
    if known is not None:
        return Posted(known, new=False, low=None)
    ((transaction, low),) = await post_new(connection, {wallet.account_id: wallet}, [posting])
    return Posted(transaction, new=True, low=low)


async def post_new(
    connection: AsyncConnection, locked: dict[str, Wallet], postings: Sequence[Posting]
) -> list[tuple[Transaction, Wallet | None]]:
    """Posts what was not posted before, all at once, to wallets that are locked; `locked` has them as they are after.

    Each transaction comes with its wallet if that became low by it. A cause that was posted before violates a
    constraint.
    """
    results: list[tuple[Transaction, Wallet | None]] = []
    transactions: list[Parameters] = []
    entries: list[Parameters] = []
    for posting in postings:
        before = locked[posting.account_id]
        wallet = locked[posting.account_id] = before.after(posting.amount)
        transaction = Transaction(
            id=new_uuid(),
            account_id=posting.account_id,
            type=posting.cause,
            amount=posting.amount,
            balance_after=wallet.balance,
            currency=wallet.currency,
            description=posting.description,
            call_id=posting.call_id,
            rental_id=posting.rental_id,
            created_at=posting.at,
        )
        results.append((transaction, wallet if wallet.low and not before.low else None))
        transactions.append(_transaction_values(transaction, posting.cause_id))
        halves: tuple[tuple[Book, int], ...] = (
            ("wallet", posting.amount),
            (COUNTER_BOOKS[posting.cause], -posting.amount),
        )
        entries += [
            {"transaction_id": transaction.id, "book": book, "account_id": posting.account_id, "amount": amount}
            for book, amount in halves
        ]
    if postings:
        await execute_rows(connection, INSERT_TRANSACTION, transactions)
        await execute_rows(connection, INSERT_ENTRY, entries)
        moved = {posting.account_id for posting in postings}
        balances = [
            {"wallet": account_id, "new_balance": locked[account_id].balance, "new_low": locked[account_id].low}
            for account_id in sorted(moved)
        ]
        await execute_rows(connection, SET_BALANCE, balances)
    return results


def _transaction_values(transaction: Transaction, cause_id: str) -> Parameters:
    return {
        "id": transaction.id,
        "account_id": transaction.account_id,
        "cause": transaction.type,
        "cause_id": cause_id,
        "amount": transaction.amount,
        "balance_after": transaction.balance_after,
        "currency": transaction.currency,
        "description": transaction.description,
        "call_id": transaction.call_id,
        "rental_id": transaction.rental_id,
        "created_at": to_ms(transaction.created_at),
    }


async def wallet_of(connection: AsyncConnection, account_id: str, *, lock: bool = False) -> Wallet:
    """The wallet of an existing account, as `wallets_of`."""
    return (await wallets_of(connection, [account_id], lock=lock))[account_id]


async def wallets_of(
    connection: AsyncConnection, account_ids: Collection[str], *, lock: bool = False
) -> dict[str, Wallet]:
    """The wallets of existing accounts; an empty one where nothing was posted yet.

    `lock` stores those, and keeps other writers away from all of them until the transaction ends.
    """
    query = select(wallets).where(wallets.c.account_id.in_(account_ids)).order_by(wallets.c.account_id)
    rows = await connection.execute(query.with_for_update() if lock else query)
    found = {row.account_id: _wallet(row) for row in rows}
    missing = sorted(set(account_ids) - found.keys())
    if not missing:
        return found
    if lock:
        # The accounts' rows stand in for those of the wallets, which two processes might make at once.
        await connection.execute(
            select(accounts.c.id).where(accounts.c.id.in_(missing)).order_by(accounts.c.id).with_for_update()
        )
        found |= {row.account_id: _wallet(row) for row in await connection.execute(query)}
        missing = sorted(set(account_ids) - found.keys())
    currency = (await connection.execute(select(price_books.c.currency))).scalar() or DEFAULT_CURRENCY
    for account_id in missing:
        if lock:
            await connection.execute(insert(wallets).values(account_id=account_id, balance=0, currency=currency))
        found[account_id] = Wallet(account_id, 0, currency)
    return found


async def set_threshold(connection: AsyncConnection, wallet: Wallet, threshold: int | None) -> Wallet:
    """Sets below which balance a wallet is low; the wallet is locked."""
    changed = replace(wallet, low_threshold=threshold).after(0)
    await connection.execute(
        update(wallets)
        .where(wallets.c.account_id == wallet.account_id)
        .values(low_threshold=threshold, low=changed.low)
    )
    return changed


def _wallet(row: Row[Any]) -> Wallet:
    return Wallet(row.account_id, row.balance, row.currency, row.low_threshold, row.low)


async def page_of_transactions(
    connection: AsyncConnection, account_id: str, page: int, limit: int
) -> Page[Transaction]:
    """A page of an account's transactions, the last posted first."""
    mine = ledger_transactions.c.account_id == account_id
    total = (await connection.execute(select(func.count()).select_from(ledger_transactions).where(mine))).scalar_one()
    if (page - 1) * limit >= total:
        return Page((), page, limit, total)
    rows = await connection.execute(
        select(ledger_transactions)
        .where(mine)
        .order_by(ledger_transactions.c.seq.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page(tuple(map(_transaction, rows)), page, limit, total)


async def unbalanced_transactions(connection: AsyncConnection) -> list[str]:
    """The ids of transactions whose entries do not sum to zero; a sound ledger has none."""
    rows = await connection.execute(
        select(ledger_transactions.c.id)
        .outerjoin(ledger_entries, ledger_entries.c.transaction_id == ledger_transactions.c.id)
        .group_by(ledger_transactions.c.id)
        .having((func.count(ledger_entries.c.book) < 2) | (func.sum(ledger_entries.c.amount) != 0))
    )
    return [row.id for row in rows]


async def wrong_wallets(connection: AsyncConnection) -> list[Discrepancy]:
    """The wallets whose balance is not the sum of their entries; a sound ledger has none."""
    total = func.coalesce(func.sum(ledger_entries.c.amount), 0)
    mine = (ledger_entries.c.account_id == wallets.c.account_id) & (ledger_entries.c.book == "wallet")
    rows = await connection.execute(
        select(wallets.c.account_id, wallets.c.balance, total)
        .outerjoin(ledger_entries, mine)
        .group_by(wallets.c.account_id, wallets.c.balance)
        .having(wallets.c.balance != total)
    )
    return [Discrepancy(account_id, balance, int(entries)) for account_id, balance, entries in rows]


async def _find(connection: AsyncConnection, cause: Cause, cause_id: str) -> Transaction | None:
    query = select(ledger_transactions).where(
        ledger_transactions.c.cause == cause, ledger_transactions.c.cause_id == cause_id
    )
    row = (await connection.execute(query)).first()
    return None if row is None else _transaction(row)


def _transaction(row: Row[Any]) -> Transaction:
    return Transaction(
        id=row.id,
        account_id=row.account_id,
        type=row.cause,
        amount=row.amount,
        balance_after=row.balance_after,
        currency=row.currency,
        description=row.description,
        call_id=row.call_id,
        rental_id=row.rental_id,
        created_at=from_ms(row.created_at),
    )
