"""The tables of the store. Times are integer milliseconds (UTC), money integer ten-thousandths, JSON is text.

Enumerations carry no CHECK constraint: their values are checked where they enter, and a new value needs no migration.
A change here needs a migration in `migrations/versions`; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMA_REVISION: Final = "0015"
"""The newest migration; a database that says so needs no upgrade."""

TERMINAL_EVENTS: Final = ("call.completed", "call.failed")

# SQLite numbers rows by itself only when the column is exactly INTEGER.
_Sequence: Final = BigInteger().with_variant(Integer, "sqlite")
_Uuid: Final = String(36)
_ShortId: Final = String(24)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta: Final = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("number", BigInteger),
    Column("text", Text),
)

config_changes: Final = Table(
    "config_changes",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("entity_id", _Uuid, nullable=False),
)

accounts: Final = Table(
    "accounts",
    metadata,
    Column("id", _ShortId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

workspaces: Final = Table(
    "workspaces",
    metadata,
    Column("id", _ShortId, primary_key=True),
    Column("account_id", _ShortId, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

users: Final = Table(
    "users",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_folded", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("email_folded"),
)

memberships: Final = Table(
    "memberships",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", _Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("workspace_id", "user_id"),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("created_by", _Uuid),
    UniqueConstraint("key_hash"),
    Index(None, "workspace_id", "created_at", "id"),
)

# Of tokens, as of keys, only the hash is kept.
sessions: Final = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", _Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

invitations: Final = Table(
    "invitations",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("email", Text, nullable=False),
    Column("email_folded", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    UniqueConstraint("token_hash"),
    UniqueConstraint("workspace_id", "email_folded"),
    Index(None, "workspace_id", "created_at", "id"),
)

applications: Final = Table(
    "applications",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("action_url", Text),
    Column("action_url_headers", Text, nullable=False),
    Column("xml_template", Text),
    Column("finished_url", Text),
    Column("finished_url_headers", Text, nullable=False),
    Column("inbound_trunk_id", _Uuid),
    Column("recording", String(16), nullable=False),
    Column("allowed_caller_ids", Text, nullable=False),
    Column("signing_secret", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "workspace_id", "created_at", "id"),
)

_ATTACHED: Final = applications.c.inbound_trunk_id.is_not(None)
Index(
    "uq_applications_inbound_trunk_id",
    applications.c.inbound_trunk_id,
    unique=True,
    sqlite_where=_ATTACHED,
    postgresql_where=_ATTACHED,
)

# A number keeps the id of a deleted application (contract §7.2), so its destination is no foreign key.
numbers: Final = Table(
    "numbers",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id"), nullable=False),
    Column("e164", String(20), nullable=False),
    Column("label", Text),
    Column("search_text", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("country", String(2)),
    Column("status", String(16), nullable=False),
    Column("inbound_enabled", Boolean(create_constraint=False), nullable=False),
    Column("outbound_enabled", Boolean(create_constraint=False), nullable=False),
    Column("destination_kind", String(16)),
    Column("destination_id", _Uuid),
    Column("channels", Integer),
    Column("rental_id", _Uuid),
    Column("sip", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("e164"),
    Index(None, "workspace_id", "created_at", "id"),
)

# SIP usernames are unique on the server: one SIP domain serves every workspace. Those of trunks have a form that no
# agent's has, so each table's constraint is enough. Numbers may be deleted while trunks and agents name them.
agents: Final = Table(
    "agents",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id"), nullable=False),
    Column("username", String(64), nullable=False),
    Column("password", Text, nullable=False),
    Column("label", Text),
    Column("search_text", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_folded", Text, nullable=False),
    Column("outbound_number_id", _Uuid),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("username"),
    UniqueConstraint("workspace_id", "email_folded"),
    Index(None, "workspace_id", "created_at", "id"),
)

widget_sessions: Final = Table(
    "widget_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("agent_id", _Uuid, ForeignKey("agents.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

inbound_trunks: Final = Table(
    "inbound_trunks",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("destinations", Text, nullable=False),
    Column("failover", Text, nullable=False),
    Column("health_enabled", Boolean(create_constraint=False), nullable=False),
    Column("health_interval_s", Integer, nullable=False),
    Column("record", Boolean(create_constraint=False), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "workspace_id", "created_at", "id"),
)

outbound_trunks: Final = Table(
    "outbound_trunks",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("username", String(64), nullable=False),
    Column("password", Text, nullable=False),
    Column("allowed_source_ips", Text, nullable=False),
    Column("allowed_number_ids", Text, nullable=False),
    Column("default_number_id", _Uuid),
    Column("routing_rules", Text, nullable=False),
    Column("max_channels", Integer, nullable=False),
    Column("record", Boolean(create_constraint=False), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("username"),
    Index(None, "workspace_id", "created_at", "id"),
)

calls: Final = Table(
    "calls",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("public_id", _ShortId, nullable=False),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id"), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("from_number", Text, nullable=False),
    Column("to_number", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("number_id", _Uuid),
    Column("application_id", _Uuid),
    Column("trunk_id", _Uuid),
    Column("destination_kind", String(16), nullable=False),
    Column("destination_id", _Uuid),
    Column("variables", Text, nullable=False),
    Column("outcome", String(16)),
    Column("hangup_by", String(16)),
    Column("hangup_cause", String(32)),
    Column("sip_code", Integer),
    Column("answered_by", String(16)),
    Column("started_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("ring_s", Integer),
    Column("duration_s", Integer),
    Column("billed_s", Integer),
    Column("cost", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("routing_attempts", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("media", Text),
    UniqueConstraint("public_id"),
    # One for each filter of the list of calls, so that none of them reads through millions of records.
    Index(None, "workspace_id", "created_at", "id"),
    Index(None, "workspace_id", "direction", "created_at", "id"),
    Index(None, "workspace_id", "outcome", "created_at", "id"),
    Index(None, "workspace_id", "application_id", "created_at", "id"),
    Index(None, "workspace_id", "number_id", "created_at", "id"),
    Index(None, "workspace_id", "from_number", "created_at", "id"),
    Index(None, "workspace_id", "to_number", "created_at", "id"),
)
Index(
    "ix_calls_trunk",
    calls.c.workspace_id,
    calls.c.trunk_id,
    calls.c.created_at,
    calls.c.id,
    sqlite_where=calls.c.trunk_id.is_not(None),
    postgresql_where=calls.c.trunk_id.is_not(None),
)
Index(
    "ix_calls_pending",
    calls.c.workspace_id,
    calls.c.created_at,
    calls.c.id,
    sqlite_where=calls.c.ended_at.is_(None),
    postgresql_where=calls.c.ended_at.is_(None),
)

# A telephone that an answered Dial of a call has reached over a number of the workspace. `cost` and `billed_s` come
# with the end of the call.
call_legs: Final = Table(
    "call_legs",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("call_id", _Uuid, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("number_id", _Uuid, nullable=False),
    Column("to_number", Text, nullable=False),
    Column("answered_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("duration_s", Integer),
    Column("billed_s", Integer),
    Column("cost", BigInteger),
)

# Answered calls by the quarter of an hour in which they were made, added up in the transactions that close them, so
# that a report need not read every call. `number_id` is empty for calls over no number.
usage_totals: Final = Table(
    "usage_totals",
    metadata,
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("number_id", String(36), primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("billed_s", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
)

# The outbox: what happened, in the order of `seq`, written in the transaction of the state that it describes.
call_events: Final = Table(
    "call_events",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("id", _ShortId, nullable=False),
    Column("workspace_id", _ShortId, nullable=False),
    Column("type", String(40), nullable=False),
    Column("call_id", _Uuid, ForeignKey("calls.id", ondelete="CASCADE"), index=True),
    Column("payload", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("id"),
    # A reader of the outbox remembers the last `seq`: no number may come back after rows were deleted.
    sqlite_autoincrement=True,
)
_WITHOUT_CALL: Final = call_events.c.call_id.is_(None)
Index(
    "ix_call_events_without_call",
    call_events.c.workspace_id,
    call_events.c.seq,
    sqlite_where=_WITHOUT_CALL,
    postgresql_where=_WITHOUT_CALL,
)
_TERMINAL: Final = text("type IN ('call.completed', 'call.failed')")
Index(
    "uq_call_events_terminal",
    call_events.c.call_id,
    unique=True,
    sqlite_where=_TERMINAL,
    postgresql_where=_TERMINAL,
)

webhooks: Final = Table(
    "webhooks",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("description", Text),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("headers", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("secret_prefix", String(16), nullable=False),
    Column("previous_secret", Text),
    Column("previous_until", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "workspace_id", "created_at", "id"),
)

# What is sent where: an event to a webhook or to the finished URL of an application. The payload is that of the event.
# No foreign keys: a row is written beside every event, and must not have to look anything up.
deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("workspace_id", _ShortId, nullable=False),
    Column("target_kind", String(16), nullable=False),
    Column("target_id", _Uuid, nullable=False),
    Column("event_id", _ShortId, nullable=False),
    Column("event_type", String(40), nullable=False),
    Column("call_id", _Uuid),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("response_status", Integer),
    Column("last_error", Text),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("delivered_at", BigInteger),
    Column("target_url", Text, nullable=False),
    Column("request_headers", Text, nullable=False),
    Column("response_body", Text),
    # As sent, where that differs from the event's.
    Column("payload", Text),
    Index(None, "target_id", "created_at", "id"),
)
_PENDING: Final = text("status = 'pending'")
Index(
    "ix_deliveries_pending",
    deliveries.c.target_id,
    deliveries.c.next_attempt_at,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)

# Chunks of log entries as they were flushed. No foreign key: an append looks nothing up.
call_log: Final = Table(
    "call_log",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("call_id", _Uuid, nullable=False, index=True),
    Column("entries", Text, nullable=False),
)

# The audio itself is a file under the data directory.
recordings: Final = Table(
    "recordings",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("call_id", _Uuid, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("workspace_id", _ShortId, nullable=False),
    Column("source", String(16), nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("channels", Integer, nullable=False),
    Column("format", String(8), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
)

idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("workspace_id", _ShortId, ForeignKey("workspaces.id"), primary_key=True),
    Column("method", String(8), primary_key=True),
    Column("path", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("result", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "created_at"),
)
