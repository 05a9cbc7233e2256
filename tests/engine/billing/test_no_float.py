"""No float touches money: none is written, named, or made by a true division in what handles it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
MONEY_CODE = [
    *sorted((PROJECT / "engine" / "billing").glob("*.py")),
    *(
        PROJECT / "engine" / "store" / f"{name}.py"
        for name in (
            "billing",
            "billing_accounts",
            "billing_tables",
            "invoices",
            "ledger",
            "legs",
            "rentals",
            "subscriptions",
            "usage",
        )
    ),
    PROJECT / "api" / "schemas" / "billing.py",
    PROJECT / "api" / "resources" / "billing.py",
    PROJECT / "server" / "prices.py",
    PROJECT / "server" / "commands" / "billing.py",
]
# A clock's seconds, which are no money.
CLOCKS = {("charging.py", "float"), ("charging.py", "2.0")}


@pytest.mark.parametrize("path", MONEY_CODE, ids=lambda path: path.name)
def test_the_code_of_money_has_no_float(path: Path) -> None:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.add((path.name, str(node.value)))
        if isinstance(node, ast.Name) and node.id in {"float", "Decimal"}:
            found.add((path.name, node.id))
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div):
            found.add((path.name, f"line {node.lineno}: /"))
    assert found - CLOCKS == set()
