"""Reads a folder of models into operations.

Answers for: what every file says, and for telling by name which file, or which part of it, says
nothing that can be used. One broken file never hides the others. It judges no requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from amazon_emulator.models.cases import cases_of, is_dynamic
from amazon_emulator.models.described import (
    Described,
    Library,
    ModelsUnreadable,
    Parameter,
    Place,
    Response,
)
from amazon_emulator.models.document import Dangling, Document
from amazon_emulator.models.fields import fields_of
from amazon_emulator.models.finding import json_files, looks_like_a_model
from amazon_emulator.models.openapi import as_swagger
from amazon_emulator.models.plans import plan_of

__all__ = ["read"]

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")

ONLY_SANDBOX = "x-amzn-api-sandbox-only"
GREEDY = "x-amazon-spds-greedy-path-parameter"

_REFERENCE = re.compile(rb'"\$ref"\s*:\s*"([^"]{1,500})"')
_NAMED_IN_PATH = re.compile(r"\{([^{}]+)\}")

AGAIN = "fetch it again from Amazon's repository of models, or take it out of the folder"


def read(folder: Path) -> Library:
    """All models below ``folder``, in the order of their file names. Raises ModelsUnreadable when
    there is no such folder."""
    if not folder.is_dir():
        raise ModelsUnreadable(f"there is no folder {folder}")
    shelf = _Shelf()

    def lost(error: OSError) -> None:
        name = Path(str(error.filename)).relative_to(folder).as_posix()
        shelf.unreadable.append((name, f"cannot be opened: {error.strerror or error}"))

    for path in json_files(folder, lost):
        _put(shelf, path.relative_to(folder).as_posix(), path)
    return Library(
        folder,
        operations=tuple(shelf.operations.values()),
        unreadable=tuple(shelf.unreadable),
        doubled=tuple(shelf.doubled),
        models=tuple(shelf.models),
    )


@dataclass
class _Shelf:
    operations: dict[tuple[str, str], Described] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    doubled: list[tuple[str, str]] = field(default_factory=list)
    models: list[str] = field(default_factory=list)

    def place(self, described: Described) -> None:
        """The first at a place stays there, whatever its parameters are called."""
        key = (described.method, _NAMED_IN_PATH.sub("{}", described.path))
        first = self.operations.setdefault(key, described)
        if first is not described:
            words = (
                f"{described.method} {described.path} ({described.name}) is described by "
                f"{first.model} as well ({first.name}); that one is used"
            )
            self.doubled.append((described.model, words))


def _put(shelf: _Shelf, name: str, path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        shelf.unreadable.append((name, f"cannot be opened: {error.strerror or error}"))
        return
    if not looks_like_a_model(content):
        return
    try:
        given = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        shelf.unreadable.append((name, f"is no text in UTF-8; {AGAIN}"))
        return
    except RecursionError:
        shelf.unreadable.append((name, f"is nested too deeply; {AGAIN}"))
        return
    except ValueError as error:
        shelf.unreadable.append((name, f"is no JSON: {error}; {AGAIN}"))
        return
    if not isinstance(given, dict) or not {"swagger", "openapi"} & set(given):
        return
    if not isinstance(given.get("paths"), dict):
        shelf.unreadable.append((name, f"has no paths; {AGAIN}"))
        return
    if str(given.get("openapi", "")).startswith("3."):
        given = as_swagger(given)
    if given.get("swagger") != "2.0":
        said = given.get("swagger", given.get("openapi"))
        words = f"says it is version {said}; read are Swagger 2.0, as Amazon's are, and OpenAPI 3"
        shelf.unreadable.append((name, words))
        return
    file = _File(name, given)
    file.look_at_references(
        {found.decode(errors="replace") for found in _REFERENCE.findall(content)}
    )
    for described in file.operations():
        shelf.place(described)
    shelf.models.append(name)
    shelf.unreadable.extend((name, words) for words in dict.fromkeys(file.troubles))


class _File:
    """One model while it is read."""

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        self.name = name
        self.given = given
        self.document = Document(given)
        self.troubles: list[str] = []

    def look_at_references(self, references: set[str]) -> None:
        for reference in sorted(references):
            try:
                self.document.resolved(self.document.at(reference))
            except Dangling:
                self.troubles.append(
                    f"the reference {reference} leads nowhere or in a circle; "
                    "whatever it was to describe is not checked"
                )

    def operations(self) -> Iterator[Described]:
        base = str(self.given.get("basePath") or "").rstrip("/")
        for path, written in self.given["paths"].items():
            if not path.startswith("/"):
                continue  # an extension
            item = self.resolved(written, path)
            for method in item:
                if method in METHODS and isinstance(item[method], Mapping):
                    yield self.operation(method, base + path, item, item[method])
                elif method in METHODS:
                    self.troubles.append(f"{method.upper()} {path} is no object; it is left out")

    def operation(
        self, method: str, path: str, item: Mapping[str, Any], given: Mapping[str, Any]
    ) -> Described:
        name = str(given.get("operationId") or f"{method.upper()} {path}")
        parameters = self.parameters(name, path, item, given)
        written = {
            str(status): self.resolved(response, f"{name}, response {status}")
            for status, response in _mapping(given.get("responses")).items()
            if not str(status).startswith("x-")
        }
        body = next((known.rules for known in parameters if known.place == "body"), None)
        body_fields = frozenset() if body is None else frozenset(fields_of(self.document, body))
        return Described(
            name=name,
            method=method.upper(),
            path=path,
            model=self.name,
            parameters=parameters,
            consumes=_texts(given.get("consumes"), self.given.get("consumes")),
            produces=_texts(given.get("produces"), self.given.get("produces")),
            responses={status: _response(status, one) for status, one in written.items()},
            plan=plan_of(given.get("description")),
            dynamic=is_dynamic(given, item),
            sandbox_only=given.get(ONLY_SANDBOX) is True or item.get(ONLY_SANDBOX) is True,
            deprecated=given.get("deprecated") is True,
            cases=cases_of(written, given, item, parameters, body_fields),
            document=self.document,
        )

    def parameters(
        self, name: str, path: str, item: Mapping[str, Any], given: Mapping[str, Any]
    ) -> tuple[Parameter, ...]:
        """Those of the path item, replaced or followed by those of the operation."""
        found: dict[tuple[str, str], Parameter] = {}
        for written in (*_list(item.get("parameters")), *_list(given.get("parameters"))):
            rules = self.resolved(written, f"{name}, a parameter")
            if not rules:
                continue
            place, called = rules.get("in"), rules.get("name")
            if place not in get_args(Place) or not isinstance(called, str):
                self.troubles.append(f"{name} has a parameter without name or place; left out")
                continue
            found[str(place), called] = Parameter(
                called,
                cast("Place", place),
                rules.get("required") is True or place == "path",
                _mapping(rules.get("schema")) if place == "body" else rules,
                rules.get(GREEDY) is True,
            )
        for called in _NAMED_IN_PATH.findall(path):
            if ("path", called) not in found:
                self.troubles.append(
                    f"{name} does not declare its path parameter {called}; any text"
                )
                found["path", called] = Parameter(called, "path", True, {"type": "string"})
        return tuple(found.values())

    def resolved(self, thing: Any, what: str) -> Mapping[str, Any]:
        """An object, or an empty one in its place with words about it."""
        try:
            found = self.document.resolved(thing)
        except Dangling as dangling:
            self.troubles.append(f"{what}: the reference {dangling} leads nowhere; left out")
            return {}
        if not isinstance(found, Mapping):
            self.troubles.append(f"{what} is no object; left out")
            return {}
        return found


def _response(status: str, given: Mapping[str, Any]) -> Response:
    schema = given.get("schema")
    return Response(
        status,
        str(given.get("description") or ""),
        schema if isinstance(schema, Mapping) else None,
        _mapping(given.get("headers")),
        _mapping(given.get("examples")),
    )


def _texts(*choices: Any) -> tuple[str, ...]:
    """The first list of texts that was given."""
    for given in choices:
        if isinstance(given, list):
            return tuple(one for one in given if isinstance(one, str))
    return ()


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []
