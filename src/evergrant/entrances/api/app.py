"""Puts the door together.

Answers for: routes, their errors as problems, the porter in front. Does not answer for: where the
door stands (``entrances.serve``).
"""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from evergrant.desk import Desk
from evergrant.entrances import problems
from evergrant.entrances.api import document, pages
from evergrant.entrances.api.porter import Porter, Refused, request_id_of
from evergrant.entrances.api.strictness import of_validation
from evergrant.entrances.problems import Problem
from evergrant.entrances.programs import caller_of
from evergrant.errors import EvergrantError
from evergrant.settings import Settings

__all__ = ["build"]


def build(desk: Desk, settings: Settings) -> ASGIApp:
    """Everything under ``/v1`` except access tokens, and ``/openapi.json``."""
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, debug=False
    )
    app.state.desk = desk
    app.state.settings = settings
    document.mount(app)
    pages.mount(app)
    app.add_exception_handler(EvergrantError, _room_refused)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework_refused)
    app.add_exception_handler(Exception, _unexpected)

    return Porter(
        app,
        authenticate=partial(caller_of, desk),
        body_limit=settings.body_limit,
        open_paths=pages.OPEN_PATHS,
    )


def _told(request: Request, problem: Problem) -> Response:
    return Response(
        problem.body(request_id_of(request)),
        status_code=problem.status,
        headers=dict(problem.headers),
        media_type=problems.MEDIA_TYPE,
    )


async def _room_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, EvergrantError)
    takes_body = getattr(request.scope.get("route"), "body_field", None) is not None
    return _told(request, problems.of_error(error, in_query=not takes_body))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _told(request, error.problem)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _told(request, of_validation(error, request.scope.get("route")))


async def _framework_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405 and (methods := document.methods_of(request.url.path)):
        # The framework names those of the first route of that path only.
        headers["Allow"] = ", ".join(methods)
    return _told(request, problems.of_status(error.status_code, headers=headers))


async def _unexpected(request: Request, error: Exception) -> Response:
    # The framework raises it again after this answer; the porter writes it into the log.
    return _told(request, problems.unexpected())
