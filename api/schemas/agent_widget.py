"""Bodies of `/v1/agent-widget` (contract §17)."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.fields import Email, Label, Timestamp, UuidOut

_SHOWN_TOKEN = "voywt_Zk3v9Q1mT7xW5bN2cR8dF4gH6jL0pS1aV3yE5uK7"  # noqa: S105 - the form of a token, not one
_SHOWN_PASSWORD = "kq2ZkP0m3vT8xWb5N1cR9dF4gH6jL0pS7aV_yE-uK2s"  # noqa: S105 - the form of a password, not one


class WidgetSessionCreate(Input):
    """Whose phone the widget is to be; an agent that the workspace does not have yet is created, with this name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"agentEmail": "berta@customer.example", "displayName": "Berta, support"}]}
    )

    agent_email: Email
    display_name: Label | None = Field(None, description="Label of an agent that is created; others keep theirs")


class WidgetAgent(Output):
    """The agent of a widget session."""

    id: UuidOut
    username: str = Field(examples=["berta"])
    label: str | None


class WidgetSessionOut(Output):
    """A token for the phone of one agent, shown only here."""

    token: str = Field(examples=[_SHOWN_TOKEN])
    widget_url: str = Field(
        examples=[f"https://voice.customer.example/embed?token={_SHOWN_TOKEN}"],
        description="Where the phone itself will be; this version does not serve it",
    )
    expires_at: Timestamp
    agent: WidgetAgent


class IceServer(Output):
    """A STUN or TURN server, as browsers take it."""

    urls: list[str]
    username: str | None
    credential: str | None


class WidgetLineOut(Output):
    """What a phone registers and calls with for an hour."""

    ws_uri: str | None = Field(
        examples=["wss://voice.customer.example:5063"], description="SIP over WebSocket; null where the engine has none"
    )
    sip_uri: str = Field(examples=["sip:berta@voice.customer.example"])
    username: str = Field(examples=["berta~6a3b1f80"], description="For authentication; registers `sipUri` too")
    password: str = Field(examples=[_SHOWN_PASSWORD])
    ice_servers: list[IceServer] = Field(description="Empty: this version has no audio over WebRTC")
    caller_numbers: list[str] = Field(
        examples=[["+97142345678"]], description="The number that calls to telephones present; empty for none"
    )
