"""Bodies of `/v1/api-keys` (contract §16)."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.fields import Moment, PrintableName, Timestamp, UuidOut
from engine.model import Role


class ApiKeyCreate(Input):
    """A new key."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "ci", "role": "developer", "expiresAt": "2099-01-01T00:00:00.000Z"}]}
    )

    name: PrintableName
    role: Role = "developer"
    expires_at: Moment | None = None


class ApiKeyOut(Output):
    """A key as it can be recognised; `prefix` is how it begins."""

    id: UuidOut
    name: str
    prefix: str = Field(examples=["vlx_live_Zk3v"])
    role: Role
    created_at: Timestamp
    last_used_at: Timestamp | None
    expires_at: Timestamp | None
    revoked_at: Timestamp | None


class ApiKeyCreated(ApiKeyOut):
    """A new key with its text, which is shown only here."""

    key: str = Field(examples=["vlx_live_Zk3v9Q1mT7xW5bN2cR8dF4gH6jL0pS1aV3yE5uK7"])
