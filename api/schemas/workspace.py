"""Bodies of `/v1/workspaces` (contract §16)."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.fields import PrintableName, TextRule, Timestamp
from engine.model import Role, Workspace
from engine.workspaces import is_timezone


def _timezone(text: str) -> str:
    if not is_timezone(text):
        raise ValueError("no such time zone")
    return text


Timezone = Annotated[
    str,
    TextRule(
        "must be an IANA time zone such as Africa/Cairo",
        64,
        1,
        pattern="^[A-Za-z0-9_+/-]+$",
        convert=_timezone,
        extra={"examples": ["Africa/Cairo"]},
    ),
]


class WorkspaceCreate(Input):
    """A new workspace."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Support", "timezone": "UTC"}]})

    name: PrintableName
    timezone: Timezone = "UTC"


class WorkspaceUpdate(Input):
    """Members of a workspace to change; those that are absent stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Support, night"}]})

    # A default factory keeps the member optional without allowing null; the default itself is never used.
    name: PrintableName = Field(default_factory=str)
    timezone: Timezone = Field(default_factory=str)


class WorkspaceOut(Output):
    """A workspace and the caller's role in it."""

    id: str = Field(examples=["ws_0a1b2c3d4e5f"])
    name: str
    account_id: str = Field(examples=["acc_0a1b2c3d4e5f"])
    timezone: str
    role: Role
    created_at: Timestamp

    @classmethod
    def of(cls, workspace: Workspace, role: Role) -> WorkspaceOut:
        """The object of `workspace` for somebody with this role."""
        return cls(
            id=workspace.id,
            name=workspace.name,
            account_id=workspace.account_id,
            timezone=workspace.timezone,
            role=role,
            created_at=workspace.created_at,
        )
