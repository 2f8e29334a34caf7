"""What both books of the register say when they do not find a thing, or find it taken.

Answers for: the errors. Does not answer for: what is looked for, or by whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import NoReturn, TypeVar

from evergrant.errors import Conflict, NotFound
from evergrant.ports.store import (
    ONE_APPLICATION_PER_AMAZON_ID,
    ONE_APPLICATION_PER_NAME,
    ONE_INSTANCE_PER_NAME,
    AlreadyThere,
)
from evergrant.spelling import did_you_mean

__all__ = ["conflict", "needed", "unknown"]

T = TypeVar("T")

_TAKEN = MappingProxyType(
    {
        ONE_APPLICATION_PER_NAME: ("name", "There is an application of this name already."),
        ONE_APPLICATION_PER_AMAZON_ID: (
            "application_id",
            "This application of Amazon's is registered already.",
        ),
        ONE_INSTANCE_PER_NAME: ("name", "There is a client instance of this name already."),
    }
)


def conflict(taken: AlreadyThere) -> Exception:
    field, sentence = _TAKEN.get(taken.constraint, (None, None))
    return Conflict(sentence, facts={"field": field}) if sentence else taken


def needed(thing: T | None) -> T:
    """Raises NotFound."""
    if thing is None:
        raise NotFound
    return thing


def unknown(what: str, text: str, names: Sequence[str]) -> NoReturn:
    """Raises NotFound, with the name that was meant perhaps."""
    raise NotFound(f"There is no {what} {text!r}.", hint=did_you_mean(text, names))
