"""The shape of `voylo admin`: prices, top-ups, wallets, plans and rentals, for the operator (contract §15)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration file, as for the other commands.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else.")]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account (acc_…).")]


def _group(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode=None)


admin_commands = _group("The operator's side of billing.")
prices = _group("The price book.")
topups = _group("Top-ups that customers asked for.")
wallet = _group("Wallets.")
plan = _group("Plans of accounts.")
ledger = _group("The ledger.")
admin_commands.add_typer(prices, name="prices")
admin_commands.add_typer(topups, name="topups")
admin_commands.add_typer(wallet, name="wallet")
admin_commands.add_typer(plan, name="plan")
admin_commands.add_typer(ledger, name="ledger")
rentals = _group("The review of rentals.")
account = _group("What billing knows of accounts.")
admin_commands.add_typer(rentals, name="rentals")
admin_commands.add_typer(account, name="account")

RentalArgument = Annotated[str, typer.Argument(metavar="ID", help="The rental's id.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why; the customer sees it.")]


@prices.command("import")
def prices_import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A price book, such as examples/prices.toml or .csv.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the price book by that of a file; a running engine uses it from the next call that ends."""
    from server.commands.billing import import_prices as run

    run(config, file, as_json=as_json)


@topups.command("list")
def topups_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the top-ups that wait for their money, the oldest first."""
    from server.commands.billing import list_topups as run

    run(config, as_json=as_json)


@topups.command("settle")
def topups_settle(
    topup: Annotated[str, typer.Argument(metavar="ID", help="The top-up's id.")],
    reference: Annotated[str | None, typer.Option("--reference", help="That of the payment, for the customer.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put the money of a top-up into its wallet, once however often it is run."""
    from server.commands.billing import settle_topup as run

    run(config, topup, reference, as_json=as_json)


@wallet.command("adjust", context_settings={"ignore_unknown_options": True})
def wallet_adjust(
    account: AccountArgument,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 12.5 or -3.0450.")],
    note: Annotated[str, typer.Option("--note", help="Why; the customer sees it.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add to a wallet, or take from it with an amount below 0."""
    from server.commands.billing import adjust_wallet as run

    run(config, account, amount, note, as_json=as_json)


@plan.command("set")
def plan_set(
    account: AccountArgument,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The plan's code in the price book.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put an account on a plan at once; no fee is charged for it."""
    from server.commands.billing import set_plan as run

    run(config, account, code, as_json=as_json)


@ledger.command("check")
def ledger_check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Recompute every transaction and wallet; exit status 1 when something is wrong."""
    from server.commands.billing import check_ledger as run

    run(config, as_json=as_json)


@rentals.command("list")
def rentals_list(
    status: Annotated[str | None, typer.Option("--status", help="Only those, such as in_review.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the rentals of every account, the newest first."""
    from server.commands.rentals import list_rentals as run

    run(config, status, as_json=as_json)


@rentals.command("show")
def rentals_show(rental: RentalArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show a rental with its fields, and where its documents lie."""
    from server.commands.rentals import show_rental as run

    run(config, rental, as_json=as_json)


@rentals.command("approve")
def rentals_approve(
    rental: RentalArgument,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The number that the customer gets.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a rental its number, which is live at once."""
    from server.commands.rentals import approve_rental as run

    run(config, rental, number, as_json=as_json)


@rentals.command("request-changes")
def rentals_request_changes(
    rental: RentalArgument, note: NoteOption, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Ask the customer for other fields or documents."""
    from server.commands.rentals import request_changes as run

    run(config, rental, note, as_json=as_json)


@rentals.command("reject")
def rentals_reject(
    rental: RentalArgument, note: NoteOption, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Refuse a rental; its first month is refunded."""
    from server.commands.rentals import reject_rental as run

    run(config, rental, note, as_json=as_json)


@account.command("set")
def account_set(
    account_id: AccountArgument,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Of its periods, such as Africa/Cairo.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Who its invoices are for.")] = None,
    address: Annotated[str | None, typer.Option("--address", help="The customer's address.")] = None,
    tax_id: Annotated[str | None, typer.Option("--tax-id", help="The customer's tax number.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="The customer's e-mail address.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the time zone of an account, from its next period on, and who its invoices are for."""
    from server.commands.rentals import set_account as run

    run(
        config,
        account_id,
        timezone,
        {"name": name, "address": address, "taxId": tax_id, "email": email},
        as_json=as_json,
    )
