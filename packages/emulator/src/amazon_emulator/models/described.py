"""What Amazon's models say, as values: operations, parameters, responses, sandbox cases.

Answers for: the words in which the rest of the emulator speaks about a model. It reads no files
and judges no requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from amazon_emulator.models.document import Document

__all__ = ["Case", "Described", "Library", "ModelsUnreadable", "Parameter", "Place", "Response"]

Place = Literal["path", "query", "header", "body", "formData"]


SEPARATORS = {"ssv": " ", "tsv": "\t", "pipes": "|"}

RATE_HEADER = "x-amzn-ratelimit-limit"


class ModelsUnreadable(Exception):
    """The folder that was named holds no models; the message says what to do."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation. ``rules`` is the parameter object of the model; a body's
    ``rules`` are its schema."""

    name: str
    place: Place
    required: bool
    rules: Mapping[str, Any] = field(default_factory=dict, compare=False)
    greedy: bool = False

    @property
    def style(self) -> str:
        """How the values of an array are written: csv, ssv, tsv, pipes or multi."""
        return str(self.rules.get("collectionFormat", "csv"))

    @property
    def separator(self) -> str:
        """What stands between the values of an array in one text."""
        return SEPARATORS.get(self.style, ",")


@dataclass(frozen=True)
class Response:
    """One response of an operation. ``status`` as written in the model: "200", "default"."""

    status: str
    description: str = ""
    schema: Mapping[str, Any] | None = field(default=None, compare=False)
    headers: Mapping[str, Any] = field(default_factory=dict, compare=False)
    examples: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Case:
    """One static case of the sandbox: what has to be asked, and what is answered then.

    ``parameters`` are (place, name, value), place None where the model declares no parameter of
    that name. ``compares_body`` is False where any body will do. ``body`` is what a response
    brings; ``has_body`` is False where the case has no ``response``.
    """

    number: int
    status: int
    parameters: tuple[tuple[Place | None, str, Any], ...] = ()
    compares_body: bool = False
    asked_body: Any = None
    has_body: bool = False
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    older: bool = False


@dataclass(frozen=True, eq=False)
class Described:
    """One operation, equal to nothing but itself. ``plan`` is (requests per second, burst) where
    its description tells one; ``model`` the file, relative to the library's folder, with forward
    slashes."""

    name: str
    method: str
    path: str
    model: str
    parameters: tuple[Parameter, ...] = ()
    consumes: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    responses: Mapping[str, Response] = field(default_factory=dict)
    plan: tuple[float, int] | None = None
    dynamic: bool = False
    sandbox_only: bool = False
    deprecated: bool = False
    cases: tuple[Case, ...] = ()
    document: Document = field(default_factory=Document, repr=False)

    def response(self, status: int) -> Response | None:
        """What the model says about a status, else what it says for all others."""
        return self.responses.get(str(status)) or self.responses.get("default")

    @property
    def greedy(self) -> bool:
        """Whether its last path parameter takes the rest of the path, slashes and all."""
        return any(known.greedy for known in self.parameters)

    @property
    def rate_limited(self) -> frozenset[int]:
        """The statuses whose responses the model gives an ``x-amzn-RateLimit-Limit``."""
        return frozenset(
            int(status)
            for status, response in self.responses.items()
            if status.isdecimal() and RATE_HEADER in {name.lower() for name in response.headers}
        )

    @property
    def body(self) -> Parameter | None:
        """The parameter that travels as the body."""
        return next((known for known in self.parameters if known.place == "body"), None)


@dataclass(frozen=True)
class Library:
    """All models of a folder. ``unreadable`` and ``doubled`` are (file, words for a person)."""

    folder: Path
    operations: tuple[Described, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    doubled: tuple[tuple[str, str], ...] = ()
    models: tuple[str, ...] = ()
