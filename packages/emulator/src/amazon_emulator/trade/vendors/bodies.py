"""What vendors submit, read field by field with the words of Amazon's own refusals.

Answers for: required fields, types and enumerations as far as the emulator's behaviour rests on
them. Whether a body keeps all of Amazon's model is the business of the contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

__all__ = ["Body", "Incomplete", "check_depth"]

DEEPEST = 40  # Amazon's models nest at most nine deep
MOST = 2**31 - 1  # Amazon's whole numbers are of 32 bits
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
MOST_DIGITS = 40


class Incomplete(ValueError):
    """The body cannot be taken: answered with 400 at once, without a transaction."""


def check_depth(content: Any) -> None:
    """Raises Incomplete for what is nested deeper than anything that is submitted: it is kept, and
    has to be shown again."""
    level = [content]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise Incomplete("The body is nested too deeply.")


@dataclass(frozen=True)
class Body:
    """One JSON object of a body; ``name`` is the element that holds it."""

    given: Mapping[str, Any]
    name: str = "body"

    @classmethod
    def of(cls, value: Any, name: str) -> Body:
        if not isinstance(value, dict):
            raise Incomplete(f"The value of element '{name}' is not valid.")
        return cls(value, name)

    def has(self, name: str) -> bool:
        """Given, and not null."""
        return self.given.get(name) is not None

    def one(self, name: str) -> Body:
        return Body.of(self._needed(name), name)

    def maybe(self, name: str) -> Body | None:
        return self.one(name) if self.has(name) else None

    def all(self, name: str) -> list[Body]:
        """At least one object."""
        found = self.some(name)
        if not found:
            raise self._missing(name)
        return found

    def some(self, name: str) -> list[Body]:
        """Any number of objects, also none."""
        value = self.given.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name)
        return [Body.of(each, name) for each in value]

    def text(self, name: str) -> str:
        value = self._needed(name)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(name)
        return value

    def maybe_text(self, name: str) -> str | None:
        return self.text(name) if self.has(name) else None

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self._needed(name)
        if value not in choices:
            raise Incomplete(
                f"Value '{value}' is not valid with respect to enumeration "
                f"'[{', '.join(choices)}]'. It must be a value from the enumeration."
            )
        return str(value)

    def maybe_choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        return self.choice(name, choices) if self.has(name) else None

    def whole(self, name: str) -> int:
        value = self._needed(name)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST:
            raise self._wrong(name)
        return value

    def truth(self, name: str) -> bool:
        value = self._needed(name)
        if not isinstance(value, bool):
            raise self._wrong(name)
        return value

    def instant(self, name: str) -> datetime:
        """An instant without an offset is UTC, as Amazon reads it."""
        text = self.text(name)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise self._wrong(name) from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def maybe_instant(self, name: str) -> datetime | None:
        return self.instant(name) if self.has(name) else None

    def decimal(self, name: str) -> Decimal:
        """Amazon's decimals are texts."""
        text = self.text(name)
        if len(text) > MOST_DIGITS or not _DECIMAL.fullmatch(text):
            raise self._wrong(name)
        return Decimal(text)

    def party(self, name: str) -> str:
        """The partyId of a party."""
        return self.one(name).text("partyId")

    def quantity(self, name: str, units: tuple[str, ...] | None = None) -> int:
        """The amount of a quantity; ``units``: its unit is needed and one of these."""
        found = self.one(name)
        if units is not None:
            found.choice("unitOfMeasure", units)
        return found.whole("amount")

    def _needed(self, name: str) -> Any:
        value = self.given.get(name)
        if value is None:
            raise self._missing(name)
        return value

    def _missing(self, name: str) -> Incomplete:
        return Incomplete(
            f"The content of element '{self.name}' is not complete. '{name}' is expected."
        )

    def _wrong(self, name: str) -> Incomplete:
        return Incomplete(f"The value of element '{name}' is not valid.")
