"""The shape of `voylo admin`: prices, top-ups, wallets and plans, for the operator (contract §15)."""

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


@prices.command("import")
def prices_import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A TOML price book, such as examples/prices.toml.")],
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
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put the money of a top-up into its wallet, once however often it is run."""
    from server.commands.billing import settle_topup as run

    run(config, topup, as_json=as_json)


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
