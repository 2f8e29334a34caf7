"""How the demo speaks: one line per step, with what came of it.

Answers for: the console and its steps. Does not answer for: what happens in a step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

__all__ = ["console", "step"]

console = Console(highlight=False)


@contextmanager
def step(words: str) -> Iterator[list[str]]:
    """One line per step: what happens, then what came of it and how long it took."""
    began = time.monotonic()
    said: list[str] = []
    with console.status(f"[bold]{words}[/] …"):
        yield said
    took = time.monotonic() - began
    console.print(f" [green]✓[/] [bold]{words}[/] [dim]{took:.1f} s[/]")
    for line in said:
        console.print(f"     [dim]{escape(line)}[/]")
