"""Bodies of `/v1/workspaces` (contract §16)."""

from __future__ import annotations

from api.schemas.common import Output
from api.schemas.fields import Timestamp
from engine.model import Role


class WorkspaceOut(Output):
    """A workspace and the caller's role in it."""

    id: str
    name: str
    account_id: str
    timezone: str
    role: Role
    created_at: Timestamp
