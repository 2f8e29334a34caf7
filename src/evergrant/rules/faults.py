"""What a rule says about bad input.

Answers for: one sentence per fault, with the field and a hint. Does not answer for: how a door
shows it; rooms gather faults and raise `errors.InvalidInput` with all of them.
"""

from __future__ import annotations

__all__ = ["Fault"]


class Fault(ValueError):
    """One thing that is wrong. ``code`` is stable, ``message`` is for a person, ``field`` names
    the input (None: the whole of it), ``hint`` says what to do instead."""

    def __init__(
        self, code: str, message: str, *, field: str | None = None, hint: str | None = None
    ) -> None:
        self.code = code
        self.message = message
        self.field = field
        self.hint = hint
        super().__init__(message)

    def at(self, field: str) -> Fault:
        """The same fault, told of another field."""
        return Fault(self.code, self.message, field=field, hint=self.hint)
