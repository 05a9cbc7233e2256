"""Sessions of the phone widget."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "widget_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_widget_sessions_agent_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_widget_sessions"),
    )
    for column in ("agent_id", "expires_at"):
        op.create_index(f"ix_widget_sessions_{column}", "widget_sessions", [column], unique=False)
