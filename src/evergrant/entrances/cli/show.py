"""What a command prints: tables for people, JSON for programs.

Answers for: frozen values becoming plain ones. What a value hides from its own ``repr`` (password
hashes, digests, ciphertexts) is left out here as well. Does not answer for: secrets that are to
be shown once; a command prints those itself.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import typer

from evergrant.rules.secrecy import Secret

__all__ = ["Json", "page", "plain", "say", "show_json", "table", "thing"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def plain(value: Any) -> Any:
    """``value`` as JSON knows it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.repr
        }
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def say(text: str) -> None:
    """One line on standard output."""
    print(text)  # noqa: T201


def remark(text: str) -> None:
    """A line for the person, beside the output that a program may read."""
    print(text, file=sys.stderr)  # noqa: T201


def show_json(value: Any) -> None:
    say(json.dumps(plain(value), indent=2, ensure_ascii=False))


def thing(value: Any, *, as_json: bool, extra: Mapping[str, Any] | None = None) -> None:
    """One thing: JSON, or its fields one below the other."""
    fields = {**plain(value), **plain(extra or {})}
    if as_json:
        show_json(fields)
        return
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in _flat(fields):
        grid.add_row(name.replace("_", " "), text)
    _console().print(grid)


def table(
    rows: Sequence[Any], columns: Sequence[str], *, as_json: bool, next: str | None = None
) -> None:
    """Many things. As JSON ``{"items": [...], "next": id or null}`` with all of their fields;
    as a table the named columns, ``a.b`` meaning field ``b`` of field ``a``."""
    items = [plain(row) for row in rows]
    if as_json:
        show_json({"items": items, "next": next})
        return
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column.rpartition(".")[2].replace("_", " "), overflow="fold")
    for item in items:
        drawn.add_row(*(_cell(_dig(item, column)) for column in columns))
    if items:
        _console().print(drawn)
    else:
        remark("Nothing here yet.")
    if next:
        remark(f"There is more: --after {next}")


def page(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], bool]:
    """Of ``limit + 1`` rows asked for: those to show, and whether there is more."""
    return rows[:limit], len(rows) > limit


def _console() -> Any:
    from rich.console import Console

    # A pipe has no width; cutting ids to 80 columns would make them useless.
    return Console(
        width=None if sys.stdout.isatty() else 200, highlight=False, markup=False, emoji=False
    )


def _dig(item: Any, path: str) -> Any:
    for part in path.split("."):
        item = item.get(part) if isinstance(item, Mapping) else None
    return item


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value) or "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_cell(item)}" for key, item in value.items()) or "-"
    return _printable(str(value))


def _printable(text: str) -> str:
    """Names come from outside; a control character in one must not steer the terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def _flat(fields: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    for name, value in fields.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for number, item in enumerate(value, 1):
                yield f"{path} {number}", _cell(item)
        else:
            yield path, _cell(value)
