"""How the audio of each leg of a call went, in the record of the call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; of calls that have ended before nothing is known."""
    op.add_column("calls", sa.Column("media", sa.Text()))
