"""The tables of the gallery: filters that operators keep, words by which accounts are found.

Answers for: names, columns, keys and indexes, the same as in the migrations (a test compares
them). Does not answer for: all other tables (``tables``). What the words are is decided by a
function of the migrations, which triggers call, so that no writer of accounts has to know of them.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from evergrant.adapters.store.columns import METADATA, instant, named, own_id, ref, shelf, string
from evergrant.ports import store as ports

__all__ = ["ACCOUNT_WORDS", "BOARDS"]

BOARDS: tuple[Table, ...] = (
    shelf(
        "saved_filters",
        own_id(),
        ref("operator_id", "operators"),
        string("name"),
        string("query"),
        instant("created_at"),
        instant("changed_at"),
        UniqueConstraint("operator_id", "name", name=ports.ONE_FILTER_PER_NAME),
    ),
)

#: ``source``: "account" or "partner", whose trigger wrote it; "name": the whole name, by which
#: lists are sorted.
ACCOUNT_WORDS = Table(
    "account_words",
    METADATA,
    Column(
        "account_id",
        Text(collation="C"),
        ForeignKey("accounts.id", ondelete="CASCADE"),
        nullable=False,
    ),
    named("source"),
    named("word"),
    PrimaryKeyConstraint("account_id", "source", "word", name="account_words_pkey"),
    Index("account_words_word_idx", "word", "account_id"),
    Index(
        "account_words_name_idx",
        "word",
        "account_id",
        postgresql_where=text("source = 'name'"),
    ),
)
