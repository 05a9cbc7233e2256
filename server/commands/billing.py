"""`voylo admin`: the operator's side of billing, straight on the database (contract §15, §22.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from engine.billing.accounts import Billing
from engine.billing.money import parse_money
from engine.billing.prices import PriceBook
from engine.errors import ValidationFailed
from engine.model import money, timestamp
from engine.store.ledger import Transaction
from server.commands.accounts import print_table
from server.commands.console import FAILED, WRONG_USAGE, leave, print_json
from server.commands.operator import run_as_operator
from server.prices import PriceFileError, read_price_book


def import_prices(config_file: Path | None, file: Path, *, as_json: bool) -> None:
    """Store the price book of a file in place of the one before; complain about every wrong line."""
    try:
        book = read_price_book(file)
    except PriceFileError as error:
        leave(WRONG_USAGE, error.problems)
    except OSError as error:
        leave(FAILED, [f"{file}: {error.strerror}"])

    async def work(billing: Billing) -> None:
        await billing.import_prices(book)
        rates = sum(len(country.rates) for country in book.countries)
        if as_json:
            print_json(_book_members(book, rates))
        else:
            print(f"imported {len(book.plans)} plans, {len(book.countries)} countries, {rates} prefix rates")

    _run(config_file, work)


def list_topups(config_file: Path | None, *, as_json: bool) -> None:
    """Print the top-ups that wait for their money, the oldest first."""

    async def work(billing: Billing) -> None:
        topups = await billing.pending_topups()
        if as_json:
            members = [
                {
                    "id": topup.id,
                    "accountId": topup.account_id,
                    "amount": money(topup.amount),
                    "currency": topup.currency,
                    "createdAt": timestamp(topup.created_at),
                }
                for topup in topups
            ]
            print_json(members)
            return
        rows = ((one.id, one.account_id, money(one.amount), one.currency, timestamp(one.created_at)) for one in topups)
        print_table(("id", "account", "amount", "currency", "since"), rows)

    _run(config_file, work)


def settle_topup(config_file: Path | None, topup_id: str, reference: str | None, *, as_json: bool) -> None:
    """Put the money of a top-up into its wallet; a second time changes nothing."""

    async def work(billing: Billing) -> None:
        _print_transaction(await billing.settle(topup_id, reference), as_json=as_json)

    _run(config_file, work)


def adjust_wallet(config_file: Path | None, account_id: str, amount: str, note: str, *, as_json: bool) -> None:
    """Add to a wallet, or take from it below 0."""

    async def work(billing: Billing) -> None:
        try:
            parsed = parse_money(amount)
        except ValueError as error:
            raise ValidationFailed.of("AMOUNT", str(error)) from None
        if parsed == 0:
            raise ValidationFailed.of("AMOUNT", "must not be 0")
        _print_transaction(await billing.adjust(account_id, parsed, note), as_json=as_json)

    _run(config_file, work)


def set_plan(config_file: Path | None, account_id: str, code: str, *, as_json: bool) -> None:
    """Put an account on a plan of the price book."""

    async def work(billing: Billing) -> None:
        plan = await billing.plans.assign(account_id, code)
        if as_json:
            print_json({"accountId": account_id, "planId": plan.id, "code": plan.code})
        else:
            print(f"{account_id} is on {plan.code}: {plan.included_minutes} minutes a month")

    _run(config_file, work)


def check_ledger(config_file: Path | None, *, as_json: bool) -> None:
    """Recompute the ledger and every wallet; end with status 1 when something is wrong."""

    async def work(billing: Billing) -> None:
        found = await billing.check()
        wallets = [
            {"accountId": one.account_id, "balance": money(one.balance), "sumOfEntries": money(one.sum_of_entries)}
            for one in found.wallets
        ]
        if as_json:
            print_json({"unbalancedTransactions": list(found.unbalanced), "wrongWallets": wallets})
        else:
            for transaction_id in found.unbalanced:
                print(f"transaction {transaction_id} does not sum to zero")
            for one in wallets:
                print(f"wallet of {one['accountId']} says {one['balance']}, its entries {one['sumOfEntries']}")
        if found.unbalanced or wallets:
            leave(FAILED, ["the ledger is wrong"])
        if not as_json:
            print("the ledger is sound")

    _run(config_file, work)


def _run(config_file: Path | None, work: Callable[[Billing], Awaitable[None]]) -> None:
    run_as_operator(config_file, lambda operator: work(operator.billing))


def _print_transaction(transaction: Transaction, *, as_json: bool) -> None:
    if as_json:
        members = {
            "id": transaction.id,
            "accountId": transaction.account_id,
            "type": transaction.type,
            "amount": money(transaction.amount),
            "balanceAfter": money(transaction.balance_after),
            "currency": transaction.currency,
        }
        print_json(members)
        return
    print(f"account  {transaction.account_id}\namount   {money(transaction.amount)} {transaction.currency}")
    print(f"balance  {money(transaction.balance_after)} {transaction.currency}")


def _book_members(book: PriceBook, rates: int) -> dict[str, object]:
    return {
        "currency": book.currency,
        "plans": [plan.code for plan in book.plans],
        "countries": [country.country for country in book.countries],
        "rates": rates,
    }
