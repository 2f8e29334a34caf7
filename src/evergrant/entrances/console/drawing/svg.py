"""The few words of SVG that the pictures are made of.

Answers for: escaping, and for numbers that are short. Does not answer for: colours and lines, which
are the style sheet's: nothing here makes a style attribute.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

__all__ = ["number", "picture", "short", "tag"]

_NAMES = {"class_": "class", "view_box": "viewBox", "preserve": "preserveAspectRatio"}


def tag(name: str, *inside: str, **attributes: str | float) -> Markup:
    """An element. What is inside is escaped unless it is Markup; ``text_anchor`` becomes
    ``text-anchor``, ``class_`` ``class``."""
    written = "".join(
        f' {_NAMES.get(key, key.replace("_", "-"))}="{escape(_value(value))}"'
        for key, value in attributes.items()
    )
    # Every part is escaped or Markup itself.
    return Markup(f"<{name}{written}>{''.join(escape(one) for one in inside)}</{name}>")  # noqa: S704


def picture(
    title: str,
    desc: str,
    parts: Iterable[Markup],
    *,
    width: float,
    height: float,
    class_: str,
    stretched: bool = False,
) -> Markup:
    """The whole picture. ``stretched``: as wide as its place, whatever its height; for bars
    without words, which would be stretched as well."""
    more = {"preserve": "none"} if stretched else {}
    return tag(
        "svg",
        tag("title", title),
        tag("desc", desc),
        *parts,
        class_=f"plot {class_}",
        view_box=f"0 0 {number(width)} {number(height)}",
        role="img",
        **more,
    )


def number(value: float) -> str:
    """At most one digit behind the point, and none that says nothing."""
    return f"{value:.1f}".removesuffix(".0").replace("-0", "0") if value else "0"


def short(count: int) -> str:
    """Fits above a narrow bar: 987, 1.2k, 12k, 3.4M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        # 999,950 would be 1000.0k.
        if count >= size * 0.99995:
            return f"{number(count / size) if count < 9.95 * size else round(count / size)}{letter}"
    return str(count)


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else number(value)
