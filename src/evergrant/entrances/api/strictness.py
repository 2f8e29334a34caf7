"""Refuses what the framework would let pass: names that nobody knows, names given twice.

Answers for: turning everything that is wrong with a request into flaws, all at once, with the
place of each and, where one is near, the name that was meant. Never repeats a value: pydantic's
``input`` is not looked at except to find the nearest allowed word.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, get_args, get_origin

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from evergrant.entrances import problems
from evergrant.entrances.api.porter import Refused
from evergrant.entrances.problems import Problem, shown_name
from evergrant.errors import Flaw, InvalidInput, NotFound

__all__ = ["StrictRoute", "of_validation"]

Handle = Callable[[Request], Coroutine[Any, Any, Response]]

_MOST_FLAWS: Final = 50
# pydantic's kinds of error: our code and words. Other kinds keep pydantic's words.
_NO_OBJECT = ("wrong_type", "must be a JSON object.")
_NO_TRUTH = ("wrong_type", "must be true or false.")
_NO_NUMBER = ("wrong_type", "must be a whole number.")
_NO_INSTANT = (
    "wrong_type",
    "must be an instant with its offset, such as '2026-03-01T09:30:00Z'.",
)
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "model_attributes_type": _NO_OBJECT,
    "model_type": _NO_OBJECT,
    "dict_type": _NO_OBJECT,
    "string_type": ("wrong_type", "must be text."),
    "string_unicode": ("wrong_type", "must be text that Unicode knows."),
    "bool_type": _NO_TRUTH,
    "bool_parsing": _NO_TRUTH,
    "int_type": _NO_NUMBER,
    "int_parsing": _NO_NUMBER,
    "int_from_float": _NO_NUMBER,
    "int_parsing_size": ("out_of_range", "is out of all bounds."),
    "list_type": ("wrong_type", "must be a list."),
    "enum": ("unknown_value", "must be {expected}."),
    "literal_error": ("unknown_value", "must be {expected}."),
    "timezone_aware": _NO_INSTANT,
    "datetime_type": _NO_INSTANT,
    "datetime_parsing": _NO_INSTANT,
    "datetime_from_date_parsing": _NO_INSTANT,
    "datetime_object_invalid": _NO_INSTANT,
    "greater_than_equal": ("out_of_range", "must be at least {ge}."),
    "less_than_equal": ("out_of_range", "must be at most {le}."),
    "string_too_long": ("too_long", "must not be longer than {max_length} characters."),
    "too_long": ("too_long", "must not have more than {max_length} items."),
    "too_short": ("missing", "needs at least {min_length}."),
    "string_pattern_mismatch": ("invalid", "does not have the form that is needed here."),
}
_NOT_NAMED: Final = frozenset({"body", "query", "path", "header", "cookie"})


class StrictRoute(APIRoute):
    """A route that reads JSON strictly and knows its query parameters."""

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            self._check_query(request)
            body = await request.body()
            if body:
                # Kept where the framework will look for it.
                request._json = self._check_body(_read_json(body))  # noqa: SLF001
            return await handle(request)

        return strict

    def _check_query(self, request: Request) -> None:
        params = list(_query_params(self))
        known = {param.alias for param in params}
        lists = {param.alias for param in params if _takes_several(param)}
        flaws = []
        for name in dict.fromkeys(request.query_params.keys()):
            if name not in known:
                flaws.append(_unknown(shown_name(name), name, known, "query parameter"))
            elif name not in lists and len(request.query_params.getlist(name)) > 1:
                flaws.append(Flaw("is given more than once.", field=name, code="repeated"))
        if flaws:
            raise Refused(_invalid(flaws, in_query=True))

    def _check_body(self, body: Any) -> Any:
        if self.body_field is None and (body or not isinstance(body, dict)):
            raise InvalidInput(
                "This request takes no body.",
                hint="Leave the body away. What it says would not have been looked at.",
            )
        return body


def of_validation(error: RequestValidationError, route: object) -> Problem:
    """What pydantic found, in our words. A path that no id can have is simply not there."""
    found = error.errors()
    if any(_place(one)[:1] == ("path",) for one in found):
        return problems.of_error(
            NotFound(hint="Ids are a short word, an underscore, and 26 small letters and digits.")
        )
    in_query = all(_place(one)[:1] == ("query",) for one in found)
    model = _body_model(route)
    flaws = [_flaw(one, model) for one in found[:_MOST_FLAWS]]
    return _invalid(flaws, in_query=in_query)


def _invalid(flaws: Sequence[Flaw], *, in_query: bool) -> Problem:
    shown = problems.of_error(InvalidInput(flaws=flaws))
    return Problem(
        status=shown.status,
        code=shown.code,
        blame=shown.blame,
        detail=shown.detail,
        hint=_hint(flaws),
        flaws=shown.flaws,
        in_query=in_query,
    )


def _hint(flaws: Sequence[Flaw]) -> str | None:
    """The only hint; of several, none: each flaw has its own."""
    hints = [flaw.hint for flaw in flaws if flaw.hint]
    return hints[0] if len(flaws) == 1 and hints else None


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        detail = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        raise Refused(problems.of_row("broken_json", detail=detail)) from None
    except UnicodeDecodeError:
        detail = "The body is not JSON: it is not UTF-8."
        raise Refused(problems.of_row("broken_json", detail=detail)) from None
    except RecursionError:
        detail = "The body is not JSON that we read: it is nested too deeply."
        raise Refused(problems.of_row("broken_json", detail=detail)) from None
    except ValueError:
        detail = "The body is not JSON that we read: a number in it is out of all bounds."
        raise Refused(problems.of_row("broken_json", detail=detail)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        # Counted once: a body of a hundred thousand names must not hold up everybody else.
        times = Counter(name for name, _ in pairs)
        twice = sorted(name for name, count in times.items() if count > 1)
        raise InvalidInput(
            flaws=[
                Flaw("is given more than once.", field=shown_name(name), code="repeated")
                for name in twice[:_MOST_FLAWS]
            ]
        )
    return read


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _flaw(found: Mapping[str, Any], model: type[BaseModel] | None) -> Flaw:
    place = _place(found)
    parts = place[1:] if place and place[0] in _NOT_NAMED else place
    if place[:1] == ("query",):
        # A parameter that is given several times has one name; nobody wrote "state.0".
        parts = parts[:1]
    field = ".".join(shown_name(part) for part in parts) or None
    kind = str(found["type"])
    if kind == "missing":
        return Flaw("is needed." if field else "A JSON object is needed.", field, "missing")
    if kind == "extra_forbidden":
        return _unknown(field, str(parts[-1]), _names_at(model, parts[:-1]), "field")
    code, words = _WORDS.get(kind, ("invalid", ""))
    limits = {name: str(value) for name, value in found.get("ctx", {}).items()}
    message = words.format_map(limits) if words else _sentence(str(found["msg"]))
    return Flaw(message, field, code, _nearest_word(found))


def _unknown(field: str | None, name: str, known: Iterable[str], what: str) -> Flaw:
    known = sorted(known)
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if near:
        hint = f"Did you mean '{near[0]}'?"
    elif known:
        hint = f"Known here: {', '.join(known)}."
    else:
        hint = f"There is no {what} here."
    return Flaw(f"is no {what} that is known here.", field, "unknown_field", hint)


def _nearest_word(found: Mapping[str, Any]) -> str | None:
    """For an unknown enum member: the allowed word that is nearest to what was sent."""
    if found["type"] not in ("enum", "literal_error") or not isinstance(found.get("input"), str):
        return None
    expected = str(found.get("ctx", {}).get("expected", ""))
    words = [word for word in expected.split("'")[1::2] if word]
    near = difflib.get_close_matches(found["input"].lower(), words, n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else None


def _place(found: Mapping[str, Any]) -> tuple[Any, ...]:
    place: tuple[Any, ...] = tuple(found.get("loc", ()))
    return place


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ").replace("Input should", "should")
    return message if message.endswith(".") else f"{message}."


def _body_model(route: object) -> type[BaseModel] | None:
    body_field = getattr(route, "body_field", None)
    return _model_in(body_field.field_info.annotation) if body_field is not None else None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in ``Model``, ``Model | None``, ``list[Model]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _names_at(model: type[BaseModel] | None, place: Sequence[Any]) -> list[str]:
    for part in place:
        if model is None or isinstance(part, int):
            continue
        field = model.model_fields.get(str(part))
        model = _model_in(field.annotation) if field is not None else None
    return sorted(model.model_fields) if model is not None else []


def _query_params(route: APIRoute) -> Iterable[Any]:
    waiting = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        yield from dependant.query_params
        waiting.extend(dependant.dependencies)


def _takes_several(param: Any) -> bool:
    """Whether a query may name it several times."""
    told = param.field_info.annotation
    return any(get_origin(one) is list for one in (told, *get_args(told)))
