"""The levers: JSON over HTTP, on a port of their own, for whoever directs the play.

Answers for: the table of levers and turning a wrong wish into an answer that says what is wrong.
Levers that make or change the world are in `making`, those that make trouble in `trouble`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amazon_emulator import answering
from amazon_emulator.faces.levers import (
    catalogue,
    contract,
    feeds,
    limits,
    making,
    orders,
    queues,
    reports,
    trouble,
    vendors,
    worlds,
)
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.stage import Stage

__all__ = ["Pulled", "face", "lever_list"]

Lever = Callable[[Stage, Wish], Any]

# By area, in the order of the list at `/`: method, path, lever. The docstring of each lever is its
# line there.
AREAS: dict[str, tuple[tuple[str, str, Lever], ...]] = {
    "Applications, partners, authorizations": making.LEVERS,
    "The world as a file": worlds.LEVERS,
    "Listings": catalogue.LEVERS,
    "Feeds and documents": feeds.LEVERS,
    "Reports": reports.LEVERS,
    "Orders and money": orders.LEVERS,
    "Vendors": vendors.LEVERS,
    "Queues and rotation": queues.LEVERS,
    "Usage plans": limits.LEVERS,
    "Amazon's models as a contract": contract.LEVERS,
    "Time, trouble, history": trouble.LEVERS,
}
LEVERS: tuple[tuple[str, str, Lever], ...] = tuple(
    lever for levers in AREAS.values() for lever in levers
)

MAX_BODY = 64_000_000  # a world travels whole, documents included


class Pulled:
    """One lever as an endpoint."""

    def __init__(self, stage: Stage, lever: Lever) -> None:
        self.stage = stage
        self.lever = lever

    async def __call__(self, request: Request) -> Response:
        try:
            body = await answering.body_of(request, MAX_BODY)
            wish = Wish.read(body, dict(request.path_params), dict(request.query_params))
            said = self.lever(self.stage, wish)
        except WrongWish as wrong:
            return answering.as_json({"error": str(wrong)}, wrong.status)
        except answering.BodyTooLarge:
            return answering.as_json({"error": "the body is larger than 64 megabytes"}, 413)
        return answering.as_json(said)


def lever_list() -> list[dict[str, str]]:
    """Every lever with its area and its line of explanation."""
    return [
        {
            "area": area,
            "method": method,
            "path": path,
            "does": " ".join((lever.__doc__ or "").split()),
        }
        for area, levers in AREAS.items()
        for method, path, lever in levers
    ]


def face(stage: Stage) -> Starlette:
    async def show(request: Request) -> Response:
        return answering.as_json(
            {
                "what": "levers of the Amazon emulator; all state is in memory",
                "addresses": stage.addresses,
                "levers": lever_list(),
            }
        )

    async def lost(request: Request, error: Exception) -> Response:
        return answering.as_json({"error": "no such lever; GET / lists them"}, 404)

    async def wrong_method(request: Request, error: Exception) -> Response:
        return answering.as_json({"error": "not with this method; GET / lists the levers"}, 405)

    routes = [Route("/", show)]
    for method, path, lever in LEVERS:
        routes.append(Route(path, Pulled(stage, lever).__call__, methods=[method]))
    return Starlette(routes=routes, exception_handlers={404: lost, 405: wrong_method})
