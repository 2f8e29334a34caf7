"""Takes in what callers send: collects every flaw before it refuses anything.

Answers for: turning rules' faults into one ``InvalidInput`` that names all of them, names that
nobody knows (with a guess at what was meant), changes as a mapping of names, and the words in which
a caller without the right is refused. Does not answer for: what is right or wrong, or who may do
what; that is said by ``rules`` and by the room that asks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from evergrant.errors import Flaw, InvalidInput, NotAllowed
from evergrant.rules import ids
from evergrant.rules.faults import Fault
from evergrant.rules.rights import Caller, Right
from evergrant.rules.urls import check_https_url
from evergrant.spelling import did_you_mean

__all__ = [
    "Flaws",
    "Reader",
    "accounts_within",
    "check_page",
    "differences",
    "given_by",
    "need",
    "need_everywhere",
    "text",
    "truth",
    "url",
    "word",
    "words",
]

T = TypeVar("T")
R = TypeVar("R")
Word = TypeVar("Word", bound=StrEnum)

#: So many things one page of a list holds at most.
LONGEST_PAGE = 1000


def need(by: Caller, right: Right) -> None:
    """Raises NotAllowed unless the caller has the right."""
    if not by.may(right):
        raise NotAllowed(
            f"This needs the right {right.value!r}, which {(by.name or by.id)!r} does not have.",
            facts={"right": right.value},
        )


def need_everywhere(by: Caller, right: Right) -> None:
    """As ``need``, for things that belong to no client instance: a caller whose reach ends at
    one instance, or at certain accounts, is refused too."""
    need(by, right)
    if by.account_ids is not None:
        raise NotAllowed(
            "This key reaches certain accounts only; this concerns all of them.",
            facts={"right": right.value},
        )
    if by.client_instance_id is not None:
        raise NotAllowed(
            "This key reaches one client instance only; this concerns all of them.",
            facts={"right": right.value},
        )


def accounts_within(by: Caller) -> dict[str, Any]:
    """The filters that leave those of the shelf of accounts which the caller reaches."""
    within: dict[str, Any] = {}
    if by.client_instance_id is not None:
        within["client_instance_id"] = by.client_instance_id
    if by.account_ids is not None:
        within["id"] = by.account_ids
    return within


def check_page(kind: ids.Kind, after: str | None, limit: int) -> None:
    """Raises InvalidInput unless ``after`` is an id of that kind and ``limit`` is sensible."""
    flaws = Flaws()
    if after is not None:
        flaws.check("after", lambda text: ids.check(kind, text), after)
    if not 1 <= limit <= LONGEST_PAGE:
        flaws.add("limit", f"must be from 1 to {LONGEST_PAGE}.", code="out_of_range")
    flaws.refuse_if_any()


def given_by(value: Any) -> dict[str, Any]:
    """The fields of a frozen input value, by their names."""
    return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}


def differences(old: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``values`` that ``old`` does not hold already."""
    return {name: value for name, value in values.items() if getattr(old, name) != value}


class Flaws:
    """What is wrong with one input. ``refuse_if_any`` raises InvalidInput with all of it."""

    def __init__(self) -> None:
        self._found: list[Flaw] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def has(self, field: str) -> bool:
        return any(flaw.field == field for flaw in self._found)

    def add(
        self, field: str | None, message: str, *, code: str = "invalid", hint: str | None = None
    ) -> None:
        self._found.append(Flaw(message=message, field=field, code=code, hint=hint))

    def refuse_if_any(self) -> None:
        if self._found:
            raise InvalidInput(flaws=self._found)

    def check(self, field: str, rule: Callable[[T], R], value: T) -> R | None:
        """What the rule makes of the value; None when it is a fault, noted as a flaw."""
        try:
            return rule(value)
        except Fault as fault:
            self.add(field, fault.message, code=fault.code, hint=fault.hint)
            return None

    def text(
        self, field: str, value: object, rule: Callable[[str], str] | None = None, *,
        optional: bool = False,
    ) -> str:  # fmt: skip
        """The text as the rule settles it; "" when it is flawed, or empty and ``optional``."""
        if value is None and optional:
            return ""
        if not isinstance(value, str):
            self.add(field, "must be text.", code="wrong_type")
            return ""
        stripped = value.strip()
        if not stripped:
            if not optional:
                self.add(field, "is needed and must not be empty.", code="missing")
            return ""
        return stripped if rule is None else self.check(field, rule, stripped) or ""

    def word(self, field: str, value: object, words: type[Word]) -> Word | None:
        """One of the words of an enumeration; None when it is none of them."""
        if isinstance(value, str):
            try:
                return words(value.strip().lower().replace("-", "_"))
            except ValueError:
                pass
        self.add(
            field,
            f"must be {_either(word.value for word in words)}.",
            code="unknown_value",
            hint=did_you_mean(value, [word.value for word in words])
            if isinstance(value, str)
            else None,
        )
        return None

    def words(self, field: str, value: object, words: type[Word]) -> frozenset[Word]:
        """Several words of an enumeration, at least one."""
        if isinstance(value, str) or not isinstance(value, Collection):
            self.add(field, "must be a list.", code="wrong_type")
            return frozenset()
        if not value:
            self.add(field, "needs at least one.", code="missing")
        found = [self.word(field, item, words) for item in value]
        return frozenset(word for word in found if word is not None)

    def truth(self, field: str, value: object) -> bool:
        if isinstance(value, bool):
            return value
        self.add(field, "must be true or false.", code="wrong_type")
        return False

    def instant(self, field: str, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            self.add(field, "must say its time zone.", code="naive_instant")
            return None
        return value

    def names(
        self,
        given: Mapping[str, object],
        known: Collection[str],
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        """Every name in ``given`` must be known. ``elsewhere`` holds names that exist and are
        not changed here, each with its hint."""
        for name in given:
            if elsewhere and name in elsewhere:
                self.add(
                    name,
                    "is not changed this way.",
                    code="not_changeable",
                    hint=elsewhere[name],
                )
            elif name not in known:
                self.add(
                    name,
                    "is no field that can be changed.",
                    code="unknown_field",
                    hint=did_you_mean(name, known),
                )

    def settle(self, readers: Mapping[str, Reader], given: Mapping[str, object]) -> dict[str, Any]:
        """What the readers make of the names that both sides know."""
        return {
            name: readers[name](self, name, value)
            for name, value in given.items()
            if name in readers
        }


#: Reads one field: notes what is wrong with it, gives what it means.
Reader = Callable[[Flaws, str, object], Any]


def text(rule: Callable[[str], str] | None = None, *, optional: bool = False) -> Reader:
    return lambda flaws, field, value: flaws.text(field, value, rule, optional=optional)


def url() -> Reader:
    """An optional https URL; http for loopback addresses."""
    return text(lambda it: check_https_url(it, "", allow_http_loopback=True), optional=True)


def word(of: type[Word]) -> Reader:
    return lambda flaws, field, value: flaws.word(field, value, of)


def words(of: type[Word]) -> Reader:
    return lambda flaws, field, value: flaws.words(field, value, of)


def truth(*, optional: bool = False) -> Reader:
    return lambda flaws, field, value: (
        None if optional and value is None else flaws.truth(field, value)
    )


def _either(words: Iterable[str]) -> str:
    listed = [repr(word) for word in words]
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} or {listed[-1]}"
