"""Who may register and call out: agents and outbound trunks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates both tables."""
    op.create_table(
        "agents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=24), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_folded", sa.Text(), nullable=False),
        sa.Column("outbound_number_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_agents_workspace_id"),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
        sa.UniqueConstraint("username", name="uq_agents_username"),
        sa.UniqueConstraint("workspace_id", "email_folded", name="uq_agents_workspace_id_email_folded"),
    )
    op.create_table(
        "outbound_trunks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=24), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("allowed_source_ips", sa.Text(), nullable=False),
        sa.Column("allowed_number_ids", sa.Text(), nullable=False),
        sa.Column("default_number_id", sa.String(length=36), nullable=True),
        sa.Column("routing_rules", sa.Text(), nullable=False),
        sa.Column("max_channels", sa.Integer(), nullable=False),
        sa.Column("record", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_outbound_trunks_workspace_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outbound_trunks"),
        sa.UniqueConstraint("username", name="uq_outbound_trunks_username"),
    )
    for table in ("agents", "outbound_trunks"):
        columns = ["workspace_id", "created_at", "id"]
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns, unique=False)
