"""Draws the life of an authorization from the table in the code.

Writes ``docs/reference/lifecycle.svg`` and ``lifecycle.md``. Run ``python docs/draw.py``;
``--check`` tells whether both are fresh. Standard library only.
"""

from __future__ import annotations

import math
import sys
from html import escape
from pathlib import Path

from evergrant.rules.lifecycle import TABLE, WISHES, Event, Moved, NotPossible, State, Stays

HERE = Path(__file__).parent / "reference"

#: Where a state stands, in pixels. A state without a place fails the drawing, not the reader.
PLACES = {
    State.AWAITING: (130, 250),
    State.ACTIVE: (460, 110),
    State.LAPSED: (790, 110),
    State.REVOKED: (790, 400),
    State.CLOSED: (460, 400),
}
WIDTH, HEIGHT, HALF_W, HALF_H = 920, 500, 74, 26

MEANING = {
    State.AWAITING: "consent was never given",
    State.ACTIVE: "access tokens are served",
    State.LAPSED: "the term is over",
    State.REVOKED: "Amazon refuses the grant",
    State.CLOSED: "an operator's wish",
}


def arrows() -> dict[tuple[State, State], list[Event]]:
    """(from, to) -> the events that lead there, loops included."""
    found: dict[tuple[State, State], list[Event]] = {}
    for state in State:
        for event in Event:
            decision = TABLE[state][event]
            if isinstance(decision, Moved):
                found.setdefault((state, decision.to), []).append(event)
    return found


def _edge(centre: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Where a line from the centre of a box towards a point leaves the box."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    scale = min(
        (HALF_W + 4) / abs(dx) if dx else math.inf, (HALF_H + 4) / abs(dy) if dy else math.inf
    )
    return centre[0] + dx * scale, centre[1] + dy * scale


def _arrow(source: State, target: State, events: list[Event], *, both_ways: bool) -> str:
    words = ", ".join(events)
    wish = all(event in WISHES for event in events)
    style = ' stroke-dasharray="6 4"' if wish else ""
    (x1, y1), (x2, y2) = PLACES[source], PLACES[target]
    if source is target:
        foot, top = y1 - HALF_H - 3, y1 - 80
        path = f"M{x1 - 34} {foot}C{x1 - 60} {top} {x1 + 60} {top} {x1 + 34} {foot}"
        where: tuple[float, float] = (x1, y1 - 70)
    else:
        length = math.hypot(x2 - x1, y2 - y1)
        # Two arrows between the same states bend away from each other, each to its own left.
        bend = 34 if both_ways else 0
        middle = (
            (x1 + x2) / 2 + (y2 - y1) / length * bend,
            (y1 + y2) / 2 - (x2 - x1) / length * bend,
        )
        start, end = _edge((x1, y1), middle), _edge((x2, y2), middle)
        path = (
            f"M{start[0]:.0f} {start[1]:.0f}Q{middle[0]:.0f} {middle[1]:.0f} "
            f"{end[0]:.0f} {end[1]:.0f}"
        )
        # Nearer to the source than to the target: arrows that cross in the middle keep their words.
        at = 0.3
        near, far = (1 - at) ** 2, at**2
        bow = 2 * at * (1 - at)
        where = (
            start[0] * near + middle[0] * bow + end[0] * far,
            start[1] * near + middle[1] * bow + end[1] * far,
        )
    return (
        f'<path d="{path}" fill="none" stroke="#0b6b50" stroke-width="1.6"{style} '
        f'marker-end="url(#tip)"/>'
        f'<text x="{where[0]:.0f}" y="{where[1] + 4:.0f}" text-anchor="middle" '
        f'paint-order="stroke" stroke="#fbfaf7" stroke-width="7">{escape(words)}</text>'
    )


def picture() -> str:
    drawn = arrows()
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="system-ui, sans-serif" font-size="13" role="img" '
            'aria-label="The life of an authorization">'
        ),
        (
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
            'markerHeight="8" orient="auto-start-reverse">'
            '<path d="M0 0 10 5 0 10z" fill="#0b6b50"/></marker></defs>'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#fbfaf7"/>',
    ]
    for (source, target), events in drawn.items():
        parts.append(_arrow(source, target, events, both_ways=(target, source) in drawn))
    for state, (x, y) in PLACES.items():
        good = state is State.ACTIVE
        ink = "#ffffff" if good else "#1d2b26"
        parts.append(
            f'<rect x="{x - HALF_W}" y="{y - HALF_H}" width="{2 * HALF_W}" '
            f'height="{2 * HALF_H}" rx="26" fill="{"#0b6b50" if good else "#e8e4da"}"/>'
            f'<text x="{x}" y="{y - 2}" text-anchor="middle" font-weight="600" '
            f'fill="{ink}">{state.name}</text>'
            f'<text x="{x}" y="{y + 14}" text-anchor="middle" font-size="10" '
            f'fill="{ink}">{escape(MEANING[state])}</text>'
        )
    parts.append(
        f'<text x="24" y="{HEIGHT - 20}" font-size="12" fill="#55615c">solid: facts that Amazon '
        "or the calendar report · dashed: wishes of operators</text></svg>"
    )
    return "\n".join(parts) + "\n"


def table() -> str:
    lines = [
        "# The life of an authorization",
        "",
        "Generated from the table in `src/evergrant/rules/lifecycle.py` by `python docs/draw.py`.",
        "",
        "![The life of an authorization](lifecycle.svg)",
        "",
        "| in state | " + " | ".join(f"`{event}`" for event in Event) + " |",
        "|---|" + "---|" * len(Event),
    ]
    for state in State:
        cells = [_cell(state, event) for event in Event]
        lines.append(f"| **{state.name}** | " + " | ".join(cells) + " |")
    lines += [
        "",
        (
            "`granted`, `term_ended`, `refused` and `accepted` are facts and are never refused; "
            "`close` and `reopen` are wishes."
        ),
    ]
    return "\n".join(lines) + "\n"


def _cell(state: State, event: Event) -> str:
    match TABLE[state][event]:
        case Moved(to):
            return f"→ {to.name}"
        case Stays(why):
            return f"stays: {why}"
        case NotPossible(why):
            return f"refused: {why}"


def main() -> int:
    stale = []
    for name, text in (("lifecycle.svg", picture()), ("lifecycle.md", table())):
        path = HERE / name
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        print(f"stale: {', '.join(stale)}; run: python docs/draw.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
