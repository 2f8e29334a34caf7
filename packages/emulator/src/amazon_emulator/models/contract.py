"""Where a request or an answer breaks the model.

Answers for: naming each fault by its place and by the rule that it breaks. A value is never told:
bodies hold addresses and names of people, headers hold credentials. It does not decide what
becomes of a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from amazon_emulator.asking import Asking
from amazon_emulator.models.described import Described
from amazon_emulator.models.faults import FAULTS_AT_MOST, Fault, in_value, unknown_fields
from amazon_emulator.models.parameters import faults_of_parameters

__all__ = ["Fault", "faults_of_answer", "faults_of_request"]

JSON = "application/json"


def faults_of_request(described: Described, asking: Asking) -> list[Fault]:
    """Where a request differs from what the model allows, the grave faults first."""
    return _in_order([*faults_of_parameters(described, asking), *_of_body(described, asking)])


def faults_of_answer(
    described: Described, status: int, headers: Mapping[str, str], body: Any
) -> list[Fault]:
    """Where an answer differs from what the model promises, the grave faults first. ``body`` is a
    JSON value; None is no body."""
    response = described.response(status)
    if response is None:
        known = ", ".join(described.responses) or "none"
        return [Fault("status", f"{status} is not declared; declared are {known}", "status")]
    found: list[Fault] = []
    media = _media(headers)
    if media and body is not None and described.produces and media not in described.produces:
        wanted = ", ".join(described.produces)
        found.append(Fault("header.content-type", f"must be {wanted}", "content type"))
    if response.schema is None:
        if body is not None:
            found.append(Fault("body", f"a {status} has no body in the model", "body"))
    elif body is None:
        if status != 204:
            found.append(Fault("body", f"a {status} has a body in the model", "body"))
    else:
        found.extend(in_value(described.document.validator(response.schema), body, "body"))
        found.extend(unknown_fields(described.document, response.schema, body, "body"))
    return _in_order(found)


def _of_body(described: Described, asking: Asking) -> Iterator[Fault]:
    declared = described.body
    given = bool(asking.body.strip())
    if declared is None:
        is_form = any(known.place == "formData" for known in described.parameters)
        if given and not is_form:
            words = f"a {asking.method} of this operation takes no body"
            empty = asking.body.strip() == b"{}"
            yield Fault("body", words, "style" if empty else "body")
        return
    if not given:
        if declared.required:
            yield Fault("body", "is missing", "missing")
        return
    media, wanted = _media(asking.headers), described.consumes or (JSON,)
    if media not in wanted:
        words = f"must be {', '.join(wanted)}"
        yield Fault(
            "header.content-type", words if media else f"is missing; {words}", "content type"
        )
    if not any("json" in one for one in wanted):
        return
    try:
        value = asking.json
    except ValueError:
        yield Fault("body", "is no JSON", "body")
        return
    rules = described.document.validator(declared.rules, as_asked=True)
    yield from in_value(rules, value, "body")
    yield from unknown_fields(described.document, declared.rules, value, "body")


def _media(headers: Mapping[str, str]) -> str:
    given = next((headers[name] for name in headers if name.lower() == "content-type"), "")
    return given.partition(";")[0].strip().lower()


def _in_order(found: list[Fault]) -> list[Fault]:
    kept = dict.fromkeys(found)
    return sorted(kept, key=lambda fault: (not fault.grave, fault.where))[:FAULTS_AT_MOST]
