"""Bodies of `/v1/members` (contract §16)."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.fields import Email, Timestamp, UuidOut
from engine.model import Role


class InvitationCreate(Input):
    """Whom to invite, and as what."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "berta@customer.example", "role": "viewer"}]})

    email: Email
    role: Role


class MemberUpdate(Input):
    """The new role of a member."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "owner"}]})

    role: Role


class MemberOut(Output):
    """A user's place in the workspace; `id` is that of the membership."""

    id: UuidOut
    user_id: UuidOut
    email: str
    name: str
    role: Role
    created_at: Timestamp


class InvitationOut(Output):
    """An invitation that nobody has accepted yet."""

    id: UuidOut
    email: str
    role: Role
    created_at: Timestamp
    expires_at: Timestamp


class InvitationCreated(InvitationOut):
    """A new invitation with its token, which is shown only here; the engine sends no mail."""

    token: str = Field(examples=["Zk3v9Q1mT7xW5bN2cR8dF4gH6jL0pS1aV3yE5uK7"])
