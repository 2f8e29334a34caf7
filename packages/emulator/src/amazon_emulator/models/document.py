"""One model's JSON: its references, and validators made when they are first needed.

Answers for: following ``$ref`` without ever going in circles, and for one compiled validator per
schema. It knows nothing of operations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from amazon_emulator.models.schemas import to_draft4

__all__ = ["Dangling", "Document"]

FOLLOWED_AT_MOST = 32

# ISO 8601 in requests: the models' own cases ask with plain dates for
# instants, with instants for dates, and without a zone.
_INSTANT = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([Tt ]([01]\d|2[0-3]):?[0-5]\d(:?([0-5]\d|60)([.,]\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?"
)


def _is_instant(text: str) -> bool:
    return _INSTANT.fullmatch(text) is not None


AS_ASKED = {"date-time": _is_instant, "date": _is_instant}


class Dangling(LookupError):
    """A reference leads nowhere, in a circle, or out of its file."""


class Document:
    """The content of one file."""

    def __init__(self, content: Mapping[str, Any] | None = None) -> None:
        self.content: Mapping[str, Any] = content or {}
        # The schema is kept beside its validator: its id is only its own while it lives.
        self._validators: dict[tuple[int, bool], tuple[Any, jsonschema_rs.Draft4Validator]] = {}

    def at(self, reference: str) -> Any:
        """What a reference like ``#/definitions/Error`` points at. Raises Dangling."""
        if not reference.startswith("#/"):
            raise Dangling(reference)
        found: Any = self.content
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise Dangling(reference)
        return found

    def resolved(self, thing: Any) -> Any:
        """The thing itself, or what it refers to. Raises Dangling."""
        for _ in range(FOLLOWED_AT_MOST):
            if not isinstance(thing, Mapping) or not isinstance(thing.get("$ref"), str):
                return thing
            thing = self.at(thing["$ref"])
        raise Dangling(str(thing["$ref"]))

    def rules(self, schema: Any) -> Mapping[str, Any]:
        """A schema without a reference at its head; ``{}`` where it leads nowhere."""
        try:
            found = self.resolved(schema)
        except Dangling:
            return {}
        return found if isinstance(found, Mapping) else {}

    def validator(self, schema: Any, *, as_asked: bool = False) -> jsonschema_rs.Draft4Validator:
        """The compiled rules of a schema of this model, made once. ``as_asked``: with instants as
        requests may write them, without a zone or a time of day; else as RFC 3339 wants them."""
        key = (id(schema), as_asked)
        known = self._validators.get(key)
        if known is None:
            made = self.compiled(schema, as_asked=as_asked)
            known = self._validators[key] = (schema, made)
        return known[1]

    def compiled(self, schema: Any, *, as_asked: bool = False) -> jsonschema_rs.Draft4Validator:
        """The compiled rules of a schema that will not be asked for again."""
        return jsonschema_rs.Draft4Validator(
            self._standing_alone(schema),
            formats=AS_ASKED if as_asked else None,
            validate_formats=True,
            mask="the value",
            offline=True,
        )

    def _standing_alone(self, schema: Any) -> dict[str, Any]:
        """The schema as draft 4, with all that it refers to beside it."""
        places: dict[str, str] = {}
        waiting: list[str] = []

        def reach(reference: str) -> str | None:
            if reference not in places:
                try:
                    self.resolved(self.at(reference))
                except Dangling:
                    return None
                places[reference] = f"d{len(places)}"
                waiting.append(reference)
            return places[reference]

        rules = to_draft4(schema, reach)
        definitions = {}
        while waiting:
            reference = waiting.pop()
            definitions[places[reference]] = to_draft4(self.at(reference), reach)
        return {"allOf": [rules], "definitions": definitions} if definitions else rules
