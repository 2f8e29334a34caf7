"""Alembic's entry: runs migrations on the connection that ``migrating`` brings along."""

from __future__ import annotations

from alembic import context

from evergrant.adapters.store.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
