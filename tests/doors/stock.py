"""What several commands put into a house, kept for the tests that begin with the same."""

from __future__ import annotations

import copy
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

#: Older stock is made anew: tests say what is so within minutes of its making.
LIFE_S = 120
#: Of the fakes of Amazon: what belongs to the test that they were made for.
THEIR_OWN = frozenset({"_clock", "_lwa", "_gate", "_held", "close"})
TABLES = """
    SELECT schemaname, tablename FROM pg_tables
     WHERE schemaname IN ('public', 'procrastinate') AND tablename <> 'alembic_version'
"""
SEQUENCES = """
    SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL
"""


@dataclass(frozen=True)
class Stock:
    """Rows of a database, its key ring, and what the fakes of Amazon know."""

    made_at_s: float
    rows: dict[tuple[str, str], bytes]
    sequences: list[tuple[str, str, int]]
    home: Path
    fakes: list[dict[str, Any]]

    @classmethod
    def of(cls, database_url: str, home: Path, kept: Path, *fakes: object) -> Stock:
        """`kept` is a folder that stands as long as the stock is used."""
        rows: dict[tuple[str, str], bytes] = {}
        with psycopg.connect(database_url) as connection:
            for schema, name in connection.execute(TABLES).fetchall():
                out = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, name))
                with connection.cursor().copy(out) as copied:
                    if content := b"".join(bytes(piece) for piece in copied):
                        rows[schema, name] = content
            sequences = connection.execute(SEQUENCES).fetchall()
        shutil.copytree(home, kept / "home")
        known = [copy.deepcopy(_known(fake)) for fake in fakes]
        return cls(time.monotonic(), rows, sequences, kept / "home", known)

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() < self.made_at_s + LIFE_S

    def put(self, database_url: str, home: Path, *fakes: object) -> None:
        """In the place of what a house has that was migrated and no more."""
        with psycopg.connect(database_url) as connection:
            # Without the triggers that keep the journal and the references.
            connection.execute("SET LOCAL session_replication_role = replica")
            for names, content in self.rows.items():
                table = sql.Identifier(*names)
                connection.execute(sql.SQL("DELETE FROM {}").format(table))
                into = sql.SQL("COPY {} FROM STDIN").format(table)
                with connection.cursor().copy(into) as copied:
                    copied.write(content)
            for schema, name, last in self.sequences:
                sequence = sql.Literal(f'"{schema}"."{name}"')
                connection.execute(sql.SQL("SELECT setval({}, {})").format(sequence, last))
        shutil.copytree(self.home, home, dirs_exist_ok=True)
        for fake, known in zip(fakes, self.fakes, strict=True):
            vars(fake).update(copy.deepcopy(known))


def _known(fake: object) -> dict[str, Any]:
    return {name: value for name, value in vars(fake).items() if name not in THEIR_OWN}
