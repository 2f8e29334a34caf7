"""Draws ``flow.svg``: one consent from the mail to the access token. Standard library only.

Run ``python docs/pictures/draw_flow.py``; ``--check`` tells whether the picture is fresh.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

TARGET = Path(__file__).with_name("flow.svg")

ACTORS = ("your software", "Evergrant", "shop owner", "Amazon")
COLUMN, TOP, STEP, LEFT = 250, 96, 46, 130

# from, to, words; the same actor twice is a note
STEPS: tuple[tuple[int, int, str], ...] = (
    (0, 1, "account: name, e-mail, country"),
    (1, 2, "a mail with one button"),
    (2, 1, "presses the button"),
    (1, 3, "consent page of the right country"),
    (2, 3, "signs in, ticks, confirms"),
    (3, 1, "log-in leg, when Amazon takes it"),
    (3, 1, "callback with the code"),
    (1, 3, "code for refresh token"),
    (1, 1, "sealed in the safe, year begins"),
    (1, 2, "thank you"),
    (1, 0, "authorization.granted, signed"),
    (0, 1, "access token, please"),
    (1, 0, "one that lives long enough"),
)


def x(actor: int) -> int:
    return LEFT + actor * COLUMN


def picture() -> str:
    width = LEFT * 2 + COLUMN * (len(ACTORS) - 1)
    height = TOP + STEP * len(STEPS) + 30
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="system-ui, sans-serif" font-size="14" role="img" '
            f'aria-label="One consent from the mail to the access token">'
        ),
        (
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
            'markerHeight="8" orient="auto-start-reverse">'
            '<path d="M0 0 10 5 0 10z" fill="#0b6b50"/></marker></defs>'
        ),
        f'<rect width="{width}" height="{height}" rx="12" fill="#fbfaf7"/>',
    ]
    for number, name in enumerate(ACTORS):
        ours = name == "Evergrant"
        parts.append(
            f'<rect x="{x(number) - 80}" y="24" width="160" height="36" rx="18" '
            f'fill="{"#0b6b50" if ours else "#e8e4da"}"/>'
            f'<text x="{x(number)}" y="47" text-anchor="middle" font-weight="600" '
            f'fill="{"#ffffff" if ours else "#26302c"}">{escape(name)}</text>'
            f'<path d="M{x(number)} 60V{height - 20}" stroke="#cfc9bb" stroke-dasharray="3 4"/>'
        )
    for row, (source, target, words) in enumerate(STEPS):
        y = TOP + row * STEP
        if source == target:
            parts.append(
                f'<rect x="{x(source) - 112}" y="{y - 14}" width="224" height="26" rx="6" '
                f'fill="#dcefe7"/><text x="{x(source)}" y="{y + 4}" text-anchor="middle" '
                f'fill="#0b4a38">{escape(words)}</text>'
            )
            continue
        way = 1 if target > source else -1
        start, end = x(source) + 5 * way, x(target) - 5 * way
        middle = (start + end) // 2
        if abs(target - source) > 1:
            middle = (x(source) + x(source + way)) // 2
        parts.append(
            f'<path d="M{start} {y + 6}H{end}" stroke="#0b6b50" stroke-width="1.6" '
            f'marker-end="url(#tip)"/>'
            f'<text x="{middle}" y="{y - 2}" text-anchor="middle" fill="#26302c" '
            f'paint-order="stroke" stroke="#fbfaf7" stroke-width="5">{escape(words)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main() -> int:
    if "--check" in sys.argv:
        fresh = TARGET.exists() and TARGET.read_text() == picture()
        print(f"{TARGET.name} is {'fresh' if fresh else 'stale: run make docs'}")
        return 0 if fresh else 1
    TARGET.write_text(picture())
    return 0


if __name__ == "__main__":
    sys.exit(main())
