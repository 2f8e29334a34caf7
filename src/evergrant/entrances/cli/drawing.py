"""How values look to a person: tables that fit, short instants, words instead of true and false.

Answers for: drawing what ``show`` hands over, in a terminal of any width and into a pipe. Does
not answer for: what is shown, or for JSON.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["Group", "day", "draw_grid", "draw_groups", "draw_table", "printable", "term", "when"]

#: A heading, and names with their texts below it.
Group = tuple[str, Sequence[tuple[str, str]]]

#: A pipe has no width; cutting ids to 80 columns would make them useless.
PIPE_WIDTH = 200
#: Words may be folded to so many columns. Where that does not do, rows become blocks.
NARROWEST = 16
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
#: Columns whose content is one word, id or instant: never folded.
_WHOLE = ("id", "_at", "state", "code", "severity", "at", "reference")


def when(at: datetime | None) -> str:
    """``2026-11-21 08:18 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "-"


def day(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}" if at else "-"


def term(at: datetime, now: datetime) -> str:
    """``2027-11-21 08:18 UTC (365 days)``, or how long ago it was."""
    # Rounded: a year that began a second ago has 365 days, as everybody says.
    days = round((at - now).total_seconds() / 86400)
    if at <= now:
        left = "over since today" if days == 0 else f"{_days(-days)} ago"
    else:
        left = "less than a day" if days == 0 else _days(days)
    return f"{when(at)} ({left})"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def printable(text: str) -> str:
    """Names come from outside; a control character in one must not steer the terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def draw_table(
    items: Sequence[Mapping[str, Any]],
    columns: Sequence[tuple[str, str]],
    *,
    optional: Sequence[str] = (),
) -> None:
    """``columns`` are paths (``a.b``: field ``b`` of field ``a``) and headings. Where the terminal
    is too narrow, the ``optional`` headings go, one after the other; then rows become blocks."""
    console = _console()
    kept, leaving = list(columns), list(optional)
    while True:
        cells = [[_cell(_dig(item, path)) for path, _ in kept] for item in items]
        drawn = _table(cells, kept)
        if _narrowest(console, drawn) <= console.width:
            console.print(drawn)
            return
        if not leaving:
            break
        gone = leaving.pop(0)
        kept = [(path, heading) for path, heading in kept if heading != gone]
    cells = [[_cell(_dig(item, path)) for path, _ in columns] for item in items]
    _draw_blocks(console, cells, [heading for _, heading in columns])


def _table(cells: Sequence[Sequence[str]], columns: Sequence[tuple[str, str]]) -> Table:
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for place, (path, heading) in enumerate(columns):
        whole = path.rpartition(".")[2].endswith(_WHOLE)
        longest = max((len(row[place]) for row in cells), default=1)
        drawn.add_column(
            heading,
            overflow="fold",
            no_wrap=whole,
            min_width=longest if whole else min(NARROWEST, longest),
        )
    for row in cells:
        drawn.add_row(*row)
    return drawn


def _narrowest(console: Console, drawn: Table) -> int:
    from rich.measure import Measurement

    unbounded = console.options.update(max_width=10_000)
    return Measurement.get(console, unbounded, drawn).minimum


def draw_grid(fields: Mapping[str, Any]) -> None:
    """Names and values, one below the other."""
    _console().print(_grid((name.replace("_", " "), text) for name, text in _flat(fields)))


def draw_groups(groups: Iterable[Group]) -> None:
    """Groups under headings; those without content are left out."""
    console = _console()
    first = True
    for heading, rows in groups:
        if not rows:
            continue
        if not first:
            console.print()
        first = False
        console.print(printable(heading), style="bold")
        console.print(_grid(rows))


def _grid(rows: Iterable[tuple[str, str]]) -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(printable(name), printable(text))
    return grid


def _draw_blocks(console: Console, cells: Sequence[Sequence[str]], headings: Sequence[str]) -> None:
    for number, row in enumerate(cells):
        if number:
            console.print()
        console.print(_grid(zip(headings, row, strict=True)))


def _console() -> Console:
    from rich.console import Console

    return Console(
        width=None if sys.stdout.isatty() else PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
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
        told = [
            f"{key}={_cell(item)}" for key, item in value.items() if item not in (None, "", [], {})
        ]
        return ", ".join(told) or "-"
    text = str(value)
    if _INSTANT.fullmatch(text):
        return when(datetime.fromisoformat(text))
    return printable(text)


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
