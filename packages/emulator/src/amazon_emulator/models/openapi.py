"""OpenAPI 3 in the words of Swagger 2.0, which the rest of this package speaks.

Answers for: parameters, bodies, responses and the base path, should Amazon publish a model so. The
schemas stay where they are and as they are. Cookies and callbacks have no place in Swagger 2.0 and
are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from amazon_emulator.models.document import Dangling, Document

__all__ = ["as_swagger"]

METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})

STYLES = {"pipeDelimited": "pipes", "spaceDelimited": "ssv"}


def as_swagger(given: Mapping[str, Any]) -> dict[str, Any]:
    """A model of OpenAPI 3 as one of Swagger 2.0. What is malformed stays as it was written, for
    the reader to tell."""
    document = Document(given)
    paths = given.get("paths")
    return {
        **given,
        "swagger": "2.0",
        "basePath": _base(given),
        "paths": {
            path: _item(document, item)
            for path, item in (paths.items() if isinstance(paths, Mapping) else ())
        },
    }


def _base(given: Mapping[str, Any]) -> str:
    servers = given.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {}
    url = first.get("url") if isinstance(first, Mapping) else None
    try:
        return urlsplit(url).path if isinstance(url, str) else ""
    except ValueError:
        return ""


def _item(document: Document, written: Any) -> Any:
    item = _resolved(document, written)
    if not isinstance(item, Mapping):
        return written
    made = dict(item)
    if "parameters" in item:
        made["parameters"] = _parameters(document, item["parameters"])
    for method in METHODS & set(item):
        if isinstance(item[method], Mapping):
            made[method] = _operation(document, item[method])
    return made


def _operation(document: Document, given: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(given)
    parameters = _parameters(document, given.get("parameters"))
    body = _resolved(document, given.get("requestBody"))
    if isinstance(body, Mapping):
        content = _content(body)
        made["consumes"] = list(content)
        parameters.append(
            {
                "name": "body",
                "in": "body",
                "required": body.get("required") is True,
                "schema": _preferred(content).get("schema", {}),
            }
        )
    made["parameters"] = parameters
    responses = given.get("responses")
    if isinstance(responses, Mapping):
        made["responses"] = {key: _response(document, one) for key, one in responses.items()}
        found = [_resolved(document, one) for one in responses.values()]
        kinds = [kind for one in found if isinstance(one, Mapping) for kind in _content(one)]
        made["produces"] = list(dict.fromkeys(kinds))
    return made


def _parameters(document: Document, given: Any) -> list[Any]:
    return [_parameter(document, one) for one in (given if isinstance(given, list) else ())]


def _parameter(document: Document, written: Any) -> Any:
    given = _resolved(document, written)
    if not isinstance(given, Mapping):
        return written
    schema = given.get("schema", _preferred(_content(given)).get("schema"))
    rules = document.rules(schema)
    style = STYLES.get(str(given.get("style")))
    if style is None:
        # Lists in a query are repeated unless the model says otherwise; elsewhere they are not.
        repeated = given.get("explode", given.get("in") == "query") is True
        style = "multi" if repeated and given.get("in") == "query" else "csv"
    # The words of the parameter come last: its schema may have a description of its own.
    named = {name: value for name, value in given.items() if name not in ("schema", "content")}
    return {**rules, "collectionFormat": style, **named}


def _response(document: Document, written: Any) -> Any:
    given = _resolved(document, written)
    if not isinstance(given, Mapping):
        return written
    made = dict(given)
    content = _content(given)
    preferred = _preferred(content)
    if "schema" in preferred:
        made["schema"] = preferred["schema"]
    examples = [preferred["example"]] if "example" in preferred else []
    several = preferred.get("examples")
    for one in several.values() if isinstance(several, Mapping) else ():
        found = _resolved(document, one)
        if isinstance(found, Mapping) and "value" in found:
            examples.append(found["value"])
    if examples:
        made["examples"] = {"application/json": examples[0]}
    return made


def _content(given: Mapping[str, Any]) -> Mapping[str, Any]:
    content = given.get("content")
    return content if isinstance(content, Mapping) else {}


def _preferred(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """JSON where it is offered, else the first that is."""
    chosen = content.get("application/json", next(iter(content.values()), None))
    return chosen if isinstance(chosen, Mapping) else {}


def _resolved(document: Document, thing: Any) -> Any:
    try:
        return document.resolved(thing)
    except Dangling:
        return thing
