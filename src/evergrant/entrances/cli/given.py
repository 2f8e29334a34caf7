"""Secrets, instants and spans of time that a person gives to a command.

Answers for: the four ways in which a secret may come (prompt, standard input, file, environment)
and for refusing the fifth: there is no option that takes a secret as its value. Does not answer
for: whether it is the right secret.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evergrant.errors import Flaw, InvalidInput
from evergrant.rules.secrecy import Secret

__all__ = ["asks_a_person", "instant", "secret_from_file", "secret_of", "span"]

#: More than any secret has, in characters.
LONGEST = 64 * 1024


def secret_of(
    what: str, *, file: Path | None = None, variable: str = "", twice: bool = False
) -> Secret:
    """A secret that is needed: from ``file`` ("-": standard input), else the environment
    ``variable`` if it is set, else a prompt, or one line of standard input when that is no
    terminal. ``twice`` asks again, for what nobody else knows. Raises InvalidInput."""
    if file is not None:
        return secret_from_file(what, file)
    if variable and os.environ.get(variable):
        return _checked(what, os.environ[variable])
    if not sys.stdin.isatty():
        return _checked(what, sys.stdin.readline(LONGEST))
    try:
        first = getpass.getpass(f"{what}: ")
        if twice and getpass.getpass(f"{what} again: ") != first:
            raise InvalidInput(f"The two entries of the {what} differ.")
    except EOFError:  # Ctrl-D
        first = ""
    return _checked(what, first)


def asks_a_person(file: Path | None = None) -> bool:
    """Whether ``secret_of`` would prompt: then all else is looked at first, so that nobody types
    a secret for nothing."""
    return file is None and sys.stdin.isatty()


def secret_from_file(what: str, file: Path) -> Secret:
    """``-`` is standard input. Raises InvalidInput."""
    try:
        text = sys.stdin.read(LONGEST) if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidInput(f"The file {file} with the {what} cannot be read: {reason}.") from None
    return _checked(what, text)


def _checked(what: str, text: str) -> Secret:
    text = text.strip()
    if not text:
        raise InvalidInput(
            f"No {what} was given.",
            hint="Type it at the prompt, pipe it in, or name a file that holds it.",
        )
    if any(ord(char) < 32 for char in text):
        raise InvalidInput(f"The {what} holds a line break or another control character.")
    return Secret(text)


def instant(text: str | None, field: str) -> datetime | None:
    """``2026-11-21`` (its beginning in UTC) or ISO 8601 with an offset. Raises InvalidInput."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            flaws=[
                Flaw(
                    f"'{text}' is no date.",
                    field=field,
                    hint="Write 2026-11-21 or 2026-11-21T09:30:00+00:00.",
                )
            ]
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


_SPAN = re.compile(r"([0-9]{1,6})([smhd]?)", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(text: str, field: str) -> timedelta:
    """``0``, ``90s``, ``30m``, ``12h`` or ``7d``. Raises InvalidInput."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or (not found[2] and int(found[1]) != 0):
        flaw = Flaw(f"'{text}' is no span of time.", field=field, hint="Write 0, 30m, 12h or 7d.")
        raise InvalidInput(flaws=[flaw])
    return timedelta(**{_UNITS[found[2] or "s"]: int(found[1])})
