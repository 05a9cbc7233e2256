"""`voylo admin`: the operator's side of billing on the command line."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from server.cli import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "prices.toml"


@pytest.fixture
def voylo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the program in a folder of its own that has a database; exit status and output."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == status, result.output
        return result.output

    run("init")
    return run


def account_of(path: Path) -> str:
    with sqlite3.connect(path / "data" / "voylo.db") as connection:
        (account_id,) = connection.execute("SELECT id FROM accounts").fetchone()
    connection.close()
    return str(account_id)


def test_prices_are_imported_a_plan_is_set_and_a_wallet_adjusted(voylo: Any, tmp_path: Path) -> None:
    # 3 plans; 5 countries with 8, 7, 3, 3 and 3 prefixes
    assert voylo("admin", "prices", "import", str(EXAMPLE)) == "imported 3 plans, 5 countries, 24 prefix rates\n"
    account_id = account_of(tmp_path)
    assert "is on team: 3000 minutes a month" in voylo("admin", "plan", "set", account_id, "team")
    adjusted = json.loads(voylo("admin", "wallet", "adjust", account_id, "-3.5", "--note", "Bank fee", "--json"))
    assert (adjusted["amount"], adjusted["balanceAfter"]) == ("-3.5000", "-3.5000")
    assert voylo("admin", "ledger", "check") == "the ledger is sound\n"
    assert json.loads(voylo("admin", "topups", "list", "--json")) == []


def test_a_topup_is_listed_and_settled(voylo: Any, tmp_path: Path) -> None:
    account_id, topup_id = account_of(tmp_path), "9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d"
    with sqlite3.connect(tmp_path / "data" / "voylo.db") as connection:
        connection.execute(
            "INSERT INTO topups VALUES (?, ?, 250000, 'USD', 'pending', 0, NULL)", (topup_id, account_id)
        )
    connection.close()
    assert topup_id in voylo("admin", "topups", "list")
    for _ in range(2):
        assert "balance  25.0000 USD" in voylo("admin", "topups", "settle", topup_id)
    assert json.loads(voylo("admin", "topups", "list", "--json")) == []


def test_a_wrong_price_file_changes_nothing_and_every_line_is_named(voylo: Any, tmp_path: Path) -> None:
    voylo("admin", "prices", "import", str(EXAMPLE))
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(EXAMPLE.read_text().replace('"19.0000"', "19.0"))
    output = voylo("admin", "prices", "import", str(wrong), status=2)
    line = EXAMPLE.read_text().splitlines().index('monthly_price = "19.0000"') + 1
    assert f"wrong.toml:{line}: plans.starter.monthly_price must be a price as text" in output
    assert "on starter" in voylo("admin", "plan", "set", account_of(tmp_path), "starter")
    assert "No such file" in voylo("admin", "prices", "import", "missing.toml", status=1)


def test_what_does_not_exist_is_said(voylo: Any, tmp_path: Path) -> None:
    assert "Account not found" in voylo("admin", "wallet", "adjust", "acc_0", "1", "--note", "x", status=1)
    assert "Top-up not found" in voylo("admin", "topups", "settle", "x", status=1)
    account_id = account_of(tmp_path)
    assert "is not in the price book" in voylo("admin", "plan", "set", account_id, "gold", status=2)
    assert "decimal text" in voylo("admin", "wallet", "adjust", account_id, "1,5", "--note", "x", status=2)
    assert "must not be 0" in voylo("admin", "wallet", "adjust", account_id, "0", "--note", "x", status=2)


def test_a_ledger_that_somebody_changed_is_found(voylo: Any, tmp_path: Path) -> None:
    account_id = account_of(tmp_path)
    voylo("admin", "wallet", "adjust", account_id, "5", "--note", "x")
    with sqlite3.connect(tmp_path / "data" / "voylo.db") as connection:
        connection.execute("UPDATE wallets SET balance = 999")
    connection.close()
    assert f"wallet of {account_id} says 0.0999, its entries 5.0000" in voylo("admin", "ledger", "check", status=1)


def test_a_rental_is_reviewed_and_gets_its_number(voylo: Any, tmp_path: Path) -> None:
    voylo("admin", "prices", "import", str(EXAMPLE.with_suffix(".csv")))
    account_id, rental_id = account_of(tmp_path), "9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d"
    with sqlite3.connect(tmp_path / "data" / "voylo.db") as connection:
        (workspace_id,) = connection.execute("SELECT id FROM workspaces").fetchone()
        connection.execute(
            "INSERT INTO rentals (id, account_id, workspace_id, country, channels, status, did_price, channel_price,"
            " paid, fields, created_at, updated_at) VALUES (?, ?, ?, 'AE', 2, 'in_review', 60000, 120000, 0,"
            ' \'{"companyName":"Example Ltd"}\', 0, 0)',
            (rental_id, account_id, workspace_id),
        )
    connection.close()
    assert rental_id in voylo("admin", "rentals", "list", "--status", "in_review")
    assert "companyName: Example Ltd" in voylo("admin", "rentals", "show", rental_id)
    asked = voylo("admin", "rentals", "request-changes", rental_id, "--note", "Another passport")
    assert "changes_requested" in asked
    assert "Another passport" in asked
    assert "not possible" in voylo("admin", "rentals", "approve", rental_id, "+97142345678", status=1)
    with sqlite3.connect(tmp_path / "data" / "voylo.db") as connection:
        connection.execute("UPDATE rentals SET status = 'in_review'")
    connection.close()
    approved = json.loads(voylo("admin", "rentals", "approve", rental_id, "+971 4 234 5678", "--json"))
    assert (approved["status"], approved["e164"], approved["monthlyPrice"]) == ("active", "+97142345678", "30.0000")
    assert "not possible" in voylo("admin", "rentals", "reject", rental_id, "--note", "x", status=1)
    assert "Rental not found" in voylo("admin", "rentals", "show", "x", status=1)
    assert "must be one of" in voylo("admin", "rentals", "list", "--status", "lost", status=2)


def test_the_details_of_an_account_are_set(voylo: Any, tmp_path: Path) -> None:
    account_id = account_of(tmp_path)
    options = ("--timezone", "Africa/Cairo", "--name", "Customer SAE", "--tax-id", "1-2-3")
    shown = json.loads(voylo("admin", "account", "set", account_id, *options, "--json"))
    assert shown == {
        "accountId": account_id,
        "timezone": "Africa/Cairo",
        "customer": {"name": "Customer SAE", "taxId": "1-2-3"},
    }
    shown = json.loads(voylo("admin", "account", "set", account_id, "--tax-id", "", "--json"))
    assert (shown["timezone"], shown["customer"]) == ("Africa/Cairo", {"name": "Customer SAE"})
    assert "IANA" in voylo("admin", "account", "set", account_id, "--timezone", "Moon/Crater", status=2)


def test_a_wrong_line_of_a_csv_file_is_named(voylo: Any, tmp_path: Path) -> None:
    example = EXAMPLE.with_suffix(".csv").read_text()
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(example.replace("19.0000", "nineteen"))
    assert "wrong.csv:3: plans.starter.monthly_price must be a price" in voylo(
        "admin", "prices", "import", str(wrong), status=2
    )
    wrong.write_text(example + "rate,AE,,,,,,,,,,,,,+44,0.0280,\n")
    line = len(example.splitlines()) + 1
    assert f"wrong.csv:{line}: countries.AE.rates.+44 is there twice, first in line 7" in voylo(
        "admin", "prices", "import", str(wrong), status=2
    )
    wrong.write_text(example + "rate,AE,,,,,,,,,,,,,,0.0280,\n")
    assert f"wrong.csv:{line}: prefix is missing" in voylo("admin", "prices", "import", str(wrong), status=2)
