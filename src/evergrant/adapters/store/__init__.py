"""The store on PostgreSQL: tables, shelves, locks, migrations, dumps.

Answers for: ``ports.Store`` and the life of its database. Does not answer for: what the rooms
keep in it.
"""

from __future__ import annotations

from evergrant.adapters.store.dumps import dump, restore
from evergrant.adapters.store.migrating import migrate, newest_version, schema_version
from evergrant.adapters.store.postgres import PostgresStore, open_store

__all__ = [
    "PostgresStore",
    "dump",
    "migrate",
    "newest_version",
    "open_store",
    "restore",
    "schema_version",
]
