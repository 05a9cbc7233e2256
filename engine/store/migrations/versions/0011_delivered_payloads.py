"""The body that a delivery was sent with, where it is not that of its event: a link to a recording is signed anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.add_column("deliveries", sa.Column("payload", sa.Text(), nullable=True))
