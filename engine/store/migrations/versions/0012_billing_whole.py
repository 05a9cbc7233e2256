"""Billing: reservations, plan periods, accounts' billing data, rentals with documents, invoices, usage."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    """Creates what is new and gives the plans of accounts the period that they are in."""
    _wallets()
    _plans()
    _rentals()
    _invoices()
    op.create_index(
        "ix_calls_usage",
        "calls",
        ["workspace_id", "number_id", "created_at", "billed_s", "cost"],
        unique=False,
        sqlite_where=sa.text("answered_at IS NOT NULL AND ended_at IS NOT NULL"),
        postgresql_where=sa.text("answered_at IS NOT NULL AND ended_at IS NOT NULL"),
    )


def _wallets() -> None:
    op.add_column("wallets", sa.Column("low_threshold", sa.BigInteger()))
    op.add_column("wallets", sa.Column("low", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "ix_ledger_transactions_account_id_created_at",
        "ledger_transactions",
        ["account_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "reservations",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("plan_s", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_reservations"),
    )
    op.create_index("ix_reservations_account_id", "reservations", ["account_id"], unique=False)


def _plans() -> None:
    op.add_column("price_countries", sa.Column("kyc", sa.Text()))
    op.add_column("plan_usage", sa.Column("taken_s", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("plan_usage", sa.Column("included_s", sa.BigInteger()))
    op.execute("UPDATE plan_usage SET taken_s = used_s")
    op.add_column("account_plans", sa.Column("period_start", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("account_plans", sa.Column("period_end", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("account_plans", sa.Column("paid", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("account_plans", sa.Column("next_plan_id", sa.String(length=36)))
    op.create_table(
        "billing_accounts",
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("invoiced_until", sa.BigInteger()),
        sa.Column("invoiced_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_billing_accounts_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_billing_accounts"),
    )
    connection = op.get_bind()
    now = datetime.now(UTC)
    for account_id, since in connection.execute(sa.text("SELECT account_id, since FROM account_plans")).all():
        start, end = _period(_EPOCH + timedelta(milliseconds=since), now)
        connection.execute(
            sa.text("UPDATE account_plans SET period_start = :start, period_end = :end WHERE account_id = :id"),
            {"start": _ms(start), "end": _ms(end), "id": account_id},
        )


def _period(since: datetime, now: datetime) -> tuple[datetime, datetime]:
    # As this version counts periods, written out: a migration must not change with the program.
    months = 0
    while _after(since, months + 1) <= now:
        months += 1
    return _after(since, months), _after(since, months + 1)


def _after(since: datetime, months: int) -> datetime:
    year, month = divmod(since.month - 1 + months, 12)
    year, month = since.year + year, month + 1
    return since.replace(year=year, month=month, day=min(since.day, calendar.monthrange(year, month)[1]))


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _rentals() -> None:
    op.create_table(
        "rentals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("workspace_id", sa.String(length=24), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("area_code", sa.String(length=16)),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("did_price", sa.BigInteger(), nullable=False),
        sa.Column("channel_price", sa.BigInteger(), nullable=False),
        sa.Column("paid", sa.BigInteger(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("number_id", sa.String(length=36)),
        sa.Column("e164", sa.String(length=20)),
        sa.Column("anchor", sa.BigInteger()),
        sa.Column("period_start", sa.BigInteger()),
        sa.Column("period_end", sa.BigInteger()),
        sa.Column("released_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_rentals_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_rentals"),
    )
    op.create_index("ix_rentals_account_id", "rentals", ["account_id"], unique=False)
    op.create_index("ix_rentals_period_end", "rentals", ["period_end"], unique=False)
    op.create_index(
        "ix_rentals_workspace_id_created_at_id", "rentals", ["workspace_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "rental_documents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("rental_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rental_id"], ["rentals.id"], name="fk_rental_documents_rental_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_rental_documents"),
        sa.UniqueConstraint("rental_id", "name", name="uq_rental_documents_rental_id_name"),
    )


def _invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("period_start", sa.BigInteger(), nullable=False),
        sa.Column("period_end", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_invoices_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_invoices"),
        sa.UniqueConstraint("seq", name="uq_invoices_seq"),
        sa.UniqueConstraint("account_id", "period_start", name="uq_invoices_account_id_period_start"),
    )
