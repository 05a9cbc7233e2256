"""Inbound trunks, and at most one application on each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table and the constraint."""
    op.create_table(
        "inbound_trunks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=24), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("destinations", sa.Text(), nullable=False),
        sa.Column("failover", sa.Text(), nullable=False),
        sa.Column("health_enabled", sa.Boolean(), nullable=False),
        sa.Column("health_interval_s", sa.Integer(), nullable=False),
        sa.Column("record", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_inbound_trunks_workspace_id"),
        sa.PrimaryKeyConstraint("id", name="pk_inbound_trunks"),
    )
    columns = ["workspace_id", "created_at", "id"]
    op.create_index("ix_inbound_trunks_workspace_id_created_at_id", "inbound_trunks", columns, unique=False)
    attached = sa.text("inbound_trunk_id IS NOT NULL")
    op.create_index(
        "uq_applications_inbound_trunk_id",
        "applications",
        ["inbound_trunk_id"],
        unique=True,
        sqlite_where=attached,
        postgresql_where=attached,
    )
