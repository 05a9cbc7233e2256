"""`/v1/workspaces` (contract §16)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from api.operation import ApiRequest, Operation
from api.schemas.workspace import WorkspaceCreate, WorkspaceOut, WorkspaceUpdate
from engine.model import Workspace
from engine.workspaces import WorkspaceChanges


async def list_workspaces(request: ApiRequest) -> list[WorkspaceOut]:
    """The one workspace of a key, or every workspace of a user."""
    principal = request.principal
    if principal.user is not None:
        found = await request.services.workspaces.of_user(principal.user.id)
        return [WorkspaceOut.of(workspace, role) for workspace, role in found]
    return [WorkspaceOut.of(await request.services.accounts.workspace(request.workspace_id), principal.role)]


async def create_workspace(request: ApiRequest) -> WorkspaceOut:
    """Creates a workspace in the account of the one named in the header."""
    body = request.body(WorkspaceCreate)
    workspace = await request.services.workspaces.create(
        request.user, request.workspace_id, body.name, body.timezone, request.keep(_own)
    )
    return _own(workspace)


def _own(workspace: Workspace) -> WorkspaceOut:
    return WorkspaceOut.of(workspace, "owner")


async def update_workspace(request: ApiRequest) -> WorkspaceOut:
    """Changes the members that the body has."""
    body = request.body(WorkspaceUpdate)
    changes = body.given()
    workspace = await request.services.workspaces.update(
        request.workspace_id, request.path["id"], cast(WorkspaceChanges, changes)
    )
    return WorkspaceOut.of(workspace, "owner")


async def delete_workspace(request: ApiRequest) -> None:
    """Deletes a workspace."""
    await request.services.workspaces.delete(request.workspace_id, request.path["id"])


_TAG: Final = "Workspaces"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/workspaces",
        "listWorkspaces",
        "List workspaces",
        _TAG,
        list_workspaces,
        access="user",
        description="With an API key: its own workspace. Signed in: all of the user's.",
        out=list[WorkspaceOut],
    ),
    Operation(
        "POST",
        "/v1/workspaces",
        "createWorkspace",
        "Create a workspace",
        _TAG,
        create_workspace,
        access="account",
        status=201,
        description="In the account of the workspace that `X-Workspace-Id` names, for a signed-in owner of it.",
        body=WorkspaceCreate,
        out=WorkspaceOut,
        errors=(404,),
    ),
    Operation(
        "PATCH",
        "/v1/workspaces/{id}",
        "updateWorkspace",
        "Change a workspace",
        _TAG,
        update_workspace,
        access="account",
        description="For a signed-in owner of the account.",
        path_parameters={"id": "workspace"},
        body=WorkspaceUpdate,
        out=WorkspaceOut,
    ),
    Operation(
        "DELETE",
        "/v1/workspaces/{id}",
        "deleteWorkspace",
        "Delete a workspace",
        _TAG,
        delete_workspace,
        access="account",
        status=204,
        description=(
            "With everything in it, for a signed-in owner of the account. Refused while it has numbers or calls in "
            "progress, and for the account's last workspace."
        ),
        path_parameters={"id": "workspace"},
        errors=(409,),
    ),
)
