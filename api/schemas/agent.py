"""Bodies of `/v1/agents` (contract §17)."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from api.schemas.common import Input, Output
from api.schemas.fields import AgentUsername, Email, Label, Timestamp, Uuid, UuidOut
from engine.model import Agent

_SHOWN_PASSWORD = "Xk7mQ2vB9sLd4TfWn6Rp"  # noqa: S105 - the form of a generated password, not one


class AgentCreate(Input):
    """A new agent; without `username` it is made from the e-mail address."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "berta@customer.example", "label": "Berta, support"}]}
    )

    email: Email
    username: AgentUsername | None = None
    label: Label | None = None
    outbound_number_id: Uuid | None = None


class AgentUpdate(Input):
    """Members of an agent to change; those that are absent stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"label": "Berta, sales", "outboundNumberId": None}]})

    # A default factory keeps the member optional without allowing null; the default itself is never used.
    email: Email = Field(default_factory=str)
    label: Label | None = None
    outbound_number_id: Uuid | None = None


class AgentOut(Output):
    """An agent; `registered` tells whether a phone of theirs is."""

    id: UuidOut
    username: str = Field(examples=["berta"])
    label: str | None
    email: str
    outbound_number_id: UuidOut | None
    registered: bool
    created_at: Timestamp

    @classmethod
    def of(cls, agent: Agent, *, registered: bool) -> AgentOut:
        """The object of `agent`."""
        return cls(
            id=agent.id,
            username=agent.username,
            label=agent.label,
            email=agent.email,
            outbound_number_id=agent.outbound_number_id,
            registered=registered,
            created_at=agent.created_at,
        )


class AgentCreated(AgentOut):
    """A new agent with the address and the password of the phone; the password is shown only here."""

    uri: str = Field(examples=["sip:berta@voice.customer.example"])
    password: str = Field(examples=[_SHOWN_PASSWORD])


class SipCredentialsOut(Output):
    """What to set a phone or a PBX up with; the password is shown only here."""

    username: str
    password: str = Field(examples=[_SHOWN_PASSWORD])
    uri: str = Field(examples=["sip:t_5c4d3e2f1a0b@voice.customer.example"])
