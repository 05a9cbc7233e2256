"""The tables of billing (contract §15): price book, plans, wallets, ledger, top-ups. Money is integer ten-thousandths.

The ledger is double entry: the entries of a transaction sum to zero, and no cause is posted twice. The balance of a
wallet is the sum of its entries in the book `wallet`, kept beside them so that no request has to add up.
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
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

from engine.store.tables import metadata

_Sequence: Final = BigInteger().with_variant(Integer, "sqlite")
_Uuid: Final = String(36)
_ShortId: Final = String(24)

price_books: Final = Table(
    "price_books",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("currency", String(3), nullable=False),
    Column("increment_s", Integer, nullable=False),
    Column("imported_at", BigInteger, nullable=False),
)

price_countries: Final = Table(
    "price_countries",
    metadata,
    Column("country", String(2), primary_key=True),
    Column("name", Text, nullable=False),
    Column("did_price", BigInteger, nullable=False),
    Column("channel_price", BigInteger, nullable=False),
    Column("local_rate", BigInteger, nullable=False),
    Column("international_rate", BigInteger, nullable=False),
    Column("kyc", Text),
)

price_rates: Final = Table(
    "price_rates",
    metadata,
    Column("country", String(2), ForeignKey("price_countries.country", ondelete="CASCADE"), primary_key=True),
    Column("prefix", String(20), primary_key=True),
    Column("per_minute", BigInteger, nullable=False),
)

# A plan that a price book no longer has stays for the accounts that are on it.
plans: Final = Table(
    "plans",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("code", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("monthly_price", BigInteger, nullable=False),
    Column("included_minutes", Integer, nullable=False),
    Column("overage_per_minute", BigInteger, nullable=False),
    Column("max_workspaces", Integer),
    Column("currency", String(3), nullable=False),
    Column("offered", Boolean(create_constraint=False), nullable=False),
    UniqueConstraint("code"),
)

account_plans: Final = Table(
    "account_plans",
    metadata,
    Column("account_id", _ShortId, ForeignKey("accounts.id"), primary_key=True),
    Column("plan_id", _Uuid, ForeignKey("plans.id"), nullable=False, index=True),
    Column("since", BigInteger, nullable=False),
    Column("period_start", BigInteger, nullable=False, server_default="0"),
    Column("period_end", BigInteger, nullable=False, server_default="0"),
    Column("paid", Boolean(create_constraint=False), nullable=False, server_default=true()),
    Column("next_plan_id", _Uuid),
)

plan_usage: Final = Table(
    "plan_usage",
    metadata,
    Column("account_id", _ShortId, ForeignKey("accounts.id"), primary_key=True),
    Column("period_start", BigInteger, primary_key=True, autoincrement=False),
    Column("used_s", BigInteger, nullable=False),
    Column("taken_s", BigInteger, nullable=False, server_default="0"),
    Column("included_s", BigInteger),
)

wallets: Final = Table(
    "wallets",
    metadata,
    Column("account_id", _ShortId, ForeignKey("accounts.id"), primary_key=True),
    Column("balance", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("low_threshold", BigInteger),
    Column("low", Boolean(create_constraint=False), nullable=False, server_default=false()),
)

# What running calls may still cost: gone with the end of the call. No foreign key, as a call's row may come later. For
# a telephone that a call has dialled, `call_id` is the leg's and `dialled_by` the call's.
reservations: Final = Table(
    "reservations",
    metadata,
    Column("call_id", _Uuid, primary_key=True),
    Column("account_id", _ShortId, nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("plan_s", BigInteger, nullable=False),
    Column("period_start", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("dialled_by", _Uuid, index=True),
)

# What a transaction is about outlives it: a call or a rental may be deleted, what was paid for it stays.
ledger_transactions: Final = Table(
    "ledger_transactions",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("id", _Uuid, nullable=False),
    Column("account_id", _ShortId, ForeignKey("accounts.id"), nullable=False),
    Column("cause", String(16), nullable=False),
    Column("cause_id", String(80), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance_after", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("description", Text, nullable=False),
    Column("call_id", _Uuid),
    Column("rental_id", _Uuid),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("id"),
    UniqueConstraint("cause", "cause_id"),
    Index(None, "account_id", "seq"),
    Index(None, "account_id", "created_at"),
)

ledger_entries: Final = Table(
    "ledger_entries",
    metadata,
    Column("transaction_id", _Uuid, ForeignKey("ledger_transactions.id"), primary_key=True),
    Column("book", String(16), primary_key=True),
    Column("account_id", _ShortId, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Index(None, "account_id", "book"),
)

topups: Final = Table(
    "topups",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("account_id", _ShortId, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
)

billing_accounts: Final = Table(
    "billing_accounts",
    metadata,
    Column("account_id", _ShortId, ForeignKey("accounts.id"), primary_key=True),
    Column("timezone", String(64), nullable=False),
    Column("customer", Text, nullable=False),
    Column("invoiced_until", BigInteger),
    Column("invoiced_seq", BigInteger, nullable=False),
)

# A rental outlives its workspace and its number, for the sake of what was paid for it.
rentals: Final = Table(
    "rentals",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("account_id", _ShortId, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("workspace_id", _ShortId, nullable=False),
    Column("country", String(2), nullable=False),
    Column("area_code", String(16)),
    Column("channels", Integer, nullable=False),
    Column("status", String(24), nullable=False),
    Column("did_price", BigInteger, nullable=False),
    Column("channel_price", BigInteger, nullable=False),
    Column("paid", BigInteger, nullable=False),
    Column("fields", Text, nullable=False),
    Column("note", Text),
    Column("number_id", _Uuid),
    Column("e164", String(20)),
    Column("anchor", BigInteger),
    Column("period_start", BigInteger),
    Column("period_end", BigInteger, index=True),
    Column("released_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "workspace_id", "created_at", "id"),
)

rental_documents: Final = Table(
    "rental_documents",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("rental_id", _Uuid, ForeignKey("rentals.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("filename", Text, nullable=False),
    Column("content_type", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("rental_id", "name"),
)

# What an invoice says never changes: its parties and lines are kept as they were. `seq` has no gaps.
invoices: Final = Table(
    "invoices",
    metadata,
    Column("id", _Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("account_id", _ShortId, ForeignKey("accounts.id"), nullable=False),
    Column("number", String(40), nullable=False),
    Column("period_start", BigInteger, nullable=False),
    Column("period_end", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("seller", Text, nullable=False),
    Column("customer", Text, nullable=False),
    Column("lines", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    UniqueConstraint("seq"),
    UniqueConstraint("account_id", "period_start"),
)
