"""Telephones that calls have dialled, what is reserved for them, and usage added up by the quarter of an hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables and adds up the calls that there are."""
    op.create_table(
        "call_legs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("number_id", sa.String(length=36), nullable=False),
        sa.Column("to_number", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("duration_s", sa.Integer()),
        sa.Column("billed_s", sa.Integer()),
        sa.Column("cost", sa.BigInteger()),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_call_legs_call_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_call_legs"),
    )
    op.create_index("ix_call_legs_call_id", "call_legs", ["call_id"], unique=False)
    op.add_column("reservations", sa.Column("dialled_by", sa.String(length=36)))
    op.create_index("ix_reservations_dialled_by", "reservations", ["dialled_by"], unique=False)
    op.create_table(
        "usage_totals",
        sa.Column("workspace_id", sa.String(length=24), nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number_id", sa.String(length=36), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("billed_s", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_usage_totals_workspace_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "slot", "number_id", name="pk_usage_totals"),
    )
    op.execute(
        "INSERT INTO usage_totals (workspace_id, slot, number_id, calls, billed_s, cost)"
        " SELECT workspace_id, created_at - created_at % 900000, coalesce(number_id, ''), count(*),"
        " sum(coalesce(billed_s, 0)), sum(cost)"
        " FROM calls WHERE answered_at IS NOT NULL AND ended_at IS NOT NULL"
        " GROUP BY workspace_id, created_at - created_at % 900000, coalesce(number_id, '')"
    )
    op.drop_index("ix_calls_usage", table_name="calls")
