"""Values that fit a schema: the model's own example where it is valid, else the least that fits.

Answers for: the same value for the same schema, always, and for coming to an end with schemas that
contain themselves. It takes nothing from a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from amazon_emulator.models.described import Described, Response
from amazon_emulator.models.document import Document
from amazon_emulator.models.fields import fields_of
from amazon_emulator.models.figures import Span
from amazon_emulator.models.merging import merged
from amazon_emulator.models.patterns import text_for

__all__ = ["example_of", "example_response"]

DEEPEST = 24

FORMATS: dict[str, Callable[[int], str]] = {
    "date-time": lambda turn: f"2026-01-{1 + turn % 28:02}T00:00:00Z",
    "date": lambda turn: f"2026-01-{1 + turn % 28:02}",
    "time": lambda turn: f"{turn % 24:02}:00:00Z",
    "uuid": lambda turn: f"00000000-0000-4000-8000-{turn:012}",
    "uri": lambda turn: f"https://example.com/{turn}",
    "url": lambda turn: f"https://example.com/{turn}",
    "email": lambda turn: f"somebody{turn}@example.com",
    "ip": lambda turn: f"192.0.2.{1 + turn % 254}",
    "ipv4": lambda turn: f"192.0.2.{1 + turn % 254}",
    "ipv6": lambda turn: f"2001:db8::{1 + turn % 254:x}",
    "hostname": lambda turn: f"host{turn}.example.com",
    "byte": lambda turn: "AAAA",
}

# What Amazon's pages call these statuses.
ERRORS = {
    400: ("InvalidInput", "The request has missing or invalid parameters and cannot be parsed."),
    401: ("Unauthorized", "The request's authorization header is not formatted correctly."),
    403: ("Unauthorized", "Access to requested resource is denied."),
    404: ("NotFound", "The specified resource does not exist."),
    413: ("InvalidInput", "The request size exceeded the maximum accepted size."),
    415: ("InvalidInput", "The entity of the request is in a format not supported."),
    429: ("QuotaExceeded", "You exceeded your quota for the requested resource."),
    500: ("InternalFailure", "We encountered an internal error. Please try again."),
    503: ("ServiceUnavailable", "Service is temporarily unavailable. Please try again."),
}

PLACES_OF_EXAMPLES = ("example", "x-example", "default")


class _Endless(Exception):
    """The schema wants itself inside itself, without end, or nothing fits it."""


def example_response(described: Described, status: int, response: Response) -> Any:
    """The body of a response that is made from the model alone; None where it has none."""
    if response.schema is None or status == 204:
        return None
    document = described.document
    validator = document.validator(response.schema)
    known = fields_of(document, response.schema)
    for candidate in _told(document, status, response):
        # An example that lacks the wrapper of the schema is common, and valid by accident.
        for value in (candidate, {"payload": candidate}):
            named = not isinstance(value, Mapping) or not known or set(value) <= set(known)
            if named and validator.is_valid(value):
                return value
    return example_of(document, response.schema, generous=True)


def example_of(
    document: Document, schema: Any, *, generous: bool = False, told: bool = True
) -> Any:
    """A value for a schema. ``generous``: with the field ``payload`` at its top, also where the
    model does not require it, as all of Amazon's answers with that field have it. ``told``: with
    the examples that the schema itself holds."""
    maker = _Maker(document, told=told)
    try:
        value = maker.make(schema, (), 0)
        if generous and isinstance(value, dict):
            maker.add_payload(schema, value)
    except (_Endless, RecursionError):
        return None
    return value


def _told(document: Document, status: int, response: Response) -> Iterator[Any]:
    """What the model itself offers for an answer, and Amazon's common shape of errors."""
    by_type = dict(response.examples)
    if "application/json" in by_type:
        yield by_type["application/json"]
    yield from by_type.values()
    rules = document.rules(response.schema)
    yield from (rules[name] for name in PLACES_OF_EXAMPLES if name in rules)
    if status >= 400:
        code, words = ERRORS.get(
            status, ("InternalFailure" if status >= 500 else "InvalidInput", "")
        )
        errors = [{"code": code, "message": words, "details": ""}]
        if "errors" in _properties(rules):
            yield {"errors": errors}
        if rules.get("type") == "array":
            yield errors


def _properties(rules: Mapping[str, Any]) -> Mapping[str, Any]:
    found = rules.get("properties")
    return found if isinstance(found, Mapping) else {}


class _Maker:
    """Makes values. ``inside`` are the references that are being followed; ``turn`` makes values
    of one array differ."""

    def __init__(self, document: Document, *, told: bool) -> None:
        self.document = document
        self.told = told

    def make(self, schema: Any, inside: tuple[str, ...], turn: int) -> Any:
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if inside.count(reference) > 1 or len(inside) > DEEPEST:
                raise _Endless
            target = self.document.rules(schema)
            return self.make(target, (*inside, reference), turn)
        if len(inside) > DEEPEST:
            raise _Endless
        if any(name in schema for name in ("allOf", "anyOf", "oneOf")):
            return self.composed(schema, inside, turn)
        if self.told and turn == 0:
            for name in PLACES_OF_EXAMPLES:
                if name in schema and self.fits(schema[name], schema):
                    return schema[name]
        return self.made(schema, inside, turn)

    def composed(self, schema: Mapping[str, Any], inside: tuple[str, ...], turn: int) -> Any:
        """Of something that is made of several: the first way through that fits."""
        last: Any = None
        found = False
        for rules, followed in merged(self.document, schema, inside):
            try:
                last = self.make(rules, followed, turn)
            except _Endless:
                continue
            found = True
            if self.fits(last, schema):
                return last
        if not found:
            raise _Endless
        return last

    def made(self, schema: Mapping[str, Any], inside: tuple[str, ...], turn: int) -> Any:
        choices = schema.get("enum")
        if isinstance(choices, list) and choices:
            fitting = [choice for choice in choices if self.fits(choice, schema)] or choices
            return fitting[turn % len(fitting)]
        match _type(schema):
            case "object":
                return self.an_object(schema, inside, turn)
            case "array":
                return self.an_array(schema, inside)
            case "string":
                return self.a_text(schema, turn)
            case "integer" | "number" as kind:
                return self.a_number(schema, kind == "integer", turn)
            case "boolean":
                return turn % 2 == 1
            case _:
                return None

    def an_object(self, schema: Mapping[str, Any], inside: tuple[str, ...], turn: int) -> Any:
        properties = _properties(schema)
        required = schema.get("required")
        names = required if isinstance(required, list) else []
        free = schema.get("additionalProperties")
        # What is required inside keeps the turn: two things of one array differ somewhere in it.
        value = {
            name: self.make(properties.get(name, free), inside, turn)
            for name in names
            if isinstance(name, str)
        }
        wanted = _whole(schema.get("minProperties"), 0)
        for name, rules in properties.items():
            if len(value) >= wanted and not (turn and not value):
                break
            if name not in value:
                try:
                    value[name] = self.make(rules, inside, turn)
                except _Endless:
                    continue
        number = 0
        while free is not False and (len(value) < wanted or (turn and not value)):
            value[f"field{turn or ''}{number or ''}"] = self.make(free, inside, turn)
            number += 1
        return value

    def add_payload(self, schema: Any, value: dict[str, Any]) -> None:
        payload = _properties(self.document.rules(schema)).get("payload")
        if payload is None or "payload" in value:
            return
        try:
            grown = {**value, "payload": self.make(payload, (), 0)}
        except _Endless:
            return
        if self.fits(grown, schema):
            value.update(grown)

    def an_array(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> list[Any]:
        count = min(_whole(schema.get("minItems"), 0), 1_000)
        items = schema.get("items")
        differ = schema.get("uniqueItems") is True
        if isinstance(items, list):
            return [self.make(items[n] if n < len(items) else {}, inside, n) for n in range(count)]
        return [self.make(items, inside, n if differ else 0) for n in range(count)]

    def a_text(self, schema: Mapping[str, Any], turn: int) -> str:
        least = _whole(schema.get("minLength"), 0)
        most = schema.get("maxLength")
        longest = most if isinstance(most, int) else None
        for text in self.texts(schema, least, longest, turn):
            if self.fits(text, schema):
                return text
        return _sized(f"text{turn or ''}", least, longest, turn)

    def texts(
        self, schema: Mapping[str, Any], least: int, longest: int | None, turn: int
    ) -> Iterator[str]:
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            for mixed in (False, True):
                text = text_for(pattern, least, longest, turn, mixed=mixed)
                if text is not None:
                    yield text
        if made := FORMATS.get(str(schema.get("format"))):
            yield made(turn)
        yield _sized(f"text{turn or ''}", least, longest, turn)
        if isinstance(pattern, str):
            yield from (_sized(seed, least, longest, turn) for seed in ("A", "1", "a1", "A-1"))

    def a_number(self, schema: Mapping[str, Any], whole: bool, turn: int) -> float:
        span = Span.of(schema)
        value = span.stepped(turn)
        return value if whole or self.fits(value, schema) else span.between(turn)

    def fits(self, value: Any, schema: Mapping[str, Any]) -> bool:
        return self.document.compiled(schema).is_valid(value)


def _type(schema: Mapping[str, Any]) -> str:
    """The type that a schema has, or seems to have from its other rules."""
    given = schema.get("type")
    if isinstance(given, list):
        given = next((name for name in given if name != "null"), "null")
    if isinstance(given, str):
        return "string" if given == "file" else given
    rules = set(schema)
    if rules & {"items", "minItems", "uniqueItems"}:
        return "array"
    if rules & {"pattern", "minLength", "maxLength", "format"}:
        return "string"
    if rules & {"minimum", "maximum", "multipleOf"}:
        return "number"
    return "object"


def _sized(seed: str, least: int, longest: int | None, turn: int) -> str:
    text = seed.ljust(least, "a")
    if longest is not None and len(text) > longest:
        text = (str(turn) if turn else seed)[-longest:].ljust(least, "a") if longest else ""
    return text


def _whole(given: Any, default: int) -> int:
    return (
        given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else default
    )
