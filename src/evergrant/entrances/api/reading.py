"""The OpenAPI document as plain values, for pages that people read.

Answers for: which operations there are, what each takes and gives, in reading order. Does not
answer for: HTML or Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evergrant.entrances import problems
from evergrant.entrances.problems import DOOR_PROBLEMS
from evergrant.errors import EvergrantError

__all__ = [
    "Answer",
    "Chapter",
    "Member",
    "Operation",
    "ProblemRow",
    "Shape",
    "read",
    "read_problems",
]

_REF = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Member:
    """One parameter, or one member of a JSON object. ``shape``: name of the shape to look up."""

    name: str
    kind: str
    needed: bool
    about: str
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """One JSON object that requests or answers are made of."""

    name: str
    about: str
    members: tuple[Member, ...]
    example: str

    @property
    def anchor(self) -> str:
        return f"shape-{self.name.lower()}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    about: str
    shape: str  # of the body; empty: none, or a problem
    kind: str


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    about: tuple[str, ...]
    parameters: tuple[Member, ...]
    body: str  # name of its shape; empty: takes none
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    name: str
    about: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True, order=True)
class ProblemRow:
    status: int
    code: str
    blame: str
    about: str


def read(document: Mapping[str, Any]) -> tuple[tuple[Chapter, ...], tuple[Shape, ...]]:
    """Chapters in the order of the tags, and the shapes they speak of, by name."""
    schemas = document["components"]["schemas"]
    chapters = tuple(
        Chapter(
            tag["name"],
            tag["description"],
            tuple(
                _operation(method, path, said, schemas)
                for path, methods in document["paths"].items()
                for method, said in methods.items()
                if tag["name"] in said["tags"]
            ),
        )
        for tag in document["tags"]
    )
    shapes = tuple(
        _shape(name, said, schemas)
        for name, said in schemas.items()
        if said.get("type") == "object" and not name.startswith("PageOf")
    )
    return chapters, shapes


def read_problems() -> list[ProblemRow]:
    """Every code that a problem may have, by status."""
    rows = {
        ProblemRow(row.status, row.code, row.blame.value, row.detail)
        for row in DOOR_PROBLEMS.values()
    }
    known = {row.code for row in rows}
    rows |= {
        ProblemRow(problems.status_of(kind), kind.code, kind.blame.value, kind.default_message)
        for kind in _leaves(EvergrantError)
        if kind.code not in known
    }
    return sorted(rows)


def _leaves(kind: type[EvergrantError]) -> Iterator[type[EvergrantError]]:
    below = kind.__subclasses__()
    if not below and kind.__module__ == EvergrantError.__module__:
        yield kind
    for one in below:
        yield from _leaves(one)


def _operation(
    method: str, path: str, said: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Operation:
    content = said.get("requestBody", {}).get("content", {})
    return Operation(
        id=said["operationId"],
        method=method.upper(),
        path=path,
        summary=said["summary"],
        about=tuple(part for part in said["description"].split("\n\n") if part),
        parameters=tuple(_parameter(one, schemas) for one in said.get("parameters", ())),
        body=_named(content.get("application/json", {}).get("schema", {})),
        answers=tuple(_answer(status, one) for status, one in said["responses"].items()),
    )


def _parameter(said: Mapping[str, Any], schemas: Mapping[str, Any]) -> Member:
    kind = _kind(said["schema"], schemas)
    about = said.get("description", "")
    if "default" in said["schema"] and said["schema"]["default"] is not None:
        about = f"{about} (default: {said['schema']['default']})".strip()
    return Member(said["name"], f"{said['in']}: {kind}", said.get("required", False), about)


def _answer(status: str, said: Mapping[str, Any]) -> Answer:
    schema = said.get("content", {}).get("application/json", {}).get("schema", {})
    name = _named(schema)
    kind = name
    if name.startswith("PageOf"):
        name = f"{name.removeprefix('PageOf').removesuffix('s')}View"
        kind = f"page of {name}"
    return Answer(status, said["description"], name, kind)


def _shape(name: str, said: Mapping[str, Any], schemas: Mapping[str, Any]) -> Shape:
    # Members of answers are all there, always: only what a caller sends can be left away.
    sent = said.get("additionalProperties") is False
    needed = said.get("required", ()) if sent else ()
    members = tuple(
        Member(
            member,
            _kind(schema, schemas),
            member in needed,
            schema.get("description", ""),
            _shape_in(schema),
        )
        for member, schema in said.get("properties", {}).items()
    )
    examples = said.get("examples", ())
    shown = json.dumps(examples[0], indent=2, ensure_ascii=False) if examples else ""
    return Shape(name, " ".join(said.get("description", "").split()), members, shown)


def _named(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).removeprefix(_REF)


def _shape_in(schema: Mapping[str, Any]) -> str:
    inner = schema.get("items", schema)
    return _named(inner) or next((_named(one) for one in inner.get("anyOf", ()) if _named(one)), "")


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    name = _named(schema)
    if name and "enum" not in schemas.get(name, {}):
        return name
    schema = schemas[name] if name else schema
    if "anyOf" in schema:
        return " or ".join(_kind(one, schemas) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("writeOnly"):
        return "secret"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), schemas)}"
    if schema.get("format") == "date-time":
        return "instant"
    return str(schema.get("type", "any"))
