"""What the movers carry: rows that were read, lines of a plan, and the report of all of them.

Answers for: these values. Does not answer for: reading, deciding or doing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Books", "Cell", "Entry", "Outcome", "Report", "Row", "Sealed", "Step", "Table", "Thing"]


class Table(StrEnum):
    """The tables that are understood, by the names that they have in the database moved from."""

    APPLICATIONS = "integration"
    CREDENTIALS = "integration_credentials"
    INSTANCES = "client"
    ACCOUNTS = "account_amazon"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret in an export of ours: it opens with the passphrase and in its own place only."""

    ciphertext: bytes = field(repr=False)


def place_of(line: int, number: int) -> str:
    return str(line) if line == number else f"{line}/{number}"


#: Text as it stood there, None for NULL, or something sealed.
Cell = str | Sealed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as it was read, by the names of its columns. May hold secrets: never printed."""

    table: Table
    line: int  # of the file, from 1; in JSON, where lines mean nothing, equal to ``number``
    number: int  # of the row in its table, from 1
    cells: Mapping[str, Cell] = field(repr=False)
    faults: Mapping[str, str] = field(default_factory=dict)  # by column; "": of the row as a whole

    @property
    def place(self) -> str:
        """``41``; where a line holds many rows, ``41/7`` with the number of the row."""
        return place_of(self.line, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All that was read. ``sealing``: how the secrets of an export of ours are sealed; ``ours``:
    it is one."""

    rows: tuple[Row, ...] = field(repr=False)
    notices: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)  # what was passed over, and how often
    ours: bool = False
    sealing: Mapping[str, object] | None = None


class Thing(StrEnum):
    """What one line of a plan is about."""

    INSTANCE = "client instance"
    APPLICATION = "application"
    CREDENTIALS = "credentials"
    ACCOUNT = "account"
    AUTHORIZATION = "authorization"
    ROW = "row"  # it could not be told what it is


class Step(StrEnum):
    """What is done on a line."""

    ADD = "add"
    COMPLETE = "complete"  # it exists, and what it lacks is filled in
    LEAVE = "leave"  # exists already
    ASK = "ask"  # nothing, until a person has decided
    REFUSE = "refuse"  # nothing, because it cannot be right


class Outcome(StrEnum):
    """What became of a line that was carried out."""

    DONE = "done"
    FAILED = "failed"  # it will fail again until something is changed
    AGAIN = "again"  # run the same import again


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a plan, later of the report. Free of secrets."""

    table: Table
    line: int
    number: int
    thing: Thing
    name: str
    step: Step
    why: str = ""  # of a refusal or question, or what went wrong
    notices: tuple[str, ...] = ()  # what was recognised and changed or left out
    questions: tuple[str, ...] = ()  # what a person should see to; the line goes on without
    outcome: Outcome | None = None

    @property
    def place(self) -> str:
        return place_of(self.line, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Line by line what would happen, or happened."""

    carried_out: bool
    entries: tuple[Entry, ...]
    notices: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[Thing, dict[str, int]]:
        """By thing, how many lines take which step, or came to which end."""
        found: dict[Thing, Counter[str]] = {}
        for one in self.entries:
            word = one.step.value if one.outcome is None else one.outcome.value
            found.setdefault(one.thing, Counter())[word] += 1
        return {thing: dict(counter) for thing, counter in found.items()}

    @property
    def clean(self) -> bool:
        """Nothing was refused, nothing failed, nobody has to decide first."""
        return all(
            one.step not in (Step.REFUSE, Step.ASK)
            and one.outcome not in (Outcome.FAILED, Outcome.AGAIN)
            for one in self.entries
        )
