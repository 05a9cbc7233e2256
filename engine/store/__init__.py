"""The store: tables, migrations, queries, and the writer that turns many writes into few transactions.

Nobody else in the engine writes SQL. `Store` is opened once per process; the modules named after a resource hold the
queries about it.
"""

from engine.store import billing_tables as _billing_tables  # noqa: F401 - adds its tables to the metadata
from engine.store.database import DatabaseUrlInvalid, Store, Synchronous, revision_of
from engine.store.migration import SchemaUnknown
from engine.store.prepared import PreparedQuery, RowStatement
from engine.store.tables import SCHEMA_REVISION
from engine.store.writer import Row, run_rows

__all__ = [
    "SCHEMA_REVISION",
    "DatabaseUrlInvalid",
    "PreparedQuery",
    "Row",
    "RowStatement",
    "SchemaUnknown",
    "Store",
    "Synchronous",
    "revision_of",
    "run_rows",
]
