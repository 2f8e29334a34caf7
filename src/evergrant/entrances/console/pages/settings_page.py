"""Settings: what is in force in this process, and where each value comes from.

Answers for: showing and finding them; no secret among them. Does not answer for: changing any; they
are read once, when a process starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.rules.rights import Right
from evergrant.settings import SETTINGS, Setting, ShownSetting
from evergrant.settings.names import OF_A_PROCESS

__all__ = ["DOORS", "ShownRow"]

_FROM = {"default": "default", "environment": "environment"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """``kind``: of the badge that says where the value comes from. ``file``: the one that it came
    from; empty: none."""

    setting: Setting
    shown: ShownSetting
    kind: str
    words: str
    file: str

    @property
    def of_a_process(self) -> bool:
        return self.setting.name in OF_A_PROCESS

    @property
    def text(self) -> str:
        """What a search looks at; of a secret there is nothing to be found."""
        parts = (self.setting.name, self.setting.what, self.setting.section, self.shown.value)
        return " ".join(parts).casefold()


async def listed(asked: Asked) -> Response:
    words = asked.query.get("q", "").casefold().split()
    only_set = asked.query.get("set", "") == "on"
    rows = [
        row
        for row in _rows(asked.settings.shown)
        if all(word in row.text for word in words)
        and (not only_set or row.shown.source != "default")
    ]
    return asked.page(
        "settings/list.html",
        q=asked.query.get("q", ""),
        only_set=only_set,
        groups=_by_section(rows),
        total=len(rows),
        known=len(SETTINGS),
    )


def _rows(shown: Sequence[ShownSetting]) -> list[ShownRow]:
    values = {one.name: one for one in shown}
    return [_row(one, values[one.name]) for one in SETTINGS if one.name in values]


def _row(setting: Setting, shown: ShownSetting) -> ShownRow:
    words = _FROM.get(shown.source, "file")
    return ShownRow(
        setting=setting,
        shown=shown,
        kind="quiet" if shown.source == "default" else "good",
        words=words,
        file=str(Path(shown.source)) if words == "file" else "",
    )


def _by_section(rows: Sequence[ShownRow]) -> list[tuple[str, list[ShownRow]]]:
    found: dict[str, list[ShownRow]] = {}
    for row in rows:
        found.setdefault(row.setting.section, []).append(row)
    return list(found.items())


DOORS = (Door("GET", "/console/settings", listed, Right.AUDIT),)
