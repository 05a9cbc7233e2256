"""Bodies of `/v1/auth` (contract §2)."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.fields import Password, PrintableName, TextRule, Timestamp, UuidOut
from api.schemas.workspace import WorkspaceOut

GivenEmail = Annotated[str, TextRule("must be at most 254 characters", 254, pattern="^[^\\u0000]*$")]
GivenPassword = Annotated[str, TextRule("must be at most 128 characters", 128)]
"""What is typed at the sign-in is compared, not judged."""

Token = Annotated[str, TextRule("must be the token of an invitation", 40, 40, pattern="^[A-Za-z0-9]+$")]


class Login(Input):
    """E-mail address and password of a console user."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "owner@localhost", "password": "correct-horse-battery"}]}
    )

    email: GivenEmail
    password: GivenPassword


class InvitationAccept(Input):
    """The token of an invitation; a user who has none yet chooses a password, any other gives theirs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "token": "Zk3v9Q1mT7xW5bN2cR8dF4gH6jL0pS1aV3yE5uK7",
                    "password": "correct-horse-battery",
                    "name": "Berta",
                }
            ]
        }
    )

    token: Token
    password: Password
    name: PrintableName | None = Field(
        None, description="Of a new user; the part of the address before the @ when absent"
    )


class UserOut(Output):
    """A console user."""

    id: UuidOut
    email: str = Field(examples=["owner@localhost"])
    name: str
    created_at: Timestamp


class SignedInOut(Output):
    """Who is signed in, and the workspaces they may name in `X-Workspace-Id`."""

    user: UserOut
    workspaces: list[WorkspaceOut]
