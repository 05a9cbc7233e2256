"""Billing: price book, plans, wallets, ledger, top-ups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates the tables."""
    _prices()
    _accounts()
    _ledger()


def _prices() -> None:
    op.create_table(
        "price_books",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("increment_s", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_price_books"),
    )
    op.create_table(
        "price_countries",
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("did_price", sa.BigInteger(), nullable=False),
        sa.Column("channel_price", sa.BigInteger(), nullable=False),
        sa.Column("local_rate", sa.BigInteger(), nullable=False),
        sa.Column("international_rate", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("country", name="pk_price_countries"),
    )
    op.create_table(
        "price_rates",
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("per_minute", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["country"], ["price_countries.country"], name="fk_price_rates_country", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("country", "prefix", name="pk_price_rates"),
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("monthly_price", sa.BigInteger(), nullable=False),
        sa.Column("included_minutes", sa.Integer(), nullable=False),
        sa.Column("overage_per_minute", sa.BigInteger(), nullable=False),
        sa.Column("max_workspaces", sa.Integer()),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("offered", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plans"),
        sa.UniqueConstraint("code", name="uq_plans_code"),
    )


def _accounts() -> None:
    op.create_table(
        "account_plans",
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_account_plans_account_id"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_account_plans_plan_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_account_plans"),
    )
    op.create_index("ix_account_plans_plan_id", "account_plans", ["plan_id"], unique=False)
    op.create_table(
        "plan_usage",
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("period_start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("used_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_plan_usage_account_id"),
        sa.PrimaryKeyConstraint("account_id", "period_start", name="pk_plan_usage"),
    )
    op.create_table(
        "wallets",
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_wallets_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_wallets"),
    )
    op.create_table(
        "topups",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_topups_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_topups"),
    )
    op.create_index("ix_topups_account_id", "topups", ["account_id"], unique=False)


def _ledger() -> None:
    op.create_table(
        "ledger_transactions",
        sa.Column("seq", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("cause_id", sa.String(length=80), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("call_id", sa.String(length=36)),
        sa.Column("rental_id", sa.String(length=36)),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_ledger_transactions_account_id"),
        sa.PrimaryKeyConstraint("seq", name="pk_ledger_transactions"),
        sa.UniqueConstraint("id", name="uq_ledger_transactions_id"),
        sa.UniqueConstraint("cause", "cause_id", name="uq_ledger_transactions_cause_cause_id"),
    )
    op.create_index("ix_ledger_transactions_account_id_seq", "ledger_transactions", ["account_id", "seq"], unique=False)
    op.create_table(
        "ledger_entries",
        sa.Column("transaction_id", sa.String(length=36), nullable=False),
        sa.Column("book", sa.String(length=16), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name="fk_ledger_entries_transaction_id"
        ),
        sa.PrimaryKeyConstraint("transaction_id", "book", name="pk_ledger_entries"),
    )
    op.create_index("ix_ledger_entries_account_id_book", "ledger_entries", ["account_id", "book"], unique=False)
