"""How full a bucket of permits is.

Answers for: the gauge. Does not answer for: what is left in it (the limits).
"""

from __future__ import annotations

from markupsafe import Markup

from evergrant.entrances.console.drawing.svg import number, picture, tag

__all__ = ["gauge"]

WIDTH = 100.0
HEIGHT = 8.0
#: As the gallery has it: less than a tenth is near its end.
NEAR = 0.1
LOW = 0.3


def gauge(left: float, burst: float, *, waiting: int = 0, what: str = "") -> Markup:
    """``left`` of at most ``burst`` calls could be made at once now; ``waiting`` stand in line.
    ``what`` names the bucket."""
    share = min(max(left / burst, 0.0), 1.0) if burst > 0 else 0.0
    kind = "bad" if waiting or share < NEAR else "warm" if share < LOW else "good"
    line = f"; {waiting:,} {'call waits' if waiting == 1 else 'calls wait'}" if waiting else ""
    return picture(
        f"{what}: {number(left)} of {number(burst)} calls left" if what else "Calls left",
        f"{number(left)} of {number(burst)} calls can be made at once now{line}.",
        [
            tag("rect", x=0, y=0, width=WIDTH, height=HEIGHT, rx=3, class_="trough"),
            tag("rect", x=0, y=0, width=WIDTH * share, height=HEIGHT, rx=3, class_=f"bar {kind}"),
        ],
        width=WIDTH,
        height=HEIGHT,
        class_="gauge",
        stretched=True,
    )
