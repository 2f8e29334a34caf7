"""The kinds of columns that tables are made of.

Answers for: one word per kind of column, and the names of keys. Does not answer for: which table
has which (``tables``, ``watched_tables``).

Ids are compared byte by byte (collation "C") in every database, so that their order is that of
their creation.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

__all__ = [
    "METADATA",
    "big_number",
    "fraction",
    "instant",
    "json_object",
    "named",
    "number",
    "numbers",
    "own_id",
    "ref",
    "shelf",
    "string",
    "strings",
    "yes_no",
]

METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
    }
)


def own_id(of: str | None = None) -> Column[str]:
    known = (ForeignKey(f"{of}.id"),) if of else ()
    return Column("id", Text(collation="C"), *known, primary_key=True)


def ref(name: str, of: str, *, null: bool = False, later: bool = False) -> Column[str]:
    """``later``: two tables point to each other, so this way is added when both are there."""
    known = ForeignKey(f"{of}.id", use_alter=later)
    return Column(name, Text(collation="C"), known, nullable=null)


def named(name: str, *, null: bool = False) -> Column[str]:
    """The id of a thing that may go before this row does: no key holds it."""
    return Column(name, Text(collation="C"), nullable=null)


def string(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def strings(name: str, *, null: bool = False) -> Column[list[str]]:
    return Column(name, ARRAY(Text), nullable=null)


def instant(name: str, *, null: bool = False) -> Column[datetime]:
    return Column(name, DateTime(timezone=True), nullable=null)


def yes_no(name: str, *, null: bool = False) -> Column[bool]:
    return Column(name, Boolean, nullable=null)


def number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def numbers(name: str, *, null: bool = False) -> Column[list[int]]:
    return Column(name, ARRAY(Integer), nullable=null)


def big_number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def fraction(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


def json_object(name: str) -> Column[Any]:
    return Column(name, JSONB, nullable=False)


def shelf(name: str, *parts: Column[Any] | UniqueConstraint | Index) -> Table:
    return Table(name, METADATA, *parts)
