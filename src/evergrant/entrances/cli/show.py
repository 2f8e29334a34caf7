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

__all__ = ["Json", "page", "plain", "remark", "say", "show_json", "table", "thing"]

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
    from evergrant.entrances.cli.drawing import draw_grid

    draw_grid(fields)


def table(
    rows: Sequence[Any],
    columns: Sequence[str | tuple[str, str]],
    *,
    as_json: bool,
    next: str | None = None,
    names: Mapping[str, str] | None = None,
    optional: Sequence[str] = (),
    empty: str = "Nothing here yet.",
) -> None:
    """Many things. As JSON ``{"items": [...], "next": id or null}`` with all of their fields;
    as a table the named columns, ``a.b`` meaning field ``b`` of field ``a``, a pair naming its
    heading as well; ``optional`` headings are left out where the terminal is narrow. ``names``
    are shown to people in the place of ids."""
    items = [plain(row) for row in rows]
    if as_json:
        show_json({"items": items, "next": next})
        return
    if items:
        from evergrant.entrances.cli.drawing import draw_table

        headed = [(one, _heading(one)) if isinstance(one, str) else one for one in columns]
        draw_table([_named(item, names or {}) for item in items], headed, optional=optional)
    else:
        remark(empty)
    if next:
        remark(f"There is more: --after {next}")


def page(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], bool]:
    """Of ``limit + 1`` rows asked for: those to show, and whether there is more."""
    return rows[:limit], len(rows) > limit


def _heading(path: str) -> str:
    return path.rpartition(".")[2].replace("_", " ")


def _named(item: Any, names: Mapping[str, str]) -> Any:
    """Ids of other things as names; a thing's own id stays."""
    if isinstance(item, Mapping):
        return {
            key: names.get(value, value)
            if key.endswith("_id") and isinstance(value, str)
            else _named(value, names)
            for key, value in item.items()
        }
    return item
