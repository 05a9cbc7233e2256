"""`/v1/workspaces` (contract §16)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.operation import ApiRequest, Operation
from api.schemas.workspace import WorkspaceOut


async def list_workspaces(request: ApiRequest) -> list[WorkspaceOut]:
    """The one workspace of the key."""
    workspace = await request.services.accounts.workspace(request.workspace_id)
    return [
        WorkspaceOut(
            id=workspace.id,
            name=workspace.name,
            account_id=workspace.account_id,
            timezone=workspace.timezone,
            role=request.principal.role,
            created_at=workspace.created_at,
        )
    ]


OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/workspaces",
        "listWorkspaces",
        "List workspaces",
        "Workspaces",
        list_workspaces,
        description="With an API key: its own workspace.",
        out=list[WorkspaceOut],
    ),
)
