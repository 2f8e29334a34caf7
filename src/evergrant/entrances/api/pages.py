"""The description for people, at ``/v1/docs``, and for programs, at ``/v1/openapi.json``.

Answers for: one page of our own, made from the OpenAPI document. Nothing on it comes from another
host and nothing on it is a script, so its content security policy allows neither. Both are open to
everybody: they hold nothing of this house.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

import evergrant
from evergrant.entrances.api import document, reading

__all__ = ["OPEN_PATHS", "mount"]

_DOCS: Final = "/v1/docs"
_STYLE: Final = "/v1/docs/style.css"
_OPENAPI: Final = ("/v1/openapi.json", "/openapi.json")
_STARTS: Final = ("/v1", "/v1/")

#: Answered without an API key.
OPEN_PATHS: Final = frozenset({_DOCS, _STYLE, *_OPENAPI, *_STARTS})

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def mount(app: FastAPI) -> None:
    app.router.routes.extend(
        [
            Route(_DOCS, _docs),
            Route(_STYLE, _style),
            *(Route(path, _openapi) for path in _OPENAPI),
            *(Route(path, _start) for path in _STARTS),
        ]
    )


async def _docs(request: Request) -> Response:
    return _kept(request, _page(), "text/html; charset=utf-8", {"content-security-policy": _POLICY})


async def _style(request: Request) -> Response:
    return _kept(request, _style_sheet(), "text/css; charset=utf-8")


async def _openapi(request: Request) -> Response:
    return _kept(request, document.as_json(), "application/json")


async def _start(_: Request) -> Response:
    return RedirectResponse(_DOCS, status_code=307)


def _kept(
    request: Request, content: bytes, kind: str, headers: dict[str, str] | None = None
) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    told = {"etag": tag, "cache-control": "no-cache", **(headers or {})}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=told)
    return Response(content, headers={"content-type": kind, **told})


@cache
def _style_sheet() -> bytes:
    return files("evergrant.entrances.api").joinpath("templates/docs.css").read_bytes()


@cache
def _page() -> bytes:
    templates = Environment(
        loader=PackageLoader("evergrant.entrances.api"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["prose"] = _prose
    chapters, shapes = reading.read(document.describe())
    page = templates.get_template("docs.html").render(
        version=evergrant.__version__,
        intro=document.ABOUT.strip().split("\n\n"),
        chapters=chapters,
        shapes=shapes,
        shape_names={shape.name: shape for shape in shapes},
        problems=reading.read_problems(),
        style=_STYLE,
        openapi=_OPENAPI[0],
    )
    return page.encode()


def _prose(text: str) -> Markup:
    """The two marks that our descriptions use: code and strong."""
    shown = str(escape(text))
    for mark, tag in (("`", "code"), ("**", "strong")):
        parts = shown.split(mark)
        shown = "".join(
            part if place % 2 == 0 else f"<{tag}>{part}</{tag}>" for place, part in enumerate(parts)
        )
    return Markup(shown)  # noqa: S704  # escaped above; the two tags are ours
