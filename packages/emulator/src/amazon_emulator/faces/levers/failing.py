"""Levers that make bad weather: a face fails, is slow, or drops what it was asked.

Answers for: reading what is wished, strictly, so that a spell that could never meet anybody is told
at once.
"""

from __future__ import annotations

from typing import Any

from amazon_emulator import instants
from amazon_emulator.faces.levers.making import application_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.faces.selling_partner_api import known_routes
from amazon_emulator.marketplaces import REGIONS
from amazon_emulator.stage import Stage
from amazon_emulator.weather import Spell, mode_of, names_operation

__all__ = [
    "LEVERS",
    "clear_aws",
    "clear_documents",
    "clear_lwa",
    "clear_spapi",
    "fail",
    "fail_aws",
    "fail_documents",
    "fail_lwa",
    "fail_spapi",
    "known_operation",
    "weather",
]

LONGEST_MS = 600_000
DOCUMENT_OPERATIONS = ("upload", "download")


def fail_lwa(stage: Stage, wish: Wish) -> dict[str, Any]:
    """LWA fails {mode or status, times?, after_calls?, until?, ms?, share?, code?, message?,
    partner?, client_id?, application_id?, grant_type?}. Before any work: any status from 400 to
    599, hang, drop, garbage, empty, html, invalid_client, unauthorized_client, denied; after the
    work was done: a status with _after, hang_after, drop_after, truncate; slow: waits ms, then as
    usual. Until cleared, until an instant (ISO or "+10 minutes"), or the next `times`, once
    `after_calls` of them have passed."""
    return fail(stage, wish, "lwa")


def fail_spapi(stage: Stage, wish: Wish) -> dict[str, Any]:
    """SP-API fails, as /lwa/fail; with details? too, and narrowed by region? and operation? (an
    operationId, or a path template with or without its method)."""
    return fail(stage, wish, "spapi")


def fail_documents(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Uploads and downloads fail, as /lwa/fail but without refusals; narrowed by operation?
    (upload, download), partner? and region?."""
    return fail(stage, wish, "documents")


def fail_aws(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Queues fail, as /lwa/fail but without refusals; narrowed by operation? (ReceiveMessage,
    SendMessage, AssumeRole, ...)."""
    return fail(stage, wish, "aws")


def fail(stage: Stage, wish: Wish, face: str) -> dict[str, Any]:
    mode = _mode(wish, face)
    until = wish.maybe("until")
    spell = Spell(
        face=face,
        mode=mode,
        times=wish.count("times"),
        ms=int(wish.number("ms", 1000 if mode == "slow" else 0)),
        share=wish.number("share", 1.0),
        code=wish.maybe("code"),
        message=wish.maybe("message"),
        details=wish.maybe("details") if face == "spapi" else None,
        after_calls=wish.count("after_calls") or 0,
    )
    if until is not None:
        spell.until = _until(stage, until)
    _narrow(stage, wish, spell)
    wish.done()
    if not 0 <= spell.ms <= LONGEST_MS or not 0 < spell.share <= 1:
        raise WrongWish(f"'ms' must be from 0 to {LONGEST_MS} and 'share' above 0 up to 1")
    if spell.failure is None and (spell.code, spell.message, spell.details) != (None,) * 3:
        raise WrongWish(f"{mode!r} has no words; 'code' and the like belong to a status")
    stage.weather.cast(spell)
    if spell.until is not None:
        stage.agenda.at(spell.until, lambda instant: stage.weather.lift(spell))
    return weather(stage, wish)


def _mode(wish: Wish, face: str) -> str:
    """From `mode` or from `status`; either may be a number."""
    if wish.has("mode") == wish.has("status"):
        raise WrongWish("either 'mode' or 'status' is needed")
    name = "mode" if wish.has("mode") else "status"
    given = wish.raw(name)
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str) or (name == "status" and not given.isdigit()):
        raise WrongWish(f"{name!r} must be a status from 400 to 599, or a mode")
    try:
        return mode_of(face, given)
    except ValueError as error:
        raise WrongWish(str(error)) from None


def _until(stage: Stage, text: str) -> Any:
    now = stage.clock.now()
    try:
        until = instants.read(text, now)
    except ValueError as error:
        raise WrongWish(f"'until': {error}") from None
    if until <= now:
        raise WrongWish(f"'until': {text!r} is past by the emulator's clock")
    return until


def _narrow(stage: Stage, wish: Wish, spell: Spell) -> None:
    face = spell.face
    if face != "aws":
        spell.partner = wish.maybe("partner")
    if face in ("lwa", "spapi"):
        application_id = wish.maybe("application_id")
        spell.client_id = wish.maybe("client_id")
        if application_id is not None:
            spell.client_id = application_of(stage, application_id).lwa_client_id
    if face == "lwa":
        spell.grant_type = wish.maybe("grant_type")
        return
    spell.operation = wish.maybe("operation")
    if face != "aws":
        spell.region = wish.choice("region", (*REGIONS, None), None)
    if spell.operation is None:
        return
    if face == "spapi":
        known_operation(stage, spell.operation)
    if face == "documents" and spell.operation not in DOCUMENT_OPERATIONS:
        raise WrongWish(f"'operation' must be one of {', '.join(DOCUMENT_OPERATIONS)}")


def known_operation(stage: Stage, operation: str) -> None:
    """Raises WrongWish for one that neither the emulator nor any usage plan or model knows."""
    if not any(
        names_operation(operation, known.name, f"{known.method} {known.template}")
        for known in known_routes(stage).known
    ):
        raise WrongWish(
            f"no operation of Amazon's is known as {operation!r}; it is an operationId, or a path "
            "template as in Amazon's models, with or without its method",
            404,
        )


def weather(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The failing modes that are on."""
    return {"items": [spell.as_json() for spell in stage.weather.spells]}


def clear_lwa(stage: Stage, wish: Wish) -> dict[str, Any]:
    """LWA works again; hanging requests are dropped."""
    return _clear(stage, wish, "lwa")


def clear_spapi(stage: Stage, wish: Wish) -> dict[str, Any]:
    """SP-API works again; hanging requests are dropped."""
    return _clear(stage, wish, "spapi")


def clear_documents(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Uploads and downloads work again; hanging requests are dropped."""
    return _clear(stage, wish, "documents")


def clear_aws(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Queues work again; hanging requests are dropped."""
    return _clear(stage, wish, "aws")


def _clear(stage: Stage, wish: Wish, face: str) -> dict[str, Any]:
    wish.done()
    return {"cleared": stage.weather.clear(face)}


LEVERS = (
    ("POST", "/lwa/fail", fail_lwa),
    ("POST", "/lwa/clear", clear_lwa),
    ("POST", "/spapi/fail", fail_spapi),
    ("POST", "/spapi/clear", clear_spapi),
    ("POST", "/documents/fail", fail_documents),
    ("POST", "/documents/clear", clear_documents),
    ("POST", "/aws/fail", fail_aws),
    ("POST", "/aws/clear", clear_aws),
    ("GET", "/weather", weather),
)
