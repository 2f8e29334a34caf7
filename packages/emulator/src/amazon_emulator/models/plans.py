"""Usage plans, as the descriptions of operations tell them in a table.

Answers for: reading the table of rate and burst. It enforces nothing.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["plan_of"]

_FIGURE = re.compile(r"\d+(?:\.\d+)?|\.\d+")


def plan_of(description: Any) -> tuple[float, int] | None:
    """(requests per second, burst) of the table "Rate (requests per second) | Burst"; the row
    "Default" where there are several. None without a table, or where it holds a placeholder."""
    if not isinstance(description, str) or "|" not in description:
        return None
    columns: tuple[int, int] | None = None
    found: list[tuple[bool, tuple[float, int]]] = []
    for line in description.splitlines():
        cells = [cell.strip(" *`_\t") for cell in line.strip().strip("|").split("|")]
        head = _columns(cells)
        if head is not None:
            columns = head
        elif columns is not None and len(cells) > max(columns):
            rate, burst = (_figure(cells[column]) for column in columns)
            if rate and burst and burst >= 1:
                is_default = any(cell.lower().startswith("default") for cell in cells)
                found.append((not is_default, (rate, int(burst))))
    return min(found, key=lambda row: row[0])[1] if found else None


def _columns(cells: list[str]) -> tuple[int, int] | None:
    rates = [place for place, cell in enumerate(cells) if "rate" in cell.lower()]
    bursts = [place for place, cell in enumerate(cells) if "burst" in cell.lower()]
    return (rates[0], bursts[0]) if rates and bursts and rates != bursts else None


def _figure(cell: str) -> float | None:
    return float(cell) if _FIGURE.fullmatch(cell) else None
